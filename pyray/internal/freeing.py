"""`free`: giving up values before their references go."""

from __future__ import annotations

from collections.abc import Sequence

from pyray import _core, runtime
from pyray._core import ObjectRef

__all__ = ["free"]


def free(object_refs: ObjectRef | Sequence[ObjectRef], local_only: bool = False) -> None:  # noqa: FBT001, FBT002  (Ray's signature)
    """Give up values although references to them exist.

    Whoever gets one of them afterwards has `ray.exceptions.ObjectFreedError` raised, in every
    process. Arrays that somebody has stay as they are; their memory is free when the last of them
    is gone. References inside of a freed value stay until its own references go. What has no value
    yet, as a task that runs, is left alone.

    Args:
        object_refs: A reference, or a list of them.
        local_only: Accepted, as in Ray; there is one machine.

    Raises:
        TypeError: If something is no reference.

    Example:
        >>> import pyray as ray
        >>> from pyray.internal import free
        >>> ref = ray.put(bytearray(1_000_000))
        >>> free([ref])
        >>> try:
        ...     ray.get(ref)
        ... except ray.exceptions.ObjectFreedError:
        ...     print("freed")
        freed
    """
    del local_only
    refs = [object_refs] if isinstance(object_refs, ObjectRef) else list(object_refs)
    for ref in refs:
        if not isinstance(ref, ObjectRef):
            raise TypeError(f"free: expected ObjectRefs, got {type(ref)}")
    if refs:
        runtime.engine()
    for ref in refs:
        _core.free_value(ref)
