"""Resources: what runs side by side, what stays pending, and what the tables say."""

from __future__ import annotations

import time
from typing import Any

import pytest

import pyray as ray
from tests.api.conftest import Gate, run_at_once
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({}, 2),
        ({"num_cpus": 1}, 2),
        ({"num_cpus": 2}, 1),
        ({"num_cpus": 1.5}, 1),
        ({"num_cpus": 0.5}, 4),
    ],
)
def test_tasks_never_run_more_at_once_than_cpus_allow(options: dict[str, Any], limit: int) -> None:
    most = run_at_once(12, **options)
    assert most <= limit
    assert most == limit or limit > 2


def test_cluster_resources_say_what_init_was_given() -> None:
    totals = ray.cluster_resources()
    assert totals["CPU"] == 2
    assert "GPU" not in totals
    assert totals["memory"] > 0
    assert totals["object_store_memory"] > 0
    assert totals["node:127.0.0.1"] == 1
    assert totals["node:__internal_head__"] == 1
    assert all(isinstance(amount, float) for amount in totals.values())


def test_available_resources_follow_what_runs() -> None:
    @ray.remote(num_cpus=1.5)
    def look() -> float:
        return ray.available_resources()["CPU"]

    assert ray.get(look.remote()) == 0.5
    wait_until(lambda: ray.available_resources()["CPU"] == 2, 5, "the CPUs")


def test_resource_that_is_used_up_is_left_out(gate: Gate) -> None:
    @ray.remote(num_cpus=2)
    def look() -> dict[str, float]:
        return ray.available_resources()

    assert "CPU" not in ray.get(look.remote())


def test_available_object_store_memory_follows_what_is_stored() -> None:
    before = ray.available_resources()["object_store_memory"]
    ref = ray.put(bytes(1 << 20))
    assert before - ray.available_resources()["object_store_memory"] >= 1 << 20
    del ref
    assert ray.available_resources()["object_store_memory"] == before


def test_small_tasks_overtake_a_large_one_that_does_not_fit(gate: Gate) -> None:
    @ray.remote
    def f(x: int) -> int:
        time.sleep(0.05)
        return x

    running = f.remote(0)
    large = f.options(num_cpus=2).remote(1)
    small = [f.remote(i) for i in range(2, 6)]
    assert ray.get([running, large, *small]) == list(range(6))


def test_many_different_demands() -> None:
    @ray.remote
    def f(x: int) -> int:
        return x

    refs = [f.options(num_cpus=0.01 * (i % 40 + 1)).remote(i) for i in range(200)]
    assert ray.get(refs) == list(range(200))


def test_nodes_describes_this_machine() -> None:
    (node,) = ray.nodes()
    assert node["Alive"] is True
    assert node["Resources"]["CPU"] == 2
    assert node["NodeID"] == ray.get_runtime_context().get_node_id()
