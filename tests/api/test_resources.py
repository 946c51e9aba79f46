"""Resources: what runs side by side, what stays pending, and what the tables say."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

import pyray as ray
from tests.api.conftest import Gate
from tests.support import wait_until


def overlap(intervals: list[tuple[float, float]]) -> int:
    """Return how many of the intervals overlap at most."""
    events = sorted([(start, 1) for start, _ in intervals] + [(end, -1) for _, end in intervals])
    running = most = 0
    for _, change in events:
        running += change
        most = max(most, running)
    return most


def run_at_once(count: int, **options: Any) -> int:
    """Run tasks with these options; return how many ran at the same time at most."""

    @ray.remote
    def work() -> tuple[float, float]:
        start = time.monotonic()
        time.sleep(0.02)
        return start, time.monotonic()

    task = work.options(**options)
    return overlap(ray.get([task.remote() for _ in range(count)]))


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize(
    ("options", "limit"),
    [({}, 2), ({"num_cpus": 1}, 2), ({"num_cpus": 2}, 1), ({"num_cpus": 1.5}, 1), ({"num_cpus": 0.5}, 4)],
)
def test_tasks_never_run_more_at_once_than_cpus_allow(options: dict[str, Any], limit: int) -> None:
    most = run_at_once(12, **options)
    assert most <= limit
    assert most == limit or limit > 2


def test_custom_resources_limit_too() -> None:
    with ray.init(num_cpus=4, resources={"license": 1, "slots": 1.5}):
        assert run_at_once(6, resources={"license": 1}) == 1
        assert run_at_once(6, num_cpus=0, resources={"slots": 0.5}) <= 3
        assert run_at_once(6, num_cpus=0, resources={"slots": 1}) == 1


def test_gpus_are_declared_and_counted() -> None:
    with ray.init(num_cpus=4, num_gpus=1):
        assert ray.cluster_resources()["GPU"] == 1
        assert run_at_once(4, num_gpus=1) == 1
        assert run_at_once(4, num_gpus=0.5) <= 2


@pytest.mark.usefixtures("ray_session")
def test_cluster_resources_say_what_init_was_given() -> None:
    totals = ray.cluster_resources()
    assert totals["CPU"] == 2
    assert "GPU" not in totals
    assert totals["memory"] > 0
    assert totals["object_store_memory"] > 0
    assert totals["node:127.0.0.1"] == 1
    assert totals["node:__internal_head__"] == 1
    assert all(isinstance(amount, float) for amount in totals.values())


@pytest.mark.usefixtures("ray_session")
def test_available_resources_follow_what_runs() -> None:
    @ray.remote(num_cpus=1.5)
    def look() -> float:
        return ray.available_resources()["CPU"]

    assert ray.get(look.remote()) == 0.5
    wait_until(lambda: ray.available_resources()["CPU"] == 2, 5, "the CPUs")


@pytest.mark.usefixtures("ray_session")
def test_resource_that_is_used_up_is_left_out(gate: Gate) -> None:
    @ray.remote(num_cpus=2)
    def look() -> dict[str, float]:
        return ray.available_resources()

    assert "CPU" not in ray.get(look.remote())


@pytest.mark.usefixtures("ray_session")
def test_available_object_store_memory_follows_what_is_stored() -> None:
    before = ray.available_resources()["object_store_memory"]
    ref = ray.put(bytes(1 << 20))
    assert before - ray.available_resources()["object_store_memory"] >= 1 << 20
    del ref
    assert ray.available_resources()["object_store_memory"] == before


@pytest.mark.parametrize("options", [{"num_cpus": 3}, {"num_gpus": 1}, {"resources": {"x": 1}}])
def test_task_that_can_never_run_stays_pending_with_one_warning(
    options: dict[str, Any], caplog: pytest.LogCaptureFixture, ray_alone: Any
) -> None:
    @ray.remote
    def f() -> int:
        return 1

    with caplog.at_level(logging.WARNING):
        refs = [f.options(**options).remote() for _ in range(3)]
    assert len(caplog.records) == 1, caplog.text
    assert "stays pending" in caplog.text
    assert ray.wait(refs, timeout=0.1) == ([], refs)
    assert ray.get(f.remote(), timeout=20) == 1  # others do not mind


def test_zero_cpus_refuse_nothing_but_tasks_that_need_one(ray_alone: Any) -> None:
    ray.shutdown()
    with ray.init(num_cpus=0):

        @ray.remote(num_cpus=0)
        def f() -> int:
            return 1

        assert ray.get(f.remote(), timeout=20) == 1


@pytest.mark.usefixtures("ray_session")
def test_small_tasks_overtake_a_large_one_that_does_not_fit(gate: Gate) -> None:
    @ray.remote
    def f(x: int) -> int:
        time.sleep(0.05)
        return x

    running = f.remote(0)
    large = f.options(num_cpus=2).remote(1)
    small = [f.remote(i) for i in range(2, 6)]
    assert ray.get([running, large, *small]) == list(range(6))


@pytest.mark.usefixtures("ray_session")
def test_many_different_demands() -> None:
    @ray.remote
    def f(x: int) -> int:
        return x

    refs = [f.options(num_cpus=0.01 * (i % 40 + 1)).remote(i) for i in range(200)]
    assert ray.get(refs) == list(range(200))


@pytest.mark.usefixtures("ray_session")
def test_nodes_describes_this_machine() -> None:
    (node,) = ray.nodes()
    assert node["Alive"] is True
    assert node["Resources"]["CPU"] == 2
    assert node["NodeID"] == ray.get_runtime_context().get_node_id()
