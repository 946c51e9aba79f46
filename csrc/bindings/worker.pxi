# The worker's loop, and what the supervisor does to the tables.

cdef dict functions = {}          # (index, generation) of a function object -> the callable
cdef dict code_keys = {}          # the key that the code was exported with -> the same pair
cdef uint32_t FUNCTIONS_KEPT = 1000
cdef object actor_instance = None
cdef dict actor_methods = {}
cdef str current_name = ""
cdef uint64_t current_serial = 0
cdef uint32_t current_attempt = 0
cdef pr_ref current_actor
cdef uint64_t leaving_serial = 0    # of the call that wants this process's actor to end
cdef bint interruptible = False   # a task's code runs, and may be interrupted
cdef pr_ref current_result      # the first of the task's results, which names the task
cdef uint32_t current_shape = 0
cdef uint32_t actor_shape = 0
cdef bint outlives = False      # what it submits descends from a detached actor
cdef pr_ref actor_captured      # the placement group that the actor's tasks go to, or none
cdef uint64_t shown_gpus = 0
cdef object before_retry = None   # pyray.worker.execution.pause_before_retry
cdef object setup_error = None
cdef object show_gpus = None      # pyray.gpus.show


def set_setup_error(error) -> None:
    """This worker could not be set up: the first task that it takes fails with `error`."""
    global setup_error
    setup_error = error


def set_gpu_hook(function) -> None:
    """Have `function(ids)` called before a task that has other GPUs than the one before."""
    global show_gpus
    show_gpus = function


def assigned_gpus() -> list[int]:
    """Numbers, from 0, of the GPUs that the current task or actor has."""
    return [i for i in range(PR_GPU_MAX) if shown_gpus >> i & 1]


def assigned_resources() -> dict[int, int]:
    """Resource index -> 1/10000 that the current task or actor takes."""
    cdef const pr_class *c
    cdef uint32_t i, shape = current_shape or actor_shape
    check_usable()
    if shape == 0:
        return {}
    c = pr_class_at(&context, shape)
    return {c.demand[i].resource: c.demand[i].amount for i in range(c.demand_count)}


def lend_resources(*, bint lend) -> None:
    """Lend the current task's CPUs, or take them back."""
    if running_task != 0 and not lending:
        if lend:
            pr_task_lend(&context, holding_task or running_task)
        else:
            pr_task_reclaim(&context, holding_task or running_task)


def note_retry() -> None:
    """The current task begins once more, in this process."""
    global current_attempt
    current_attempt += 1


def set_retry_hook(function) -> None:
    """Have `function(tries)` called before a task that a worker's death made run again."""
    global before_retry
    before_retry = function


def current_task_id() -> bytes | None:
    """The current task's id; None outside of a task."""
    cdef Call call = get_current_call()
    cdef pr_ref result = current_result if call is None else call.taken.result
    cdef uint64_t serial = current_serial if call is None else call.taken.serial
    if serial == 0:
        return None
    cdef pr_index task = running_task if call is None else call.taken.task
    tail = task_tail(session_nonce, pr_note_at(&context, task).job)
    if result.index == PR_NONE:
        return (serial | 1 << 63).to_bytes(8, "big") + tail
    return result.index.to_bytes(4, "big") + result.generation.to_bytes(4, "big") + tail


cdef int begin_task(pr_taken *taken) except -1:
    """Notes what user code can ask about its task, and shows it its GPUs."""
    global current_shape, current_result, actor_shape, shown_gpus, captured, actor_captured
    global outlives
    current_result = taken.result
    if taken.flags & PR_TASK_OF_ACTOR:
        current_shape = 0
        captured = actor_captured
        return 0
    current_shape = taken.shape
    outlives = (taken.flags & PR_TASK_OUTLIVES) != 0
    captured.index = captured.generation = 0
    if taken.flags & PR_TASK_CAPTURES:
        captured.index = pr_class_at(&context, taken.shape).placement
        captured.generation = pr_placement_at(&context, captured.index).generation
    if taken.attempt > 1 and before_retry is not None:
        before_retry(taken.attempt - 1)
    if taken.flags & PR_TASK_CREATES_ACTOR:
        actor_shape = taken.shape if taken.flags & PR_TASK_KEEPS else 0
        actor_captured = captured
    if taken.gpus != shown_gpus and show_gpus is not None:
        shown_gpus = taken.gpus
        show_gpus(assigned_gpus())
    return 0
cdef uint32_t creation_attempt = 0


def current_task() -> tuple[str, int, int]:
    """(name, serial number, attempt) of the task that this worker runs; ("", 0, 0) if none."""
    cdef Call call = get_current_call()
    if call is not None:
        return call.task_name, call.taken.serial, call.taken.attempt
    return current_name, current_serial, current_attempt


def current_actor_handle():
    """A reference to the handle object of the actor that lives in this process, or None."""
    cdef Call call = get_current_call()
    if call is not None and call.handle is not None:
        return call.handle
    if current_actor.index == PR_NONE:
        return None
    return load_ref(current_actor.index, current_actor.generation)


cdef find_function(pr_ref ref):
    cdef pr_status status = PR_OK
    cdef bint is_error = False
    key = (<uint64_t>ref.index << 32) | ref.generation
    function = functions.get(key)
    if function is None:
        function = fetch(ref, &status, &is_error)
        if status != PR_OK:
            raise_status(status, "the task's function")
        if len(functions) >= FUNCTIONS_KEPT:
            functions.clear()
            code_keys.clear()
        code_key, function = function
        functions[key] = function
        code_keys[code_key] = key
    return function


def known_code(code_key):
    """A reference to the code with this key if this worker has run it and it exists, else None."""
    key = code_keys.get(code_key)
    if key is None or key not in functions:
        return None
    try:
        return load_ref(key >> 32, key & 0xFFFFFFFF)
    except exceptions.ReferenceCountingAssertionError:   # freed meanwhile
        return None


def retire() -> bool:
    """Have this worker end after the task that it runs; False in an actor or a driver."""
    check_usable()
    return pr_worker_retire(&context) == PR_OK


cdef int forget_functions() except -1:
    """Before sleeping: a function that nobody can call must not keep what it captured.

    The end of the last reference to one wakes all workers (PR_FLAG_CODE)."""
    cdef pr_ref ref
    cdef uint64_t key
    cdef uint32_t known = len(functions)
    for packed in list(functions) if functions else ():
        key = packed
        ref = pr_ref(<pr_index>(key >> 32), <uint32_t>key)
        if not pr_is_referenced(&context, ref):
            del functions[packed]
    if len(functions) < known:
        for code_key in [one for one, packed in code_keys.items() if packed not in functions]:
            del code_keys[code_key]
        gc.collect()   # functions and their globals are cycles, which may hold other code
    return 0


cdef unpack(pr_taken *taken):
    """(args, kwargs) of a task, with references in argument position replaced by their values."""
    cdef pr_status status = PR_OK
    cdef bint is_error = False
    if not taken.flags & ARGUMENTS_PICKLED:
        return unpack_arguments(taken.value)
    try:
        if taken.arguments.index == PR_NONE:
            packed = load(taken.value, taken.size_bytes, None, False)
        else:
            packed = fetch(taken.arguments, &status, &is_error)
    except (exceptions.RaySystemError, exceptions.ObjectLostError) as error:
        raise FailedArgument(error)
    if status != PR_OK:
        raise_status(status, "the task's arguments")
    return restore_awaited(packed)


cdef find_method(str name):
    """The actor's method of that name, as calls use it."""
    method = actor_methods[name] = wrap_method(actor_instance, name)
    return method


cdef object wrap_method = getattr   # pyray.worker.execution.actor_method


def set_method_lookup(function) -> None:
    """`function(instance, name)` returns what a call of that method calls."""
    global wrap_method
    wrap_method = function


cdef call(pr_taken *taken):
    """Runs the task's code."""
    if taken.flags & PR_TASK_OF_ACTOR:
        args, kwargs = unpack(taken)
        method = actor_methods.get(args[0])
        if method is None:
            method = find_method(args[0])
        return method(*args[1:], **kwargs)
    function = find_function(taken.function)
    args, kwargs = unpack(taken)
    if taken.flags & PR_TASK_CREATES_ACTOR:
        construct(function, args, kwargs)
        return None
    return function(*args, **kwargs)


cdef int construct(cls, tuple args, dict kwargs) except -1:
    """Makes the actor's instance; the first argument is what else its creator said, or ""."""
    global actor_instance, runs_many
    actor_instance = None
    maker = set_up_actor(cls, args[0])
    instance = cls(*args[1:], **kwargs) if maker is None else maker(*args[1:], **kwargs)
    actor_methods.clear()
    actor_instance, runs_many = instance, maker is not None
    rest_as(type(instance).__name__)
    return 0


cdef class Results:
    """The values of a task's results on their way into the store."""
    cdef list encoded
    cdef pr_value *values
    cdef pr_ref *refs
    cdef pr_failure failure

    def __cinit__(self, uint32_t count):
        self.encoded = []
        self.values = <pr_value *>PyMem_Malloc((count + 1) * (sizeof(pr_value) + sizeof(pr_ref)))
        if self.values == NULL:
            raise MemoryError()
        self.refs = <pr_ref *>(self.values + count + 1)
        if is_forked:   # the task's code has forked, and the child comes out of it
            check_usable()

    def __dealloc__(self):
        PyMem_Free(self.values)

    cdef void give_up(self) noexcept:
        """A later result could not be stored: gives back the blocks of the earlier ones."""
        cdef Py_ssize_t i
        for i in range(len(self.encoded)):
            if self.values[i].in_block:
                pr_result_abort(&context, self.refs[i])


cdef Py_ssize_t HELD_BY_STORE = 1   # references to a result that are ours


cdef int encode_result(Encoded e, value, uint32_t flags, str what, str name) except -1:
    try:
        encode(e, value, PR_INLINE_BYTES)
    except PICKLING_ERRORS as error:
        raise unfit_result(f"{what} of {name},", value, error) from error
    e.value.flags = flags
    return 0


cdef int write_result(Encoded e, pr_ref ref) except -1:
    """Writes a large value into a block of its own; the object is sealed later."""
    cdef uint64_t offset = 0
    cdef pr_status status = begin(e, &ref, True, &offset)
    if status == PR_OK:
        try:
            write_pieces(e, offset)
            status = pr_add_children(&context, ref, e.value.children, e.value.child_count)
            if status != PR_OK:
                raise_status(status, "cannot store a result")
        except BaseException:
            pr_result_abort(&context, ref)
            raise
    if status != PR_OK and status != PR_STATE:   # PR_STATE: sealed by an earlier attempt
        raise_status(status, "cannot store a result")
    e.value.in_block = 1
    e.value.child_count = 0
    return 0


cdef int store_result(Results results, pr_ref ref, value, uint32_t flags, str name) except -1:
    """Encodes one result; large ones are written to the heap, to be sealed by pr_finish."""
    cdef Encoded e = Encoded()
    if type(value) is ndarray_type and give_result(e, ref, value, HELD_BY_STORE):
        e.value.flags = flags
        results.values[len(results.encoded)] = e.value
        results.refs[len(results.encoded)] = ref
        results.encoded.append(e)
        return 0
    encode_result(e, value, flags, "the result", name)
    if e.value.size_bytes > PR_INLINE_BYTES:
        write_result(e, ref)
    results.values[len(results.encoded)] = e.value
    results.refs[len(results.encoded)] = ref
    results.encoded.append(e)
    return 0


cdef Results store_results(pr_taken *taken, value, str name):
    cdef uint32_t count = taken.result_count
    if count > 1 and type(value) is GeneratorType:
        return store_yielded(taken, value, name)
    cdef Results results = Results(count)
    if count == 1:
        store_result(results, taken.result, value, 0, name)
        return results
    if count == 0:
        return results
    values = tuple(value) if hasattr(value, "__iter__") else None
    if values is None or len(values) != count:
        found = f"an object of type {type(value).__name__}"
        if values is not None:
            found = f"{len(values)} objects"
        kind = TypeError if values is None else ValueError
        raise kind(f"Task returned {found}, but num_returns={count}.")
    try:
        store_each(results, taken, values, count, name)
    except BaseException:
        results.give_up()
        raise
    return results


cdef Results store_yielded(pr_taken *taken, generator, str name):
    """What a generator yields, as results; those that it owes are its error."""
    cdef uint32_t count = taken.result_count
    cdef list values = []
    cdef uint32_t good
    error = None
    try:
        values.extend(islice(generator, count))
    except Exception as raised:
        error = raised
    good = len(values)
    if good < count:
        if error is None:
            error = ValueError(f"Task yielded {good} objects, but num_returns={count}.")
        values += [translate_error(error, name)] * (count - good)
    cdef Results results = Results(count)
    try:
        store_each(results, taken, tuple(values), good, name)
    except BaseException:
        results.give_up()
        raise
    return results


cdef int store_each(Results results, pr_taken *taken, tuple values, uint32_t good,
                    str name) except -1:
    """Stores each of several results; all but the first `good` ones are errors."""
    cdef pr_ref refs[PR_STEP_RESULTS]
    cdef pr_ref last
    cdef uint32_t i, flags, first = 0, count = taken.result_count
    while first < count:
        share = min(count - first, <uint32_t>PR_STEP_RESULTS)
        status = pr_task_results(&context, taken.task, &last if first else NULL, refs, share)
        if status != PR_OK:
            raise_status(status, "cannot store a result")
        for i in range(share):
            flags = 0 if first + i < good else PR_FLAG_ERROR
            store_result(results, refs[i], values[first + i], flags, name)
        last = refs[share - 1]
        first += share
    return 0


cdef Results store_error(pr_taken *taken, error, str name):
    cdef Results results = Results(taken.result_count)
    if taken.result_count == 1:
        store_result(results, taken.result, error, PR_FLAG_ERROR, name)
        return results
    try:
        store_each(results, taken, (error,) * taken.result_count, 0, name)
    except BaseException:
        results.give_up()
        raise
    return results


cdef Results failure_results(pr_taken *taken, uint32_t cause):
    """Failures of the system: they fit into the table even if the store has no room."""
    cdef Results results = Results(taken.result_count)
    cdef uint32_t i
    results.failure.cause, results.failure.process_id = cause, context.process_id
    memcpy(results.failure.name, taken.name, PR_NAME_BYTES)
    if pr_cause_is_of_actor(cause):
        results.failure.actor = current_actor
    for i in range(taken.result_count):
        memset(&results.values[i], 0, sizeof(pr_value))
        results.values[i].kind, results.values[i].flags = PR_KIND_FAILURE, PR_FLAG_ERROR
        results.values[i].bytes, results.values[i].size_bytes = &results.failure, sizeof(pr_failure)
        results.encoded.append(None)
    return results


cdef inline bint is_cancelled(pr_index task) noexcept:
    """Possibly so. Without the lock: asked once for every task."""
    return (pr_task_at(&context, task).flags & PR_TASK_CANCELLED) != 0


def take_cancellation() -> bool:
    """Whether the running task is to be interrupted now; True once each time it was cancelled.

    For the handler of the signal that the supervisor sends: by then another task may run here,
    which nobody has cancelled, or none.
    """
    cdef pr_bool recursive = False
    if not interruptible or running_task == 0 or not is_open or is_forked:
        return False
    if not pr_cancel_take(&context, running_task, &recursive):
        return False
    if recursive:   # what it has submitted since it was cancelled
        status = pr_cancel_children(&context, current_serial, UINT64_MAX, False)
        if status != PR_OK:
            raise_status(status, "cancel")
    return True


def is_task_cancelled() -> bool:
    """Whether somebody has cancelled the task that this worker runs."""
    cdef Call call = get_current_call()
    cdef pr_index task = running_task if call is None else call.taken.task
    return is_open and task != 0 and pr_cancel_asked(&context, task)


cdef iterate(pr_taken *taken, translate):
    """Runs the code of a task whose results are what it yields."""
    if taken.flags & PR_TASK_STREAMS:
        return stream_items(taken, call(taken), translate, current_name)
    return collect_items(call(taken), translate, current_name)


cdef Results run(pr_taken *taken, translate):
    """Executes one task: its results, or its error as results."""
    global running_task, current_name, current_serial, current_attempt, current_actor
    global interruptible, creation_attempt
    cdef Results results
    current_name = taken.name[:strlen(taken.name)].decode("utf-8", "replace")
    current_serial, current_attempt = taken.serial, taken.attempt
    if taken.flags & PR_TASK_CREATES_ACTOR:
        current_actor, creation_attempt = taken.actor, taken.attempt
    running_task = taken.task
    show_title(taken.name)
    begin_task(taken)
    try:
        try:
            # Cancelled tasks are interrupted between this line and the one that says False again:
            # Python code that runs outside must not be. What comes too early is found here.
            interruptible = not taken.flags & (PR_TASK_OF_ACTOR | PR_TASK_CREATES_ACTOR)
            if is_cancelled(taken.task) and take_cancellation():
                raise KeyboardInterrupt
            if setup_error is not None:
                retire()   # another worker will try again
                raise setup_error
            if taken.flags & (PR_TASK_STREAMS | DYNAMIC_RESULT):
                results = store_results(taken, iterate(taken, translate), current_name)
            else:
                results = store_results(taken, call(taken), current_name)
            interruptible = False
            if leaving_serial == taken.serial:
                results.give_up()
                raise SystemExit(0)
            if is_cancelled(taken.task) and taken.flags & PR_TASK_OF_ACTOR:
                results.give_up()
                return failure_results(taken, PR_CAUSE_CANCELLED)
            return results
        except BaseException as error:
            interruptible = False
            if taken.flags & PR_TASK_CREATES_ACTOR:
                current_actor.index = PR_NONE   # this worker goes on without it
            if holding_task != 0 and isinstance(error, SystemExit):
                raise   # see Helped
            translated = translate(error, current_name)
            if leaving_serial == taken.serial:
                leave_actor()
        report_unheld(taken, translated)
        try:
            results = store_error(taken, translated, current_name)
            note_error(taken, results, translated)
            return results
        except (exceptions.ObjectStoreFullError, exceptions.OutOfDiskError):
            return failure_results(taken, PR_CAUSE_STORE_FULL)
    finally:
        interruptible = False
        running_task = 0
        current_name, current_serial, current_attempt = "", 0, 0


def worker_loop(translate, on_idle):
    """Run tasks until the session or the actor ends.

    Returns None then; when an actor was made that runs many calls at a time, it returns the list
    of those that have been taken already.

    `translate(error, task name)` makes the error to store; `on_idle()` is called before sleeping.
    """
    global current_shape, running_calls
    cdef pr_taken taken
    cdef pr_index latch = pr_slot_at(&context, context.slot).latch
    cdef uint32_t seen = pr_latch_sequence(&context, latch)
    cdef Results results
    cdef pr_status status = pr_take(&context, &taken)
    global translate_error
    translate_error = translate
    while status != PR_EXIT:
        if status == PR_OK:
            results = run(&taken, translate)
            seen = pr_latch_sequence(&context, latch)
            status = pr_finish(&context, taken.task, results.values, len(results.encoded), &taken)
            results = None
            if runs_many:
                show_rest()
                current_shape = 0
                if status == PR_OK:
                    running_calls = 1
                    return [new_call(&taken)]
                return [] if status == PR_EMPTY else None
        elif status == PR_EMPTY:
            show_rest()
            on_idle()
            forget_functions()
            with nogil:
                pr_latch_sleep(&context, latch, seen, -1)
            PyErr_CheckSignals()
            seen = pr_latch_sequence(&context, latch)
            status = pr_take(&context, &taken)
        else:
            raise_status(status, "the worker's loop")


cdef extern from "os/os.h" nogil:
    void pr_os_die_with_parent()
    void pr_os_become_subreaper()
    void pr_os_signal_thread(uint32_t process_id, int number)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    pr_os_die_with_parent()


def become_subreaper() -> None:
    """Become the parent of what descendants leave behind."""
    pr_os_become_subreaper()


# ---- supervisor ----------------------------------------------------------------------------------

def reserve_worker() -> int:
    """A slot for a worker that somebody asked for, or 0."""
    cdef pr_index slot = 0
    status = pr_worker_reserve(&context, &slot)
    if status != PR_OK and status != PR_EMPTY:
        raise_status(status, "cannot reserve a worker")
    return slot


def request_worker() -> None:
    """Ask for one more worker, whether or not there is work."""
    status = pr_worker_request(&context)
    if status != PR_OK and status != PR_EMPTY:
        raise_status(status, "cannot ask for a worker")


def trim_idle(keep: int) -> bool:
    """Ask the longest idle worker to end if more than `keep` are idle; whether one was asked."""
    return pr_worker_trim(&context, keep) == PR_OK


def sweep(
    slot: int,
    wait_status: int,
    words: str = "",
    out_of_memory: bool = False,
    free_retry: bool = False,
) -> None:
    """Give back what a dead process held.

    Failures refer to the words that say more. With `free_retry` to run its task again costs none
    of the task's retries.
    """
    cdef pr_obituary obituary
    memset(&obituary, 0, sizeof(obituary))
    obituary.wait_status = wait_status
    obituary.cause = PR_CAUSE_OUT_OF_MEMORY if out_of_memory else PR_CAUSE_WORKER_DIED
    obituary.free_retry = free_retry
    text = None
    if words:
        try:
            text = put(words)
        except exceptions.RayError:   # no room: they go without
            pass
        else:
            obituary.words = (<ObjectRef>text).ref
    status = pr_sweep_with(&context, slot, &obituary)
    if status != PR_OK:
        raise_status(status, "cannot repair after a death")


def running_serial(slot: int) -> int:
    """Serial number of the task that the dead process of this slot ran, 0 if none."""
    return pr_running_serial(&context, slot)


def workers() -> list[dict[str, Any]]:
    """What every worker that lives is doing."""
    cdef uint32_t count = 0, i
    cdef uint32_t capacity = 4096
    cdef pr_worker_view *views = <pr_worker_view *>PyMem_Malloc(capacity * sizeof(pr_worker_view))
    if views == NULL:
        raise MemoryError()
    try:
        status = pr_workers_view(&context, views, capacity, &count)
        if status != PR_OK:
            raise_status(status, "cannot look at the workers")
        return [
            {
                "slot": views[i].slot,
                "pid": views[i].process_id,
                "is_actor": views[i].is_actor,
                "is_running": views[i].is_running,
                "retries_left": views[i].retries_left,
                "started_ns": views[i].started_ns,
                "serial": views[i].serial,
                "name": views[i].name[:strlen(views[i].name)].decode("utf-8", "replace"),
            }
            for i in range(count)
        ]
    finally:
        PyMem_Free(views)


def condemn(slot: int, serial: int, is_actor: bool) -> bool:
    """Have a worker take no more tasks, since it is to be killed for the one that it was seen with.

    False: it has gone on to another. It will end after that, and must not be killed.
    """
    status = pr_worker_condemn(&context, slot, serial, is_actor)
    if status != PR_OK and status != PR_STATE:
        raise_status(status, "cannot stop a worker")
    return status == PR_OK


def kill_requested(slot: int) -> bool:
    """Whether the process of this slot is to be killed."""
    return ((pr_slot_at(&context, slot).requests & PR_REQUEST_KILL) != 0
            or pr_placement_kills(&context, slot))


def take_interrupt(slot: int) -> bool:
    """Whether the process of this slot is to be interrupted; True once for each request."""
    return pr_interrupt_take(&context, slot)


def interrupt(process_id: int, signal_number: int) -> None:
    """Send a signal to the main thread of a process."""
    pr_os_signal_thread(process_id, signal_number)


def signal_requests() -> int:
    """How many kills and interrupts have been asked for since the session began."""
    return pr_engine_root(&context).signal_requests
