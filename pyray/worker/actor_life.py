"""What happens in an actor's process besides its calls: methods that every actor has, and its end.

Ends are graceful or not. At a graceful one (`exit_actor`, `__ray_terminate__`, the last handle is
gone, the session ends) `__ray_shutdown__` and the exit handlers run, each once. `ray.kill` and the
death of the process run neither.
"""

from __future__ import annotations

import functools
import inspect
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from pyray import _core
from pyray.actor_methods import options_of


class ActorExit(SystemExit):
    """The worker's loop is left, because its actor ends by its own wish."""


def exit_actor() -> NoReturn:
    """End the actor that this code belongs to, after what runs in it at the moment.

    The call in which it happens and those that are queued fail with ActorDiedError; exit handlers
    run; there is no restart. It raises a SystemExit: code that catches that goes on to the end of
    the call, and the actor ends then. If it raises something else until then, its caller gets that.
    In a thread of the actor's own it ends the thread; the actor ends after the calls that run.

    Raises:
        TypeError: If this is no actor's process.
    """
    if _core.current_actor_handle() is None:
        raise TypeError(
            "exit_actor API is called on a non-actor worker. Call this API inside an actor method "
            "if you'd like to exit the actor gracefully."
        )
    _core.ask_to_leave()
    raise SystemExit(0)


def wants_to_leave(error: BaseException) -> bool:
    """Return whether an exception of an actor's code ends the actor by its own wish."""
    return isinstance(error, SystemExit) and error.code == 0


class RetryingMethod:
    """A method that runs again when it raises: the option `retry_exceptions`.

    Args:
        method: The bound method.
        kinds: Exception classes that are worth another try.
    """

    def __init__(self, method: Callable[..., Any], kinds: tuple[type[BaseException], ...]) -> None:
        self.method = method
        self.kinds = kinds

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the method until it returns, raises something else, or no retry is left."""
        if inspect.iscoroutinefunction(self.method):
            return self._call_async(args, kwargs)
        while True:
            try:
                return self.method(*args, **kwargs)
            except self.kinds:
                if not _core.retry_now():
                    raise

    async def _call_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        while True:
            try:
                return await self.method(*args, **kwargs)
            except self.kinds:
                if not _core.retry_now():
                    raise


def _ready() -> bool:
    return True


def _call(instance: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return function(instance, *args, **kwargs)


def _retry(
    instance: Any, name: str, kinds: tuple[type[BaseException], ...], *args: Any, **kwargs: Any
) -> Any:
    method = getattr(instance, name)
    return RetryingMethod(method, tuple(kinds))(*args, **kwargs)


def find_method(instance: Any, name: str) -> Callable[..., Any]:
    """Return what a call of this method calls."""
    special: dict[str, Callable[..., Any]] = {
        "__ray_ready__": _ready,
        "__ray_terminate__": exit_actor,
        "__ray_call__": functools.partial(_call, instance),
        "__ray_retry__": functools.partial(_retry, instance),
    }
    if name in special:
        return special[name]
    method: Callable[..., Any] = getattr(instance, name)
    wanted = options_of(method).get("retry_exceptions")
    if not wanted:
        return method
    return RetryingMethod(method, (Exception,) if wanted is True else tuple(wanted))


def shut_down() -> None:
    """At a graceful end: run the `__ray_shutdown__` of this process's actor, if it has one."""
    shut_down_instance(_core.current_instance())


def shut_down_instance(instance: Any) -> None:
    """Run `__ray_shutdown__` of an actor's instance, if it has one."""
    hook = getattr(type(instance), "__ray_shutdown__", None)
    if hook is None:
        return
    try:
        result = hook(instance)
        if inspect.iscoroutine(result):
            import asyncio

            asyncio.run(result)
    except Exception:  # noqa: BLE001  (user code; the end goes on, and the log says why)
        traceback.print_exc(file=sys.stderr)
