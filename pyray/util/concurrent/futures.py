"""`ProcessPoolExecutor`: the interface of `concurrent.futures`, on the workers of a session."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pyray import runtime
from pyray.calls import get
from pyray.exceptions import GetTimeoutError
from pyray.node import session
from pyray.util.multiprocessing.results import own_error, raise_own
from pyray.util.multiprocessing.sender import Sender
from pyray.worker.execution import waiting

if TYPE_CHECKING:
    from pyray._core import ObjectRef

Function = Callable[..., Any]


class CallFuture(concurrent.futures.Future[Any]):
    """The future of a call; cancelling it asks for the end of the call as well."""

    def __init__(self, ref: ObjectRef) -> None:
        super().__init__()
        self._ref: ObjectRef | None = ref
        ref.future().add_done_callback(self._complete)

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result and return it, or raise the function's exception."""
        with waiting():
            return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end of the call; return the function's exception, or None."""
        with waiting():
            return super().exception(timeout)

    def cancel(self) -> bool:
        """Cancel the call; False if it is over.

        A call that runs already may run to its end; its result is dropped.
        """
        ref = self._ref
        if ref is None or not super().cancel():
            return False
        self._ref = None
        with contextlib.suppress(NotImplementedError):  # an engine that cannot: it ends
            runtime.engine().cancel(ref, force=False, recursive=True)
        return True

    def _complete(self, done: concurrent.futures.Future[Any]) -> None:
        if not self.set_running_or_notify_cancel():
            return
        self._ref = None
        error = done.exception()
        if error is None:
            self.set_result(done.result())
        else:
            self.set_exception(own_error(error))


class ProcessPoolExecutor(concurrent.futures.Executor):
    """An executor with the interface of `concurrent.futures.ProcessPoolExecutor`.

    Its workers are those of the session, at most `max_workers` at a time. A session with that many
    CPUs is started if there is none. A large numpy array that is given to many calls is stored once
    (`pyray.util.multiprocessing.Pool` says more). A worker that dies fails its call only.

    Args:
        max_workers: How many calls run at a time; default: the CPUs of the session.
        mp_context: Accepted; there is one way to start workers.
        initializer: Called once in each process, before its first call for this executor.
        initargs: Its arguments.
        max_tasks_per_child: After so many calls a process is replaced by a new one.

    Example:
        >>> from pyray.util.concurrent.futures import ProcessPoolExecutor
        >>> with ProcessPoolExecutor(2) as executor:
        ...     executor.submit(pow, 2, 10).result()
        ...     list(executor.map(lambda a, b: a * b, [1, 2, 3], [4, 5, 6]))
        1024
        [4, 10, 18]
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: Any = None,
        initializer: Function | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
    ) -> None:
        del mp_context
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        most: Any = max_tasks_per_child
        if most is not None and not isinstance(most, int):
            raise TypeError("max_tasks_per_child must be an integer")
        if most is not None and most <= 0:
            raise ValueError("max_tasks_per_child must be >= 1")
        session.ensure_session(max_workers)
        self._sender = Sender(max_workers, initializer, initargs, max_tasks_per_child)
        self._lock = threading.Lock()
        self._futures: set[concurrent.futures.Future[Any]] = set()
        self._is_down = False

    def submit(self, fn: Function, /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Call `fn(*args, **kwargs)` in a worker; return the future of its result.

        Raises:
            RuntimeError: After `shutdown`.
            TypeError: If the call cannot be pickled.
        """
        self._check_running()
        future = CallFuture(self._sender.call(fn, args, kwargs))
        with self._lock:
            self._futures.add(future)
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future: concurrent.futures.Future[Any]) -> None:
        with self._lock:
            self._futures.discard(future)

    def map(
        self,
        fn: Function,
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[Any]:
        """Yield `fn(*items)` for the items of the iterables, in order; calls start at once.

        Args:
            fn: The function.
            *iterables: One for each of its arguments; the shortest one decides.
            timeout: Seconds from now until the last result is taken; None: no limit.
            chunksize: How many calls travel together.

        Raises:
            TimeoutError: If a result is not there in time.
            ValueError: If `chunksize` is less than 1.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        self._check_running()
        deadline = None if timeout is None else time.monotonic() + timeout
        items: list[Any] = list(zip(*iterables, strict=False))
        star = len(iterables) != 1
        if not star:
            items = [item for (item,) in items]
        refs = self._sender.chunks(fn, items, chunksize, star=star)
        refs.reverse()
        return itertools.chain.from_iterable(_results(refs, deadline))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  (the base's)
        """Take no more calls.

        Args:
            wait: Return when all futures are done.
            cancel_futures: Cancel the calls that are not over.
        """
        self._is_down = True
        with self._lock:
            futures = list(self._futures)
        if cancel_futures:
            for future in futures:
                future.cancel()
        if wait:
            with waiting():
                concurrent.futures.wait(futures)
        self._sender.clear()

    def _check_running(self) -> None:
        if self._is_down:
            raise RuntimeError("cannot schedule new futures after shutdown")


def _results(refs: list[ObjectRef], deadline: float | None) -> Iterator[Any]:
    """Yield the results of the chunks, the last of `refs` first, and let go of them."""
    while refs:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            part = get(refs[-1], timeout=left)
        except GetTimeoutError:
            raise TimeoutError from None
        except Exception as error:  # noqa: BLE001  (whatever the function raised)
            raise_own(error)
        refs.pop()
        yield part.unpack() if hasattr(part, "unpack") else part
