"""Functions and classes in the store: exported once, however many handles and options they have."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from pyray import _core, runtime
from pyray.worker.execution import LimitedCalls, RetryExceptions

if TYPE_CHECKING:
    from pyray._core import ObjectRef
    from pyray.engine import Engine


class Wrapping(NamedTuple):
    """What a worker does around a function: retries of its exceptions, and an end after some calls.

    Args:
        kinds: Exceptions that are worth another try.
        retries: How many more tries; -1 for ever.
        max_calls: After so many calls the worker ends; 0: never.
    """

    kinds: tuple[type[BaseException], ...]
    retries: int
    max_calls: int

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as workers call it."""
        if self.retries:
            function = RetryExceptions(function, self.kinds, self.retries)
        return LimitedCalls(function, self.max_calls) if self.max_calls else function


class Code:
    """A function or a class that workers run.

    Handles that differ in options share it. Inside of other code it travels as a reference, so that
    no process exports anew what another has exported. Code that refers to itself travels with its
    key instead: the worker that runs it knows by that where it is in the store.

    Args:
        target: The function or the class.
        key: Names it in every process.
        ref: Where it is in the store, if it has been exported.
    """

    def __init__(
        self, target: Callable[..., Any], key: bytes | None = None, ref: ObjectRef | None = None
    ) -> None:
        self.target = target
        self._key = key or os.urandom(16)
        self._refs: dict[Wrapping | None, ObjectRef] = {} if ref is None else {None: ref}
        self._exporting = 0

    def find(self, engine: Engine, wrapping: Wrapping | None = None) -> tuple[ObjectRef, bool]:
        """Return where the code is in the store, and whether it is only borrowed.

        What a worker knows because it runs it is borrowed: to hold it would keep it for ever.
        """
        ref = self._refs.get(wrapping)
        if ref is not None and _core.is_current(ref):
            return ref, False
        key = (self._key, wrapping)
        ref = _core.known_code(key)
        if ref is not None:
            return ref, True
        target = wrapping.around(self.target) if wrapping else self.target
        self._exporting += 1
        try:
            ref = self._refs[wrapping] = engine.export(target, key)
        finally:
            self._exporting -= 1
        return ref, False

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by value: for foreign picklers, and for code that refers to itself."""
        return Code, (self.target, self._key)


def _reduce(code: Code) -> tuple[Any, ...]:
    if code._exporting:  # noqa: SLF001  (a function of this class in all but place)
        return code.__reduce__()
    ref, _ = code.find(runtime.engine())
    return _load, (code._key, ref)  # noqa: SLF001  (as above)


def _load(key: bytes, ref: ObjectRef) -> Code:
    _, target = _core.get_one(ref, None)
    return Code(target, key, ref)


_core.register_reducer(Code, _reduce)
