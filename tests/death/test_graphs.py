"""Deaths of those who take part in a compiled graph: an error that says so, and nothing left."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

import pyray as ray
from pyray import testing
from pyray.actor import exit_actor
from pyray.dag import InputNode
from pyray.exceptions import ActorDiedError, RayChannelError
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("ray_alone")


@ray.remote(num_cpus=0)
class Stage:
    def pid(self) -> int:
        return os.getpid()

    def same(self, value: Any) -> Any:
        if value == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if value == "exit":
            exit_actor()
        if value == "wait":
            time.sleep(1000)
        return value


def three_stages(**options: Any) -> tuple[list[Any], Any]:
    actors = [Stage.options(**options).remote() for _ in range(3)]
    with InputNode() as inp:
        node: Any = inp
        for actor in actors:
            node = actor.same.bind(node)
    return actors, node.experimental_compile()


@pytest.mark.parametrize("which", [0, 2])
def test_an_actor_that_is_killed_while_everybody_waits(which: int) -> None:
    actors, dag = three_stages()
    assert ray.get(dag.execute("well")) == "well"
    ref = dag.execute("wait")
    os.kill(ray.get(actors[which].pid.remote()), signal.SIGKILL)
    with pytest.raises(ActorDiedError):
        ray.get(ref)
    with pytest.raises((ActorDiedError, RayChannelError)):
        dag.execute("again")
    dag.teardown(kill_actors=True)
    assert testing.store_accounts()["channels"] == 0


@pytest.mark.parametrize("which", [0, 2])
def test_an_actor_that_is_killed_by_its_handle_is_named(which: int) -> None:
    actors, dag = three_stages()
    ref = dag.execute("wait")
    ray.kill(actors[which])
    with pytest.raises(ActorDiedError, match=r"ray\.kill"):
        ray.get(ref)
    with pytest.raises(ActorDiedError, match=r"ray\.kill"):
        dag.execute("again")
    dag.teardown(kill_actors=True)
    with pytest.raises(RayChannelError):
        dag.execute("over")
    assert testing.store_accounts()["channels"] == 0


@pytest.mark.parametrize("how", ["die", "exit"])
def test_a_stage_that_ends_its_process(how: str) -> None:
    actors, dag = three_stages()
    with pytest.raises(ActorDiedError):
        ray.get(dag.execute(how))
    assert ray.get(actors[1].same.remote("alive")) == "alive"
    dag.teardown()
    assert testing.store_accounts()["channels"] == 0


def test_an_actor_that_restarts_leaves_its_graph_closed() -> None:
    actors, dag = three_stages(max_restarts=1, max_task_retries=-1)
    os.kill(ray.get(actors[1].pid.remote()), signal.SIGKILL)
    wait_until(lambda: is_closed(dag), 20, "the graph is closed")
    dag.teardown()
    assert ray.get(actors[1].same.remote(1)) == 1
    with InputNode() as inp:
        again = actors[1].same.bind(inp).experimental_compile()
    assert ray.get(again.execute(2)) == 2
    again.teardown()


def is_closed(dag: Any) -> bool:
    try:
        ray.get(dag.execute("x"))
    except RayChannelError:
        return True
    except ActorDiedError:
        return True
    except ray.exceptions.ActorUnavailableError:
        return True
    return False


def test_a_dead_actor_cannot_be_compiled() -> None:
    actor = Stage.remote()
    ray.kill(actor)
    with InputNode() as inp:
        node = actor.same.bind(inp)
    with pytest.raises(ActorDiedError):
        node.experimental_compile()
    wait_until(lambda: testing.store_accounts()["channels"] == 0, 10, "the end of the graph")


def test_the_owner_of_a_graph_is_killed() -> None:
    stage = Stage.remote()

    @ray.remote(max_retries=0)
    def run(stage: Any) -> None:
        with InputNode() as inp:
            dag = stage.same.bind(inp).experimental_compile()
        assert ray.get(dag.execute(1)) == 1
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(run.remote(stage))
    wait_until(lambda: testing.store_accounts()["channels"] == 0, 10, "the end of the graph")
    assert ray.get(stage.same.remote("alive")) == "alive"


@pytest.mark.parametrize("size", [8, 200_000])
def test_a_value_on_its_way_goes_with_its_graph(size: int) -> None:
    actors, dag = three_stages()
    refs = [dag.execute(b"x" * size) for _ in range(5)]
    os.kill(ray.get(actors[2].pid.remote()), signal.SIGKILL)
    for ref in refs:
        try:
            assert ray.get(ref) == b"x" * size
        except (ActorDiedError, RayChannelError):
            break
    dag.teardown(kill_actors=True)
    del actors, refs, ref
    wait_until(lambda: testing.store_accounts()["channels"] == 0, 10, "the end of the graph")
