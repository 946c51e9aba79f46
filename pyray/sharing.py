"""Large numpy arrays that are given to many calls: stored once, however often they are passed.

A tool that sends calls (a pool, an executor, joblib) keeps a `SharedArrays` and pickles its calls
inside of `with shared.calls():`. Wherever a pickled call holds an array of 64 KiB or more, it then
holds a reference to one copy in the store, which workers see as a read-only view.

An array is known by its identity and held weakly: the copy goes with the array and the last call
that uses it. Since an array may be changed between two calls, what it holds is compared with the
copy before the copy is used again, once in each `with`: a call always gets the values of the moment
when it was made. Comparing reads both once, which takes less time than copying, and no memory.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyray import _core, runtime

if TYPE_CHECKING:
    from pyray._core import ObjectRef


class SharedArrays:
    """The arrays of one tool that have a copy in the store."""

    def __init__(self) -> None:
        self._copies: dict[int, tuple[weakref.ref[Any], ObjectRef]] = {}
        self._sent: dict[int, Any] = {}  # checked since this `with` began, and kept alive

    @contextmanager
    def calls(self) -> Iterator[None]:
        """Share the arrays in whatever is pickled inside; they must not change meanwhile."""
        before = _core.share_arrays(self._share)
        try:
            yield
        finally:
            _core.share_arrays(before)
            self._sent.clear()

    def clear(self) -> None:
        """Forget all copies; those that calls still need live on with the calls."""
        self._copies.clear()

    def __len__(self) -> int:
        return len(self._copies)

    def _share(self, array: Any) -> ObjectRef | None:
        """Return the reference to a copy of what the array holds now; None: pickle it."""
        flags, dtype = array.flags, array.dtype
        if not (flags.c_contiguous or flags.f_contiguous) or dtype.kind not in "biufc":
            return None
        key = id(array)
        found = self._copies.get(key)
        is_known = found is not None and found[0]() is array
        if found is not None and is_known and (key in self._sent or _is_same(array, found[1])):
            self._sent[key] = array
            return found[1]
        ref = runtime.engine().put(array)
        copies = self._copies

        def forget(dead: weakref.ref[Any]) -> None:
            if (entry := copies.get(key)) is not None and entry[0] is dead:
                del copies[key]

        copies[key] = weakref.ref(array, forget), ref
        self._sent[key] = array
        return ref


def _is_same(array: Any, ref: ObjectRef) -> bool:
    copy = runtime.engine().get(ref, None)
    if array.shape != copy.shape or array.dtype != copy.dtype:
        return False
    if array.flags.c_contiguous != copy.flags.c_contiguous:
        return False
    return _core.same_bytes(array.reshape(-1, order="A"), copy.reshape(-1, order="A"))
