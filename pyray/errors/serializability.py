"""Serializers of one's own, and what keeps a value from being pickled."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TextIO, TypeVar

from pyray import _core
from pyray.errors.culprit import can_be_pickled, parts

_T = TypeVar("_T")


def register_serializer(
    cls: type[_T], *, serializer: Callable[[_T], Any], deserializer: Callable[[Any], _T]
) -> None:
    """Have instances of a class stored by a function of one's own, in this process.

    Others need not register it: the deserializer travels with the value.

    Args:
        cls: The class; instances of subclasses are not concerned.
        serializer: Makes of an instance something that can be pickled.
        deserializer: Makes an instance of that.

    Raises:
        TypeError: If `cls` is no class, or one of the others cannot be called.

    Example:
        >>> import threading
        >>> import pyray as ray
        >>> from pyray.util import deregister_serializer, register_serializer
        >>> class Locked:
        ...     def __init__(self, n):
        ...         self.n, self.lock = n, threading.Lock()
        >>> register_serializer(Locked, serializer=lambda one: one.n, deserializer=Locked)
        >>> ray.get(ray.put(Locked(3))).n
        3
        >>> deregister_serializer(Locked)
    """
    if not isinstance(cls, type):
        raise TypeError(f"register_serializer: expected a class, got {cls!r}")
    for name, function in (("serializer", serializer), ("deserializer", deserializer)):
        if not callable(function):
            raise TypeError(f"register_serializer: {name} cannot be called: {function!r}")
    _core.register_reducer(cls, lambda value: (deserializer, (serializer(value),)))


def deregister_serializer(cls: type) -> None:
    """Have instances of the class stored as they would be without `register_serializer`."""
    _core.register_reducer(cls, None)


class FailureTuple(NamedTuple):
    """Something that cannot be pickled.

    Args:
        obj: What it is.
        name: What it is called where it was found.
        parent: Where it was found.
    """

    obj: Any
    name: str
    parent: Any


def inspect_serializability(
    base_obj: Any,
    name: str | None = None,
    depth: int = 3,
    print_file: TextIO | None = None,
) -> tuple[bool, set[FailureTuple]]:
    """Find out what keeps a value from being stored, and print it.

    Args:
        base_obj: The value.
        name: What to call it.
        depth: How deep to look into what it refers to.
        print_file: Where to print; default: standard output.

    Returns:
        Whether it can be stored, and the innermost things that cannot.

    Example:
        >>> import io, threading
        >>> from pyray.util import inspect_serializability
        >>> lock = threading.Lock()
        >>> good, culprits = inspect_serializability(lambda: lock, "f", print_file=io.StringIO())
        >>> good, [culprit.name for culprit in culprits]
        (False, ['lock'])
    """
    failures: dict[int, FailureTuple] = {}
    shown = name or repr(base_obj)
    output = print_file or sys.stdout
    good = _inspect(FailureTuple(base_obj, shown, None), depth, failures, set())
    print(f"Checking Serializability of {base_obj}", file=output)
    for failure in failures.values():
        found_in = "" if failure.parent is None else f", found in {failure.parent}"
        print(f"    {failure.name} [obj={failure.obj!r}{found_in}]", file=output)
    verdict = "can be stored" if good else "cannot be stored, because of the above"
    print(f"{shown} {verdict}.", file=output)
    return good, set(_hashable(failures.values()))


def _hashable(failures: Any) -> Iterator[FailureTuple]:
    for failure in failures:
        try:
            hash(failure)
        except TypeError:
            yield FailureTuple(repr(failure.obj), failure.name, repr(failure.parent))
        else:
            yield failure


def _inspect(
    found: FailureTuple, depth: int, failures: dict[int, FailureTuple], seen: set[int]
) -> bool:
    if can_be_pickled(found.obj):
        return True
    if id(found.obj) in seen:
        return False
    seen.add(id(found.obj))
    deeper = list(parts(found.obj)) if depth > 0 else []
    fine = [
        _inspect(FailureTuple(part.value, part.name, found.obj), depth - 1, failures, seen)
        for part in deeper
    ]
    if all(fine):  # nothing inside is to blame
        failures[id(found.obj)] = found
    return False
