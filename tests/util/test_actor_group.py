"""`ActorGroup`: actors of one class that are called together."""

from __future__ import annotations

import os
import time
from types import ModuleType
from typing import Any

import pytest

import pyray
from pyray import exceptions, testing
from pyray.util import ActorGroup
from tests.support import wait_until


class Member:
    def __init__(self, first: int, *, second: int = 0) -> None:
        self.total = first + second

    def add(self, value: int) -> int:
        return self.total + value

    def hang(self) -> None:
        time.sleep(3600)


class Described:
    def get_actor_metadata(self) -> int:
        return os.getpid()


def new_group(count: int = 2, **kwargs: Any) -> ActorGroup:
    given: dict[str, Any] = {"num_cpus_per_actor": 0, "init_args": (1,), **kwargs}
    return ActorGroup(Member, count, **given)


def nothing_is_left() -> bool:
    return testing.store_accounts()["actors"] == 0


def test_a_method_is_called_on_all_members(ray_session: ModuleType) -> None:
    group = new_group(3, init_kwargs={"second": 2})
    assert len(group) == 3
    assert pyray.get(group.add.remote(10)) == [13, 13, 13]
    assert pyray.get(group[1].actor.add.remote(1)) == 4
    assert group.actor_metadata == [None] * 3
    with pytest.raises(TypeError, match=r"try 'object.add.remote\(\)'"):
        group.add(1)
    group.shutdown()
    wait_until(nothing_is_left, 10, "the end of the actors")


def test_members_come_and_go(ray_session: ModuleType) -> None:
    group = new_group()
    group.add_actors(1)
    last = group[2].actor
    group.remove_actors([0, 1])
    assert [one.actor for one in group.actors] == [last]
    with pytest.raises(RuntimeError, match="already been started"):
        group.start()
    group.shutdown()
    assert len(group) == 0
    with pytest.raises(RuntimeError, match="shut down"):
        _ = group.add
    group.start()
    assert pyray.get(group.add.remote(1)) == [2, 2]
    del group, last
    wait_until(nothing_is_left, 10, "the end of the actors")


@pytest.mark.parametrize("patience_s", [0, 0.01])
def test_members_that_do_not_end_are_killed(ray_session: ModuleType, patience_s: float) -> None:
    group = new_group()
    calls = group.hang.remote()
    group.shutdown(patience_s)
    for call in calls:
        with pytest.raises(exceptions.ActorDiedError):
            pyray.get(call)
    del group
    wait_until(nothing_is_left, 10, "the end of the actors")


def test_members_tell_about_themselves(ray_session: ModuleType) -> None:
    group = ActorGroup(Described, 2, num_cpus_per_actor=0)
    assert len({*group.actor_metadata, os.getpid()}) == 3
    assert group[0].metadata == group.actor_metadata[0]
    group.shutdown()


def test_wrong_numbers_are_refused(ray_session: ModuleType) -> None:
    with pytest.raises(ValueError, match="num_actors: expected"):
        new_group(0)
    with pytest.raises(ValueError, match="must not be negative"):
        new_group(1, num_cpus_per_actor=-1)
