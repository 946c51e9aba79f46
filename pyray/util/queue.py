"""A queue that tasks, actors and the driver share: an actor with an `asyncio.Queue`."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pyray.actors import ActorClass
from pyray.calls import cancel, get, kill, wait

if TYPE_CHECKING:
    from pyray._core import ObjectRef


class Empty(queue.Empty):
    """There is nothing in the queue."""


class Full(queue.Full):
    """The queue has no room."""


class Queue:
    """A first-in, first-out queue; handles of it can be passed to tasks and actors.

    Args:
        maxsize: How many items it holds at most; 0 or less: no limit.
        actor_options: Options of the actor that keeps the items.

    Example:
        >>> from pyray.util.queue import Queue
        >>> queue = Queue(maxsize=2)
        >>> queue.put("a")
        >>> queue.put_nowait("b")
        >>> queue.full(), queue.get(), queue.qsize()
        (True, 'a', 1)
        >>> queue.shutdown()
    """

    def __init__(self, maxsize: int = 0, actor_options: dict[str, Any] | None = None) -> None:
        self.maxsize = maxsize
        options = {"num_cpus": 0, **(actor_options or {})}
        self.actor: Any = ActorClass(_QueueActor, {}).options(**options).remote(maxsize)

    def __len__(self) -> int:
        return self.size()

    def size(self) -> int:
        """Return how many items there are."""
        return get(self.actor.qsize.remote())  # type: ignore[no-any-return]

    def qsize(self) -> int:
        """Return how many items there are."""
        return self.size()

    def empty(self) -> bool:
        """Return whether there are no items."""
        return get(self.actor.empty.remote())  # type: ignore[no-any-return]

    def full(self) -> bool:
        """Return whether there is no room."""
        return get(self.actor.full.remote())  # type: ignore[no-any-return]

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002  (queue's signature)
        """Add an item; wait for room if `block`.

        Raises:
            Full: If there is no room, or none within `timeout` seconds.
            ValueError: If the timeout is negative.
        """
        if block:
            call = self.actor.put.remote([item], _checked(timeout))
            with _given_up_with(call):
                get(call)
        else:
            self.put_nowait(item)

    async def put_async(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002, ASYNC109  (queue's signature)
        """As `put`, for coroutines."""
        if block:
            call = self.actor.put.remote([item], _checked(timeout))
            with _given_up_with(call):
                await call
        else:
            with _as_raised_here():
                await self.actor.put_nowait_batch.remote([item])

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002  (queue's signature)
        """Take the first item; wait for one if `block`.

        Raises:
            Empty: If there is none, or none within `timeout` seconds.
            ValueError: If the timeout is negative.
        """
        if block:
            call = self.actor.get.remote(_checked(timeout))
            with _given_up_with(call):
                return get(call)[0]
        return self.get_nowait()

    async def get_async(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002, ASYNC109  (queue's signature)
        """As `get`, for coroutines."""
        if block:
            call = self.actor.get.remote(_checked(timeout))
            with _given_up_with(call):
                return (await call)[0]
        with _as_raised_here():
            return (await self.actor.get_nowait_batch.remote(1))[0]

    def put_nowait(self, item: Any) -> None:
        """Add an item, or raise Full."""
        with _as_raised_here():
            get(self.actor.put_nowait_batch.remote([item]))

    def put_nowait_batch(self, items: Iterable[Any]) -> None:
        """Add all items, or none and raise Full."""
        if not isinstance(items, Iterable):
            raise TypeError("Argument 'items' must be an Iterable")
        get(self.actor.put_nowait_batch.remote(list(items)))

    def get_nowait(self) -> Any:
        """Take the first item, or raise Empty."""
        with _as_raised_here():
            return get(self.actor.get_nowait_batch.remote(1))[0]

    def get_nowait_batch(self, num_items: int) -> list[Any]:
        """Take the first items, as many as asked for, or none and raise Empty."""
        if not isinstance(num_items, int):
            raise TypeError("Argument 'num_items' must be an int")
        if num_items < 0:
            raise ValueError("'num_items' must be nonnegative")
        return get(self.actor.get_nowait_batch.remote(num_items))  # type: ignore[no-any-return]

    def shutdown(self, force: bool = False, grace_period_s: int = 5) -> None:  # noqa: FBT001, FBT002  (Ray's signature)
        """End the actor; the queue cannot be used any more.

        Args:
            force: Do not let it finish what was asked before.
            grace_period_s: How long it may take for that.
        """
        if self.actor is not None and not force:
            wait([self.actor.empty.remote()], timeout=grace_period_s)
        if self.actor is not None:
            kill(self.actor)
        self.actor = None


@contextlib.contextmanager
def _as_raised_here() -> Iterator[None]:
    """Raise Full and Empty as they are, not as errors of the actor's task."""
    try:
        yield
    except Full as error:
        raise Full(str(getattr(error, "cause", error))) from None
    except Empty as error:
        raise Empty(str(getattr(error, "cause", error))) from None


@contextlib.contextmanager
def _given_up_with(call: ObjectRef) -> Iterator[None]:
    """Cancel a call whose caller is interrupted: it would take an item for nobody."""
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError):
        cancel(call)
        raise


def _checked(timeout: float | None) -> float | None:
    if timeout is not None and timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    return timeout


class _QueueActor:
    """Keeps the items, each in a list: an item that is a reference stays one."""

    def __init__(self, maxsize: int) -> None:
        self.items: asyncio.Queue[Any] = asyncio.Queue(maxsize)

    async def qsize(self) -> int:
        return self.items.qsize()

    async def empty(self) -> bool:
        return self.items.empty()

    async def full(self) -> bool:
        return self.items.full()

    async def put(self, item: list[Any], timeout: float | None) -> None:  # noqa: ASYNC109  (queue's)
        try:
            await asyncio.wait_for(self.items.put(item[0]), timeout)
        except TimeoutError:
            raise Full from None

    async def get(self, timeout: float | None) -> list[Any]:  # noqa: ASYNC109  (queue's)
        try:
            return [await asyncio.wait_for(self.items.get(), timeout)]
        except TimeoutError:
            raise Empty from None

    async def put_nowait_batch(self, items: list[Any]) -> None:
        size, limit = self.items.qsize(), self.items.maxsize
        if 0 < limit < size + len(items):
            raise Full(
                f"Cannot add {len(items)} items to queue of size {size} and maxsize {limit}."
            )
        for item in items:
            self.items.put_nowait(item)

    async def get_nowait_batch(self, num_items: int) -> list[Any]:
        if num_items > self.items.qsize():
            raise Empty(f"Cannot get {num_items} items from queue of size {self.items.qsize()}.")
        return [self.items.get_nowait() for _ in range(num_items)]
