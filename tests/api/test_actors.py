"""Actors as far as they go now, and what is said about the rest."""

from __future__ import annotations

import copy
import os
import pickle
import random
import time
from typing import Any

import pytest

import pyray as ray
from pyray.exceptions import ActorDiedError, RayActorError, RayTaskError
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("ray_session")


def counter_class() -> Any:
    """Return a new actor class; module-level ones would keep their code in the session."""

    @ray.remote
    class Counter:
        """Counts."""

        def __init__(self, start: int = 0) -> None:
            self.value = start

        def add(self, n: int = 1) -> int:
            self.value += n
            return self.value

        def pid(self) -> int:
            return os.getpid()

        def fail(self) -> None:
            raise KeyError("in the actor")

        def die(self) -> None:
            os._exit(7)

        @ray.method(num_returns=2)
        def pair(self) -> tuple[int, int]:
            return self.value, self.value + 1

        @classmethod
        def kind(cls) -> str:
            return "counter"

        @staticmethod
        def helper() -> str:
            return "helps"

    return Counter


def test_actor_keeps_its_state() -> None:
    counter = counter_class().remote(10)
    assert ray.get([counter.add.remote() for _ in range(5)]) == [11, 12, 13, 14, 15]


def test_calls_of_one_caller_run_in_order() -> None:
    counter = counter_class().remote()
    assert ray.get([counter.add.remote() for _ in range(1000)]) == list(range(1, 1001))


def test_actors_live_in_processes_of_their_own() -> None:
    cls = counter_class()
    a, b = cls.remote(), cls.remote()
    pids = ray.get([a.pid.remote(), b.pid.remote(), a.pid.remote()])
    assert pids[0] == pids[2] != pids[1]
    assert os.getpid() not in pids


def test_more_actors_than_cpus() -> None:
    cls = counter_class()
    actors = [cls.remote(i) for i in range(6)]
    assert ray.get([actor.add.remote() for actor in actors]) == [1, 2, 3, 4, 5, 6]


def test_handle_travels_and_compares() -> None:
    @ray.remote
    def use(counter: Any, others: list[Any]) -> tuple[int, bool, int]:
        return ray.get(counter.add.remote()), counter == others[0], hash(counter)

    counter = counter_class().remote()
    value, equal, hashed = ray.get(use.remote(counter, [counter]))
    assert (value, equal, hashed) == (1, True, hash(counter))
    assert ray.get(counter.add.remote()) == 2
    assert ray.get(ray.put(counter)) == counter


def test_references_as_arguments_of_methods() -> None:
    counter = counter_class().remote(ray.put(5))
    assert ray.get(counter.add.remote(counter.add.remote(ray.put(1)))) == 12


def test_method_with_several_results() -> None:
    counter = counter_class().remote(3)
    assert ray.get(counter.pair.remote()) == [3, 4]
    assert ray.get(counter.pair.options(num_returns=1).remote()) == (3, 4)
    assert counter.add.options(num_returns=0).remote() is None
    assert ray.get(counter.add.remote(0)) == 4


def test_error_of_a_method_leaves_the_actor_alive() -> None:
    counter = counter_class().remote()
    with pytest.raises(KeyError, match="in the actor") as info:
        ray.get(counter.fail.remote())
    assert isinstance(info.value, RayTaskError)
    head = str(info.value).splitlines()[0]
    assert head.startswith("ray::Counter.fail() (pid=")
    assert f"actor_id={counter._actor_id.hex()}" in head
    assert ray.get(counter.add.remote()) == 1


def test_error_of_the_constructor_is_every_call_s_error() -> None:
    @ray.remote
    class Broken:
        def __init__(self) -> None:
            raise ValueError("cannot start")

        def f(self) -> None:
            pass

    actor = Broken.remote()
    for _ in range(2):
        with pytest.raises(ActorDiedError, match="cannot start") as info:
            ray.get(actor.f.remote())
    assert "error raised in its creation task" in str(info.value)


def test_death_of_the_process_fails_this_call_and_later_ones() -> None:
    counter = counter_class().remote()
    for call in (counter.die, counter.add):
        with pytest.raises(RayActorError) as info:
            ray.get(call.remote())
    assert isinstance(info.value, ActorDiedError)
    assert "Counter" in str(info.value)


def test_kill_ends_the_process_and_fails_its_calls() -> None:
    counter = counter_class().remote()
    pid = ray.get(counter.pid.remote())
    ray.kill(counter)
    with pytest.raises(RayActorError, match="killed by `ray.kill`"):
        ray.get(counter.add.remote(), timeout=20)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 5, "the end of the process")


def test_error_of_a_dead_actor_says_which_one_it_was() -> None:
    actor = counter_class().options(name="the one", namespace="here").remote()
    ray.get(actor.add.remote())
    ray.kill(actor)
    with pytest.raises(ActorDiedError) as info:
        ray.get(actor.add.remote())
    error = pickle.loads(pickle.dumps(info.value))
    assert error.actor_id == actor._actor_id.hex()
    for fact in (f"actor_id: {error.actor_id}", "name: the one", "namespace: here"):
        assert f"\n    {fact}\n" in str(error)


def test_error_of_an_actor_without_a_name_has_its_id() -> None:
    counter = counter_class().remote()
    with pytest.raises(ActorDiedError) as info:
        ray.get(counter.die.remote())
    assert info.value.actor_id == counter._actor_id.hex()
    assert "namespace:" not in str(info.value)


def test_error_of_a_constructor_has_the_actor_s_id() -> None:
    @ray.remote
    class Failing:
        def __init__(self) -> None:
            raise ValueError("no")

    actor = Failing.remote()
    with pytest.raises(ActorDiedError) as info:
        ray.get(actor.__ray_ready__.remote())
    assert info.value.actor_id == actor._actor_id.hex()


def test_actor_ends_when_its_last_handle_goes() -> None:
    counter = counter_class().remote()
    pid = ray.get(counter.pid.remote())
    del counter
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 5, "the end of the actor")


def test_queued_calls_finish_though_the_handle_is_gone() -> None:
    @ray.remote
    class Slow:
        def work(self, x: int) -> int:
            time.sleep(0.01)
            return x

    actor = Slow.remote()
    refs = [actor.work.remote(i) for i in range(10)]
    del actor
    assert ray.get(refs) == list(range(10))


def test_class_and_static_methods_work_on_the_class() -> None:
    cls = counter_class()
    assert cls.kind() == "counter"
    assert cls.helper() == "helps"


# ---- Wrong use.


def test_direct_instantiation_is_refused() -> None:
    text = r"Actors cannot be instantiated directly. Instead of 'Counter\(\)', use 'Counter.remote"
    with pytest.raises(TypeError, match=text):
        counter_class()()


def test_inheriting_from_an_actor_class_is_refused() -> None:
    with pytest.raises(TypeError, match="Inheriting from actor classes is not currently supported"):

        class Sub(counter_class()):  # type: ignore[misc]
            pass


def test_direct_call_of_a_method_is_refused() -> None:
    counter = counter_class().remote()
    text = r"Instead of running 'object.add\(\)', try 'object.add.remote\(\)'"
    with pytest.raises(TypeError, match=text):
        counter.add()


def test_unknown_names_are_attribute_errors() -> None:
    cls = counter_class()
    counter = cls.remote()
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        counter.nope  # noqa: B018
    with pytest.raises(AttributeError, match="actor class 'Counter' has no attribute 'nope'"):
        cls.nope  # noqa: B018


def test_calls_that_do_not_fit_are_refused_at_the_call() -> None:
    cls = counter_class()
    with pytest.raises(TypeError, match="too many positional arguments"):
        cls.remote(1, 2)
    counter = cls.remote()
    with pytest.raises(TypeError, match="unexpected keyword argument 'x'"):
        counter.add.remote(x=1)


def test_argument_that_cannot_be_pickled_is_named() -> None:
    import threading

    cls = counter_class()
    counter = cls.remote()
    with pytest.raises(TypeError, match="an argument of Counter.add, <unlocked _thread.lock"):
        counter.add.remote(threading.Lock())
    with pytest.raises(TypeError, match="an argument of Counter, <unlocked _thread.lock"):
        cls.remote(threading.Lock())


@pytest.mark.parametrize(
    ("option", "value", "error", "text"),
    [
        ("foo", 1, ValueError, "Invalid option keyword foo for actors"),
        ("num_cpus", -1, ValueError, "cannot be negative"),
        ("max_restarts", -2, ValueError, "only accepts None, 0, -1 or a positive integer"),
        ("lifetime", "long", ValueError, "must be one of 'detached'"),
        ("name", "", ValueError, "cannot be an empty string"),
        ("get_if_exists", True, ValueError, "must be specified to use `get_if_exists`"),
    ],
)
def test_bad_option_is_refused(option: str, value: Any, error: type[Exception], text: str) -> None:
    for attempt in (
        lambda: counter_class().options(**{option: value}),
        lambda: ray.remote(**{option: value})(type("A", (), {})),
    ):
        with pytest.raises(error, match=text):
            attempt()


@pytest.mark.parametrize("wrong", [3, None, "actor"])
def test_kill_of_anything_else_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"only supported for actors. For tasks, try ray.cancel"):
        ray.kill(wrong)


def test_get_of_a_handle_is_refused() -> None:
    with pytest.raises(ValueError, match="Invalid type of object refs"):
        ray.get(counter_class().remote())


def test_special_methods_are_called_as_others() -> None:
    @ray.remote
    class Sequence:
        def __call__(self, value: int) -> int:
            return value + 1

        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> int:
            return 10 * index

    actor: Any = Sequence.remote()
    assert ray.get([actor.__call__.remote(1), actor.__len__.remote()]) == [2, 3]
    assert ray.get(actor.__getitem__.remote(4)) == 40
    assert ray.get(ray.get(ray.put(actor)).__len__.remote()) == 3
    with pytest.raises(AttributeError, match="'Sequence' object has no attribute '__iter__'"):
        _ = actor.__iter__
    assert copy.copy(actor) == actor


def test_actors_have_random_numbers_of_their_own() -> None:
    @ray.remote
    class Dice:
        def throw(self) -> float:
            return random.random()

    dice: list[Any] = [Dice.remote() for _ in range(3)]
    assert len(set(ray.get([one.throw.remote() for one in dice]))) == 3
