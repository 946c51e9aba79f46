"""Large numpy arrays that are given to many calls: stored once, however often they are passed.

A tool that sends calls (a pool, an executor, joblib) keeps a `SharedArrays` and pickles its calls
inside of `with shared.calls():`. Wherever a pickled call holds an array of 64 KiB or more, it then
holds a reference to one copy in the store, which workers see as a read-only view.

An array is known by its identity and held weakly: the copy goes with the array and the last call
that uses it. Since an array may be changed between two calls, what it holds is compared with the
copy before the copy is used again, once in each `with`: a call always gets the values of the moment
when it was made. Comparing reads both once, which takes less time than copying, and no memory.
An array that is a view on the store itself is passed on as it is.
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
        self._depth = 0

    @contextmanager
    def calls(self) -> Iterator[None]:
        """Share the arrays in whatever is pickled inside; they must not change meanwhile.

        One inside of another one of the same tool belongs to it.
        """
        before = _core.share_arrays(self._share)
        try:
            with self.one_call():
                yield
        finally:
            _core.share_arrays(before)

    @contextmanager
    def one_call(self) -> Iterator[None]:
        """Check each array once for all of the `calls` inside: it does not change meanwhile."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
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
        ref = _stored_already(array) or runtime.engine().put(array)
        copies = self._copies

        def forget(dead: weakref.ref[Any]) -> None:
            if (entry := copies.get(key)) is not None and entry[0] is dead:
                del copies[key]

        copies[key] = weakref.ref(array, forget), ref
        self._sent[key] = array
        return ref


def _is_same(array: Any, ref: ObjectRef) -> bool:
    copy = runtime.engine().get(ref, None)
    if not _has_same_form(array, copy):
        return False
    if array.ctypes.data == copy.ctypes.data:
        return True
    return _core.same_bytes(array.reshape(-1, order="A"), copy.reshape(-1, order="A"))


def _has_same_form(array: Any, other: Any) -> bool:
    return bool(
        array.dtype == other.dtype and array.shape == other.shape and array.strides == other.strides
    )


def _stored_already(array: Any) -> ObjectRef | None:
    """Return the reference to the object of which the array is a view, if it is all of it."""
    ref = _core.ref_of_view(array.base)
    if ref is None:
        return None
    whole = runtime.engine().get(ref, None)
    is_whole = type(whole) is type(array) and _has_same_form(array, whole)
    return ref if is_whole and array.ctypes.data == whole.ctypes.data else None
