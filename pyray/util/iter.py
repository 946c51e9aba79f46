"""`ray.util.iter`: iterators whose shards live in actors.

A shard is an actor with a source, and the transformations that its items pass there. Nothing runs
before somebody iterates; then each shard is asked for one item after the other. An iteration has an
id, its *run*: several can go on at a time, each from the beginning.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, NoReturn, TypeVar

from pyray.calls import get, wait
from pyray.decorator import remote
from pyray.util.local_iterator import LocalIterator, Transform, Verbs

__all__ = [
    "LocalIterator",
    "ParallelIterator",
    "ParallelIteratorWorker",
    "from_actors",
    "from_items",
    "from_iterators",
    "from_range",
]

_T = TypeVar("_T")


class _Deal:
    """Deals items out in turn; what one gets before it asks is kept for it."""

    def __init__(self, items: Iterator[Any], count: int) -> None:
        self._items = items
        self._kept: list[collections.deque[Any]] = [collections.deque() for _ in range(count)]
        self._turns = itertools.cycle(self._kept)

    def next_of(self, index: int) -> list[Any]:
        """Return the next item of one of them, in a list; [] at the end."""
        kept = self._kept[index]
        while not kept:
            item = list(itertools.islice(self._items, 1))
            if not item:
                return []
            next(self._turns).extend(item)
        return [kept.popleft()]


class ParallelIteratorWorker:
    """The class of actors that hold shards; users' own ones inherit it, for `from_actors`.

    Args:
        item_generator: An iterable, or a function that returns one.
        repeat: Begin again whenever it has ended.
    """

    def __init__(self, item_generator: Any, repeat: bool = False) -> None:  # noqa: FBT001, FBT002  (Ray's signature)
        self._source, self._repeat = item_generator, repeat
        self._runs: dict[str, Iterator[Any]] = {}
        self._deals: dict[str, _Deal] = {}

    def par_iter_next(
        self, run: str, transforms: Sequence[Transform], batch_ms: float = 0
    ) -> list[Any]:
        """Return the next item of a run, or all that come within a time; [] at its end."""
        until = time.monotonic() + batch_ms / 1000
        batch = list(itertools.islice(self._run(run, transforms), 1))
        while batch and time.monotonic() < until:
            more = list(itertools.islice(self._runs[run], 1))
            if not more:
                break
            batch += more
        return batch

    def par_iter_slice(
        self, run: str, transforms: Sequence[Transform], index: int, count: int
    ) -> list[Any]:
        """Return the next of every `count`-th item from the `index`-th; [] at its end."""
        if run not in self._deals:
            self._deals[run] = _Deal(self._run(run, transforms), count)
        return self._deals[run].next_of(index)

    def par_iter_end(self, run: str) -> None:
        """Forget a run."""
        self._runs.pop(run, None)
        self._deals.pop(run, None)
        if isinstance(self._source, _Partition):
            for shard in self._source.shards:
                shard.end(run)

    def _run(self, run: str, transforms: Sequence[Transform]) -> Iterator[Any]:
        if run not in self._runs:
            items: Iterable[Any] = self._items(run)
            for transform in transforms:
                items = transform(items)
            self._runs[run] = iter(items)
        return self._runs[run]

    def _items(self, run: str) -> Iterator[Any]:
        while True:
            source = self._source
            if isinstance(source, _Partition):
                yield from source.items(run)
            else:
                yield from source() if callable(source) else source
            if not self._repeat:
                return


@dataclasses.dataclass(frozen=True)
class _Shard:
    """An actor, and what its items pass there."""

    actor: Any
    transforms: tuple[Transform, ...] = ()

    def next(self, run: str, batch_ms: float = 0) -> Any:
        return self.actor.par_iter_next.remote(run, self.transforms, batch_ms)

    def end(self, run: str) -> None:
        with contextlib.suppress(Exception):  # the session may have ended
            self.actor.par_iter_end.remote(run)


@dataclasses.dataclass(frozen=True)
class _Partition:
    """The source of a shard that `repartition` made: every `count`-th item of all shards."""

    shards: tuple[_Shard, ...]
    index: int
    count: int

    def items(self, run: str) -> Iterator[Any]:
        shards = list(self.shards)
        while shards:
            refs = [
                shard.actor.par_iter_slice.remote(run, shard.transforms, self.index, self.count)
                for shard in shards
            ]
            replies = get(refs)
            shards = [shard for shard, reply in zip(shards, replies, strict=True) if reply]
            yield from itertools.chain.from_iterable(replies)


def _ending(shards: Sequence[_Shard], rounds: Callable[[str], Iterator[Any]]) -> Iterator[Any]:
    """Yield what a run yields; have the shards forget it afterwards, however it ends."""
    run = uuid.uuid4().hex
    try:
        yield from rounds(run)
    finally:
        for shard in shards:
            shard.end(run)


def _rounds(shards: Sequence[_Shard], run: str) -> Iterator[list[Any]]:
    """Yield one item of each shard that has one, again and again."""
    while shards:
        replies = get([shard.next(run) for shard in shards])
        shards = [shard for shard, reply in zip(shards, replies, strict=True) if reply]
        if items := list(itertools.chain.from_iterable(replies)):
            yield items


def _as_ready(shards: Sequence[_Shard], run: str, batch_ms: float, num_async: int) -> Iterator[Any]:
    pending = {shard.next(run, batch_ms): shard for _ in range(num_async) for shard in shards}
    while pending:
        [ref], _ = wait(list(pending))
        shard = pending.pop(ref)
        batch = get(ref)
        if batch:
            pending[shard.next(run, batch_ms)] = shard
        yield from batch


class ParallelIterator(Verbs[_T], Generic[_T]):
    """An iterator whose shards are in actors; its verbs are applied there.

    Made by `from_items`, `from_range`, `from_iterators` and `from_actors`.

    Example:
        >>> import pyray as ray
        >>> from pyray.util.iter import from_range
        >>> numbers = from_range(6, num_shards=2).for_each(lambda n: n * n)
        >>> list(numbers.gather_sync())
        [0, 9, 1, 16, 4, 25]
    """

    def __init__(self, shards: Sequence[_Shard], name: str) -> None:
        self._shards = tuple(shards)
        self.name = name

    def __iter__(self) -> NoReturn:
        raise TypeError(
            "A ParallelIterator is not iterated itself: use it.gather_sync() or it.gather_async()."
        )

    def __repr__(self) -> str:
        return f"ParallelIterator[{self.name}]"

    def transform(self, fn: Transform) -> ParallelIterator[Any]:
        """Apply a function of each shard's iterator: it takes an iterable and returns one."""
        shards = [_Shard(shard.actor, (*shard.transforms, fn)) for shard in self._shards]
        return ParallelIterator(shards, f"{self.name}.transform()")

    def local_shuffle(
        self, shuffle_buffer_size: int, seed: int | None = None
    ) -> ParallelIterator[_T]:
        """Mix the items of each shard with those of a buffer; the same seed mixes alike."""
        return self._shuffle(shuffle_buffer_size, seed)

    def repartition(self, num_partitions: int, batch_ms: int = 0) -> ParallelIterator[_T]:
        """Deal all items out to so many new shards in turn."""
        del batch_ms
        if num_partitions < 1:
            raise ValueError(f"There is at least 1 partition, got {num_partitions}")
        sources = [_Partition(self._shards, i, num_partitions) for i in range(num_partitions)]
        name = f"{self.name}.repartition[num_partitions={num_partitions}]"
        return ParallelIterator(_new_shards(sources, repeat=False), name)

    def gather_sync(self) -> LocalIterator[_T]:
        """Return the items, one of each shard in turn."""
        return self.batch_across_shards().flatten()  # type: ignore[return-value]

    def batch_across_shards(self) -> LocalIterator[list[_T]]:
        """Return lists of one item of each shard that has one left."""
        shards = self._shards
        return LocalIterator(lambda: _ending(shards, lambda run: _rounds(shards, run)))

    def gather_async(self, batch_ms: int = 0, num_async: int = 1) -> LocalIterator[_T]:
        """Return the items as they are ready.

        Args:
            batch_ms: Each shard collects items for so long before it hands them over.
            num_async: So many requests wait at each shard.
        """
        if num_async < 1:
            raise ValueError(f"num_async must be at least 1, got {num_async}")
        shards = self._shards
        return LocalIterator(
            lambda: _ending(shards, lambda run: _as_ready(shards, run, batch_ms, num_async))
        )

    def take(self, n: int) -> list[_T]:
        """Return the first items of `gather_sync`, `n` at most."""
        return self.gather_sync().take(n)

    def show(self, n: int = 20) -> None:
        """Print the first items of `gather_sync`, `n` at most."""
        self.gather_sync().show(n)

    def union(self, other: ParallelIterator[Any]) -> ParallelIterator[Any]:
        """Return an iterator that has the shards of both."""
        if not isinstance(other, ParallelIterator):
            raise TypeError(f"other must be of type ParallelIterator, got {type(other)}")
        shards = (*self._shards, *other._shards)
        return ParallelIterator(shards, f"ParallelUnion[{self}, {other}]")

    def select_shards(self, shards_to_keep: list[int]) -> ParallelIterator[_T]:
        """Return an iterator that has only the shards with these numbers."""
        if len(set(shards_to_keep)) != len(shards_to_keep):
            raise ValueError(f"Each shard can be kept once, got {shards_to_keep}")
        kept = [self._shards[number] for number in shards_to_keep]
        return ParallelIterator(kept, f"{self.name}.select_shards({len(kept)} total)")

    def num_shards(self) -> int:
        """Return how many shards there are."""
        return len(self._shards)

    def shards(self) -> list[LocalIterator[_T]]:
        """Return an iterator for each shard."""
        return [self.get_shard(number) for number in range(len(self._shards))]

    def get_shard(
        self, shard_index: int, batch_ms: int = 0, num_async: int = 1
    ) -> LocalIterator[_T]:
        """Return an iterator for one shard; the arguments are those of `gather_async`.

        Raises:
            ValueError: If there is no shard with this number.
        """
        if not 0 <= shard_index < len(self._shards):
            raise ValueError(f"Shard index out of range: {shard_index} of {len(self._shards)}")
        return self.select_shards([shard_index]).gather_async(batch_ms, num_async)


def _new_shards(sources: Iterable[Any], *, repeat: bool) -> list[_Shard]:
    make = remote(num_cpus=0)(ParallelIteratorWorker).remote
    return [_Shard(make(source, repeat)) for source in sources]


def from_items(
    items: Sequence[_T],
    num_shards: int = 2,
    repeat: bool = False,  # noqa: FBT001, FBT002  (Ray's signature)
) -> ParallelIterator[_T]:
    """Deal a list's items out to shards in turn.

    Args:
        items: The items.
        num_shards: How many shards.
        repeat: Each shard begins again whenever it has ended.
    """
    shards = _new_shards([items[i::num_shards] for i in range(num_shards)], repeat=repeat)
    kind = type(items[0]).__name__ if items else "None"
    name = f"from_items[{kind}, {len(items)}, shards={num_shards}{', repeat=True' * repeat}]"
    return ParallelIterator(shards, name)


def from_range(n: int, num_shards: int = 2, repeat: bool = False) -> ParallelIterator[int]:  # noqa: FBT001, FBT002  (Ray's signature)
    """Cut the numbers from 0 to `n` - 1 into one piece for each shard."""
    size = n // num_shards
    ends = [*(size * i for i in range(1, num_shards)), n]
    pieces = [range(size * i, end) for i, end in enumerate(ends)]
    name = f"from_range[{n}, shards={num_shards}{', repeat=True' * repeat}]"
    return ParallelIterator(_new_shards(pieces, repeat=repeat), name)


def from_iterators(
    generators: Sequence[Any],
    repeat: bool = False,  # noqa: FBT001, FBT002  (Ray's signature)
    name: str | None = None,
) -> ParallelIterator[Any]:
    """Make a shard of each iterable, or of each function that returns one."""
    shards = _new_shards(generators, repeat=repeat)
    shown = f"from_iterators[shards={len(shards)}{', repeat=True' * repeat}]"
    return ParallelIterator(shards, name or shown)


def from_actors(actors: Sequence[Any], name: str | None = None) -> ParallelIterator[Any]:
    """Make a shard of each actor; their classes inherit `ParallelIteratorWorker`."""
    shards = [_Shard(actor) for actor in actors]
    return ParallelIterator(shards, name or f"from_actors[shards={len(shards)}]")
