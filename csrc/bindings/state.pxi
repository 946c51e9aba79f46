# The process's one session.
#
# C state of the module: the context and a few words beside it. A process has at most one session at
# a time; its nonce names it, so that an ObjectRef of an earlier one does nothing.

cdef extern from "<pthread.h>" nogil:
    int pthread_atfork(void (*prepare)() noexcept nogil, void (*parent)() noexcept nogil,
                       void (*child)() noexcept nogil)

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    enum: POLLIN
    int poll(pollfd *fds, unsigned long count, int timeout_ms)

cdef extern from "pyray_core.h" nogil:
    void pr_latch_wake_all(pr_context *ctx)
    void pr_os_sleep_ns(uint64_t duration_ns)

cdef pr_context context
cdef pr_failpoints failpoints
cdef bint is_open = False
cdef bint is_forked = False      # this process is a user's fork: it must not touch the session
cdef int supervisor_pidfd = -1   # driver: tells when the session's supervisor is gone
cdef bint supervisor_gone = False
cdef int in_core = 0             # threads inside the core without the GIL
cdef uint64_t session_nonce = 0  # with the number of this attachment in its upper bits
cdef uint64_t NONCE_BITS = (<uint64_t>1 << 48) - 1
cdef uint64_t attachments = 0    # sessions that this process has made or joined
cdef pr_index running_task = 0   # worker: the task its main thread executes
cdef unsigned long main_thread = 0
cdef bint runs_many = False      # worker: its actor runs many calls at a time
cdef int64_t SLICE_DRIVER_NS = 50_000_000    # how long a wait sleeps before it looks around
cdef int64_t SLICE_WORKER_NS = 1_000_000_000


cdef void note_fork() noexcept nogil:
    global is_forked
    if is_open:
        is_forked = True

pthread_atfork(NULL, NULL, note_fork)


cdef int check_usable() except -1:
    if is_forked:
        raise exceptions.ForkedProcessError(
            "This process was forked from one that uses pyray, and cannot use that session. "
            "Start it with multiprocessing's 'spawn' method, or make the work a pyray task."
        )
    if not is_open:
        raise exceptions.RaySystemError("pyray has not been started: call ray.init() first.")
    if supervisor_gone:
        raise_supervisor_gone()
    return 0


cdef inline bint is_same_session(uint64_t nonce) noexcept:
    """Whether the session with this nonce is still open: another thread may have ended it."""
    return is_open and not is_forked and session_nonce == nonce


cdef inline int require_session(uint64_t nonce) except -1:
    """After user code ran, or the GIL was released: is the session that was in use still there?"""
    if not is_same_session(nonce):
        raise_session_changed()
    return 0


cdef int raise_session_changed() except -1:
    if is_forked:
        check_usable()
    raise exceptions.RaySystemError("The session was ended by ray.shutdown() meanwhile.")


cdef int raise_supervisor_gone() except -1:
    if pr_session_ending(&context):
        raise exceptions.RaySystemError(
            "The session has ended: it was stopped, or the program that made it has ended. "
            "Call ray.shutdown() and ray.init() to start or join another one."
        )
    raise exceptions.RaySystemError(
        "The session's supervisor process has died, so the session has ended. "
        "Call ray.shutdown() and ray.init() to start a new one."
    )


cdef int look_around() except -1:
    """Between two slices of a wait: signals, and is anybody there to do the work?"""
    global supervisor_gone
    cdef pollfd watched
    PyErr_CheckSignals()
    if supervisor_pidfd >= 0:
        watched.fd, watched.events, watched.revents = supervisor_pidfd, POLLIN, 0
        if poll(&watched, 1, 0) > 0:
            if pr_session_ending(&context) and heap_mapping.line < 0:
                raise_session_changed()   # another thread is in shutdown()
            supervisor_gone = True
            raise_supervisor_gone()
    return 0


cdef int raise_status(pr_status status, what) except -1:
    """The one place where a status of the core becomes an exception."""
    text = f"{what}: {pr_status_text(status).decode()}."
    if status == PR_STALE:
        raise exceptions.ReferenceCountingAssertionError(text)
    if status == PR_FREED:
        raise exceptions.ObjectFreedError(what)
    if status == PR_CORRUPT:
        raise exceptions.SessionCorruptedError(text)
    if status == PR_NO_MEMORY:
        raise exceptions.OutOfMemoryError(text)
    if status == PR_TABLE_FULL:
        raise exceptions.RaySystemError(
            f"{text} A session has room for 6 million objects and 4 million tasks."
        )
    raise exceptions.RaySystemError(text)


def arm_failpoints(specification: str) -> None:
    """Arm the named failpoints of this process (tests only); see csrc/base/failpoint.h."""
    encoded = specification.encode()
    position = pr_failpoints_parse(&failpoints, encoded)
    if position:
        raise ValueError(f"failpoints: cannot read {specification!r} at character {position}")
    context.failpoints = &failpoints


def failpoint_hits() -> dict[str, int]:
    """How often this process came along each failpoint since some were armed (tests only)."""
    return {
        pr_failpoint_name(point).decode(): failpoints.point[point].hits
        for point in range(PR_FP_COUNT)
    }


cdef int opened() except -1:
    global is_open, is_forked, session_nonce, main_thread, supervisor_gone, heap_mapping, in_core
    global runs_many
    is_open, is_forked, supervisor_gone, in_core, runs_many = True, False, False, 0, False
    session_nonce = (context.header.nonce & NONCE_BITS) | (attachments << 48)
    if heap_mapping is None:   # a forked worker has its parent's
        heap_mapping = HeapMapping()
        heap_mapping.bytes, heap_mapping.size = context.heap, context.header.heap_size
    main_thread = threading.get_ident()
    specification = os.environ.get("PYRAY_FAILPOINTS")
    if specification:
        arm_failpoints(specification)
    return 0


def create_session(
    heap_bytes: int,
    cpus: int,
    worker_limit: int,
    resources: dict[str, int],
    doorbell_fd: int,
    restarts: tuple[int, int],
    *,
    bint head=False,
) -> tuple[int, int]:
    """Make a session and become its driver. Resources are in 1/10000. Returns both memfds.

    `restarts`: so often an actor may restart within so many milliseconds; 0: any number. The maker
    of a head's session (`head`) has no tasks of its own.
    """
    global attachments
    cdef pr_session_config config
    if is_open and not is_forked:
        raise RuntimeError("this process has a session already")
    if len(resources) > PR_RESOURCE_MAX:
        raise ValueError(f"resources: at most {PR_RESOURCE_MAX} kinds, got {len(resources)}")
    memset(&config, 0, sizeof(config))
    config.heap_bytes, config.cpus, config.worker_limit = heap_bytes, cpus, worker_limit
    config.help_from, config.is_head = 2 * cpus + 2, head
    config.restart_limit, config.restart_window_ms = restarts
    config.resource_count = len(resources)
    for i, (name, amount) in enumerate(resources.items()):
        copy_name(config.resources[i].name, name)
        config.resources[i].amount = amount
    status = pr_session_create(&context, &config)
    if status != PR_OK:
        raise_status(status, f"cannot make a session with an object store of {heap_bytes:,} bytes")
    context.doorbell_fd = doorbell_fd
    attachments += 1
    opened()
    return context.control_fd, context.heap_fd


def attach_session(control_fd: int, heap_fd: int, doorbell_fd: int) -> None:
    """Join a session as its supervisor, through inherited descriptors."""
    status = pr_session_attach(&context, control_fd, heap_fd, PR_SLOT_SUPERVISOR, 0)
    if status != PR_OK:
        raise_status(status, "cannot join the session")
    context.doorbell_fd = doorbell_fd
    opened()


def adopt_slot(slot: int) -> None:
    """A forked worker takes over its parent's mapping of the session."""
    status = pr_worker_adopt(&context, slot)
    if status != PR_OK:
        raise_status(status, "cannot become a worker")
    opened()


def watch_supervisor(pidfd: int) -> None:
    """The driver's waits end with an error when this process dies."""
    global supervisor_pidfd
    supervisor_pidfd = pidfd


def close_session() -> None:
    """Forget the session: references become inert, the mappings go."""
    global is_open, supervisor_pidfd, session_nonce, is_forked, heap_mapping, poked, poked_latch
    if not is_open:
        return
    poked, poked_latch = False, 0
    forked = is_forked
    is_open = is_forked = False
    session_nonce = 0
    supervisor_pidfd = -1
    # Threads that sleep or copy there must be out before the memory goes.
    while in_core > 0 and not forked:
        with nogil:
            pr_latch_wake_all(&context)
            pr_os_sleep_ns(200_000)
    if open_creations > 0:
        heap_mapping.writable, context.heap_writable = context.heap_writable, NULL
    pr_session_detach(&context, True)
    heap_mapping = None   # unmapped with the last view


def end_session() -> None:
    """Tell every process of the session to end."""
    if is_open and not is_forked:
        pr_session_end(&context)


def is_session_open() -> bool:
    """Whether this process has a session that it may use."""
    return is_open and not is_forked


def is_session_ending() -> bool:
    """Whether the session has been told to end."""
    return is_open and pr_session_ending(&context)


def nonce() -> int:
    """The number that names the session, 0 if there is none."""
    return session_nonce & NONCE_BITS


cdef int copy_name(char *target, str name) except -1:
    encoded = name.encode("utf-8", "replace")[:PR_NAME_BYTES - 1]
    memset(target, 0, PR_NAME_BYTES)
    memcpy(target, PyBytes_AS_STRING(encoded), len(encoded))
    return 0
