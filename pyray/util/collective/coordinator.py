"""Where the members of a group meet: an actor that exchanges references, and no data."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

LOOK_S = 0.2
"""How often those who wait look whether the others are alive."""


def start_of(process_id: int) -> str | None:
    """Return when a process began, in the kernel's words; None if it is gone."""
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


class Coordinator:
    """One per group; every call waits for its partners, or raises when one of them is dead."""

    def __init__(self, size: int, ranks: dict[str, int] | None = None) -> None:
        self.size = size
        self.ranks = ranks or {}  # by actor, where the group was declared beforehand
        self.members: dict[int, tuple[int, str | None]] = {}
        self.rounds: dict[Any, dict[int, Any]] = {}
        self.left: dict[Any, int] = {}
        self.changed = asyncio.Event()

    async def describe(self) -> tuple[int, dict[str, int]]:
        """Return the group's size, and the ranks of actors that were declared."""
        return self.size, self.ranks

    async def join(self, rank: int, size: int, process_id: int) -> None:
        """Become a member; returns when all are."""
        if size != self.size or not 0 <= rank < size:
            raise ValueError(f"rank {rank} of {size} does not fit a group of {self.size}")
        if rank in self.members and self.members[rank][0] != process_id:
            raise ValueError(f"rank {rank} has been taken by another process")
        self.members[rank] = process_id, start_of(process_id)
        self._wake()
        while len(self.members) < self.size:
            await self._pause()

    async def exchange(self, key: Any, rank: int, payload: Any) -> list[Any]:
        """Leave a payload and return those of all members, in order, when they are there."""
        everybody = self.rounds.setdefault(key, {})
        everybody[rank] = payload
        if len(everybody) == self.size:
            self._wake()
        while len(everybody) < self.size:
            await self._pause(set(self.members) - set(everybody))
        left = self.left[key] = self.left.get(key, 0) + 1
        if left == self.size:
            del self.rounds[key], self.left[key]
        return [everybody[one] for one in range(self.size)]

    async def send(self, key: Any, payload: Any) -> None:
        """Leave a payload for one other member."""
        self.rounds[key] = payload
        self._wake()

    async def receive(self, key: Any, sender: int) -> Any:
        """Take what was sent under this key, once it is."""
        while key not in self.rounds:
            await self._pause({sender})
        return self.rounds.pop(key)

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    async def _pause(self, awaited: set[int] | None = None) -> None:
        try:
            await asyncio.wait_for(self.changed.wait(), LOOK_S)
        except TimeoutError:
            for rank in self.members if awaited is None else awaited:
                process_id, start = self.members.get(rank, (0, None))
                if start is not None and start_of(process_id) != start:
                    raise RuntimeError(
                        f"The member of rank {rank} (process {process_id}) has died."
                    ) from None
