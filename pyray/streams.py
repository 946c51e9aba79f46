"""What the caller of a generator task holds: a stream of references to what it yields."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any, NoReturn, Self

from pyray import _core, runtime
from pyray._core import ObjectRef
from pyray.exceptions import ObjectRefStreamEndOfStreamError


class ObjectRefGenerator(_core.Stream):
    """References to the items of a generator task, in order, each as soon as it is there.

    Made by `.remote()`. An iterator and an asynchronous iterator. When the task raises, the last
    reference is to its error. When the generator is deleted, the items that were not taken are
    freed, and the task ends at its next `yield`.

    Example:
        >>> import pyray as ray
        >>> @ray.remote
        ... def squares(count):
        ...     for number in range(count):
        ...         yield number * number
        >>> [ray.get(ref) for ref in squares.remote(4)]
        [0, 1, 4, 9]
    """

    _error_taken = False

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> ObjectRef:
        """Return a reference to the next item; wait for it.

        Raises:
            StopIteration: If the task has ended and all items were taken.
        """
        try:
            return self.take(None)
        except ObjectRefStreamEndOfStreamError:
            return self._last(StopIteration)

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> ObjectRef:
        """Return a reference to the next item, without blocking the event loop.

        Raises:
            StopAsyncIteration: If the task has ended and all items were taken.
        """
        return await self._next_async()

    def _next_sync(self, timeout_s: float | None = None) -> ObjectRef:
        """As `next`, for at most `timeout_s` seconds (None or -1: no limit).

        Returns:
            The nil reference when time is over.
        """
        try:
            ref = self.take(None if timeout_s is None or timeout_s < 0 else timeout_s)
        except ObjectRefStreamEndOfStreamError:
            return self._last(StopIteration)
        return ObjectRef.nil() if ref is None else ref

    async def _next_async(self, timeout_s: float | None = None) -> ObjectRef:
        """As `_next_sync`, without blocking the event loop."""
        import asyncio

        limit = None if timeout_s is None or timeout_s < 0 else timeout_s
        try:
            while (ref := self.take(0)) is None:
                future = self.peek()[0].as_future()
                await asyncio.wait([future], timeout=limit)
                if not future.done():
                    future.cancel()
                    return ObjectRef.nil()
                if not future.cancelled():
                    future.exception()  # it is the item's, not ours
        except ObjectRefStreamEndOfStreamError:
            return self._last(StopAsyncIteration)
        return ref

    def _last(self, end: type[Exception]) -> ObjectRef:
        """At the end: what the task failed of is the last item, once."""
        if self._error_taken or not self._has_failed():
            raise end from None
        self._error_taken = True
        return self.completion

    def _has_failed(self) -> bool:
        """Whether the task as a whole failed: was cancelled, or died with its worker."""
        try:
            runtime.engine().get(self.completion, None)
        except Exception:  # noqa: BLE001  (whatever it is, it is the task's error)
            return True
        return False

    @property
    def _generator_ref(self) -> ObjectRef:
        return self.completion

    def completed(self) -> ObjectRef:
        """Return a reference that is ready when the task has ended.

        Its value is None; `get` raises if the task was cancelled or its worker died.
        """
        return self.completion

    def next_ready(self) -> bool:
        """Return whether `next` would return a reference at once."""
        try:
            return bool(self.peek()[1])
        except ObjectRefStreamEndOfStreamError:
            return not self._error_taken and self._has_failed()

    def is_finished(self) -> bool:
        """Return whether the task has ended and all items were taken."""
        try:
            self.peek()
        except ObjectRefStreamEndOfStreamError:
            return self._error_taken or not self._has_failed()
        return False

    def next_waitable(self) -> ObjectRef:
        """Return a reference that is ready when `next` would not wait."""
        try:
            return self.peek()[0]
        except ObjectRefStreamEndOfStreamError:
            return self.completion

    def send(self, value: Any) -> NoReturn:
        """Not supported, as in Ray."""
        raise NotImplementedError("`gen.send` is not supported.")

    def throw(self, value: Any) -> NoReturn:
        """Not supported, as in Ray."""
        raise NotImplementedError("`gen.throw` is not supported.")

    def close(self) -> NoReturn:
        """Not supported, as in Ray: delete the generator instead, or `ray.cancel` it."""
        raise NotImplementedError("`gen.close` is not supported.")

    async def asend(self, value: Any) -> NoReturn:
        """Not supported, as in Ray."""
        raise NotImplementedError("`gen.asend` is not supported.")

    async def athrow(self, value: Any) -> NoReturn:
        """Not supported, as in Ray."""
        raise NotImplementedError("`gen.athrow` is not supported.")

    async def aclose(self) -> NoReturn:
        """Not supported, as in Ray."""
        raise NotImplementedError("`gen.aclose` is not supported.")

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "You cannot return or pass a generator to other task. "
            "Serializing a ObjectRefGenerator is not allowed."
        )


class DynamicObjectRefGenerator:
    """The value of a task with `num_returns="dynamic"`: references to all that it yielded."""

    def __init__(self, refs: list[ObjectRef]) -> None:
        self._refs = collections.deque(refs)

    def __iter__(self) -> Iterator[ObjectRef]:
        """Give each reference away, once."""
        while self._refs:
            yield self._refs.popleft()

    def __len__(self) -> int:
        """Return how many references are left."""
        return len(self._refs)


_core.set_generator_classes(ObjectRefGenerator, DynamicObjectRefGenerator)
