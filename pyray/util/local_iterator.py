"""`LocalIterator`: transformations of an iterator in this process, with Ray's verbs."""

from __future__ import annotations

import collections
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Self, TypeVar

from pyray.calls import get
from pyray.decorator import remote

__all__ = ["LocalIterator", "Transform", "Verbs"]

_T_co = TypeVar("_T_co", covariant=True)
Transform = Callable[[Iterable[Any]], Iterable[Any]]


def _shuffled(items: Iterable[Any], size: int, seed: int | None) -> Iterator[Any]:
    choice = random.Random(seed)  # noqa: S311  (nothing secret)
    buffer: list[Any] = []
    for item in items:
        buffer.append(item)
        if len(buffer) >= size:
            yield buffer.pop(choice.randrange(len(buffer)))
    while buffer:
        yield buffer.pop(choice.randrange(len(buffer)))


def _batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _mapped_by_tasks(
    items: Iterable[Any], function: Callable[[Any], Any], most: int, options: dict[str, Any]
) -> Iterator[Any]:
    task = remote(**options)(function) if options else remote(function)
    iterator = iter(items)
    pending = collections.deque(task.remote(item) for item in itertools.islice(iterator, most))
    while pending:
        result = get(pending.popleft())
        pending.extend(task.remote(item) for item in itertools.islice(iterator, 1))
        yield result


class Verbs(Generic[_T_co]):
    """What can be done with the items of an iterator, wherever they are."""

    def transform(self, fn: Transform) -> Any:
        """Apply a function of the whole iterator: it takes an iterable and returns one."""
        raise NotImplementedError

    def for_each(
        self,
        fn: Callable[[Any], Any],
        max_concurrency: int = 1,
        resources: dict[str, Any] | None = None,
    ) -> Self:
        """Apply a function to each item.

        Args:
            fn: The function.
            max_concurrency: More than 1: so many tasks at a time call it; the order is kept.
            resources: Options of those tasks, such as `num_cpus`.

        Raises:
            ValueError: If `max_concurrency` is below 1.
        """
        if max_concurrency < 1:
            raise ValueError(f"max_concurrency must be at least 1, got {max_concurrency}")
        if max_concurrency > 1:
            options = dict(resources or {})
            return self._with(lambda items: _mapped_by_tasks(items, fn, max_concurrency, options))
        return self._with(lambda items: map(fn, items))

    def filter(self, fn: Callable[[Any], bool]) -> Self:
        """Keep the items for which the function is true."""
        return self._with(lambda items: filter(fn, items))

    def batch(self, n: int) -> Self:
        """Make lists of `n` items each; the last one may have fewer."""
        if n < 1:
            raise ValueError(f"A batch has at least 1 item, got {n}")
        return self._with(lambda items: _batched(items, n))

    def flatten(self) -> Self:
        """Make items of the items' items."""
        return self._with(itertools.chain.from_iterable)

    def combine(self, fn: Callable[[Any], Iterable[Any]]) -> Self:
        """Apply a function that returns several items, or none, for each."""
        return self.for_each(fn).flatten()

    def _shuffle(self, size: int, seed: int | None) -> Self:
        if size < 1:
            raise ValueError(f"The buffer has room for at least 1 item, got {size}")
        return self._with(lambda items: _shuffled(items, size, seed))

    def _with(self, fn: Transform) -> Self:
        result: Self = self.transform(fn)
        return result


class LocalIterator(Verbs[_T_co], Iterator[_T_co]):
    """An iterator of this process with the verbs of `ParallelIterator`.

    Args:
        make: Returns the iterator when the first item is wanted.

    Example:
        >>> LocalIterator(lambda: iter(range(6))).filter(lambda n: n % 2).batch(2).take(5)
        [[1, 3], [5]]
    """

    def __init__(self, make: Callable[[], Iterable[Any]]) -> None:
        self._make = make
        self._items: Iterator[Any] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> _T_co:
        if self._items is None:
            self._items = iter(self._make())
        item: _T_co = next(self._items)
        return item

    def __repr__(self) -> str:
        return f"{type(self).__name__}[{'begun' if self._items is not None else 'not begun'}]"

    def transform(self, fn: Transform) -> LocalIterator[Any]:
        """Apply a function of the whole iterator, from its beginning."""
        make = self._make
        return LocalIterator(lambda: fn(make()))

    def shuffle(self, shuffle_buffer_size: int, seed: int | None = None) -> Self:
        """Mix the items with those of a buffer; the same seed mixes alike."""
        return self._shuffle(shuffle_buffer_size, seed)

    def take(self, n: int) -> list[Any]:
        """Return the next items, `n` at most."""
        return list(itertools.islice(self, n))

    def show(self, n: int = 20) -> None:
        """Print the next items, `n` at most."""
        for item in self.take(n):
            print(item)  # noqa: T201  (its purpose)

    def duplicate(self, n: int) -> list[LocalIterator[_T_co]]:
        """Return `n` iterators over the same items; what only some have taken is kept."""
        copies = itertools.tee(self, n)
        return [LocalIterator(lambda copy=copy: copy) for copy in copies]  # type: ignore[misc]

    def union(
        self,
        *others: LocalIterator[Any],
        deterministic: bool = False,
        round_robin_weights: Sequence[float] | None = None,
    ) -> LocalIterator[Any]:
        """Return the items of all in turn.

        Args:
            *others: Further iterators.
            deterministic: Accepted; the order always is.
            round_robin_weights: So many items of each in its turn; "*": all that it has.

        Raises:
            ValueError: If there are not as many weights as iterators.
        """
        del deterministic
        sources = [self, *others]
        weights = [1.0] * len(sources) if round_robin_weights is None else round_robin_weights
        if len(weights) != len(sources):
            raise ValueError(f"{len(sources)} iterators need as many weights, got {len(weights)}")
        return LocalIterator(lambda: _in_turn(list(zip(sources, weights, strict=True))))


def _in_turn(sources: list[tuple[LocalIterator[Any], Any]]) -> Iterator[Any]:
    while sources:
        left = []
        for source, weight in sources:
            count = None if weight == "*" else max(int(weight), 1)
            taken = 0
            for item in itertools.islice(source, count):
                taken += 1
                yield item
            if taken == count:
                left.append((source, weight))
        sources = left
