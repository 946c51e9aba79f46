"""Calls on their way to workers: functions exported once, numbers packed, large arrays shared.

A chunk of numbers travels packed (8 bytes each, no pickle), any other as one pickle, in which large
arrays are references to one copy in the store (`pyray/sharing.py`).
"""

from __future__ import annotations

import functools
import os
import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pyray import runtime
from pyray.code import Code
from pyray.demands import demand_of
from pyray.engine import Submitter, TaskSpec
from pyray.options import validate_task_options
from pyray.packed import PackedList
from pyray.sharing import SharedArrays
from pyray.util.multiprocessing import work

if TYPE_CHECKING:
    from pyray._core import ObjectRef

FUNCTIONS_KEPT = 128
"""Functions that are exported and remembered; the one used longest ago goes first."""
SIMPLE = (int, float, str, bytes, bool, type(None))
"""Arguments that neither hold arrays nor references."""
PLAIN = (types.FunctionType, types.BuiltinFunctionType)
"""Functions without a state of their own."""

Function = Callable[..., Any]


class Sender:
    """What a pool and an executor have in common: how calls become tasks.

    Args:
        processes: How many of them run at a time; None: as many as there are CPUs.
        initializer: Called in each process before its first task, or None.
        initargs: Its arguments.
        most_tasks: After so many tasks a process is replaced; None: never.
        options: Of the tasks, as for `@ray.remote`.
    """

    def __init__(
        self,
        processes: int | None,
        initializer: Function | None = None,
        initargs: Iterable[Any] = (),
        most_tasks: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        cpus = runtime.engine().resources().get("CPU", (0.0, 0.0))[0]
        self.processes = processes or max(1, int(cpus))
        self._setup: work.Setup | None = None
        if initializer is not None or most_tasks is not None:
            first = None
            if initializer is not None:
                first = runtime.engine().put((initializer, tuple(initargs)))
            self._setup = work.Setup(os.urandom(16), first, most_tasks)
        share = int(cpus / self.processes * 10_000) / 10_000  # so that `processes` of them fit
        options = validate_task_options(options or {}, in_options=True)
        self._demand = demand_of(options, default_cpus=share)
        self._retries = options.get("max_retries") or 0
        self._functions: dict[Any, tuple[Function, Submitter]] = {}
        self._given: Submitter | None = None
        self.arrays = SharedArrays()

    def call(self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ObjectRef:
        """Send one call."""
        is_simple = not kwargs and all(type(value) in SIMPLE for value in args)
        if is_simple and type(func) in PLAIN:
            return self._task_of(func, work.one_call).submit(args, kwargs)  # type: ignore[no-any-return]
        if self._given is None or not self._given.is_current:
            self._given = self._prepare(work.call_given, "call")
        with self.arrays.calls():
            return self._given.submit((func, self._setup, args, kwargs), {})  # type: ignore[no-any-return]

    def chunks(self, func: Function, items: Any, chunk_size: int, *, star: bool) -> list[ObjectRef]:
        """Send a sequence in chunks; return one reference for each."""
        task = self._task_of(func, functools.partial(work.chunk_call, star=star))
        size = max(1, chunk_size)
        with self.arrays.calls():
            return [
                _submit_chunk(task, items, first, min(len(items), first + size))
                for first in range(0, len(items), size)
            ]

    def clear(self) -> None:
        """Let go of functions and arrays; calls that were sent keep what they need."""
        self.arrays.clear()
        self._functions.clear()
        self._given = None

    def _task_of(self, func: Function, make: Callable[[Function, Any], Function]) -> Submitter:
        """Return the prepared task of a function; plain functions are exported once.

        What a function refers to is taken when it is first sent, as a forked pool takes it when it
        is made. Other callables have state, so they are exported each time.
        """
        is_plain = type(func) in PLAIN
        key = (id(func), getattr(make, "keywords", {}).get("star"))
        found = self._functions.pop(key, None) if is_plain else None
        if found is not None and found[1].is_current:
            self._functions[key] = found  # the latest
            return found[1]
        name = getattr(func, "__name__", type(func).__name__)
        task = self._prepare(make(func, self._setup), name)
        if is_plain:
            self._functions[key] = func, task
            if len(self._functions) > FUNCTIONS_KEPT:
                del self._functions[next(iter(self._functions))]
        return task

    def _prepare(self, function: Function, name: str) -> Submitter:
        engine = runtime.engine()
        with self.arrays.calls():
            ref, is_borrowed = Code(function).find(engine)
        return engine.task(
            ref, TaskSpec(name, 1, self._demand, self._retries), borrowed=is_borrowed
        )


def _submit_chunk(task: Submitter, items: Any, first: int, last: int) -> Any:
    if type(items) is list:
        packed = PackedList.pack(items, first, last)
        if packed is not None:
            return task.submit((runtime.engine().put(packed),), {})
    chunk = items[first:last]
    if type(chunk).__module__ == "numpy":
        return task.submit((runtime.engine().put(chunk),), {})
    return task.submit((chunk,), {})
