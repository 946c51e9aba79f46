"""What keeps a value from being pickled: the path from the value to it, and the line that uses it.

Only errors come here. A part is to blame when it cannot be pickled and all its own parts can; to
find out, each is pickled by itself, so the search has a time limit.
"""

from __future__ import annotations

import dis
import functools
import inspect
import time
import types
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pyray import _core

DEPTH = 12
PATIENCE_S = 2.0


class Part(NamedTuple):
    """Something that a value refers to.

    Args:
        name: What it is called there.
        step: How it is written in a path.
        value: What it is.
    """

    name: str
    step: str
    value: Any


def can_be_pickled(value: Any) -> bool:
    """Return whether a value can be stored."""
    try:
        _core.trial_dumps(value)
    except Exception:  # noqa: BLE001  (whatever a value's own code raises)
        return False
    return True


def parts(value: Any) -> Iterator[Part]:
    """Yield what a value refers to."""
    if inspect.isfunction(value):
        yield from _parts_of_function(value)
    elif inspect.ismethod(value):
        yield Part("__self__", ".__self__", value.__self__)
    elif isinstance(value, functools.partial):
        for name in ("func", "args", "keywords"):
            yield Part(name, f".{name}", getattr(value, name))
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield Part(str(key), f"[{key!r}]", part)
    elif isinstance(value, list | tuple | set | frozenset):
        for index, part in enumerate(value):
            yield Part(f"[{index}]", f"[{index}]", part)
    else:
        yield from _members(value)


def _members(value: Any) -> Iterator[Part]:
    members = dict(vars(value)) if hasattr(value, "__dict__") else {}
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                members.setdefault(name, getattr(value, name))
    for name, part in members.items():
        if isinstance(part, staticmethod | classmethod):
            part = part.__func__  # noqa: PLW2901
        if not name.startswith("__") or inspect.isfunction(part):
            yield Part(name, f".{name}", part)


def _parts_of_function(function: types.FunctionType) -> Iterator[Part]:
    code, name = function.__code__, function.__qualname__
    for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            part = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
        where = _place(code, variable)
        yield Part(variable, f" -> {variable} (a variable around {name}, used {where})", part)
    for variable in sorted(_global_names(code)):
        if variable in function.__globals__:
            where = _place(code, variable)
            step = f" -> {variable} (a global of {name}, used {where})"
            yield Part(variable, step, function.__globals__[variable])
    for index, part in enumerate(function.__defaults__ or ()):
        yield Part(f"default {index}", f".__defaults__[{index}]", part)
    for variable, part in (function.__kwdefaults__ or {}).items():
        yield Part(variable, f".__kwdefaults__[{variable!r}]", part)
    yield from _members(function)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield the code of a function and of those that are defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _global_names(code: types.CodeType) -> set[str]:
    return {
        step.argval
        for one in _codes(code)
        for step in dis.get_instructions(one)
        if step.opname in {"LOAD_GLOBAL", "LOAD_NAME"}
    }


def _place(code: types.CodeType, variable: str) -> str:
    """Say where the code of a function first uses a variable."""
    lines = [
        step.positions.lineno
        for one in _codes(code)
        for step in dis.get_instructions(one)
        if step.argval == variable and step.opname.startswith("LOAD_") and step.positions
    ]
    line = min((line for line in lines if line is not None), default=code.co_firstlineno)
    return f"in {code.co_filename}:{line}"


def path_to_culprit(value: Any) -> tuple[str, Any]:
    """Return the steps from a value to what is to blame, and that; "" if it is the value itself."""
    deadline = time.monotonic() + PATIENCE_S
    path, seen = "", {id(value)}
    for _ in range(DEPTH):
        for part in parts(value):
            if time.monotonic() > deadline:
                return path, value
            if id(part.value) not in seen and not can_be_pickled(part.value):
                break
        else:
            return path, value
        path, value = path + part.step, part.value
        seen.add(id(value))
    return path, value


def in_words(value: Any, name: str) -> str:
    """Return lines to append to an error: how `name`, the value, comes to what is to blame.

    Example:
        >>> import threading
        >>> print(in_words({"a": [threading.Lock()]}, "it").splitlines()[1])
        To blame is it['a'][0], of type _thread.lock.
    """
    path, culprit = path_to_culprit(value)
    if not path:
        return ""
    kind = type(culprit)
    return (
        f"\nTo blame is {name}{path}, of type {kind.__module__}.{kind.__qualname__}.\n"
        "Make it where it is used, leave it out (__getstate__), or say how to store it "
        "(pyray.util.register_serializer)."
    )
