"""`Pool`: the standard library's methods, carried out by the workers of a session.

    pool.map(f, items) ── chunks ──▶ one task each ──▶ whichever worker is free
         ▲                                                   │
         └── results, in order, while others are computed ◀──┘

A chunk of numbers travels packed (8 bytes each, no pickle), any other as one pickle, in which large
arrays are references to one copy in the store (`pyray/sharing.py`).
"""

from __future__ import annotations

import contextlib
import functools
import os
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self

from pyray import runtime, session
from pyray.calls import wait
from pyray.code import Code
from pyray.demands import demand_of
from pyray.engine import Submitter, TaskSpec
from pyray.options import validate_task_options
from pyray.packed import PICKLING_ERRORS, PackedList
from pyray.sharing import SharedArrays
from pyray.util.multiprocessing import work
from pyray.util.multiprocessing.iterators import (
    AHEAD_PER_PROCESS,
    OrderedIMapIterator,
    UnorderedIMapIterator,
)
from pyray.util.multiprocessing.results import AsyncResult, Callback, MapResult

if TYPE_CHECKING:
    from pyray._core import ObjectRef

CHUNKS_PER_PROCESS = 16
"""Into how many chunks `map` divides its items: fine enough that nobody waits long at the end."""
FUNCTIONS_KEPT = 128
"""Functions that a pool has exported and remembers; the one used longest ago goes first."""
PRUNE_FROM = 256
"""When so many calls are remembered for `join()`, those that are over are forgotten."""
SIMPLE = (int, float, str, bytes, bool, type(None))
"""Arguments that neither hold arrays nor references."""
PLAIN = (types.FunctionType, types.BuiltinFunctionType)
"""Functions without a state of their own."""

Function = Callable[..., Any]


class Pool:
    """A pool of worker processes with the methods of `multiprocessing.Pool`.

    Its workers are those of the session, at most `processes` at a time. A session with that many
    CPUs is started if there is none.

    Args:
        processes: How many calls run at a time; default: the CPUs of the session. It may be larger
            than that.
        initializer: Called once in each process, before its first work for this pool.
        initargs: Its arguments.
        maxtasksperchild: After so many calls or chunks a process is replaced by a new one.
        context: Accepted; there is one way to start workers.
        ray_address: Accepted; the session of this process is used.
        ray_remote_args: Options of the tasks, as for `@ray.remote`; replace `processes` as the
            limit where they name resources.

    Example:
        >>> from pyray.util.multiprocessing import Pool
        >>> with Pool(2) as pool:
        ...     pool.map(lambda x: x * x, range(5))
        [0, 1, 4, 9, 16]
    """

    def __init__(  # noqa: PLR0913, PLR0917  (Ray's signature)
        self,
        processes: int | None = None,
        initializer: Function | None = None,
        initargs: Sequence[Any] | None = None,
        maxtasksperchild: int | None = None,
        context: Any = None,
        ray_address: str | None = None,
        ray_remote_args: dict[str, Any] | None = None,
    ) -> None:
        del context
        _check_arguments(processes, initializer, maxtasksperchild)
        if not session.is_initialized():
            session.init(address=ray_address, num_cpus=processes)
        cpus = runtime.engine().resources().get("CPU", (0.0, 0.0))[0]
        self._processes = processes or max(1, int(cpus))
        self._spec = _spec(cpus, self._processes, ray_remote_args or {})
        self._setup: work.Setup | None = None
        if initializer is not None or maxtasksperchild is not None:
            first = None
            if initializer is not None:
                first = runtime.engine().put((initializer, tuple(initargs or ())))
            self._setup = work.Setup(os.urandom(16), first, maxtasksperchild)
        self._state = "RUN"
        self._arrays = SharedArrays()
        self._functions: dict[Any, tuple[Function, Submitter]] = {}
        self._given: Submitter | None = None
        self._outstanding: set[ObjectRef] = set()  # whose results nobody has taken
        self._prune_at = PRUNE_FROM
        self._feeds: dict[int, OrderedIMapIterator] = {}

    # ---- one call

    def apply(
        self, func: Function, args: Iterable[Any] = (), kwds: Mapping[str, Any] | None = None
    ) -> Any:
        """Call `func(*args, **kwds)` in a worker and return its result."""
        return self.apply_async(func, args, kwds).get()

    def apply_async(
        self,
        func: Function,
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        callback: Callback = None,
        error_callback: Callback = None,
    ) -> AsyncResult:
        """Call `func(*args, **kwds)` in a worker; return at once.

        Callbacks run in a thread of this process.
        """
        self._check_running()
        try:
            ref = self._submit_call(func, tuple(args or ()), dict(kwds) if kwds else {})
        except PICKLING_ERRORS as error:
            return AsyncResult.failed(error, error_callback)
        self._remember(ref)
        return AsyncResult(ref, callback, error_callback, self._outstanding.discard)

    def _submit_call(self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        is_simple = not kwargs and all(type(value) in SIMPLE for value in args)
        if is_simple and type(func) in PLAIN:
            return self._task_of(func, work.one_call).submit(args, kwargs)
        if self._given is None:
            self._given = self._prepare(work.call_given, "call")
        with self._arrays.calls():
            return self._given.submit((func, self._setup, args, kwargs), {})

    # ---- many

    def map(
        self, func: Function, iterable: Iterable[Any], chunksize: int | None = None
    ) -> list[Any]:
        """Return `[func(item) for item in iterable]`, computed in the workers."""
        return self.map_async(func, iterable, chunksize).get()  # type: ignore[no-any-return]

    def map_async(
        self,
        func: Function,
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callback = None,
        error_callback: Callback = None,
    ) -> AsyncResult:
        """As `map`; return at once."""
        return self._map(func, iterable, chunksize, callback, error_callback, star=False)

    def starmap(
        self, func: Function, iterable: Iterable[Iterable[Any]], chunksize: int | None = None
    ) -> list[Any]:
        """Return `[func(*item) for item in iterable]`, computed in the workers."""
        return self.starmap_async(func, iterable, chunksize).get()  # type: ignore[no-any-return]

    def starmap_async(
        self,
        func: Function,
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callback = None,
        error_callback: Callback = None,
    ) -> AsyncResult:
        """As `starmap`; return at once."""
        return self._map(func, iterable, chunksize, callback, error_callback, star=True)

    def _map(  # noqa: PLR0913  (those of map_async)
        self,
        func: Function,
        iterable: Iterable[Any],
        chunk_size: int | None,
        callback: Callback,
        error_callback: Callback,
        *,
        star: bool,
    ) -> AsyncResult:
        self._check_running()
        items: Any = iterable if hasattr(iterable, "__len__") else list(iterable)
        if not hasattr(items, "__getitem__") or isinstance(items, Mapping):
            items = list(items)
        count = len(items)
        if chunk_size is None:
            chunk_size = -(-count // (CHUNKS_PER_PROCESS * self._processes))
        refs = []
        try:
            task = self._task_of(func, functools.partial(work.chunk_call, star=star))
            with self._arrays.calls():
                for first in range(0, count, max(1, chunk_size)):
                    last = min(count, first + max(1, chunk_size))
                    refs.append(_submit_chunk(task, items, first, last))
                    self._remember(refs[-1])
        except PICKLING_ERRORS as error:
            return AsyncResult.failed(error, error_callback)
        return MapResult(refs, count, callback, error_callback, self._outstanding.discard)

    def imap(self, func: Function, iterable: Iterable[Any], chunksize: int = 1) -> Iterator[Any]:
        """Yield the results of `func(item)` in order; items are read as results are taken."""
        return self._imap(OrderedIMapIterator, func, iterable, chunksize)

    def imap_unordered(
        self, func: Function, iterable: Iterable[Any], chunksize: int = 1
    ) -> Iterator[Any]:
        """As `imap`, results as they are ready."""
        return self._imap(UnorderedIMapIterator, func, iterable, chunksize)

    def _imap(
        self,
        kind: type[OrderedIMapIterator],
        func: Function,
        iterable: Iterable[Any],
        chunk_size: int,
    ) -> OrderedIMapIterator:
        self._check_running()
        if chunk_size < 1:
            raise ValueError(f"Chunksize must be 1+, not {chunk_size:n}")
        task = self._task_of(func, functools.partial(work.chunk_call, star=False))

        def send(chunk: list[Any]) -> ObjectRef:
            with self._arrays.calls():
                ref: ObjectRef = _submit_chunk(task, chunk, 0, len(chunk))
            self._remember(ref)
            return ref

        def ended(iterator: object) -> None:
            self._feeds.pop(id(iterator), None)

        ahead = AHEAD_PER_PROCESS * self._processes
        iterator = kind(send, self._outstanding.discard, iterable, chunk_size, ahead, ended)
        if not iterator.all_sent:
            self._feeds[id(iterator)] = iterator
        return iterator

    # ---- tasks

    def _task_of(self, func: Function, make: Callable[[Function, Any], Function]) -> Submitter:
        """Return the prepared task of a function; plain functions are exported once.

        What a function refers to is taken when the pool first sends it, as a forked pool takes it
        when it is made. Other callables have state, so they are exported each time.
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
        with self._arrays.calls():
            ref, is_borrowed = Code(function).find(engine)
        spec = TaskSpec(name, 1, self._spec.resources, self._spec.max_retries)
        return engine.task(ref, spec, borrowed=is_borrowed)

    def _remember(self, ref: ObjectRef) -> None:
        self._outstanding.add(ref)
        if len(self._outstanding) >= self._prune_at:
            refs = list(self._outstanding)
            self._outstanding.difference_update(wait(refs, num_returns=len(refs), timeout=0)[0])
            self._prune_at = max(PRUNE_FROM, 2 * len(self._outstanding))

    # ---- the end

    def close(self) -> None:
        """Take no more work; what was given is done."""
        if self._state == "RUN":
            self._state = "CLOSE"

    def terminate(self) -> None:
        """Take no more work, and stop what is being done."""
        self._state = "TERMINATE"
        self._feeds.clear()
        refs = self._take_outstanding()
        if refs and runtime.is_ours():
            with contextlib.suppress(NotImplementedError):  # an engine that cannot: they end
                for ref in wait(refs, num_returns=len(refs), timeout=0)[1]:
                    runtime.engine().cancel(ref, force=True, recursive=True)
        self._forget()

    def join(self) -> None:
        """Wait until all work is done.

        Raises:
            ValueError: If the pool was neither closed nor terminated.
        """
        if self._state == "RUN":
            raise ValueError("Pool is still running")
        for feed in list(self._feeds.values()):
            feed.send_all()
        refs = self._take_outstanding()
        if refs:
            wait(refs, num_returns=len(refs))
        self._forget()

    def _take_outstanding(self) -> list[ObjectRef]:
        refs = list(self._outstanding)
        self._outstanding.clear()
        return refs

    def _forget(self) -> None:
        self._arrays.clear()
        self._functions.clear()
        self._given = None

    def _check_running(self) -> None:
        if self._state != "RUN":
            raise ValueError("Pool not running")

    def __enter__(self) -> Self:
        self._check_running()
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()

    def __reduce__(self) -> NoReturn:
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} state={self._state} pool_size={self._processes}>"


def _check_arguments(
    processes: int | None, initializer: object, maxtasksperchild: int | None
) -> None:
    if processes is not None and processes < 1:
        raise ValueError("Number of processes must be at least 1")
    if initializer is not None and not callable(initializer):
        raise TypeError("initializer must be a callable")
    most: Any = maxtasksperchild
    if most is not None and (not isinstance(most, int) or most <= 0):
        raise ValueError("maxtasksperchild must be a positive int or None")


def _spec(cpus: float, processes: int, options: dict[str, Any]) -> TaskSpec:
    """Return what each task asks for: such a share of the CPUs that `processes` of them fit."""
    options = validate_task_options(options, in_options=True)
    share = int(cpus / processes * 10_000) / 10_000
    demand = demand_of(options, default_cpus=share)
    return TaskSpec("call", 1, demand, options.get("max_retries") or 0)


def _submit_chunk(task: Submitter, items: Any, first: int, last: int) -> Any:
    if type(items) is list:
        packed = PackedList.pack(items, first, last)
        if packed is not None:
            return task.submit((runtime.engine().put(packed),), {})
    chunk = items[first:last]
    if type(chunk).__module__ == "numpy":
        return task.submit((runtime.engine().put(chunk),), {})
    return task.submit((chunk,), {})
