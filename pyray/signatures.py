"""Does a call fit a function's signature? Asked at ``.remote()``, so that a wrong call fails there.

Most calls pass a few positional arguments and no keywords. For these two comparisons suffice, and
they are plain attributes so that compiled callers can make them inline::

    if not kwargs and s.min_positional <= len(args) <= s.max_positional:
        ...  # It fits.
    else:
        s.check(args, kwargs)
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

UNLIMITED: Final = 2**31 - 1
"""Stands for no upper limit, and as a lower limit for one that no call can reach."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class CallSignature:
    """The parameters of a function, ready to check calls against.

    Args:
        function: What will be called. Something without a signature, as many builtins are,
            accepts every call.
        skip_first: Whether to leave out the first parameter: ``self`` of a method that was taken
            from its class.

    Attributes:
        min_positional: A call without keywords needs at least so many arguments; `UNLIMITED` when
            a keyword-only parameter is required, so that no such call fits.
        max_positional: A call takes at most so many positional arguments.

    Example:
        >>> signature = CallSignature(lambda x, y=1: None)
        >>> signature.min_positional, signature.max_positional
        (1, 2)
        >>> signature.check((), {"y": 2})
        Traceback (most recent call last):
            ...
        TypeError: missing a required argument: 'x'
    """

    __slots__ = ("_signature", "max_positional", "min_positional")

    def __init__(self, function: Callable[..., Any], *, skip_first: bool = False) -> None:
        self._signature = _signature_of(function, skip_first=skip_first)
        self.min_positional, self.max_positional = _positional_range(self._signature)

    @classmethod
    def of_method(cls, owner: type, name: str) -> "CallSignature":
        """Return the signature of a class's method as a caller of an instance sees it.

        Args:
            owner: The class.
            name: The name of a method, class method or static method.
        """
        is_plain = inspect.isfunction(inspect.getattr_static(owner, name))
        return cls(getattr(owner, name), skip_first=is_plain)

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise the error that calling the function with these arguments would give.

        Args:
            args: The positional arguments.
            kwargs: The keyword arguments.

        Raises:
            TypeError: When the call does not fit, for example "missing a required argument: 'x'".
        """
        if not kwargs and self.min_positional <= len(args) <= self.max_positional:
            return
        if self._signature is not None:
            self._signature.bind(*args, **kwargs)

    def __repr__(self) -> str:
        return f"CallSignature{self._signature or '(...)'}"


def _signature_of(function: Callable[..., Any], *, skip_first: bool) -> inspect.Signature | None:
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # ValueError: a builtin without text signature.
        return None
    if not skip_first:
        return signature
    bound = functools.partial(function, None)
    try:
        return inspect.signature(bound)
    except ValueError:  # No parameter takes self; calling will say so.
        return signature


def _positional_range(signature: inspect.Signature | None) -> tuple[int, int]:
    if signature is None:
        return 0, UNLIMITED
    parameters = signature.parameters.values()
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    required = sum(p.default is p.empty for p in positional)
    needs_keyword = any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters)
    has_rest = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return (
        UNLIMITED if needs_keyword else required,
        UNLIMITED if has_rest else len(positional),
    )
