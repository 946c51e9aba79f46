"""The catalogue of deaths: a task dies at each place, in each way."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pyray import exceptions, testing
from tests.death import ways
from tests.death.ways import DEADLINE_S, Way
from tests.support import wait_until

every_way = pytest.mark.parametrize("way", ways.WAYS, ids=ways.by_name)
every_death = pytest.mark.parametrize("way", ways.DEATHS, ids=ways.by_name)
every_signal = pytest.mark.parametrize("way", ways.SIGNALS, ids=ways.by_name)


def expect(ray: ModuleType, ref: Any, way: Way, name: str, pid: int | None = None) -> None:
    """The result must be the failure that this way to die makes of a task."""
    with pytest.raises(exceptions.RayError) as caught:
        ray.get(ref, timeout=DEADLINE_S)
    text = str(caught.value)
    if not way.is_death:
        assert isinstance(caught.value, exceptions.RayTaskError)
        assert way.words in text
        return
    assert type(caught.value) is exceptions.WorkerCrashedError
    assert way.words in text
    assert f"task: {name}\n" in text
    found = re.search(r"pid (\d+),", text)
    assert found is not None, text
    assert pid is None or int(found[1]) == pid


def dies(way: Way, folder: Path) -> None:
    """A task that dies while it runs Python."""
    ways.note(folder, "attempts")
    ways.die(way)


@every_way
def test_task_dies_in_python(ray: ModuleType, way: Way, tmp_path: Path) -> None:
    ref = ray.remote(max_retries=0)(dies).remote(way, tmp_path)
    expect(ray, ref, way, "dies")
    assert len(ways.notes(tmp_path, "attempts")) == 1


@every_way
def test_task_dies_and_others_lose_nothing(ray: ModuleType, way: Way, tmp_path: Path) -> None:
    @ray.remote(max_retries=0)
    def square(n: int) -> int:
        return n * n

    @ray.remote(max_retries=0)
    def large(n: int) -> np.ndarray:
        return np.full(30_000, n)

    before = [square.remote(n) for n in range(30)] + [large.remote(n) for n in range(5)]
    doomed = ray.remote(max_retries=0)(dies).remote(way, tmp_path)
    after = [square.remote(n) for n in range(30)]
    expect(ray, doomed, way, "dies")
    values = ray.get(before, timeout=DEADLINE_S)
    assert values[:30] == [n * n for n in range(30)]
    assert all((value == n).all() for n, value in enumerate(values[30:]))
    assert ray.get(after, timeout=DEADLINE_S) == [n * n for n in range(30)]


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (1, 2), (None, 4)])
@every_death
def test_task_dies_each_time_and_is_retried(
    ray: ModuleType, way: Way, retries: int | None, attempts: int, tmp_path: Path
) -> None:
    options = {} if retries is None else {"max_retries": retries}
    task = ray.remote(**options)(dies) if options else ray.remote(dies)
    expect(ray, task.remote(way, tmp_path), way, "dies")
    assert len(ways.notes(tmp_path, "attempts")) == attempts


def dies_at_first(way: Way, folder: Path, times: int) -> int:
    """A task that works once it has died often enough."""
    if ways.note(folder, "attempts") <= times:
        ways.die(way)
    return os.getpid()


@pytest.mark.parametrize(("retries", "times"), [(1, 1), (3, 3), (-1, 6)])
@every_death
def test_task_dies_less_often_than_retries(
    ray: ModuleType, way: Way, retries: int, times: int, tmp_path: Path
) -> None:
    task = ray.remote(max_retries=retries)(dies_at_first)
    assert isinstance(ray.get(task.remote(way, tmp_path, times), timeout=20), int)
    assert len(ways.notes(tmp_path, "attempts")) == times + 1


@every_signal
def test_task_dies_in_c_that_holds_the_gil(ray: ModuleType, way: Way, tmp_path: Path) -> None:
    ref = ray.remote(max_retries=0)(ways.sleep_holding_gil).remote(tmp_path)
    (pid,) = wait_until(lambda: ways.notes(tmp_path, "asleep"), DEADLINE_S, "the task to sleep")
    os.kill(pid, way.signal)
    expect(ray, ref, way, "sleep_holding_gil", pid)


def takes(*arguments: Any, **named: Any) -> int:
    """Take anything."""
    return len(arguments) + len(named)


@every_way
def test_task_dies_unpickling_its_arguments(ray: ModuleType, way: Way, tmp_path: Path) -> None:
    task = ray.remote(max_retries=0)(takes)
    ref = task.remote(b"x" * 1000, ways.DiesWhenUnpickled(way, tmp_path))
    expect(ray, ref, way, "takes")
    assert len(ways.notes(tmp_path, "attempts")) == 1


@every_way
def test_task_dies_fetching_an_argument(ray: ModuleType, way: Way, tmp_path: Path) -> None:
    stored = ray.put([np.zeros(50_000), ways.DiesWhenUnpickled(way, tmp_path)])
    ref = ray.remote(max_retries=0)(takes).remote(np.ones(20_000), stored)
    expect(ray, ref, way, "takes")


def returns_deadly(way: Way, kind: str) -> Any:
    """Die while the result is being stored."""
    deadly = ways.DiesWhenPickled(way)
    return {
        "alone": deadly,
        "behind": [np.zeros(100_000), deadly],
        "two": (np.ones(20_000), deadly),
    }[kind]


@pytest.mark.parametrize("kind", ["alone", "behind", "two"])
@every_way
def test_task_dies_storing_its_result(ray: ModuleType, way: Way, kind: str) -> None:
    task = ray.remote(max_retries=0, num_returns=2 if kind == "two" else 1)(returns_deadly)
    refs = task.remote(way, kind)
    for ref in refs if kind == "two" else [refs]:
        expect(ray, ref, way, "returns_deadly")


KEPT: list[Any] = []


def holds(way: Way, given: list[Any]) -> None:
    """Die with references, views and unfinished children of its own in hand."""
    import pyray

    @pyray.remote(max_retries=0)
    def child(x: int) -> int:
        return x

    KEPT.append(pyray.get(given[0]))
    KEPT.append(pyray.put(np.zeros(100_000)))
    KEPT.append(pyray.get(KEPT[-1]))
    KEPT.extend(child.remote(n) for n in range(50))
    KEPT.append(pyray.put(KEPT[1:]))
    ways.die(way)


@every_death
def test_task_dies_holding_references_and_pins(ray: ModuleType, way: Way) -> None:
    array = ray.put(np.arange(100_000))
    ref = ray.remote(max_retries=0)(holds).remote(way, [array])
    expect(ray, ref, way, "holds")
    assert ray.get(array)[-1] == 99_999


def blocks(way: Way, folder: Path) -> int:
    """Wait for a child that kills it."""
    import pyray

    @pyray.remote(max_retries=0)
    def kill_parent(pid: int) -> int:
        wait_until(lambda: ways.notes(folder, "waiting"), DEADLINE_S, "the parent to wait")
        os.kill(pid, way.signal)
        return pid

    ways._no_core_file()
    ref = kill_parent.remote(os.getpid())
    ways.note(folder, "waiting")
    return int(pyray.get(ref)) + int(pyray.get(pyray.remote(sleep_long).remote()))


def sleep_long() -> int:
    """Sleep longer than any test."""
    time.sleep(60)
    return 0


@every_signal
def test_task_dies_blocked_in_get(ray: ModuleType, way: Way, tmp_path: Path) -> None:
    ref = ray.remote(max_retries=0)(blocks).remote(way, tmp_path)
    expect(ray, ref, way, "blocks")
    for pid in testing.worker_pids():  # whoever still sleeps for the dead
        testing.kill_worker(pid)


@every_signal
def test_idle_worker_dies_and_nobody_minds(ray: ModuleType, way: Way) -> None:
    @ray.remote(max_retries=0)
    def pid() -> int:
        return os.getpid()

    for _ in range(3):
        victim = ray.get(pid.remote())
        os.kill(victim, way.signal)
        wait_until(
            lambda gone=victim: gone not in testing.worker_pids(), DEADLINE_S, "the worker's end"
        )
        assert ray.get(pid.remote(), timeout=DEADLINE_S) != victim


def test_death_is_noticed_at_once(ray: ModuleType) -> None:
    @ray.remote(max_retries=0)
    def nothing() -> None:
        return None

    ray.get(nothing.remote())
    times = []
    for _ in range(5):
        start = time.monotonic()
        with pytest.raises(exceptions.WorkerCrashedError):
            ray.get(ray.remote(max_retries=0)(os._exit).remote(1), timeout=DEADLINE_S)
        times.append(time.monotonic() - start)
        ray.get(nothing.remote())
    assert sorted(times)[2] < 1.0, times


def test_many_workers_die_at_once(ray: ModuleType, tmp_path: Path) -> None:
    @ray.remote(num_cpus=0, max_retries=0)
    def wait_for_death(n: int) -> int:
        ways.note(tmp_path, "asleep")
        time.sleep(60)
        return n

    refs = [wait_for_death.remote(n) for n in range(8)]
    pids = wait_until(
        lambda: len(found := ways.notes(tmp_path, "asleep")) == 8 and found, 20, "eight sleepers"
    )
    for pid in pids:
        os.kill(pid, 9)
    for ref in refs:
        with pytest.raises(exceptions.WorkerCrashedError, match="SIGKILL"):
            ray.get(ref, timeout=DEADLINE_S)
