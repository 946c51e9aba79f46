"""How a process ended, in words, and the text of `WorkerCrashedError`."""

import os
import signal

_HINTS = {
    signal.SIGKILL: "the kernel's out-of-memory killer is the usual sender; see `dmesg`",
    signal.SIGSEGV: "compiled code touched memory that is not its own",
    signal.SIGBUS: "memory behind a mapping is gone, often because a file system or cgroup is full",
    signal.SIGABRT: "compiled code gave up, as a failed assertion does",
    signal.SIGILL: "compiled code for another processor",
    signal.SIGFPE: "compiled code divided an integer by zero",
    signal.SIGXCPU: "the limit of CPU time (`ulimit -t`) was reached",
}
_NEXT_STEPS = {
    signal.SIGKILL: (
        "Let fewer tasks run at once (a larger num_cpus or memory for each), work on smaller "
        "pieces, or set max_retries."
    ),
    signal.SIGTERM: "Find out who stops processes here, or set max_retries to run it again.",
}
_CRASH_STEP = (
    "Call the function directly under `python -X faulthandler` to find the library that crashes."
)
_EXIT_STEP = (
    "Look for sys.exit(), os._exit() or a library that ends the process; raise an exception "
    "instead to report a failure."
)


def describe_exit(wait_status: int) -> str:
    """Say in words how a process ended.

    Args:
        wait_status: The status that `os.waitpid` gave.

    Example:
        >>> describe_exit(3 << 8)
        'exit code 3'
        >>> describe_exit(15)
        'killed by SIGTERM'
    """
    if os.WIFEXITED(wait_status):
        return f"exit code {os.WEXITSTATUS(wait_status)}"
    if not os.WIFSIGNALED(wait_status):
        return f"unknown end, wait status {wait_status:#x}"
    number = os.WTERMSIG(wait_status)
    dumped = ", core dumped" if os.WCOREDUMP(wait_status) else ""
    hint = _HINTS.get(_known_signal(number))
    return f"killed by {_signal_name(number)}{dumped}" + (f" ({hint})" if hint else "")


def worker_crashed_message(
    task_name: str, pid: int, wait_status: int | None, running_s: float | None, words: str = ""
) -> str:
    """Write the text of a `WorkerCrashedError`: which task, how it ended, what to do.

    Args:
        task_name: The task as its user named it.
        pid: The worker process.
        wait_status: The status that `os.waitpid` gave; None when nobody could collect it.
        running_s: How many seconds the task had run; None when it had not begun.
        words: What else is known, whole lines.

    Example:
        >>> print(worker_crashed_message("train", 71, 3 << 8, 2.5))
        The worker died unexpectedly while executing this task.
          task: train
          worker: pid 71, exit code 3
          ran for: 2.5 s
        Look for sys.exit(), os._exit() or a library that ends the process; raise an exception \
instead to report a failure.
    """
    cause = "cause unknown" if wait_status is None else describe_exit(wait_status)
    ran = "not at all: it died before the task began" if running_s is None else _duration(running_s)
    return "\n".join(
        [
            "The worker died unexpectedly while executing this task.",
            f"  task: {task_name}",
            f"  worker: pid {pid}, {cause}",
            f"  ran for: {ran}",
            *([words] if words else []),
            _next_step(wait_status),
        ]
    )


def out_of_memory_message(task_name: str, words: str) -> str:
    """Write the text of an `OutOfMemoryError`.

    Args:
        task_name: The task as its user named it.
        words: Who used how much.
    """
    return "\n".join(
        [
            "Task was killed due to the node running low on memory.",
            f"  task: {task_name}",
            *([words] if words else []),
            "Let fewer tasks run at once (a larger num_cpus or memory for each), work on smaller",
            "pieces, or set max_retries: a task that may run again is run again later.",
        ]
    )


def _next_step(wait_status: int | None) -> str:
    if wait_status is not None and os.WIFEXITED(wait_status):
        return _EXIT_STEP
    if wait_status is not None and os.WIFSIGNALED(wait_status):
        return _NEXT_STEPS.get(_known_signal(os.WTERMSIG(wait_status)), _CRASH_STEP)
    return _CRASH_STEP


def _known_signal(number: int) -> signal.Signals:
    try:
        return signal.Signals(number)
    except ValueError:  # Real-time signals between SIGRTMIN and SIGRTMAX have no name.
        return signal.SIGRTMIN


def _signal_name(number: int) -> str:
    known = _known_signal(number)
    return known.name if known == number else f"signal {number}"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
