"""`as_completed` and `map_unordered`."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest

import pyray as ray
from pyray.util import as_completed, map_unordered

pytestmark = pytest.mark.usefixtures("ray_session")


def sleeper() -> Any:
    @ray.remote(num_cpus=0)
    def sleep(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    return sleep


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_all_results_come_once(chunk: int) -> None:
    refs = [ray.put(n) for n in range(7)]
    assert sorted(as_completed(refs, chunk_size=chunk)) == list(range(7))
    assert set(as_completed(refs, chunk_size=chunk, yield_obj_refs=True)) == set(refs)


def test_what_is_ready_first_comes_first() -> None:
    sleep = sleeper()
    refs = [sleep.remote(seconds) for seconds in (0.3, 0.0)]
    assert list(as_completed(refs, chunk_size=1)) == [0.0, 0.3]


def test_error_of_a_task_is_raised_where_its_result_comes() -> None:
    @ray.remote
    def invert(x: int) -> float:
        return 1 / x

    with pytest.raises(ZeroDivisionError):
        list(map_unordered(invert, [1, 0, 2], chunk_size=1))


@pytest.mark.parametrize("backpressure", [2, 5, None])
def test_map_gives_all_results(backpressure: int | None) -> None:
    @ray.remote
    def square(x: int) -> int:
        return x * x

    results = map_unordered(square, range(20), backpressure_size=backpressure, chunk_size=2)
    assert sorted(results) == [x * x for x in range(20)]


def test_map_takes_items_as_results_are_consumed() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    @ray.remote
    class Echo:
        def echo(self, x: int) -> int:
            return x

    results = map_unordered(Echo.remote().echo, items(), backpressure_size=3, chunk_size=1)
    assert taken == 0
    assert list(itertools.islice(results, 4)) == [1, 2, 3, 4]
    assert taken <= 3 + 4


def test_wrong_arguments_are_refused_at_the_call() -> None:
    with pytest.raises(ValueError, match="`chunk_size` must be >= 1"):
        as_completed([], chunk_size=0)
    with pytest.raises(ValueError, match="instead of `num_returns`"):
        as_completed([], num_returns=1)
    with pytest.raises(ValueError, match="must be positive"):
        map_unordered(sleeper(), [], backpressure_size=0)
    with pytest.raises(TypeError, match="expected a remote function"):
        map_unordered(len, [])
    assert list(as_completed([])) == []
