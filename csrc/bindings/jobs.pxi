# Drivers that join, and the end of their jobs.


def reserve_driver(process_id: int, *, bint observes) -> tuple[int, int]:
    """A slot and a job for a process that joins; an observer has no job (0)."""
    cdef pr_joined joined
    status = pr_driver_reserve(&context, process_id, observes, &joined)
    if status != PR_OK:
        raise_status(status, "cannot let another process join")
    return joined.slot, joined.job


def join_session(control_fd: int, heap_fd: int, doorbell_fd: int, slot: int, line: int) -> None:
    """Join a session in the slot that its supervisor has reserved.

    The descriptors belong to the session from here on, also after an error. `line` is closed when
    the session and the last view of its heap are gone.
    """
    global attachments
    if is_open and not is_forked:
        raise RuntimeError("this process has a session already")
    status = pr_driver_attach(&context, control_fd, heap_fd, slot, 0)
    if status != PR_OK:
        for fd in (control_fd, heap_fd, line):
            pr_os_close(fd)
        raise_status(status, "cannot join the session")
    context.doorbell_fd = doorbell_fd
    attachments += 1
    opened()
    heap_mapping.line = line


def own_job() -> int:
    """Number of the job of this process; 0: none."""
    return pr_slot_at(&context, context.slot).job if is_open else 0


def end_job(job: int) -> tuple[int, int, int, int]:
    """One pass of ending what a driver has left: (tasks, actors, workers) that are still there.

    The fourth says how many of these may live on, as they descend from detached actors.
    """
    cdef pr_job_rest rest
    status = pr_job_end(&context, job, &rest)
    if status != PR_OK:
        raise_status(status, "cannot end a job")
    return rest.tasks, rest.actors, rest.workers, rest.outliving


def own_slot() -> int:
    """The slot of this process."""
    return context.slot


def job_of(slot: int) -> int:
    """Number of the job for whose tasks the process of this slot is; 0: none."""
    return pr_slot_at(&context, slot).job
