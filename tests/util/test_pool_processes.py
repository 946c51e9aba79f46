"""The worker processes of a `Pool`: how many, how prepared, how long."""

from __future__ import annotations

import os
import time
from types import ModuleType

import pytest

import pyray
from pyray.exceptions import RayError, WorkerCrashedError
from pyray.util.concurrent.futures import ProcessPoolExecutor
from pyray.util.multiprocessing import Pool
from tests.support import run_script, wait_until

SET_BY_INITIALIZER: list[int] = []


def square(x: int) -> int:
    return x * x


def test_initializer_runs_once_in_each_process(ray_alone: ModuleType) -> None:
    def set_global(number: int) -> None:
        SET_BY_INITIALIZER.append(number)

    with Pool(2, set_global, (7,)) as pool:
        for results in (
            pool.map(lambda _: tuple(SET_BY_INITIALIZER), range(50), 1),
            [pool.apply(lambda: tuple(SET_BY_INITIALIZER))],
            list(pool.imap(lambda _: tuple(SET_BY_INITIALIZER), range(5))),
        ):
            assert set(results) == {(7,)}
    assert SET_BY_INITIALIZER == []


def test_functions_see_what_the_initializer_has_bound() -> None:
    """Both live in a main program, and travel by value."""
    done = run_script(
        """
        from pyray.util.multiprocessing import Pool

        def prepare(value):
            global prepared
            prepared = value

        def use(x):
            return prepared + x

        with Pool(2, prepare, (100,)) as pool:
            print(pool.map(use, range(3)), pool.apply(use, (5,)))
        """,
        check=True,
    )
    assert done.stdout == "[100, 101, 102] 105\n"


def test_a_process_is_replaced_after_its_tasks(ray_alone: ModuleType) -> None:
    with Pool(1, maxtasksperchild=3) as pool:
        pids = pool.map(lambda _: os.getpid(), range(12), 1)
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 3, 3]


def test_no_more_processes_than_asked_for(ray_alone: ModuleType) -> None:
    def span(_: int) -> tuple[float, float]:
        start = time.monotonic()
        time.sleep(0.02)
        return start, time.monotonic()

    for processes in (1, 2, 4):
        with Pool(processes) as pool:
            spans = pool.map(span, range(12), 1)
        most = max(sum(a <= start < b for a, b in spans) for start, _ in spans)
        assert most <= processes
        assert most > processes // 2


def test_a_dead_worker_fails_its_call_only(ray_alone: ModuleType) -> None:
    with Pool(2) as pool:
        dead = pool.apply_async(os._exit, (3,))
        assert pool.map(square, range(10)) == [n * n for n in range(10)]
        with pytest.raises(WorkerCrashedError):
            dead.get(30)


def test_a_pool_starts_a_session_of_its_size() -> None:
    assert not pyray.is_initialized()
    try:
        with Pool(3) as pool:
            assert pool.map(square, [1, 2]) == [1, 4]
        assert pyray.cluster_resources()["CPU"] == 3
    finally:
        pyray.shutdown()


def test_a_dead_worker_of_an_executor_fails_its_call_only(ray_alone: ModuleType) -> None:
    with ProcessPoolExecutor(2) as executor:
        dead = executor.submit(os._exit, 3)
        assert list(executor.map(abs, [-1, -2])) == [1, 2]
        assert isinstance(dead.exception(30), WorkerCrashedError)


def test_terminate_stops_what_is_queued_and_what_runs(ray_alone: ModuleType) -> None:
    pool = Pool(2)
    results = [pool.apply_async(time.sleep, (1000,)) for _ in range(6)]
    wait_until(lambda: ray_alone.available_resources().get("CPU", 0) == 0, 10, "the calls to run")
    pool.terminate()
    pool.join()
    for result in results:
        with pytest.raises(RayError):
            result.get(timeout=20)
    with Pool(2) as other:
        assert other.map(square, [1, 2]) == [1, 4]
