"""`imap` and `imap_unordered`: results one by one, calls sent some way ahead."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable
from multiprocessing import TimeoutError as PoolTimeoutError
from typing import TYPE_CHECKING, Any, Self

from pyray.calls import get, wait
from pyray.exceptions import GetTimeoutError
from pyray.packed import PackedList
from pyray.util.multiprocessing.results import raise_own

if TYPE_CHECKING:
    from pyray._core import ObjectRef

AHEAD_PER_PROCESS = 64
"""How many chunks for each process are sent and not taken yet, at most."""


class OrderedIMapIterator:
    """Results in the order of the items.

    Calls for later items are sent as results are taken; those that nobody takes are sent by the
    pool's `join()`. When a chunk fails its exception is raised once, in its place.

    Args:
        send: Sends one chunk.
        on_taken: Called with each reference when its values have been taken.
        items: Read only as far as calls are sent.
        chunk_size: Items in one chunk.
        ahead: How many chunks may be on the way.
        on_end: Called when all calls are sent.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (made by the pool only)
        self,
        send: Callable[[list[Any]], ObjectRef],
        on_taken: Callable[[ObjectRef], object],
        items: Iterable[Any],
        chunk_size: int,
        ahead: int,
        on_end: Callable[[object], None],
    ) -> None:
        self._send = send
        self._on_taken = on_taken
        self._items = iter(items)
        self._chunk_size = chunk_size
        self._ahead = ahead
        self._on_end = on_end
        self._sent: deque[ObjectRef] = deque()
        self._values: deque[Any] = deque()
        self.all_sent = False
        self._error: BaseException | None = None  # of the iterable
        self.send_more()

    def send_more(self, at_most: int | None = None) -> None:
        """Send chunks until enough are on the way, or the items are used up."""
        limit = self._ahead if at_most is None else at_most
        while not self.all_sent and len(self._sent) < limit:
            try:
                chunk = list(itertools.islice(self._items, self._chunk_size))
                if chunk:
                    self._sent.append(self._send(chunk))
            except Exception as error:  # noqa: BLE001  (raised where its result would be)
                self._error = error
                chunk = []
            if len(chunk) < self._chunk_size:
                self.all_sent = True
                self._on_end(self)

    def send_all(self) -> list[ObjectRef]:
        """Send what is left, and return all that is on the way."""
        while not self.all_sent:
            self.send_more(len(self._sent) + self._ahead)
            wait(list(self._sent), num_returns=max(1, len(self._sent) - self._ahead))
        return list(self._sent)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self, timeout: float | None = None) -> Any:
        """Return the next result.

        Args:
            timeout: Seconds to wait at most; None: no limit.

        Raises:
            multiprocessing.TimeoutError: If the time is over.
            StopIteration: If there are no more.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._values:
            self.send_more()
            if not self._sent:
                error, self._error = self._error, None
                if error is not None:
                    raise error
                raise StopIteration
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            self._take(left)
        return self._values.popleft()

    def _take(self, timeout: float | None) -> None:
        """Move the results of one chunk to `_values`."""
        try:
            part = get(self._sent[0], timeout=timeout)
        except GetTimeoutError:
            raise PoolTimeoutError from None
        except Exception as error:  # noqa: BLE001  (whatever the function raised)
            self._on_taken(self._sent.popleft())
            raise_own(error)
        self._on_taken(self._sent.popleft())
        self._values.extend(part.unpack() if isinstance(part, PackedList) else part)


class UnorderedIMapIterator(OrderedIMapIterator):
    """Results as they are ready."""

    def _take(self, timeout: float | None) -> None:
        refs = list(self._sent)
        ready, rest = wait(refs, num_returns=1, timeout=timeout)
        if not ready:
            raise PoolTimeoutError
        more, rest = wait(rest, num_returns=len(rest), timeout=0) if rest else ([], [])
        self._sent = deque([*ready, *more, *rest])
        for _ in range(1 + len(more)):
            super()._take(None)
