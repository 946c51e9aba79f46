"""The methods of an actor's class: what a handle must know to call them, and `@ray.method`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pyray.options import validate_method_options
from pyray.signatures import CallSignature

MARK: Final = "__ray_method_options__"
"""The attribute of a function that holds the options of `@ray.method`."""


@dataclass(frozen=True, slots=True)
class Method:
    """How one method is called.

    Args:
        signature: Its parameters without `self`.
        num_returns: Number of results, or what kind of generator it is.
        group: Name of its concurrency group; "" for the default one.
        max_task_retries: How often a call runs again; None: as the actor says.
        stream_limit: Most items of its stream that wait to be taken; 0: no limit.
        records: Whether its calls are recorded for those who look at the session.
    """

    signature: CallSignature
    num_returns: int | str = 1
    group: str = ""
    max_task_retries: int | None = None
    stream_limit: int = 0
    records: bool = True


def _ready() -> None: ...
def _call(fn: Any, *args: Any, **kwargs: Any) -> None: ...


SPECIAL: Final = {
    "__ray_ready__": Method(CallSignature(_ready)),
    "__ray_call__": Method(CallSignature(_call)),
    "__ray_terminate__": Method(CallSignature(_ready)),
}
"""Methods that every actor has."""


OF_EVERY_OBJECT: Final = frozenset(dir(object))


def methods_of(cls: type, *, records: bool = True) -> dict[str, Method]:
    """Return the methods of a class by name: private, special, class and static ones included.

    Of the special ones not those that every object has, since a handle has its own.

    Args:
        cls: The actor's class.
        records: Whether calls are recorded of methods that do not say.
    """
    methods: dict[str, Method] = {}
    for name, function in inspect.getmembers(cls, callable):
        if name in OF_EVERY_OBJECT:
            continue
        if inspect.isfunction(inspect.unwrap(function)) or inspect.ismethod(function):
            options = options_of(function)
            methods[name] = Method(
                CallSignature.of_method(cls, name),
                _returns(function, options.get("num_returns")),
                options.get("concurrency_group") or "",
                options.get("max_task_retries"),
                max(0, options.get("_generator_backpressure_num_objects") or 0),
                records if (own := options.get("enable_task_events")) is None else own,
            )
    return methods


def options_of(function: Any) -> dict[str, Any]:
    """Return what `@ray.method` said about a method."""
    found: dict[str, Any] = getattr(function, MARK, {})
    return found


def is_async(cls: type) -> bool:
    """Return whether the actor runs its calls on an event loop: any method is asynchronous."""
    return any(
        inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
        for _, function in inspect.getmembers(cls, callable)
    )


def _returns(function: Any, wanted: int | str | None) -> int | str:
    if wanted is not None:
        return wanted
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return "streaming"
    return 1


def method(*args: Any, **kwargs: Any) -> Any:
    """Set options of an actor's method: `@ray.method(num_returns=2)`.

    Args:
        *args: None are accepted: the decorator is used with keywords.
        **kwargs: `num_returns` (int), `concurrency_group` (name of one of the actor's
            `concurrency_groups`), `max_task_retries` (int, -1 for ever), `retry_exceptions` (True
            or a list of exception classes: a call that raises one of them runs again while a retry
            is left), `enable_task_events` (False: its calls are
            left out of `pyray list tasks`).

    Example:
        >>> import pyray as ray
        >>> @ray.remote
        ... class Divider:
        ...     @ray.method(num_returns=2)
        ...     def divide(self, a, b):
        ...         return a // b, a % b
        >>> ray.get(Divider.remote().divide.remote(7, 2))
        [3, 1]

    Raises:
        ValueError: If an option is unknown or has a wrong value.
        TypeError: If an option has a value of a wrong type.
    """
    if args or not kwargs:
        raise ValueError(
            "The @ray.method decorator must be applied using at least one of the arguments, "
            "for example @ray.method(num_returns=2)."
        )
    options = validate_method_options(kwargs)

    def annotate(function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(function, MARK, {**options_of(function), **options})
        return function

    return annotate
