# Actors: their names, and the calls of those that run many at a time.

from contextvars import ContextVar

current_call = ContextVar("pyray_current_call", default=None)   # of such an actor's call
cdef object get_current_call = current_call.get
cdef object set_up_actor = None


def on_actor_class(function) -> None:
    """`function(class, settings)` returns what runs the constructor, or None for the plain way."""
    global set_up_actor
    set_up_actor = function


# ---- names ---------------------------------------------------------------------------------------

cdef bytes name_text(str namespace, str name, pr_actor_name *target):
    """The bytes of a name, which the caller keeps as long as `target` is in use."""
    space, own = namespace.encode(), name.encode()
    if len(space) + len(own) > PR_NAME_TEXT:
        raise ValueError(
            f"name: namespace and name have {len(space) + len(own)} bytes in UTF-8 together; "
            f"at most {PR_NAME_TEXT} are possible."
        )
    text = space + own
    target.text = <const uint8_t *>PyBytes_AS_STRING(text)
    target.space_size, target.name_size = len(space), len(own)
    return text


def find_actor(str namespace, str name):
    """((index, generation) of the handle object, what its creator said about it), or None."""
    cdef pr_actor_name wanted
    cdef pr_ref handle, about
    check_usable()
    text = name_text(namespace, name, &wanted)
    status = pr_name_find(&context, &wanted, &handle, &about)
    if status == PR_EMPTY:
        return None
    if status != PR_OK:
        raise_status(status, "looking for an actor")
    try:
        return (handle.index, handle.generation), load_ref(about.index, about.generation)
    except exceptions.ReferenceCountingAssertionError:   # it died meanwhile
        return None
    finally:
        del text


def actor_names() -> list[tuple[str, str]]:
    """(namespace, name) of all that have a name."""
    cdef pr_name entry
    cdef uint32_t after = 0
    cdef const char *text = <const char *>entry.text
    found = []
    check_usable()
    while True:
        status = pr_name_next(&context, &after, &entry)
        if status == PR_EMPTY:
            return found
        if status != PR_OK:
            raise_status(status, "listing actors")
        space = text[:entry.space_size]
        own = text[entry.space_size:entry.space_size + entry.name_size]
        found.append((space.decode(), own.decode()))


def ref_key(ObjectRef ref) -> tuple[int, int]:
    """(index, generation) of the object: what `load_ref` takes."""
    return ref.ref.index, ref.ref.generation


def kill_actor(ObjectRef handle, *, bint no_restart=True) -> None:
    """Have the actor's process killed; unless `no_restart`, it restarts if any restart is left."""
    check_session(handle)
    status = pr_actor_kill(&context, handle.ref, no_restart)
    if status != PR_OK:
        raise_status(status, "kill")


def leave_actor() -> None:
    """The actor of this process takes no more calls and does not restart."""
    if is_forked:
        check_usable()
    if current_actor.index != PR_NONE:
        status = pr_actor_leave(&context, current_actor)
        if status != PR_OK and status != PR_STALE:
            raise_status(status, "leaving")


def ask_to_leave() -> None:
    """The actor ends with the running call, whatever the call's code does from here on.

    Asked by a thread of the actor's own, which runs no call, it ends after those that run.
    """
    global leaving_serial
    cdef Call call = get_current_call()
    if call is not None:
        call.is_leaving = True
    elif runs_many or current_serial == 0:
        leave_actor()
    else:
        leaving_serial = current_serial


def is_leaving() -> bool:
    """Whether the running call's code has asked for the end of its actor."""
    cdef Call call = get_current_call()
    if call is not None:
        return call.is_leaving
    return current_serial != 0 and leaving_serial == current_serial


def retry_now() -> bool:
    """Whether the running call may run again after an exception; takes one of its retries."""
    cdef Call call = get_current_call()
    task = call.taken.task if call is not None else running_task
    return task != 0 and pr_task_retry(&context, task) == PR_OK


def actor_restarted() -> bool:
    """Whether the actor of this process has been created before, in a process that died."""
    return current_actor.index != PR_NONE and creation_attempt > 1


def current_instance():
    """The actor's instance that lives in this process, or None."""
    cdef Call call = get_current_call()
    return actor_instance if call is None or call.handle is None else call.instance


def actor_repr() -> str:
    """What the actor calls itself; "" without an actor, or when its `__repr__` is broken."""
    instance = current_instance()
    if instance is None:
        return ""
    try:
        return repr(instance)
    except Exception:  # user code: its error must not hide the one that is being reported
        return ""


def has_actor() -> bool:
    """Whether an actor lives in this process."""
    return current_instance() is not None


# ---- many calls at a time ------------------------------------------------------------------------

cdef class Call:
    """One call that this process has taken."""
    cdef pr_taken taken
    cdef Results results
    cdef readonly uint32_t group
    cdef public object handle, instance   # of the actor, where a process has several
    cdef readonly bint is_leaving         # its code has asked for the end of the actor

    @property
    def task_name(self) -> str:
        """Class.method."""
        return self.taken.name[:strlen(self.taken.name)].decode("utf-8", "replace")

    def unpack(self) -> tuple:
        """(method, args, kwargs), the method first looked up on the instance."""
        show_title(self.taken.name)
        args, kwargs = unpack(&self.taken)
        if self.handle is not None:
            return wrap_method(self.instance, args[0]), args[1:], kwargs
        method = actor_methods.get(args[0])
        if method is None:
            method = find_method(args[0])
        return method, args[1:], kwargs

    def arguments(self) -> tuple:
        """(args, kwargs)."""
        return unpack(&self.taken)

    def store(self, value) -> None:
        """Encode the results; of a stream or a dynamic result, what the value yields.

        Raises:
            SystemExit: If the code has asked for the end of the actor: the call has no results.
        """
        if self.taken.flags & PR_TASK_STREAMS:
            stream_items(&self.taken, value, translate_error, self.task_name)
            self.leave_if_asked()
            self.end_stream()
            return
        refs = None
        if self.taken.flags & DYNAMIC_RESULT:
            refs = collect_items(value, translate_error, self.task_name)
        self.leave_if_asked()
        if refs is not None:
            self.results = store_results(&self.taken, refs, self.task_name)
        else:   # no other name for the value: see HELD_BY_STORE
            self.results = store_results(&self.taken, value, self.task_name)

    def leave_if_asked(self) -> None:
        """Raise SystemExit if the code has asked for the end of the actor."""
        if self.is_leaving:
            raise SystemExit(0)

    @property
    def is_stream(self) -> bool:
        """Whether its items are published while it runs."""
        return (self.taken.flags & PR_TASK_STREAMS) != 0

    @property
    def published(self) -> int:
        """How many items earlier attempts have published."""
        return self.taken.published

    def publish(self, value, *, bint is_error=False) -> bool:
        """Publish an item of its stream, whether there is room or not; False: nobody wants more."""
        return publish_item(&self.taken, value, PR_FLAG_ERROR if is_error else 0, self.task_name)

    def room(self) -> bool | None:
        """Whether another item may be published; None: not now, `sleep_for_calls` will return when.

        False: nobody wants more.
        """
        if self.taken.stream_limit == 0:
            return True
        status = pr_stream_room(&context, self.taken.task, pr_slot_at(&context, context.slot).latch)
        return None if status == PR_EMPTY else status == PR_OK

    def end_stream(self) -> None:
        """All items are published: encode the result of the call itself."""
        self.results = store_results(&self.taken, None, self.task_name)

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has cancelled it."""
        return is_cancelled(self.taken.task)

    def cancel(self) -> None:
        """Its results are that it was cancelled."""
        if self.results is not None:
            self.results.give_up()
        self.results = failure_results(&self.taken, PR_CAUSE_CANCELLED)

    def leave(self) -> None:
        """Its results are that the actor has ended by its own wish."""
        self.results = failure_results(&self.taken, PR_CAUSE_ACTOR_EXITED)

    def fail(self, error) -> None:
        """Encode an error, which stands for all results."""
        try:
            self.results = store_error(&self.taken, error, self.task_name)
            note_error(&self.taken, self.results, error)
        except (exceptions.ObjectStoreFullError, exceptions.OutOfDiskError):
            self.results = failure_results(&self.taken, PR_CAUSE_STORE_FULL)


cdef uint64_t serial_of_call() noexcept:
    cdef Call call = get_current_call()
    return 0 if call is None else call.taken.serial


def newly_cancelled(running) -> list:
    """Those of the calls that run here which have been cancelled since this was asked last."""
    cdef pr_bool recursive = False
    cdef pr_index task
    cdef Call call
    found = []
    by_task = None
    while True:
        task = pr_cancel_next(&context)
        if task == PR_NONE:
            return found
        if by_task is None:
            by_task = {(<Call>one).taken.task: one for one in running}
        call = by_task.get(task)
        if not pr_cancel_take(&context, task, &recursive) or call is None:
            continue
        found.append(call)
        if recursive:   # what it has submitted since it was cancelled
            status = pr_cancel_children(&context, call.taken.serial, UINT64_MAX, False)
            if status != PR_OK:
                raise_status(status, "cancel")


cdef new_call(pr_taken *taken):
    cdef Call call = Call.__new__(Call)
    call.taken = taken[0]
    call.group = taken.flags >> PR_GROUP_SHIFT
    return call


cdef uint32_t children_of(Results results) noexcept:
    cdef uint32_t total = 0
    cdef Py_ssize_t i
    for i in range(len(results.encoded)):
        total += results.values[i].child_count
    return total


cdef uint32_t choose_ended(list ended, pr_ended *chosen) except? 0xFFFFFFFF:
    """The first calls of the list that go into one transaction; takes them off."""
    cdef uint32_t count = 0, children = 0, sealed, result_count
    cdef Call call
    for call in ended:
        if count == PR_EXCHANGE_MAX:
            break
        children += children_of(call.results)
        if count > 0 and children > 32:
            break
        result_count, sealed = len(call.results.encoded), 0
        if result_count > 1:
            status = pr_seal_first(&context, call.taken.task, call.results.values, result_count,
                                   &sealed)
            if status != PR_OK:
                raise_status(status, "storing results")
        chosen[count].task = call.taken.task
        chosen[count].result_count = result_count - sealed
        chosen[count].results = call.results.values + sealed
        count += 1
    return count


cdef int64_t running_calls = 0   # that `exchange` has taken and not ended


def exchange(list ended, list free_of, uint32_t room) -> tuple[list, bool]:
    """End calls, which `ended` then holds no more, and take at most `room` new ones.

    `free_of[i]` says how many of group i. Returns (new calls, whether the process should end).
    """
    cdef pr_ended chosen[PR_EXCHANGE_MAX]
    cdef pr_taken taken[PR_EXCHANGE_MAX]
    cdef uint32_t limits[PR_GROUP_MAX]
    cdef uint32_t count, taken_count, i
    cdef bint leaving = False
    global running_calls
    check_usable()
    new = []
    memset(limits, 0, sizeof(limits))
    for i in range(len(free_of)):
        limits[i] = free_of[i]
    while True:
        count = choose_ended(ended, chosen) if ended else 0
        status = pr_exchange(&context, chosen, count, limits, taken,
                             min(room, <uint32_t>PR_EXCHANGE_MAX), &taken_count)
        if status != PR_OK and status != PR_EXIT:
            raise_status(status, "the actor's loop")
        leaving = status == PR_EXIT
        running_calls += <int64_t>taken_count - count
        if count:
            del ended[:count]
        for i in range(taken_count):
            call = new_call(&taken[i])
            limits[(<Call>call).group] -= 1
            new.append(call)
        room -= taken_count
        if not ended and (taken_count < PR_EXCHANGE_MAX or room == 0):
            if running_calls == 0:
                show_rest()
            return new, leaving


def call_sequence() -> int:
    """The sequence of this process's latch: read it before looking for calls, then sleep on it."""
    return pr_latch_sequence(&context, pr_slot_at(&context, context.slot).latch)


def sleep_for_calls(uint32_t seen) -> None:
    """Sleep until calls come, or something else happened since `seen` was read."""
    global in_core
    cdef pr_index latch = pr_slot_at(&context, context.slot).latch
    in_core += 1
    with nogil:
        pr_latch_sleep(&context, latch, seen, -1)
    in_core -= 1


def wake_sleeper() -> None:
    """Have `sleep_for_calls` return."""
    pr_latch_wake(&context, pr_slot_at(&context, context.slot).latch)
