"""The catalogue of deaths: an actor dies while constructed, in a method, or with calls queued."""

from __future__ import annotations

import os
import time
from contextlib import suppress
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


class Mortal:
    """An actor that dies when it is told to."""

    def __init__(self, way: Way | None = None) -> None:
        self.kept: list[Any] = [np.zeros(50_000)]
        if way is not None:
            ways.die(way)

    def pid(self) -> int:
        return os.getpid()

    def die(self, way: Way) -> None:
        ways.die(way)

    def echo(self, value: Any) -> Any:
        return value

    def keep(self, refs: list[Any]) -> int:
        import pyray

        self.kept += [refs, pyray.get(refs[0]), pyray.put(np.ones(50_000))]
        return len(self.kept)

    def result(self, way: Way) -> Any:
        return [np.zeros(50_000), ways.DiesWhenPickled(way)]

    def sleep_holding_gil(self, folder: Path) -> None:
        ways.sleep_holding_gil(folder)

    def block(self, way: Way, folder: Path) -> None:
        import pyray

        @pyray.remote(max_retries=0, num_cpus=0)
        def kill(pid: int) -> None:
            wait_until(lambda: ways.notes(folder, "waiting"), DEADLINE_S, "the actor to wait")
            os.kill(pid, way.signal)
            time.sleep(60)

        ref = kill.remote(os.getpid())
        ways.note(folder, "waiting")
        pyray.get(ref)


def expect(ray: ModuleType, ref: Any, way: Way, pid: int | None = None) -> None:
    """The call's result must be the failure that this way to die makes of an actor's call."""
    with pytest.raises(exceptions.RayError) as caught:
        ray.get(ref, timeout=DEADLINE_S)
    text = str(caught.value)
    assert way.words in text
    if not way.is_death:
        assert isinstance(caught.value, exceptions.RayTaskError)
        return
    assert type(caught.value) is exceptions.ActorDiedError
    assert "Mortal" in text
    assert pid is None or str(pid) in text


@every_way
def test_actor_dies_in_constructor(ray: ModuleType, way: Way) -> None:
    actor = ray.remote(Mortal).remote(way)
    for ref in [actor.pid.remote(), actor.echo.remote(1)]:
        with pytest.raises(exceptions.ActorDiedError) as caught:
            ray.get(ref, timeout=DEADLINE_S)
        assert way.words in str(caught.value)
    with pytest.raises(exceptions.ActorDiedError):  # also a call made after its death
        ray.get(actor.pid.remote(), timeout=DEADLINE_S)


@every_way
def test_actor_dies_in_method_with_calls_behind_it(ray: ModuleType, way: Way) -> None:
    actor = ray.remote(Mortal).remote()
    other = ray.remote(Mortal).remote()
    pid = ray.get(actor.pid.remote())
    first = [actor.echo.remote(n) for n in range(10)]
    doomed = actor.die.remote(way)
    behind = [actor.echo.remote(n) for n in range(40)]
    expect(ray, doomed, way, pid)
    assert ray.get(first, timeout=DEADLINE_S) == [*range(10)]
    if way.is_death:
        for ref in behind:
            expect(ray, ref, way, pid)
        expect(ray, actor.pid.remote(), way, pid)
    else:
        assert ray.get(behind, timeout=DEADLINE_S) == [*range(40)]
    assert ray.get(other.echo.remote("alive"), timeout=DEADLINE_S) == "alive"


@every_death
def test_actor_dies_with_calls_that_wait_for_arguments(
    ray: ModuleType, way: Way, tmp_path: Path
) -> None:
    @ray.remote
    def later() -> int:
        wait_until(lambda: ways.notes(tmp_path, "go"), DEADLINE_S, "the test to go on")
        return 7

    actor = ray.remote(Mortal).remote()
    value = later.remote()
    doomed = actor.die.remote(way)
    waiting = [actor.echo.remote(value) for _ in range(3)]
    expect(ray, doomed, way)
    ways.note(tmp_path, "go")
    for ref in waiting:
        expect(ray, ref, way)
    assert ray.get(value, timeout=DEADLINE_S) == 7


@every_way
def test_actor_dies_storing_its_result(ray: ModuleType, way: Way) -> None:
    actor = ray.remote(Mortal).remote()
    expect(ray, actor.result.remote(way), way)


@every_way
def test_actor_dies_unpickling_its_arguments(ray: ModuleType, way: Way, tmp_path: Path) -> None:
    actor = ray.remote(Mortal).remote()
    expect(ray, actor.echo.remote(ways.DiesWhenUnpickled(way, tmp_path)), way)


@every_death
def test_actor_dies_holding_references_and_pins(ray: ModuleType, way: Way) -> None:
    actor = ray.remote(Mortal).remote()
    refs = [ray.put(np.arange(30_000)), ray.put("small")]
    assert ray.get(actor.keep.remote(refs), timeout=DEADLINE_S) == 4
    expect(ray, actor.die.remote(way), way)
    assert ray.get(refs, timeout=DEADLINE_S)[1] == "small"


@every_signal
def test_idle_actor_dies_and_next_call_says_so(ray: ModuleType, way: Way) -> None:
    actor = ray.remote(Mortal).remote()
    pid = ray.get(actor.pid.remote())
    os.kill(pid, way.signal)
    wait_until(lambda: pid not in testing.worker_pids(), DEADLINE_S, "the actor's end")
    expect(ray, actor.pid.remote(), way, pid)


@every_signal
def test_actor_dies_in_c_that_holds_the_gil(ray: ModuleType, way: Way, tmp_path: Path) -> None:
    actor = ray.remote(Mortal).remote()
    ref = actor.sleep_holding_gil.remote(tmp_path)
    (pid,) = wait_until(lambda: ways.notes(tmp_path, "asleep"), DEADLINE_S, "the actor to sleep")
    os.kill(pid, way.signal)
    expect(ray, ref, way, pid)


@every_signal
def test_actor_dies_blocked_in_get(ray: ModuleType, way: Way, tmp_path: Path) -> None:
    actor = ray.remote(Mortal).remote()
    expect(ray, actor.block.remote(way, tmp_path), way)
    for pid in testing.worker_pids():  # the child still sleeps
        testing.kill_worker(pid)


def test_killed_actor_says_so(ray: ModuleType) -> None:
    actor = ray.remote(Mortal).remote()
    ray.get(actor.pid.remote())
    ray.kill(actor)
    with pytest.raises(exceptions.ActorDiedError, match=r"ray\.kill"):
        ray.get(actor.pid.remote(), timeout=DEADLINE_S)


def test_actor_killed_at_once_after_creation(ray: ModuleType) -> None:
    for _ in range(10):
        actor = ray.remote(Mortal).remote()
        ref = actor.pid.remote()
        ray.kill(actor)
        with pytest.raises(exceptions.ActorDiedError, match=r"ray\.kill"):
            ray.get(actor.pid.remote(), timeout=DEADLINE_S)
        with suppress(exceptions.ActorDiedError):  # it may have been quick enough
            ray.get(ref, timeout=DEADLINE_S)


def test_owner_of_actor_dies_and_actor_ends(ray: ModuleType) -> None:
    @ray.remote(max_retries=0)
    def owner() -> None:
        import pyray

        actor = pyray.remote(Mortal).remote()
        pyray.get(actor.pid.remote())
        os._exit(3)

    with pytest.raises(exceptions.WorkerCrashedError):
        ray.get(owner.remote(), timeout=DEADLINE_S)
    # the fixture waits until no actor is left
