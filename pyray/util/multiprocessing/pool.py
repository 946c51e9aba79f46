"""`Pool`: the standard library's methods, carried out by the workers of a session.

    pool.map(f, items) ── chunks ──▶ one task each ──▶ whichever worker is free
         ▲                                                   │
         └── results, in order, while others are computed ◀──┘

`sender.py` has the way of the calls to the workers, `results.py` and `iterators.py` the way back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self

from pyray import runtime
from pyray.calls import wait
from pyray.node import session
from pyray.packed import PICKLING_ERRORS
from pyray.util.multiprocessing.iterators import (
    AHEAD_PER_PROCESS,
    OrderedIMapIterator,
    UnorderedIMapIterator,
)
from pyray.util.multiprocessing.results import AsyncResult, Callback, MapResult
from pyray.util.multiprocessing.sender import Sender

if TYPE_CHECKING:
    from pyray._core import ObjectRef

CHUNKS_PER_PROCESS = 16
"""Into how many chunks `map` divides its items: fine enough that nobody waits long at the end."""
PRUNE_FROM = 256
"""When so many calls are remembered for `join()`, those that are over are forgotten."""

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
        session.ensure_session(processes, ray_address)
        self._sender = Sender(
            processes, initializer, initargs or (), maxtasksperchild, ray_remote_args or {}
        )
        self._processes = self._sender.processes
        self._state = "RUN"
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
            ref = self._sender.call(func, tuple(args or ()), dict(kwds) if kwds else {})
        except PICKLING_ERRORS as error:
            return AsyncResult.failed(error, error_callback)
        self._remember(ref)
        return AsyncResult(ref, callback, error_callback, self._outstanding.discard)

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
        try:
            refs = self._sender.chunks(func, items, chunk_size, star=star)
        except PICKLING_ERRORS as error:
            return AsyncResult.failed(error, error_callback)
        for ref in refs:
            self._remember(ref)
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

        def send(chunk: list[Any]) -> ObjectRef:
            (ref,) = self._sender.chunks(func, chunk, len(chunk), star=False)
            self._remember(ref)
            return ref

        def ended(iterator: object) -> None:
            self._feeds.pop(id(iterator), None)

        ahead = AHEAD_PER_PROCESS * self._processes
        iterator = kind(send, self._outstanding.discard, iterable, chunk_size, ahead, ended)
        if not iterator.all_sent:
            self._feeds[id(iterator)] = iterator
        return iterator

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
        self._sender.clear()

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
        self._sender.clear()

    def _take_outstanding(self) -> list[ObjectRef]:
        refs = list(self._outstanding)
        self._outstanding.clear()
        return refs

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
