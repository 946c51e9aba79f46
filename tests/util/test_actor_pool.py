"""`ActorPool`: calls spread over actors, with Ray's methods and gaps."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

import pyray
from pyray.util import ActorPool
from tests.api.conftest import Gate


@pyray.remote
class Worker:
    def double(self, value: int) -> int:
        return 2 * value

    def wait_for(self, refs: list[Any], value: int) -> int:
        pyray.get(refs)
        return value

    def fail(self) -> None:
        raise KeyError("mine")


def double(actor: Any, value: int) -> Any:
    return actor.double.remote(value)


@pytest.fixture(scope="module", autouse=True)
def exported(ray_session: ModuleType) -> None:
    """The actors' code is in the store before the first test is counted."""
    assert list(new_pool().map(double, [1])) == [2]


def new_pool() -> ActorPool:
    return ActorPool([Worker.remote(), Worker.remote()])


def test_map_keeps_the_order_and_takes_more_values_than_actors(ray_session: ModuleType) -> None:
    pool = new_pool()
    assert list(pool.map(double, range(20))) == [2 * value for value in range(20)]
    assert list(pool.map(double, [])) == []


def test_map_unordered_gives_what_is_ready_first(ray_session: ModuleType, gate: Gate) -> None:
    pool = new_pool()
    late = gate.task()
    values = {0: [late], 1: [], 2: []}
    results = pool.map_unordered(lambda a, v: a.wait_for.remote(values[v], v), [0, 1, 2])
    assert [next(results), next(results)] == [1, 2]
    gate.open()
    assert list(results) == [0]


def test_get_next_waits_in_order_and_times_out(ray_session: ModuleType, gate: Gate) -> None:
    pool = new_pool()
    pool.submit(lambda a, v: a.wait_for.remote([gate.task()], v), 1)
    pool.submit(double, 2)
    with pytest.raises(TimeoutError, match="Timed out waiting for result"):
        pool.get_next(timeout=0)
    assert pool.get_next_unordered() == 4
    gate.open()
    with pytest.raises(ValueError, match="not allowed to call get_next"):
        pool.get_next()
    assert pool.get_next_unordered() == 1
    assert not pool.has_next()
    with pytest.raises(StopIteration):
        pool.get_next()
    with pytest.raises(StopIteration):
        pool.get_next_unordered()


def test_a_result_that_is_late_can_be_skipped(ray_session: ModuleType, gate: Gate) -> None:
    pool = new_pool()
    pool.submit(lambda a, v: a.wait_for.remote([gate.task()], v), 1)
    pool.submit(double, 2)
    with pytest.raises(TimeoutError, match="has been ignored"):
        pool.get_next(timeout=0, ignore_if_timedout=True)
    gate.open()
    assert pool.get_next() == 4
    assert not pool.has_next()


def test_actors_come_and_go(ray_session: ModuleType) -> None:
    first, second = Worker.remote(), Worker.remote()
    pool = ActorPool([first])
    with pytest.raises(ValueError, match="already belongs"):
        pool.push(first)
    pool.submit(double, 1)
    assert not pool.has_free()
    assert pool.pop_idle() is None
    pool.submit(double, 2)
    pool.push(second)  # takes the call that waits
    assert [pool.get_next(), pool.get_next()] == [2, 4]
    assert pool.has_free()
    assert {pool.pop_idle(), pool.pop_idle()} == {first, second}
    assert pool.pop_idle() is None


def test_an_error_is_raised_in_its_place_and_the_actor_goes_on(ray_session: ModuleType) -> None:
    pool = new_pool()
    pool.submit(lambda a, _: a.fail.remote(), None)
    pool.submit(double, 1)
    with pytest.raises(KeyError, match="mine"):
        pool.get_next()
    assert pool.get_next() == 2
    assert list(pool.map(double, range(4))) == [0, 2, 4, 6]


def test_a_dead_actor_gets_no_more_calls(ray_session: ModuleType) -> None:
    pool = new_pool()
    pool.submit(lambda a, _: pyray.kill(a) or a.double.remote(1), None)
    with pytest.raises(pyray.exceptions.ActorDiedError):
        pool.get_next()
    assert list(pool.map(double, range(6))) == [0, 2, 4, 6, 8, 10]
