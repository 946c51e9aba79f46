"""Ids tell the job: of two drivers in one session, each has its own everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import pyray as ray
from pyray.observability.records import Session
from pyray.util import state
from tests.support import started_script

MAKE_THINGS = """
    import json, sys, time
    import pyray as ray
    from pyray.util.placement_group import placement_group

    ray.init(address=sys.argv[1], namespace="shared")

    @ray.remote(num_cpus=0)
    class Counter:
        def ids(self):
            here = ray.get_runtime_context()
            return [here.get_job_id(), here.get_actor_id(), here.get_task_id()]

        def put(self):
            return [ray.put(1)]

    @ray.remote(num_cpus=0)
    def other_name():
        here = ray.get_runtime_context()
        return [here.get_job_id(), here.get_task_id(), inner.remote()]

    @ray.remote(num_cpus=0)
    def inner():
        return ray.get_runtime_context().get_task_id()

    counter = Counter.options(name="counter", lifetime="detached").remote()
    in_actor = counter.ids.remote()
    in_task = other_name.remote()
    task_job, task_id, nested = ray.get(in_task)
    group = placement_group([{"CPU": 1}], lifetime="detached")
    ray.get(group.ready())
    value = ray.put("x")
    print(json.dumps({
        "job": ray.get_runtime_context().get_job_id(),
        "actor": counter._actor_id.hex(),
        "in_actor": ray.get(in_actor),
        "call": in_actor.task_id().hex(),
        "task": in_task.task_id().hex(),
        "in_task": [task_job, task_id],
        "nested": nested.task_id().hex(),
        "in_nested": ray.get(nested),
        "value": value.hex(),
        "group": group.id.hex(),
    }))
    print("ready", flush=True)
    time.sleep(60)
"""
SECOND = "02000000"


@pytest.fixture
def made(head: str) -> Iterator[dict[str, Any]]:
    """What the second driver of a session says of its things; this process is the first."""
    ray.init(address=head, namespace="shared")
    try:
        with started_script(MAKE_THINGS, args=[head]) as script:
            script.wait_for_output("ready")
            yield json.loads(script.stdout().partition("\n")[0])
    finally:
        ray.shutdown()


def test_ids_of_a_second_driver_tell_its_job_everywhere(made: dict[str, Any]) -> None:
    assert ray.get_runtime_context().get_job_id() == "01000000"
    assert made["job"] == SECOND
    assert made["in_actor"] == [SECOND, made["actor"], made["call"]]
    assert made["in_task"] == [SECOND, made["task"]]
    assert made["in_nested"] == made["nested"]
    for name in ("actor", "call", "task", "nested", "group"):
        assert made[name].endswith(SECOND), name
    assert made["value"].endswith(f"{SECOND}01000000")

    jobs = {one.job_id for one in state.list_jobs()}
    assert jobs == {"01000000", SECOND}
    rows = {one.task_id: one for one in state.list_tasks(limit=1000, detail=True)}
    for name in ("call", "task", "nested"):
        assert rows[made[name]].job_id == SECOND
    assert rows[made["nested"]].parent_task_id == made["task"]
    assert rows[made["task"]].parent_task_id == "f" * 40 + SECOND
    assert rows[made["call"]].actor_id == made["actor"]
    [actor] = state.list_actors(filters=[("actor_id", "=", made["actor"])])
    assert actor.job_id == SECOND
    assert state.get_objects(made["value"])
    found = state.get_placement_group(made["group"])
    assert found is not None
    assert (found.creator_job_id, found.is_detached) == (SECOND, True)


def test_another_driver_sees_the_same_ids(made: dict[str, Any]) -> None:
    counter = ray.get_actor("counter")
    assert counter._actor_id.hex() == made["actor"]
    call = counter.ids.remote()
    job, actor, task = ray.get(call)
    assert (job, actor) == (SECOND, made["actor"])  # the process is of its maker's job
    assert task == call.task_id().hex()  # and the call is of the caller's
    assert task.endswith("01000000")
    [row] = state.list_tasks(filters=[("task_id", "=", task)])
    assert (row.job_id, row.actor_id) == ("01000000", made["actor"])
    [theirs] = ray.get(counter.put.remote())
    assert theirs.job_id().hex() == SECOND
    assert ray.ObjectRef(theirs.binary()) == theirs


def test_worker_files_are_named_after_the_job(made: dict[str, Any]) -> None:
    names = [name for group in state.list_logs().values() for name in group]
    pids = {slot.pid for slot in Session().slots() if slot.kind == 3 and slot.job == 2}
    assert pids
    theirs = [name for name in names if any(name.endswith(f"-{pid}.out") for pid in pids)]
    assert all(f"-{SECOND}-" in name for name in theirs)
