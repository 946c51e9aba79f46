# put, get, submit.

cdef object failure_to_exception = None   # pyray.errors.failures.exception_of
cdef object unreadable_value = None       # pyray.errors.failures.unreadable
cdef object unfit_result = None           # pyray.serialization.not_serializable


def set_failure_translator(function) -> None:
    """For errors of the system: `function(cause, pid, wait_status, ran_ms, name, detail, actor)`.

    `actor` is (id in hex, namespace, name), of one without a name two empty texts; None for a task.
    """
    global failure_to_exception
    failure_to_exception = function


def set_value_errors(unreadable, unfit) -> None:
    """For values that cannot be loaded or pickled: `unreadable(error, is_error)`,
    `unfit(what, value, error)`."""
    global unreadable_value, unfit_result
    unreadable_value, unfit_result = unreadable, unfit


# ---- put -----------------------------------------------------------------------------------------

cdef pr_status begin(Encoded e, pr_ref *result, bint is_result, uint64_t *offset) except *:
    """Claims a block, and makes room for it when the store is full."""
    cdef pr_status status
    cdef Patience patience
    memset(&patience, 0, sizeof(patience))
    while True:
        if is_result:
            status = pr_result_begin(&context, result[0], e.value.size_bytes, offset)
        else:
            status = pr_put_begin(&context, e.value.size_bytes, result, offset)
        if status != PR_FULL:
            return status
        if not make_room(e.value.size_bytes, &patience, True):
            raise_full(e.value.size_bytes, &patience)


def put(value) -> ObjectRef:
    """Store a value; the caller gets the first reference to it."""
    cdef Encoded e = Encoded()
    check_usable()
    cdef uint64_t session = session_nonce
    encode(e, value, PR_INLINE_BYTES)
    require_session(session)
    return put_encoded(e)


def put_error(error) -> ObjectRef:
    """Store an error: whoever gets the reference has it raised."""
    cdef Encoded e = Encoded()
    check_usable()
    cdef uint64_t session = session_nonce
    encode_pickle(e, error, PR_INLINE_BYTES)
    e.value.flags = PR_FLAG_ERROR
    require_session(session)
    return put_encoded(e)


def put_code(code) -> tuple[ObjectRef, int]:
    """Store a function or class by value; its reference and its size in bytes."""
    cdef Encoded e = Encoded()
    check_usable()
    cdef uint64_t session = session_nonce
    encode_pickle(e, code, PR_INLINE_BYTES)
    e.value.flags |= PR_FLAG_CODE
    require_session(session)
    return put_encoded(e), e.value.size_bytes


# ---- get -----------------------------------------------------------------------------------------

cdef fetch(pr_ref ref, pr_status *status, bint *is_error):
    """The value, or the error that is the value; None when *status is not PR_OK."""
    cdef pr_fetched fetched
    cdef pr_bool pinned = 0
    status[0] = pr_get(&context, ref, PIN_FROM_BYTES, &fetched, &pinned)
    if status[0] != PR_OK:
        return fetch_spilled(ref, status, is_error) if status[0] == PR_SPILLED_OUT else None
    is_error[0] = (fetched.flags & PR_FLAG_ERROR) != 0
    if is_error[0]:
        pr_mark_read(&context, ref)
    if fetched.bytes != NULL:
        if pinned:
            return value_of(
                fetched.kind, new_view(ref, fetched.bytes, fetched.size_bytes), is_error[0])
        owner = PyBytes_FromStringAndSize(<const char *>fetched.bytes, fetched.size_bytes)
        if not pr_get_held(&context, &fetched):   # the bytes may be another object's by now
            return fetch_spilled(ref, status, is_error)
        return value_of(fetched.kind, owner, is_error[0])
    return small_value(&fetched, is_error[0])


cdef small_value(pr_fetched *fetched, bint is_error):
    cdef const uint8_t *at = fetched.value
    if fetched.kind == PR_KIND_FAILURE:
        return failure_of(<const pr_failure *>at)
    if fetched.kind == KIND_PICKLE5:
        return load(at, fetched.size_bytes, None, is_error)
    return decode(fetched.kind, at, fetched.size_bytes, None)


cdef value_of(uint32_t kind, owner, bint is_error):
    """The value of bytes that `owner`, a View or a bytes object, keeps."""
    cdef const uint8_t *at
    cdef uint64_t size
    if type(owner) is View:
        at, size = (<View>owner).bytes, (<View>owner).size
    else:
        at, size = <const uint8_t *>PyBytes_AS_STRING(owner), PyBytes_GET_SIZE(owner)
    if kind == KIND_PICKLE5:
        return load(at, size, owner, is_error)
    return decode(kind, at, size, owner)


cdef load(const uint8_t *at, uint64_t size, owner, bint is_error):
    """The value of a pickle; what users' code raises while it is loaded is named as such."""
    try:
        return decode_pickle(at, size, owner)
    except exceptions.RayError:
        raise
    except Exception as error:
        raise unreadable_value(error, is_error) from error


cdef failure_of(const pr_failure *failure):
    cdef pr_status status = PR_OK
    cdef bint is_error = False
    detail = None
    if failure.detail.index != PR_NONE:
        detail = fetch(failure.detail, &status, &is_error)
    name = failure.name[:strlen(failure.name)].decode("utf-8", "replace")
    ran_ms, actor = failure.ran_ms, None
    if pr_cause_is_of_actor(failure.cause):
        ran_ms = 0
        if failure.actor.index != PR_NONE:
            actor = names_of_ended(failure.actor)
    return failure_to_exception(
        failure.cause, failure.process_id, failure.wait_status, ran_ms, name, detail, actor
    )


cdef str actor_id(pr_ref handle, uint32_t job):
    nonce = (session_nonce & NONCE_BITS) >> 32
    job_id = job.to_bytes(4, "little").hex()
    return f"{handle.index:08x}{handle.generation:08x}{nonce:08x}{job_id}"


cdef fetch_argument(pr_ref ref):
    """The value of a task's argument, sealed since before the task started and held by the task."""
    cdef pr_status status = PR_OK
    cdef bint is_error = False
    try:
        value = fetch(ref, &status, &is_error)
    except (exceptions.RaySystemError, exceptions.ObjectLostError) as error:
        raise FailedArgument(error)
    if status != PR_OK:
        raise_status(status, "an argument of the task")
    if is_error:
        raise FailedArgument(value)
    return value


class FailedArgument(Exception):
    """An argument's task failed; `args[0]` is its error."""


def free_value(ObjectRef ref) -> bool:
    """Give up the value of a reference, in all processes; False if there is none yet."""
    check_session(ref)
    status = pr_free_value(&context, ref.ref)
    if status != PR_OK and status != PR_STATE:
        raise_status(status, repr(ref))
    return status == PR_OK


cdef object raise_error(error):
    as_cause = getattr(error, "as_instanceof_cause", None)
    raise error if as_cause is None else as_cause()


def get_one(ObjectRef ref, timeout):
    """The value of one reference. `timeout` in seconds, None: no limit. Raises the task's error."""
    cdef pr_status status = PR_OK
    cdef bint is_error = False
    check_session(ref)
    cdef uint64_t session = session_nonce
    value = fetch(ref.ref, &status, &is_error)
    if status == PR_PENDING:
        if wait_for(&ref.ref, 1, 1, True, timeout, NULL) == 0:
            raise exceptions.GetTimeoutError(
                f"get timed out after {timeout} s: {ref!r} is not ready."
            )
        require_session(session)
        value = fetch(ref.ref, &status, &is_error)
    if status != PR_OK:
        raise_status(status, repr(ref))
    if is_error:
        raise_error(value)
    return value


def get_many(list refs, timeout) -> list:
    """The values of a list of references; raises as soon as one of them is an error."""
    cdef Py_ssize_t i
    cdef pr_status status = PR_OK
    cdef bint is_error = False
    check_usable()
    cdef uint64_t session = session_nonce
    cdef RefArray array = RefArray(refs)
    wait_for_all(distinct(array), timeout)
    values = [None] * array.count
    for i in range(array.count):
        require_session(session)   # the values before may have run user code
        value = fetch(array.refs[i], &status, &is_error)
        if status != PR_OK:
            raise_status(status, repr(array.keep[i]))
        if is_error:
            raise_error(value)
        values[i] = value
    return values


cdef int wait_for_all(RefArray array, timeout) except -1:
    """Returns when all are ready; raises the first error there is, or that time is over."""
    cdef uint32_t count = array.count, ready, i
    cdef pr_status status = PR_OK
    cdef bint is_error = False
    ready = wait_for(array.refs, count, count, True, timeout, array.sealed)
    if ready >= count:
        return 0
    for i in range(count):
        if array.sealed[i] == 2:
            raise_error(fetch(array.refs[i], &status, &is_error))
    raise exceptions.GetTimeoutError(
        f"get timed out after {timeout} s: {count - ready} of {count} objects are not ready."
    )


cdef RefArray distinct(RefArray array):
    """The same references, each once: waiting counts objects, not mentions."""
    return array if mark_all(array) else RefArray(list(dict.fromkeys(array.keep)))


cdef class RefArray:
    """References as the core reads them, and a byte each for its answer.

    It keeps its own list: the caller's may change while the GIL is released."""
    cdef pr_ref *refs
    cdef uint8_t *sealed
    cdef list keep
    cdef Py_ssize_t count

    def __cinit__(self, list given, bint waits=False):
        cdef list refs = list(given)
        cdef Py_ssize_t count = len(refs), i
        self.keep, self.count = refs, count
        self.refs = <pr_ref *>PyMem_Malloc(count * (sizeof(pr_ref) + 1) + 1)
        if self.refs == NULL:
            raise MemoryError()
        self.sealed = <uint8_t *>(self.refs + count)
        memset(self.sealed, 0, count)
        for i in range(count):
            ref = refs[i]
            if type(ref) is not ObjectRef:
                raise_not_ref(ref, waits)
            if (<ObjectRef>ref).nonce != session_nonce:
                check_session(ref)
            self.refs[i] = (<ObjectRef>ref).ref

    def __dealloc__(self):
        PyMem_Free(self.refs)


cdef int raise_not_ref(value, bint waits) except -1:
    if waits:
        raise TypeError(
            "wait() expected a list of ray.ObjectRef or ray.ObjectRefGenerator, "
            f"got list containing {type(value)}"
        )
    raise TypeError(
        f"Attempting to call `get` on the value {value!r}, which is not an ray.ObjectRef."
    )


# ---- submit --------------------------------------------------------------------------------------

cdef pr_ref captured   # the placement group that the current task's tasks go to, or none


cdef class Template:
    """Everything of a submission that does not change from call to call."""

    cdef pr_submission fixed
    cdef pr_actor_plan plan
    cdef readonly ObjectRef function
    cdef readonly ObjectRef actor
    cdef readonly str method
    cdef object keep
    cdef uint64_t nonce
    cdef bint inherits   # goes to the placement group that captures the tasks of the current one

    def __init__(self, ObjectRef function, str name, uint32_t num_returns, uint32_t shape,
                 int retries, *, ObjectRef actor=None, str method=None, bint creates_actor=False,
                 bint keeps_resources=False, bint borrowed=False, uint32_t group=0,
                 uint32_t most_calls=0, bint streams=False, uint32_t stream_limit=0,
                 bint dynamic=False, tuple placement=(0, 0), bint captures=False,
                 bint inherits=False, uint32_t label=0, bint records=True):
        check_session(function)
        self.fixed.placement.index, self.fixed.placement.generation = placement
        self.inherits = inherits
        if captures:
            self.fixed.flags |= PR_TASK_CAPTURES
        self.function = None if borrowed else function   # borrowed: known because it runs here
        self.actor = None if borrowed else actor
        self.method, self.nonce = method, session_nonce
        self.fixed.function = function.ref
        self.fixed.result_count, self.fixed.shape, self.fixed.retries = num_returns, shape, retries
        self.fixed.most_calls = most_calls
        copy_name(self.fixed.name, name)
        self.fixed.label = label if records else 0
        self.plan.label = label
        if actor is not None:
            check_session(actor)
            self.fixed.actor = actor.ref
            self.fixed.flags |= PR_TASK_OF_ACTOR | group << PR_GROUP_SHIFT
        if streams:
            self.fixed.flags |= PR_TASK_STREAMS
            self.fixed.stream_limit = stream_limit
        if dynamic:
            self.fixed.flags |= DYNAMIC_RESULT
        if creates_actor:
            self.fixed.flags |= PR_TASK_CREATES_ACTOR | (PR_TASK_KEEPS if keeps_resources else 0)
            self.fixed.plan = &self.plan

    def plan_actor(self, str namespace, str name, ObjectRef about, *, bint detached,
                   bint out_of_order, uint32_t groups, int restarts) -> None:
        """Say more about the actor to be created; without a name (None) `about` is not needed."""
        self.plan.restarts, self.plan.groups = restarts, groups
        self.plan.flags = ((PR_ACTOR_DETACHED if detached else 0)
                           | (PR_ACTOR_OUT_OF_ORDER if out_of_order else 0))
        if detached:
            self.fixed.flags |= PR_TASK_OUTLIVES
        if name is not None:
            self.keep = name_text(namespace, name, &self.plan.name), about
            self.plan.about = about.ref

    @property
    def is_current(self) -> bool:
        """Whether it belongs to the session that is open now, and its code still exists."""
        if self.nonce != session_nonce or not is_open:
            return False
        if self.inherits and (self.fixed.placement.index != captured.index
                              or self.fixed.placement.generation != captured.generation):
            return False
        return self.function is not None or pr_is_referenced(&context, self.fixed.function)

    def submit(self, tuple args, dict kwargs):
        """One ObjectRef, or a list when num_returns is not 1; (handle, result) of a new actor; the
        generator of a stream."""
        check_usable()
        if self.nonce != session_nonce:
            raise ValueError(
                f"{self.fixed.name.decode()} belongs to an earlier session, which was shut down."
            )
        cdef pr_submission s = self.fixed
        s.parent = serial_of_call() if runs_many else current_serial
        if outlives:
            s.flags |= PR_TASK_OUTLIVES
        cdef uint8_t packed[SMALL_BYTES]
        cdef pr_ref awaited[MOST_AWAITED]
        cdef pr_ref one
        s.size_bytes = pack_arguments(packed, self.method, args, kwargs)
        s.results = &one
        if s.size_bytes == 0:
            return self.submit_pickled(&s, args, kwargs)
        s.value = packed
        s.awaited_count = list_awaited(packed, awaited)
        s.awaited = awaited
        if s.result_count != 1:
            return self.send(&s)
        status = pr_submit(&context, &s)
        if status != PR_OK:
            self.raise_refusal(status)
        if s.flags & (PR_TASK_CREATES_ACTOR | PR_TASK_STREAMS):
            return special_result(&s, wrap(one))
        return wrap(one)

    cdef int raise_refusal(self, pr_status status) except -1:
        if status == PR_LIMIT:
            raise exceptions.PendingCallsLimitExceeded(
                f"{self.fixed.name.decode()}: {self.fixed.most_calls} calls of this actor are "
                "pending, as many as its max_pending_calls allows."
            )
        if status == PR_STATE and self.keep is not None:
            raise exceptions.ActorAlreadyExistsError("the name is taken")
        if status == PR_STALE and self.fixed.placement.index != PR_NONE:
            if self.fixed.flags & PR_TASK_CREATES_ACTOR:
                raise exceptions.ActorPlacementGroupRemoved()
            raise exceptions.TaskPlacementGroupRemoved()
        raise_status(status, "cannot submit the task")

    cdef submit_pickled(self, pr_submission *s, tuple args, dict kwargs):
        cdef Encoded e = Encoded()
        cdef uint64_t session = session_nonce
        packed, awaited = separate_awaited(self.method, args, kwargs)
        cdef RefArray array = RefArray(awaited)
        encode_pickle(e, packed, PR_TASK_INLINE)
        require_session(session)
        s.awaited, s.awaited_count = array.refs, len(awaited)
        s.flags |= ARGUMENTS_PICKLED
        if e.value.size_bytes <= PR_TASK_INLINE:
            s.value, s.size_bytes = e.small, e.value.size_bytes
            s.captured, s.captured_count = e.value.children, e.value.child_count
            return self.send(s)
        arguments = put_encoded(e)
        s.arguments = (<ObjectRef>arguments).ref
        return self.send(s)   # `arguments` is held by the task from here on

    cdef send(self, pr_submission *s):
        cdef uint32_t i, count = s.result_count
        cdef pr_ref *results = <pr_ref *>PyMem_Malloc((count + 1) * sizeof(pr_ref))
        if results == NULL:
            raise MemoryError()
        try:
            s.results = results
            status = pr_submit(&context, s)
            if status != PR_OK:
                self.raise_refusal(status)
            refs = [wrap(results[i]) for i in range(count)]
        finally:
            PyMem_Free(results)
        if s.flags & (PR_TASK_CREATES_ACTOR | PR_TASK_STREAMS):
            return special_result(s, refs[0])
        return refs[0] if count == 1 else refs or None


cdef special_result(pr_submission *s, ObjectRef result):
    return stream_of(s, result) if s.flags & PR_TASK_STREAMS else (wrap(s.actor), result)


cdef uint32_t list_awaited(const uint8_t *packed, pr_ref *awaited) noexcept:
    """The references in argument position of packed arguments, in order."""
    cdef const uint8_t *p = packed + 2
    cdef uint32_t i, count = 0
    for i in range(packed[0] + 2 * <uint32_t>packed[1]):
        if p[0] == KIND_AWAITED:
            memcpy(&awaited[count], p + 2, sizeof(pr_ref))
            count += 1
        p += 2 + p[1]
    return count


cdef ObjectRef put_encoded(Encoded e):
    """Stores a value: in one transaction when it fits the table, else through the heap."""
    cdef pr_ref ref
    cdef uint64_t offset = 0
    cdef pr_status status
    if e.value.size_bytes <= PR_INLINE_BYTES:
        status = pr_put_inline(&context, &e.value, &ref)
        if status != PR_OK:
            raise_status(status, "put")
        return wrap(ref)
    status = begin(e, &ref, False, &offset)
    if status != PR_OK:
        raise_status(status, "put")
    session = session_nonce
    try:
        write_pieces(e, offset)
        status = pr_put_end(&context, ref, &e.value)
        if status != PR_OK:
            raise_status(status, "put")
    except BaseException:
        if is_same_session(session):
            pr_put_abort(&context, ref)
        raise
    return wrap(ref)


def environment_of(digest: bytes, ObjectRef description) -> int:
    """The number of the environment with this hash of 16 bytes; the first description is kept."""
    cdef uint64_t[2] hash_
    cdef pr_index environment = 0
    check_session(description)
    memcpy(hash_, PyBytes_AS_STRING(digest), 16)
    status = pr_session_environment(&context, hash_, description.ref, &environment)
    if status == PR_TABLE_FULL:
        raise exceptions.RaySystemError("A session has room for 1,023 different runtime_envs.")
    if status != PR_OK:
        raise_status(status, "runtime_env")
    return environment


def my_environment():
    """(number, description) of the environment that this worker is for; None if the job's."""
    cdef pr_ref ref
    cdef pr_index environment = pr_slot_at(&context, context.slot).environment
    if environment == PR_NONE:
        return None
    status = pr_environment_description(&context, environment, &ref)
    if status != PR_OK:
        raise_status(status, "runtime_env")
    return environment, get_one(load_ref(ref.index, ref.generation), None)


def cancel_task(ObjectRef ref, *, bint force, bint recursive) -> None:
    """Cancel the task that produces this object, and what it has submitted; see engine/cancel.h."""
    check_session(ref)
    status = pr_cancel(&context, ref.ref, force, recursive)
    if status == PR_STATE:
        raise ValueError("force=True is not supported for actor tasks.")
    if status != PR_OK:
        raise_status(status, "cancel")
