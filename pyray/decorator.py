"""`@ray.remote`."""

from __future__ import annotations

import inspect
from typing import Any

from pyray.actors import ActorClass, make_actor_class
from pyray.options import validate_actor_options, validate_task_options
from pyray.remote_function import RemoteFunction


def remote(*args: Any, **kwargs: Any) -> Any:
    """Make a remote function of a function, an actor class of a class.

    With options it is called first: `@ray.remote(num_cpus=2)`. See `docs/` for the options.

    Raises:
        TypeError: If it is applied to anything else, or an option has a wrong type.
        ValueError: If an option is unknown or has a wrong value.

    Example:
        >>> import pyray as ray
        >>> @ray.remote(num_returns=2)
        ... def divide(a, b):
        ...     return a // b, a % b
    """
    if len(args) == 1 and not kwargs and callable(args[0]):
        return _make(args[0], {})
    if args or not kwargs:
        raise TypeError(
            "The @ray.remote decorator must be applied either with no arguments and no "
            "parentheses, for example '@ray.remote', or it must be applied using some of the "
            "arguments, for example "
            "'@ray.remote(num_returns=2, resources={\"CustomResource\": 1})'."
        )
    return lambda target: _make(target, kwargs)


def _make(target: Any, options: dict[str, Any]) -> RemoteFunction | ActorClass:
    if inspect.isclass(target):
        return make_actor_class(target, validate_actor_options(options, in_options=False))
    if inspect.isfunction(target) or _is_cython_function(target):
        return RemoteFunction(target, validate_task_options(options, in_options=False))
    raise TypeError("The @ray.remote decorator must be applied to either a function or a class.")


def _is_cython_function(target: Any) -> bool:
    return type(target).__name__ in {"cython_function_or_method", "builtin_function_or_method"}
