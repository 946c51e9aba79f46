"""`pyray.util.iter`: iterators whose shards are in actors."""

from __future__ import annotations

import random
from collections.abc import Iterator
from types import ModuleType

import pytest

import pyray
from pyray import testing
from pyray.util.iter import (
    ParallelIteratorWorker,
    from_actors,
    from_items,
    from_iterators,
    from_range,
)
from tests.support import wait_until


@pytest.fixture(autouse=True)
def ended(ray_session: ModuleType) -> Iterator[None]:
    """The actors of a test end with it."""
    del ray_session
    yield
    wait_until(lambda: testing.store_accounts()["actors"] == 0, 5, "the end of the actors")


@pytest.fixture(scope="module", autouse=True)
def exported(ray_session: ModuleType) -> None:
    """The actor's code is in the store before the first test is counted."""
    del ray_session
    assert from_range(2, num_shards=1).take(2) == [0, 1]


def test_a_shuffled_iterator_is_dealt_out_without_loss() -> None:
    parts = from_range(100).local_shuffle(10, seed=random.randrange(1000)).repartition(3)
    assert sorted(parts.gather_async()) == list(range(100))
    assert sorted(parts.gather_sync()) == list(range(100))  # and again


def test_two_iterations_at_a_time_begin_at_the_beginning() -> None:
    numbers = from_range(4, num_shards=1)
    assert list(zip(numbers.gather_sync(), numbers.gather_sync(), strict=True)) == [
        (n, n) for n in range(4)
    ]


def test_an_iteration_that_is_left_is_forgotten() -> None:
    worker = pyray.remote(num_cpus=0)(ParallelIteratorWorker).remote(range(10), repeat=True)
    items = from_actors([worker]).gather_sync()
    assert items.take(3) == [0, 1, 2]
    del items
    runs = worker.__ray_call__.remote(lambda self: len(self._runs))
    assert pyray.get(runs) == 0


def test_for_each_in_tasks_keeps_the_order() -> None:
    numbers = from_range(6, num_shards=1)
    doubled = numbers.for_each(lambda n: 2 * n, max_concurrency=3, resources={"num_cpus": 0})
    assert list(doubled.gather_sync()) == [0, 2, 4, 6, 8, 10]


def test_an_actor_of_ones_own_is_a_shard() -> None:
    @pyray.remote
    class Squares(ParallelIteratorWorker):
        def __init__(self, n: int) -> None:
            super().__init__(lambda: (k * k for k in range(n)))

    both = from_actors([Squares.remote(2), Squares.remote(3)])
    assert list(both.gather_sync()) == [0, 0, 1, 1, 4]


def test_batches_of_a_time_have_all_items() -> None:
    assert sorted(from_range(50).gather_async(batch_ms=5, num_async=2)) == list(range(50))


def test_union_in_turn_with_weights() -> None:
    one, two = from_items([1, 2, 3], num_shards=1), from_items([4, 5, 6], num_shards=1)
    merged = one.gather_sync().union(two.gather_sync(), round_robin_weights=[2, 1])
    assert list(merged) == [1, 2, 4, 3, 5, 6]
    everything = one.gather_sync().union(two.gather_sync(), round_robin_weights=[1, "*"])  # type: ignore[list-item]
    assert list(everything) == [1, 4, 5, 6, 2, 3]


def test_duplicates_have_the_same_items() -> None:
    first, second = from_range(4, num_shards=1).gather_sync().duplicate(2)
    assert list(first.for_each(lambda n: -n)) == [0, -1, -2, -3]
    assert list(second) == [0, 1, 2, 3]


def test_local_shuffle_with_a_seed_is_repeatable() -> None:
    items = [list(from_range(20, 1).gather_sync().shuffle(5, seed=3)) for _ in range(2)]
    assert items[0] == items[1] != list(range(20))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda it: it.batch(0),
        lambda it: it.repartition(0),
        lambda it: it.local_shuffle(0),
        lambda it: it.for_each(len, max_concurrency=0),
        lambda it: it.gather_async(num_async=0),
        lambda it: it.select_shards([0, 0]),
        lambda it: it.gather_sync().union(round_robin_weights=[1, 2]),
        lambda it: it.get_shard(5),
    ],
)
def test_wrong_arguments_are_refused_at_the_call(wrong: object) -> None:
    with pytest.raises(ValueError, match="got|Shard index"):
        wrong(from_iterators([range(2)]))  # type: ignore[operator]
