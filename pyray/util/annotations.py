"""Decorators that say how far an API can be relied on; libraries on top of Ray mark theirs so."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, overload

__all__ = ["Deprecated", "DeveloperAPI", "PublicAPI", "RayDeprecationWarning"]

_T = TypeVar("_T", bound=Callable[..., Any])


class RayDeprecationWarning(DeprecationWarning):
    """Something that will be removed was used."""


def _marked(kind: str, args: tuple[Any, ...]) -> Any:
    def mark(member: Any) -> Any:
        member._annotated = getattr(member, "__name__", None)  # noqa: SLF001  (as Ray's tools look)
        member._annotated_type = kind  # noqa: SLF001
        return member

    is_bare = len(args) == 1 and callable(args[0])
    return mark(args[0]) if is_bare else mark


@overload
def PublicAPI(member: _T, /) -> _T: ...
@overload
def PublicAPI(*, stability: str = ..., api_group: str = ...) -> Callable[[_T], _T]: ...
def PublicAPI(*args: Any, **kwargs: Any) -> Any:  # noqa: N802  (Ray's name)
    """Mark a function or class as one that users may rely on.

    Example:
        >>> @PublicAPI(stability="beta")
        ... def f(): ...
        >>> f._annotated_type
        'PublicAPI'
    """
    del kwargs
    return _marked("PublicAPI", args)


@overload
def DeveloperAPI(member: _T, /) -> _T: ...
@overload
def DeveloperAPI(*, api_group: str = ...) -> Callable[[_T], _T]: ...
def DeveloperAPI(*args: Any, **kwargs: Any) -> Any:  # noqa: N802  (Ray's name)
    """Mark a function or class as one for libraries."""
    del kwargs
    return _marked("DeveloperAPI", args)


@overload
def Deprecated(member: _T, /) -> _T: ...
@overload
def Deprecated(*, message: str = ..., warning: bool = ...) -> Callable[[_T], _T]: ...
def Deprecated(*args: Any, message: str = "", warning: bool = False) -> Any:  # noqa: N802  (Ray's name)
    """Mark a function or class as one that will be removed.

    Args:
        *args: What to mark, where there are no other arguments.
        message: What to use instead.
        warning: Warn (`RayDeprecationWarning`) of each call, or of each instance that is made.
    """
    mark = _marked("Deprecated", args)
    if not warning:
        return mark

    def warned(member: Any) -> Any:
        words = f"{member.__qualname__} is deprecated and may be removed. {message}".rstrip()
        return mark(_with_warning(member, words))

    return warned


def _with_warning(member: Any, words: str) -> Any:
    """Return a function, or a class, whose calls warn."""
    is_class = isinstance(member, type)
    called = member.__init__ if is_class else member

    @functools.wraps(called)
    def warned(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(words, RayDeprecationWarning, stacklevel=2)
        return called(*args, **kwargs)

    if not is_class:
        return warned
    member.__init__ = warned
    return member
