"""`ray.util.state` where other tests would disturb: counts, holders, what runs."""

from __future__ import annotations

import os
import time
from types import ModuleType
from typing import Any

import numpy as np

from pyray.observability.queries import query
from pyray.observability.records import FORMATS, Session
from pyray.util import state
from tests.support import wait_until


def named(name: str, **options: Any) -> list[Any]:
    return state.list_tasks(filters=[("name", "=", name)], limit=10_000, **options)


def test_running_and_waiting_tasks_come_first(ray_alone: ModuleType, tmp_path: Any) -> None:
    ray = ray_alone

    @ray.remote
    def runs(path: str) -> None:
        while not os.path.exists(path):
            time.sleep(0.01)

    @ray.remote
    def waits(value: Any) -> None:
        pass

    path = str(tmp_path / "go")
    first = runs.remote(path)
    last = waits.remote(first)
    wait_until(lambda: named("runs")[0].state == "RUNNING", 20, "that")
    assert [task.state for task in state.list_tasks()] == ["RUNNING", "PENDING_ARGS_AVAIL"]
    counts = state.summarize_tasks()["cluster"]["summary"]
    assert counts["runs"]["state_counts"] == {"RUNNING": 1}
    open(path, "w").close()
    ray.get(last)
    assert {task.state for task in state.list_tasks()} == {"FINISHED"}


def test_all_tasks_are_counted_and_the_last_ones_listed(ray_alone: ModuleType) -> None:
    ray = ray_alone

    @ray.remote
    def small(n: int) -> int:
        return n

    for _ in range(4):
        ray.get([small.remote(n) for n in range(5_000)])
    tasks = named("small", detail=False)
    assert len(tasks) == 10_000  # of 20,000: the limit of `named`
    assert len({task.task_id for task in state.list_tasks(limit=100_000)}) == 20_000
    counts = state.summarize_tasks()["cluster"]
    assert counts["summary"]["small"]["state_counts"] == {"FINISHED": 20_000}
    assert counts["total_tasks"] == 20_000


def test_objects_name_all_their_holders(ray_alone: ModuleType, tmp_path: Any) -> None:
    ray = ray_alone
    path = str(tmp_path / "go")

    @ray.remote
    def keeps(box: Any, path: str) -> None:
        while not os.path.exists(path):
            time.sleep(0.01)

    inner = ray.put(np.ones(20_000))
    ref = inner.hex()
    box = ray.put([inner])
    view = ray.get(inner)
    task = keeps.remote(inner, path)
    wait_until(lambda: named("keeps")[0].state == "RUNNING", 20, "that")

    def holders() -> set[tuple[str, str]]:
        return {(one.reference_type, one.type) for one in state.get_objects(ref)}

    wait_until(lambda: len(holders()) == 5, 20, "that")
    assert holders() == {
        ("LOCAL_REFERENCE", "DRIVER"),
        ("PINNED_IN_MEMORY", "DRIVER"),
        ("CAPTURED_IN_OBJECT", "WORKER"),
        ("USED_BY_PENDING_TASK", "WORKER"),
        ("PINNED_IN_MEMORY", "WORKER"),
    }
    assert {one.object_size >= 160_000 for one in state.get_objects(ref)} == {True}
    del inner, box
    open(path, "w").close()
    ray.get(task)
    wait_until(lambda: holders() == {("PINNED_IN_MEMORY", "DRIVER")}, 20, "that")
    assert view.sum() == 20_000
    assert state.summarize_objects()["cluster"]["total_objects"] > 0


def test_few_of_many_tasks_are_read_and_all_are_counted(ray_alone: ModuleType) -> None:
    ray, count = ray_alone, 20_000

    @ray.remote
    def one() -> None: ...

    @ray.remote
    def outer() -> Any:
        return [one.remote()]

    ray.get([one.remote() for _ in range(count)])
    [inner] = ray.get(outer.remote())
    ray.get(inner)
    session = Session()
    page = session.event_page(8192)
    assert len(page.data) == 8192 * FORMATS["events"][1].size
    assert page.total == count + 2
    few = query(session, "tasks", limit=3)
    assert (len(few.rows), few.total, few.num_filtered) == (3, count + 2, count + 2)
    by_id = {row["task_id"]: row for row in few.rows}
    parent = by_id[inner.task_id().hex()]["parent_task_id"]
    [row] = query(session, "tasks", [("task_id", "=", parent)]).rows
    assert row["name"].endswith("outer")
    everything = query(session, "tasks", limit=100_000)
    assert len({row["task_id"] for row in everything.rows}) == count + 2
    ones = query(session, "tasks", [("name", "=", row["name"].replace("outer", "one"))], 5)
    assert (len(ones.rows), ones.num_filtered, ones.total) == (5, count + 1, count + 2)
