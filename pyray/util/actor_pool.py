"""A fixed set of actors that share work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pyray.calls import get, wait
from pyray.exceptions import ActorDiedError

if TYPE_CHECKING:
    from pyray.actor_handle import ActorHandle

Call = Callable[[Any, Any], Any]
"""`call(actor, value)` calls a method of the actor and returns the reference."""


class ActorPool:
    """Spread calls over actors: each works on one call at a time, whoever is free takes the next.

    Args:
        actors: Handles of actors; no other code should call them meanwhile.

    Example:
        >>> import pyray as ray
        >>> from pyray.util import ActorPool
        >>> @ray.remote
        ... class Doubler:
        ...     def double(self, value):
        ...         return 2 * value
        >>> pool = ActorPool([Doubler.remote(), Doubler.remote()])
        >>> list(pool.map(lambda actor, value: actor.double.remote(value), [1, 2, 3, 4]))
        [2, 4, 6, 8]
    """

    def __init__(self, actors: Iterable[ActorHandle]) -> None:
        self._idle: list[ActorHandle] = list(actors)
        self._busy: dict[Any, tuple[int, ActorHandle]] = {}  # reference -> (number, actor)
        self._refs: dict[int, Any] = {}  # number -> what the call returned
        self._waiting: deque[tuple[Call, Any]] = deque()
        self._next_number = 0
        self._next_result = 0

    def map(self, fn: Call, values: Iterable[Any]) -> Iterator[Any]:
        """Call `fn(actor, value)` for each value; results in the order of the values.

        Calls start at once; later ones as results are taken. Results of earlier `submit`s are
        dropped.
        """
        self._drop_results(self.get_next)
        for value in values:
            self.submit(fn, value)
        return self._results(self.get_next)

    def map_unordered(self, fn: Call, values: Iterable[Any]) -> Iterator[Any]:
        """As `map`, with results in the order in which they are ready."""
        self._drop_results(self.get_next_unordered)
        for value in values:
            self.submit(fn, value)
        return self._results(self.get_next_unordered)

    def _results(self, take: Callable[[], Any]) -> Iterator[Any]:
        while self.has_next():
            yield take()

    def _drop_results(self, take: Callable[..., Any]) -> None:
        while self.has_next():
            try:
                take(timeout=0, ignore_if_timedout=True)
            except TimeoutError:
                continue

    def submit(self, fn: Call, value: Any) -> None:
        """Call `fn(actor, value)` with a free actor, or with the next that becomes free."""
        if not self._idle:
            self._waiting.append((fn, value))
            return
        actor = self._idle.pop()
        ref = fn(actor, value)
        self._busy[_key(ref)] = self._next_number, actor
        self._refs[self._next_number] = ref
        self._next_number += 1

    def has_next(self) -> bool:
        """Return whether there are results that were not taken yet."""
        return bool(self._busy)

    def get_next(
        self,
        timeout: float | None = None,
        ignore_if_timedout: bool = False,  # noqa: FBT001, FBT002  (Ray's signature)
    ) -> Any:
        """Wait for the next result in the order of submission and return it.

        Args:
            timeout: Seconds to wait at most; None: no limit.
            ignore_if_timedout: Skip this result when the time is over.

        Raises:
            StopIteration: If there is none.
            TimeoutError: If the time is over.
            ValueError: If a later result was taken by `get_next_unordered` already.
        """
        if not self.has_next():
            raise StopIteration("No more results to get")
        if self._next_result >= self._next_number:
            raise ValueError("It is not allowed to call get_next() after get_next_unordered().")
        ref = self._refs[self._next_result]
        refs = ref if isinstance(ref, list) else [ref]
        is_late = timeout is not None and bool(
            wait(refs, num_returns=len(refs), timeout=timeout)[1]
        )
        if is_late and not ignore_if_timedout:
            raise TimeoutError("Timed out waiting for result")
        return self._take(_key(ref), is_late=is_late)

    def get_next_unordered(
        self,
        timeout: float | None = None,
        ignore_if_timedout: bool = False,  # noqa: FBT001, FBT002  (Ray's signature)
    ) -> Any:
        """Wait for whichever result is ready first and return it.

        Args:
            timeout: Seconds to wait at most; None: no limit.
            ignore_if_timedout: Skip the result of the oldest call when the time is over.

        Raises:
            StopIteration: If there is none.
            TimeoutError: If the time is over.
        """
        if not self.has_next():
            raise StopIteration("No more results to get")
        keys = {_first(key): key for key in self._busy}
        ready, _ = wait(list(keys), num_returns=1, timeout=timeout)
        if not ready and not ignore_if_timedout:
            raise TimeoutError("Timed out waiting for result")
        key = keys[ready[0]] if ready else next(iter(self._busy))
        return self._take(key, is_late=not ready)

    def _take(self, key: Any, *, is_late: bool) -> Any:
        number, actor = self._busy.pop(key)
        ref = self._refs.pop(number)
        self._next_result = max(self._next_result, number + 1)
        if is_late:
            self._give_back(actor)
            raise TimeoutError(f"Timed out waiting for result. The task {ref} has been ignored.")
        is_alive = True
        try:
            return get(ref)
        except ActorDiedError:
            is_alive = False
            raise
        finally:
            if is_alive:
                self._give_back(actor)

    def _give_back(self, actor: ActorHandle) -> None:
        self._idle.append(actor)
        if self._waiting:
            self.submit(*self._waiting.popleft())

    def has_free(self) -> bool:
        """Return whether an actor is free and no call waits for one."""
        return bool(self._idle) and not self._waiting

    def pop_idle(self) -> ActorHandle | None:
        """Take a free actor out of the pool; None if there is none."""
        return self._idle.pop() if self.has_free() else None

    def push(self, actor: ActorHandle) -> None:
        """Add an actor.

        Raises:
            ValueError: If it is in the pool already.
        """
        if actor in self._idle or any(actor == busy for _, busy in self._busy.values()):
            raise ValueError("Actor already belongs to current ActorPool")
        self._give_back(actor)


def _key(ref: Any) -> Any:
    return tuple(ref) if isinstance(ref, list) else ref


def _first(key: Any) -> Any:
    return key[0] if isinstance(key, tuple) else key
