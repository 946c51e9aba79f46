"""`ray.util.state`: what a session has and does."""

from __future__ import annotations

import os
import signal
import time
from types import ModuleType
from typing import Any

import pytest

from pyray.observability import records
from pyray.observability.records import Session
from pyray.util import state
from pyray.util.state.exception import RayStateApiException, ServerUnavailable


def named(name: str, **options: Any) -> list[Any]:
    return state.list_tasks(filters=[("name", "=", name)], limit=10_000, **options)


def test_structures_have_the_sizes_of_the_core(ray_session: ModuleType) -> None:
    for name, size in Session().reader.sizes().items():
        assert records.FORMATS[name][1].size == size, name


def test_a_finished_task_is_listed_with_its_history(ray_session: ModuleType) -> None:
    ray = ray_session

    @ray.remote(num_cpus=0.5)
    def finishes() -> int:
        return os.getpid()

    ref = finishes.remote()
    pid = ray.get(ref)
    [task] = named("finishes", detail=True)
    assert task.task_id == ref.task_id().hex()
    assert (task.state, task.type, task.attempt_number) == ("FINISHED", "NORMAL_TASK", 0)
    assert task.worker_pid == task["worker_pid"] == pid
    assert task.required_resources == {"CPU": 0.5}
    assert task.creation_time_ms <= task.start_time_ms <= task.end_time_ms
    assert abs(task.end_time_ms - time.time() * 1000) < 60_000
    assert task.parent_task_id.startswith("ff")
    assert state.get_task(task.task_id).asdict() == task.asdict()


def test_errors_are_told(ray_session: ModuleType) -> None:
    ray = ray_session

    @ray.remote
    def fails() -> None:
        raise ValueError("no such thing")

    with pytest.raises(ValueError, match="no such"):
        ray.get(fails.remote())
    [task] = named("fails", detail=True)
    assert (task.state, task.error_type) == ("FAILED", "TASK_EXECUTION_EXCEPTION")
    assert task.error_message == "ValueError: no such thing"


def test_a_death_is_an_attempt(ray_session: ModuleType, tmp_path: Any) -> None:
    ray = ray_session

    @ray.remote(max_retries=1)
    def dies_once(path: str) -> str:
        if not os.path.exists(path):
            open(path, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return "alive"

    assert ray.get(dies_once.remote(str(tmp_path / "mark"))) == "alive"
    second, first = named("dies_once", detail=True)
    assert (first.state, first.error_type, first.attempt_number) == ("FAILED", "WORKER_DIED", 0)
    assert "SIGKILL" in first.error_message
    assert (second.state, second.attempt_number) == ("FINISHED", 1)
    assert isinstance(state.get_task(first.task_id), list)


def test_nested_tasks_name_their_parent(ray_session: ModuleType) -> None:
    ray = ray_session

    @ray.remote
    def child() -> None:
        pass

    @ray.remote
    def parent() -> str | None:
        ray.get(child.remote())
        return ray.get_runtime_context().get_task_id()

    parent_id = ray.get(parent.remote())
    assert named("child")[0].parent_task_id == parent_id


def test_filters_come_before_the_limit(ray_session: ModuleType) -> None:
    ray = ray_session

    @ray.remote
    def even(n: int) -> None:
        if n % 2:
            raise ValueError

    ray.wait([even.remote(n) for n in range(40)], num_returns=40)
    where = [("name", "=", "even"), ("state", "=", "failed")]  # whatever the case
    assert len(state.list_tasks(filters=where)) == 20
    assert len(state.list_tasks(filters=where, limit=7)) == 7
    where[1] = ("state", "!=", "FAILED")
    assert {task.state for task in state.list_tasks(filters=where)} == {"FINISHED"}
    assert named("even", detail=True)[0].events[-1]["state"] in {"FINISHED", "FAILED"}


def test_wrong_questions_are_refused(ray_session: ModuleType) -> None:
    with pytest.raises(ValueError, match="predicate < "):
        state.list_tasks(filters=[("name", "<", "a")])
    with pytest.raises(RayStateApiException, match="filter column size is not supported"):
        state.list_tasks(filters=[("size", "=", "a")])
    with pytest.raises(ValueError, match="limit 0"):
        state.list_tasks(limit=0)
    with pytest.raises(ServerUnavailable, match="no running session"):
        state.list_tasks(address="no-such-session")
    assert state.get_task("00") is None


def test_tasks_can_be_left_out(ray_session: ModuleType) -> None:
    ray = ray_session

    @ray.remote(enable_task_events=False)
    def unseen() -> int:
        return 1

    @ray.remote(enable_task_events=False)
    class Unseen:
        def call(self) -> int:
            return 1

        @ray.method(enable_task_events=True)
        def seen(self) -> int:
            return 1

    actor = Unseen.remote()
    calls = [unseen.remote(), actor.call.remote(), actor.seen.remote()]
    calls.append(actor.seen.options(enable_task_events=False).remote())
    assert ray.get(calls) == [1, 1, 1, 1]
    assert named("unseen") + named("Unseen.call") + named("Unseen.__init__") == []
    assert len(named("Unseen.seen")) == 1


def test_dead_actors_stay_listed(ray_session: ModuleType) -> None:
    ray = ray_session

    @ray.remote
    class Counter:
        def pid(self) -> int:
            return os.getpid()

    alive = Counter.options(name="the-counter").remote()
    dead = Counter.remote()
    pids = ray.get([alive.pid.remote(), dead.pid.remote()])
    dead_id = dead._actor_id.hex()
    ray.kill(dead)
    del dead
    actors = state.list_actors(filters=[("class_name", "=", "Counter")], detail=True)
    assert [actor.state for actor in actors] == ["ALIVE", "DEAD"]
    assert [actor.pid for actor in actors] == pids
    assert (actors[0].name, actors[1].actor_id) == ("the-counter", dead_id)
    assert "ray.kill" in str(actors[1].death_cause)
    assert state.get_actor(dead_id).state == "DEAD"
    summary = state.summarize_actors()["cluster"]["summary"]["Counter"]
    assert summary["state_counts"] == {"ALIVE": 1, "DEAD": 1}
    [call] = state.list_tasks(filters=[("name", "=", "Counter.pid"), ("actor_id", "=", dead_id)])
    assert call.type == "ACTOR_TASK"


def test_the_rest_has_rows(ray_session: ModuleType) -> None:
    ray = ray_session
    [node] = state.list_nodes(detail=True)
    assert node.node_id == ray.get_runtime_context().get_node_id()
    assert node.resources_total["CPU"] == 2
    drivers = state.list_workers(filters=[("worker_type", "=", "DRIVER")], detail=True)
    assert [one.pid for one in drivers] == [os.getpid()]
    assert drivers[0].start_time_ms < time.time() * 1000
    [job] = state.list_jobs(detail=True)
    assert job.driver_info["pid"] == str(os.getpid())
    group = ray.util.placement_group([{"CPU": 1}], name="mine")
    assert group.wait(10)
    [row] = state.list_placement_groups(detail=True)
    assert (row.placement_group_id, row.name) == (group.id.hex(), "mine")
    assert (row.state, row.bundles[0]["unit_resources"]) == ("CREATED", {"CPU": 1.0})
    assert state.get_placement_group(group.id.hex()).name == "mine"
    ray.util.remove_placement_group(group)
    assert state.list_runtime_envs() == []
