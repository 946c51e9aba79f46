# Waiting for objects: wait, sleeping on a latch, being poked.

cdef object thread_latches = threading.local()


cdef class ThreadLatch:
    """The latch of a thread other than the main one; given back when the thread ends."""
    cdef pr_index latch
    cdef uint64_t nonce

    def __dealloc__(self):
        if self.nonce == session_nonce and is_open and not is_forked and self.latch != PR_NONE:
            pr_latch_unclaim(&context, self.latch)


cdef pr_index my_latch() except 0:
    cdef ThreadLatch mine
    if threading.get_ident() == main_thread and not runs_many:   # else that one waits for calls
        return pr_slot_at(&context, context.slot).latch
    mine = getattr(thread_latches, "mine", None)
    if mine is None or mine.nonce != session_nonce:
        mine = ThreadLatch()
        status = pr_latch_claim(&context, &mine.latch)
        if status != PR_OK:
            raise_status(status, "cannot wait in this thread")
        mine.nonce = session_nonce
        thread_latches.mine = mine
    return mine.latch


cdef int64_t deadline_of(timeout) except -2:
    """Monotonic nanoseconds; -1: none."""
    if timeout is None:
        return -1
    cdef double seconds = timeout
    if seconds != seconds or seconds < 0:
        raise ValueError(f"timeout: expected a number of seconds >= 0, or None; got {timeout!r}")
    if seconds > 1e9:
        return -1
    return <int64_t>pr_os_monotonic_ns() + <int64_t>(seconds * 1e9)


cdef extern from "os/os.h" nogil:
    uint64_t pr_os_monotonic_ns()


cdef uint32_t wait_for(const pr_ref *refs, uint32_t count, uint32_t need, bint stop_at_error,
                       timeout, uint8_t *sealed) except? 0xFFFFFFFF:
    """Waits until `need` of the objects are sealed (or one is an error); how many are."""
    cdef pr_wait wait
    cdef uint8_t one = 0
    cdef pr_status status
    cdef int64_t deadline = deadline_of(timeout)
    memset(&wait, 0, sizeof(wait))
    wait.refs, wait.count, wait.need, wait.stop_at_error = refs, count, need, stop_at_error
    wait.sealed = sealed if sealed != NULL else &one
    status = pr_wait_poll(&context, &wait)
    if status == PR_PENDING and timeout != 0:
        if stop_at_error and timeout is None:   # a get, which needs them all
            help(refs, count)
        wait.latch = my_latch()
        status = sleep_until(&wait, deadline)
    if status != PR_OK and status != PR_PENDING:
        raise_status(status, "waiting for objects")
    return wait.ready


cdef pr_status sleep_until(pr_wait *wait, int64_t deadline) except *:
    global lending
    cdef uint64_t session = session_nonce
    cdef pr_status status
    cdef uint32_t seen = 0
    cdef bint lent = False
    cdef pr_index task = 0
    if threading.get_ident() == main_thread:
        task = holding_task or running_task
    try:
        while True:
            status = pr_wait_arm(&context, wait, &seen)
            if status != PR_PENDING:
                return status
            if task != 0 and not lending:   # a wait inside of a wait (a finaliser) lends nothing
                pr_task_lend(&context, task)
                lent = lending = True
            if not sleep_on(wait.latch, seen, deadline):
                return PR_PENDING
    finally:
        if is_same_session(session):
            pr_wait_disarm(&context, wait.latch)
            if lent:
                pr_task_reclaim(&context, task)
        if lent:
            lending = False


def lend() -> bool:
    """Lend what this task holds while it waits for others by other means than `get` and `wait`.

    Whether anything was lent; then `reclaim` takes it back.
    """
    global lending
    check_usable()
    if running_task == 0 or lending or threading.get_ident() != main_thread:
        return False
    pr_task_lend(&context, running_task)
    lending = True
    return True


def reclaim() -> None:
    """Take back what `lend` has lent."""
    global lending
    lending = False
    if running_task != 0 and is_open and not is_forked:
        pr_task_reclaim(&context, running_task)


cdef bint lending = False   # the main thread's task has lent its resources


cdef bint sleep_on(pr_index latch, uint32_t seen, int64_t deadline) except -1:
    """Sleeps until woken; looks around after every slice. False: the deadline is over, or poked.

    After a second it returns as if woken, so that no lost wake-up could last."""
    global in_core, looks_again
    cdef uint64_t session = session_nonce
    cdef int64_t now = pr_os_monotonic_ns(), look_again = now + 1_000_000_000
    cdef int64_t until = look_again if deadline < 0 else min(look_again, deadline)
    cdef int64_t slice_ns = SLICE_DRIVER_NS if supervisor_pidfd >= 0 else SLICE_WORKER_NS
    while now < until and pr_latch_sequence(&context, latch) == seen:
        in_core += 1
        with nogil:
            pr_latch_sleep(&context, latch, seen, min(slice_ns, until - now))
        in_core -= 1
        require_session(session)
        look_around()
        if poked and latch == poked_latch:
            return False
        now = pr_os_monotonic_ns()
    looks_again += now >= look_again and pr_latch_sequence(&context, latch) == seen
    return deadline < 0 or now < deadline


cdef uint64_t looks_again = 0


def looked_again() -> int:
    """How often a wait of this process found out after a second, and not by being woken (tests)."""
    return looks_again


def wait(list refs, uint32_t num_returns, timeout) -> tuple[list, list]:
    """(ready, not ready), in the order given; at most `num_returns` ready. Refuses duplicates."""
    cdef uint32_t taken = 0
    check_usable()
    cdef RefArray array = RefArray(refs, True)
    cdef Py_ssize_t count = array.count, i
    refs = array.keep
    if not mark_all(array):
        raise ValueError("Wait requires a list of unique ray_waitables.")
    wait_for(array.refs, count, num_returns, False, timeout, array.sealed)
    while taken < num_returns and array.sealed[taken]:
        taken += 1
    if taken == num_returns:   # the first ones are ready: the usual case of tasks that end in order
        return refs[:taken], refs[taken:]
    ready, rest = refs[:taken], []
    for i in range(taken, count):
        if taken < num_returns and array.sealed[i]:
            ready.append(refs[i])
            taken += 1
        else:
            rest.append(refs[i])
    return ready, rest


# The thread that serves futures waits for all of them at once, and must hear of new ones.
cdef bint poked = False
cdef pr_index poked_latch = 0

cdef extern from "shm/latch.h" nogil:
    void pr_latch_wake(pr_context *ctx, pr_index latch)


def wait_until_poked(list refs) -> list:
    """Wait until some are ready, or for `poke`; all that are ready. For one thread of a process."""
    global poked, poked_latch
    check_usable()
    cdef RefArray array = RefArray(refs)
    cdef Py_ssize_t i, count = array.count
    poked_latch = my_latch()
    try:
        if not poked:
            wait_for(array.refs, count, 1, False, None, array.sealed)
    finally:
        poked, poked_latch = False, 0   # the latch may be another thread's next
    wait_for(array.refs, count, count, False, 0, array.sealed)
    return [array.keep[i] for i in range(count) if array.sealed[i]]


def poke() -> None:
    """Have `wait_until_poked` return."""
    global poked
    poked = True
    if poked_latch != 0 and is_open and not is_forked:
        pr_latch_wake(&context, poked_latch)


cdef uint32_t mark = 0


cdef bint mark_all(RefArray array) noexcept:
    """Marks each local entry with this call's number. False: one is marked already, a duplicate."""
    global mark
    cdef Py_ssize_t i
    mark += 1
    if mark == 0:
        mark = 1
    for i in range(array.count):
        if context.local[array.refs[i].index].mark == mark:
            return False
        context.local[array.refs[i].index].mark = mark
    return True


def check_ref(ObjectRef ref) -> None:
    """Raise what `get` would raise for a reference that cannot be used here and now."""
    check_session(ref)
