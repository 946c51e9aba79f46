# A task that waits runs what it waits for: see engine/help.h for when.

cdef extern from "engine/help.h" nogil:
    pr_status pr_help_take(pr_context *ctx, pr_index waiting, pr_ref awaited, pr_taken *taken)
    pr_status pr_help_give_back(pr_context *ctx, pr_index task)
    pr_status pr_help_start(pr_context *ctx, pr_ref result, pr_taken *taken)

cdef object translate_error = None   # as worker_loop was given it
cdef uint32_t HELP_FRAMES = 250   # a helped task has most of Python's recursion limit left


cdef pr_index holding_task = 0   # the outermost of those that wait: helped ones hold no resources


cdef class Waiting:
    """What a task that waits must find again when it goes on."""
    cdef pr_index task, holding
    cdef str name
    cdef char[PR_NAME_BYTES] title
    cdef uint64_t serial
    cdef uint32_t attempt
    cdef pr_ref result
    cdef bint is_interruptible


cdef Waiting set_aside():
    global holding_task
    cdef Waiting waiting = Waiting()
    waiting.holding = holding_task
    if holding_task == 0:
        holding_task = running_task
    waiting.task, waiting.is_interruptible = running_task, interruptible
    waiting.result = current_result
    memcpy(waiting.title, title_shown, PR_NAME_BYTES)
    waiting.name, waiting.serial, waiting.attempt = current_name, current_serial, current_attempt
    return waiting


cdef int go_on(Waiting waiting) except -1:
    global running_task, current_name, current_serial, current_attempt, interruptible, holding_task
    global current_result
    current_result = waiting.result
    show_title(waiting.title)
    running_task, holding_task = waiting.task, waiting.holding
    current_name, current_serial, current_attempt = waiting.name, waiting.serial, waiting.attempt
    interruptible = waiting.is_interruptible
    if interruptible and is_cancelled(running_task) and take_cancellation():
        raise KeyboardInterrupt
    return 0


cdef bint is_shallow():
    cdef uint32_t depth = 0
    frame = sys._getframe()
    while frame is not None and depth <= HELP_FRAMES:
        frame = frame.f_back
        depth += 1
    return depth <= HELP_FRAMES


cdef inline bint is_crowded() noexcept:
    """Without the lock: the engine looks again."""
    cdef const pr_engine_root_t *root = pr_engine_root(&context)
    return root.lent_count >= root.help_from


cdef class Helped:
    """One helped task: callable, so that it runs in a context of its own."""
    cdef pr_taken taken

    def __call__(self):
        cdef Results results
        try:
            results = run(&self.taken, translate_error)
        except SystemExit:   # it may leave a process of its own, not that of those who wait for it
            self.give_back()
            return
        status = pr_finish(&context, self.taken.task, results.values, len(results.encoded), NULL)
        if status != PR_OK:   # as at the end of the worker's loop: this process cannot go on
            os._exit(1)

    cdef give_back(self):
        status = pr_help_give_back(&context, self.taken.task)
        if status != PR_OK:
            os._exit(1)


cdef int help(const pr_ref *refs, uint32_t count) except -1:
    """Runs tasks that make these objects, or that they need, while the engine hands them out."""
    cdef uint64_t session = session_nonce
    cdef pr_status status = PR_OK
    cdef uint32_t i = 0
    cdef Helped helped
    cdef Waiting waiting
    if running_task == 0 or lending or not is_crowded():
        return 0
    if threading.get_ident() != main_thread or not is_shallow():
        return 0
    while i < count and is_crowded():
        helped = Helped()
        status = pr_help_take(&context, running_task, refs[i], &helped.taken)
        if status != PR_OK:
            i += 1   # sealed, running, or not for us
            continue
        waiting = set_aside()
        try:
            contextvars.Context().run(helped)
        finally:
            go_on(waiting)
        require_session(session)
    return 0


# ---- in the driver itself: pyray.local_mode.engine --------------------------------------------

def take_here(ObjectRef ref, translate):
    """The task that makes this object, to be run by this process; None when it is not ready."""
    global runs_many, translate_error
    cdef pr_taken taken
    check_session(ref)
    status = pr_help_start(&context, ref.ref, &taken)
    if status == PR_EMPTY:
        return None
    if status != PR_OK:
        raise_status(status, "cannot start the task")
    runs_many, translate_error = True, translate   # from now on, current_call says what runs
    return new_call(&taken)


def finish_here(Call call) -> None:
    """End a task that `take_here` returned, with the results that it has stored."""
    check_usable()
    status = pr_finish(&context, call.taken.task, call.results.values,
                       len(call.results.encoded), NULL)
    if status != PR_OK:
        raise_status(status, "cannot finish the task")
