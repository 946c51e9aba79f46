"""`create_array` and `seal`: arrays that are made in the store, without a copy."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyray import _core, runtime

if TYPE_CHECKING:
    from pyray._core import ObjectRef


def create_array(shape: int | Sequence[int], dtype: Any = float, order: str = "C") -> Any:
    """Return a writable numpy array that lies in the object store, with arbitrary contents.

    Fill it, for example as the `out` argument of numpy's functions, then call `seal` for a
    reference to it; or return it from a task: the array itself becomes the result. Neither copies
    it. An array that is dropped before goes back to the store, as it does when the process dies.

    Args:
        shape: Length, or lengths of all dimensions.
        dtype: Type of the elements, of a fixed size: no Python objects.
        order: "C" or "F", as for `numpy.empty`.

    Example:
        >>> import numpy as np
        >>> import pyray as ray
        >>> array = ray.create_array((2, 3))
        >>> _ = np.add(np.ones((2, 3)), 1, out=array)
        >>> ref = ray.seal(array)
        >>> ray.get(ref)
        array([[2., 2., 2.],
               [2., 2., 2.]])
        >>> @ray.remote
        ... def squares(count):
        ...     array = ray.create_array(count, int)
        ...     return np.square(np.arange(count), out=array)
        >>> ray.get(squares.remote(5))
        array([ 0,  1,  4,  9, 16])

    Raises:
        TypeError: If the elements are Python objects, or otherwise of no fixed form.
        ValueError: If the shape or the order is none.
        ObjectStoreFullError: If there is no room.
    """
    import numpy as np

    runtime.engine()
    kind = np.dtype(dtype)
    if kind.kind not in "biufcSUmM" or kind.metadata is not None:
        raise TypeError(f"dtype: an array of {kind} cannot be made in the store")
    if order not in {"C", "F"}:
        raise ValueError(f"order: expected 'C' or 'F', got {order!r}")
    lengths = tuple(map(operator.index, shape)) if isinstance(shape, Sequence) else None
    if lengths is None:
        lengths = (operator.index(shape),)  # type: ignore[arg-type]  # no sequence, so a number
    if len(lengths) > 32:
        raise ValueError(f"shape: at most 32 dimensions, got {len(lengths)}")
    return _core.create_array(lengths, kind, order == "F")


def seal(array: Any) -> ObjectRef:
    """Make an array of `create_array` final, and return the reference to it.

    The array becomes read-only, and stays valid. Let go of views that you made of it before: they
    would still write to the store.

    Raises:
        ValueError: If the array is not one of `create_array`, not all of it, or sealed already.
    """
    return _core.seal_array(array)
