"""What happens around a task's code in a worker: its errors, and retries of exceptions."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from pyray import _core, exceptions, settings
from pyray.actor_handle import actor_id_of
from pyray.errors.task_error import RayTaskError, serializable_cause
from pyray.errors.tracebacks import format_traceback
from pyray.runtime_context import current_task_id
from pyray.worker import debugger
from pyray.worker.actor_life import ActorExit, wants_to_leave


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Lend the running task's resources while it waits for tasks, but not in `get` or `wait`."""
    has_lent = _core.lend()
    try:
        yield
    finally:
        if has_lent:
            _core.reclaim()


retire_worker = _core.retire
"""Have this worker end after the task that it runs."""
NODE_IP = "127.0.0.1"
WITHOUT_TRACEBACK = (
    exceptions.ObjectStoreFullError,
    exceptions.OutOfDiskError,
    exceptions.RuntimeEnvSetupError,
)
"""Errors of the system that tell all there is to tell."""


def translate_error(error: BaseException, task_name: str) -> Exception:
    """Return the exception to store as a task's result.

    A `SystemExit` ends the process instead: callers get WorkerCrashedError, or the task is retried.
    """
    if isinstance(error, SystemExit):
        if wants_to_leave(error) and _is_actor():
            _core.leave_actor()
            raise ActorExit(0) from None
        leave(error)
    if isinstance(error, KeyboardInterrupt):
        error = _cancelled(error)
    elif debugger.wants_post_mortem() and not isinstance(error, _core.FailedArgument):
        debugger.post_mortem(error)
    translated = task_error(error, task_name)
    _clear_frames(error)
    return translated


def _is_actor() -> bool:
    """Return whether this process is an actor's, and not a fork of one."""
    return _core.is_session_open() and _core.current_actor_handle() is not None


def task_error(error: BaseException, task_name: str) -> Exception:
    """Return what callers see of an exception that a task's code raised, or its argument is."""
    place = _place()
    if isinstance(error, _core.FailedArgument):
        return RayTaskError.from_failed_argument(task_name, error.args[0], **place)
    if isinstance(error, WITHOUT_TRACEBACK):
        return error
    cause = serializable_cause(error, _core.trial_dumps, _core.trial_loads)
    return RayTaskError(task_name, format_traceback(error), cause, **place)


def _cancelled(interrupt: KeyboardInterrupt) -> exceptions.TaskCancelledError:
    """Return what callers see of a task that was interrupted."""
    cancelled = exceptions.TaskCancelledError(current_task_id())
    cancelled.__cause__, cancelled.__context__ = interrupt.__cause__, interrupt.__context__
    cancelled.__suppress_context__ = interrupt.__suppress_context__
    return cancelled.with_traceback(interrupt.__traceback__)


def _clear_frames(error: BaseException | None) -> None:
    """Let go of the local variables of frames that have ended.

    An exception that a frame keeps in a variable is a cycle: it would hold the task's arguments
    until some later garbage collection.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _place() -> dict[str, Any]:
    place: dict[str, Any] = {"pid": os.getpid(), "ip": NODE_IP}
    handle = _core.current_actor_handle()
    if handle is not None and _core.has_actor():
        place["actor_repr"] = _core.actor_repr() or None  # not shown when it is broken
        place["actor_id"] = actor_id_of(handle).hex()
    return place


def leave(exit_request: SystemExit) -> None:
    """End this worker as `sys.exit()` would end a program."""
    sys.stdout.flush()
    sys.stderr.flush()
    code = exit_request.code
    if code is None:
        os._exit(0)
    if not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        sys.stderr.flush()
    os._exit(code & 0xFF if isinstance(code, int) else 1)


class RetryExceptions:
    """A function that runs again when it raises: the option `retry_exceptions`.

    Args:
        function: The user's function.
        kinds: Exception classes that are worth another try.
        max_retries: How many more times; -1 for ever.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        kinds: tuple[type[BaseException], ...],
        max_retries: int,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.kinds = kinds
        self.max_retries = max_retries

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function until it returns, or raises something else, or once too often."""
        tries = 0
        while True:
            try:
                return self.function(*args, **kwargs)
            except self.kinds:
                if tries == self.max_retries or _core.is_task_cancelled():
                    raise
            tries += 1
            _core.note_retry()
            pause_before_retry(tries)


class LimitedCalls:
    """A function after some calls of which the worker ends: the option `max_calls`.

    Args:
        function: The user's function.
        max_calls: How many calls one process runs.
    """

    def __init__(self, function: Callable[..., Any], max_calls: int) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.max_calls = max_calls
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function; have the worker end after the last call."""
        self.calls += 1
        if self.calls >= self.max_calls:
            retire_worker()
        return self.function(*args, **kwargs)


LONGEST_PAUSE_S = 60.0


def retry_delay_s(tries: int) -> float:
    """Return how long to wait before a task is tried again, `tries` tries having failed.

    It doubles with each try. RAY_task_retry_delay_ms (default 0) is the first.

    Example:
        >>> os.environ["RAY_task_retry_delay_ms"] = "100"
        >>> [retry_delay_s(tries) for tries in (1, 2, 3, 50)]
        [0.1, 0.2, 0.4, 60.0]
        >>> del os.environ["RAY_task_retry_delay_ms"]
    """
    first_s = settings.TASK_RETRY_DELAY_MS.value() / 1000
    return min(first_s * 2.0 ** min(tries - 1, 32), LONGEST_PAUSE_S)


def pause_before_retry(tries: int) -> None:
    """Wait as the settings say; meanwhile the task's CPUs serve others."""
    if (delay_s := retry_delay_s(tries)) > 0:
        _core.lend_resources(lend=True)
        try:
            time.sleep(delay_s)
        finally:
            _core.lend_resources(lend=False)
