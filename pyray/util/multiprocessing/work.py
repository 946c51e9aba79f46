"""What runs in the workers of a pool."""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pyray.calls import get
from pyray.packed import PackedList
from pyray.worker.execution import retire_worker

if TYPE_CHECKING:
    from pyray._core import ObjectRef

Function = Callable[..., Any]


class Setup:
    """What a worker does before its first work for a pool, and when it has done enough.

    A pool's functions may use global variables that its initializer sets. Functions of the main
    program travel by value, each with global variables of its own: so those that the initializer
    knows are put into those of the functions that come after it.

    Args:
        pool: Names the pool in every process.
        initializer: A reference to (function, arguments), or None.
        most_tasks: After so many tasks of the pool the process makes room for a new one.
    """

    def __init__(self, pool: bytes, initializer: ObjectRef | None, most_tasks: int | None) -> None:
        self.pool = pool
        self.initializer = initializer
        self.most_tasks = most_tasks

    def enter(self, function: Function) -> None:
        """Run the initializer if this process has not; let `function` see what it has set."""
        if self.most_tasks is not None:
            done = _tasks_done[self.pool] = _tasks_done.get(self.pool, 0) + 1
            if done >= self.most_tasks:
                retire_worker()
        if self.initializer is None:
            return
        variables = _variables.get(self.pool)
        if variables is None:
            initialize, arguments = get(self.initializer)
            initialize(*arguments)
            variables = _variables[self.pool] = _own_globals(initialize)
        if variables and (own := _own_globals(function)) and id(own) not in _entered:
            _entered[id(own)] = own
            own.update((name, value) for name, value in variables.items() if name[:2] != "__")


_tasks_done: dict[bytes, int] = {}
"""By pool: how many of its tasks this process has begun."""
_variables: dict[bytes, dict[str, Any]] = {}
"""By pool: the global variables of its initializer in this process."""
_entered: dict[int, dict[str, Any]] = {}
"""The sets of global variables that got them; held, so that their ids stay theirs."""


def _own_globals(function: Function) -> dict[str, Any]:
    """Return the global variables of a function that came by value; {} if a module has them."""
    inner: Any = function
    while not isinstance(inner, types.FunctionType):
        inner = getattr(inner, "__func__", None) or getattr(inner, "func", None)
        if inner is None:
            return {}
    module = sys.modules.get(inner.__globals__.get("__name__", ""))
    is_modules = module is not None and vars(module) is inner.__globals__
    return {} if is_modules else inner.__globals__


def one_call(function: Function, setup: Setup | None) -> Function:
    """Return the task of `apply`: calls the function with the task's arguments."""
    if setup is None:
        return function

    def call(*args: Any, **kwargs: Any) -> Any:
        setup.enter(function)
        return function(*args, **kwargs)

    return call


def call_given(function: Function, setup: Setup | None, args: Any, kwargs: Any) -> Any:
    """Run as a task: a function that comes with the call, arguments that are taken as they are."""
    if setup is not None:
        setup.enter(function)
    return function(*args, **kwargs)


def chunk_call(function: Function, setup: Setup | None, *, star: bool) -> Function:
    """Return the task of `map`: applies the function to each item of a chunk."""

    def call(chunk: Iterable[Any]) -> PackedList | list[Any]:
        if setup is not None:
            setup.enter(function)
        return map_chunk(function, chunk, star=star)

    return call


def map_chunk(function: Function, chunk: Iterable[Any], *, star: bool) -> PackedList | list[Any]:
    """Apply the function to each item; numbers come back packed."""
    if star:
        values = list(itertools.starmap(function, chunk))
    elif isinstance(chunk, PackedList):
        return chunk.map(function)
    else:
        values = list(map(function, chunk))
    return PackedList.pack(values) or values
