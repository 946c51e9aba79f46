"""Named actors: get_actor, get_if_exists, namespaces, detached and weak handles."""

from __future__ import annotations

import os
from typing import Any

import pytest

import pyray as ray
from pyray.exceptions import ActorAlreadyExistsError, ActorDiedError
from pyray.util import list_named_actors
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("ray_session", "no_actor_is_left")


def keeper_class() -> Any:
    """Return a new actor class."""

    @ray.remote
    class Keeper:
        def __init__(self, value: Any = None) -> None:
            self.value = value

        def get(self) -> Any:
            return self.value

        def set(self, value: Any) -> None:
            self.value = value

        @ray.method(num_returns=2)
        def pair(self) -> tuple[int, int]:
            return 1, 2

        def die(self) -> None:
            os._exit(1)

    return Keeper


def is_gone(name: str) -> bool:
    """Whether nobody has that name any more."""
    return name not in list_named_actors()


def test_actor_is_found_by_name_here_and_in_tasks() -> None:
    @ray.remote
    def find() -> tuple[Any, Any]:
        keeper = ray.get_actor("keeper")
        return ray.get(keeper.get.remote()), keeper

    keeper = keeper_class().options(name="keeper").remote("kept")
    found = ray.get_actor("keeper")
    assert ray.get(found.get.remote()) == "kept"
    assert ray.get(found.pair.remote()) == [1, 2]
    assert (found, hash(found)) == (keeper, hash(keeper))
    value, again = ray.get(find.remote())
    assert value == "kept"
    assert again == keeper


def test_name_is_taken_once_and_free_after_death() -> None:
    cls = keeper_class()
    first = cls.options(name="one").remote(1)
    with pytest.raises(
        ActorAlreadyExistsError, match=r"The name one \(namespace=\) is already taken"
    ):
        cls.options(name="one").remote(2)
    with pytest.raises(ValueError, match="already taken"):
        cls.options(name="one").remote(2)
    ray.kill(first)
    second = cls.options(name="one").remote(2)
    assert ray.get(second.get.remote()) == 2
    assert ray.get(ray.get_actor("one").get.remote()) == 2


def test_get_if_exists_makes_one_actor_whoever_asks() -> None:
    cls = keeper_class().options(name="shared", get_if_exists=True)

    @ray.remote
    def ask(_n: int) -> Any:
        return cls.remote()

    first = cls.remote()
    others = ray.get([ask.remote(n) for n in range(6)])
    assert set(others) == {first}


def test_namespaces_keep_names_apart() -> None:
    cls = keeper_class()
    here = cls.options(name="n").remote("here")
    there = cls.options(name="n", namespace="other").remote("there")
    assert ray.get(ray.get_actor("n").get.remote()) == "here"
    assert ray.get(ray.get_actor("n", namespace="other").get.remote()) == "there"
    assert list_named_actors() == ["n"]
    assert list_named_actors(all_namespaces=True) == [
        {"name": "n", "namespace": ""},
        {"name": "n", "namespace": "other"},
    ]
    del here, there


def test_found_handle_does_not_keep_the_actor() -> None:
    keeper = keeper_class().options(name="weak").remote(1)
    found = ray.get_actor("weak")
    assert ray.get(found.get.remote()) == 1
    copy = ray.get(ray.put(found))
    del keeper
    wait_until(lambda: is_gone("weak"), 10, "the end of the actor")
    for handle in (found, copy):
        with pytest.raises(ActorDiedError, match="last handle is gone"):
            ray.get(handle.get.remote())
        with pytest.raises(ActorDiedError, match="last handle is gone"):
            ray.get(handle.pair.remote()[1])
    with pytest.raises(ValueError, match="Failed to look up actor with name 'weak'"):
        ray.get_actor("weak")


def test_detached_actor_lives_without_handles_until_it_is_killed() -> None:
    def make() -> None:
        keeper = keeper_class().options(name="detached", lifetime="detached").remote("still here")
        ray.get(keeper.get.remote())

    make()
    found = ray.get_actor("detached")
    assert ray.get(found.get.remote()) == "still here"
    ray.kill(found)
    assert is_gone("detached")
    with pytest.raises(ActorDiedError):
        ray.get(found.get.remote())


def test_name_survives_a_restart_and_goes_with_the_last() -> None:
    keeper = keeper_class().options(name="phoenix", max_restarts=1, max_task_retries=1).remote(5)
    ray.get(keeper.set.remote(6))
    keeper.die.options(max_task_retries=0).remote()
    assert ray.get(ray.get_actor("phoenix").get.remote()) == 5
    keeper.die.options(max_task_retries=0).remote()
    wait_until(lambda: is_gone("phoenix"), 10, "the end of the actor")


def test_wrong_use_is_refused() -> None:
    with pytest.raises(ValueError, match="non-empty value to get_actor"):
        ray.get_actor("")
    with pytest.raises(ValueError, match='"" is not a valid namespace'):
        ray.get_actor("a", namespace="")
    with pytest.raises(ValueError, match="Failed to look up actor with name 'nobody'"):
        ray.get_actor("nobody")
    with pytest.raises(ValueError, match="have 300 bytes in UTF-8 together; at most 232"):
        keeper_class().options(name="x" * 300).remote()
