"""Several threads of a driver, or of a task, use pyray at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import pyray as ray

pytestmark = pytest.mark.usefixtures("ray_session")

THREADS = 6


def in_threads(work: Callable[[int], object], count: int = THREADS) -> list[object]:
    """Run `work(number)` in threads that start together; return what they return."""
    start = threading.Barrier(count)

    def run(number: int) -> object:
        start.wait(20)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_threads_put_and_get() -> None:
    def work(number: int) -> bool:
        for i in range(200):
            value = (number, i, "x" * (i * 50))
            assert ray.get(ray.put(value)) == value
        return True

    assert all(in_threads(work))


def test_threads_submit_and_get() -> None:
    @ray.remote
    def add(a: int, b: int) -> int:
        return a + b

    def work(number: int) -> object:
        return ray.get([add.remote(number, i) for i in range(100)])

    assert in_threads(work) == [[n + i for i in range(100)] for n in range(THREADS)]


def test_threads_wait_for_the_same_objects() -> None:
    @ray.remote
    def same(x: int) -> int:
        return x

    refs = [same.remote(i) for i in range(50)]

    def work(_: int) -> int:
        pending, total = list(refs), 0
        while pending:
            ready, pending = ray.wait(pending)
            total += sum(ray.get(ready))
        return total

    assert in_threads(work) == [sum(range(50))] * THREADS


def test_threads_get_the_same_array() -> None:
    ref = ray.put(np.arange(100_000))

    def work(_: int) -> int:
        return sum(int(ray.get(ref)[-1]) for _ in range(100))

    assert in_threads(work) == [99_999 * 100] * THREADS


def test_threads_call_one_actor() -> None:
    @ray.remote
    class Counter:
        def __init__(self) -> None:
            self.value = 0

        def add(self) -> int:
            self.value += 1
            return self.value

    counter = Counter.remote()
    in_threads(lambda _: ray.get([counter.add.remote() for _ in range(50)]))
    assert ray.get(counter.add.remote()) == 50 * THREADS + 1


def test_references_die_in_other_threads() -> None:
    def work(_: int) -> None:
        for _ in range(300):
            ray.put([ray.put(1)])

    in_threads(work)


def test_many_threads_block_at_once() -> None:
    @ray.remote
    def slow(x: int) -> int:
        import time

        time.sleep(0.01)
        return x

    assert in_threads(lambda n: ray.get(slow.remote(n)), 40) == list(range(40))


def test_get_with_a_timeout_in_threads() -> None:
    @ray.remote(num_cpus=3)
    def never() -> None:
        pass

    ref = ray.put(1)

    def work(_: int) -> bool:
        return ray.wait([ref], timeout=0.01)[0] == [ref]

    assert all(in_threads(work))
