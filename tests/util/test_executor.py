"""`ProcessPoolExecutor` behaves as that of `concurrent.futures`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import pyray
from pyray.util.concurrent.futures import ProcessPoolExecutor
from tests.api.conftest import Gate


def raising(text: str) -> None:
    raise LookupError(text)


@pytest.fixture
def executor(ray_session: ModuleType) -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2) as made:
        yield made


def test_submit_gives_a_future_of_the_standard_library(executor: ProcessPoolExecutor) -> None:
    future = executor.submit(pow, 2, exp=5)
    assert isinstance(future, concurrent.futures.Future)
    assert future.result(timeout=30) == 32
    assert future.done()
    futures = [executor.submit(lambda n: n * n, n) for n in range(50)]
    done, rest = concurrent.futures.wait(futures, timeout=30)
    assert not rest
    assert sorted(f.result() for f in concurrent.futures.as_completed(done)) == sorted(
        n * n for n in range(50)
    )
    assert executor.submit(os.getpid).result() != os.getpid()


def test_the_exception_is_the_functions_own(executor: ProcessPoolExecutor) -> None:
    future = executor.submit(raising, "gone")
    error = future.exception(timeout=30)
    assert type(error) is LookupError
    assert error.args == ("gone",)
    assert "raise LookupError(text)" in str(error.__cause__)
    with pytest.raises(LookupError, match="gone"):
        future.result()
    with pytest.raises(TypeError, match="lock"):
        executor.submit(print, threading.Lock())


def test_map_is_in_order_and_keeps_the_time(executor: ProcessPoolExecutor, gate: Gate) -> None:
    assert list(executor.map(pow, range(10), [2] * 10)) == [n * n for n in range(10)]
    assert list(executor.map(str, range(10), chunksize=4)) == [str(n) for n in range(10)]
    assert list(executor.map(str, [])) == []
    with pytest.raises(ValueError, match="chunksize"):
        executor.map(str, [1], chunksize=0)
    results = executor.map(lambda refs: len(pyray.get(refs)), [[], [gate.task()]], timeout=0.5)
    assert next(results) == 0
    with pytest.raises(TimeoutError):
        next(results)
    gate.open()
    results = executor.map(lambda n: 1 // n, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_callbacks_and_asyncio(executor: ProcessPoolExecutor) -> None:
    called = threading.Event()
    executor.submit(abs, -1).add_done_callback(lambda _: called.set())
    assert called.wait(30)

    async def use() -> list[int]:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(executor, abs, -n) for n in range(5)]
        return await asyncio.gather(*calls)

    assert asyncio.run(use()) == [0, 1, 2, 3, 4]


def test_shutdown_waits_and_refuses_more(ray_session: ModuleType, gate: Gate) -> None:
    executor = ProcessPoolExecutor(2)
    waiting = executor.submit(lambda refs: pyray.get(refs), [gate.task()])
    executor.shutdown(wait=False)
    for call in (executor.submit, executor.map):
        with pytest.raises(RuntimeError, match="after shutdown"):
            call(abs, 1)
    gate.open()
    executor.shutdown()
    assert waiting.done()


def test_futures_are_cancelled_at_shutdown(ray_session: ModuleType, gate: Gate) -> None:
    executor = ProcessPoolExecutor(1)
    gated = gate.task()
    futures = [executor.submit(lambda refs: pyray.get(refs), [gated]) for _ in range(3)]
    executor.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in futures)
    assert not futures[0].cancel() or futures[0].cancelled()
    gate.open()


def test_an_array_is_stored_once_also_when_passed_on(executor: ProcessPoolExecutor) -> None:
    array = np.ones(500_000)

    def used() -> float:
        total = pyray.cluster_resources()["object_store_memory"]
        return total - pyray.available_resources()["object_store_memory"]

    def pass_on(given: Any) -> tuple[float, float]:
        before = used()
        with ProcessPoolExecutor(2) as inner:
            return float(inner.submit(np.sum, given).result()), used() - before

    before = used()
    futures = [executor.submit(pass_on, array) for _ in range(4)]
    results = [future.result() for future in futures]
    assert [total for total, _ in results] == [500_000.0] * 4
    assert max(grown for _, grown in results) < array.nbytes / 2
    assert used() - before < 2 * array.nbytes


def test_wrong_arguments_are_refused(ray_session: ModuleType) -> None:
    with pytest.raises(ValueError, match="max_workers"):
        ProcessPoolExecutor(0)
    with pytest.raises(TypeError, match="initializer"):
        ProcessPoolExecutor(1, initializer=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_tasks_per_child"):
        ProcessPoolExecutor(1, max_tasks_per_child=0)
