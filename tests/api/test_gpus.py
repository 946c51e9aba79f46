"""GPUs that are declared: who gets which, and how code is told."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import pyray as ray
from tests.support import wait_until

VARIABLE = "CUDA_VISIBLE_DEVICES"


@pytest.fixture(scope="module", autouse=True)
def three_gpus() -> Iterator[None]:
    with ray.init(num_cpus=4, num_gpus=3):
        yield


def looker() -> Any:
    """Return a remote function: what is exported goes with it."""

    @ray.remote(num_cpus=0)
    def look() -> tuple[list[Any], str | None]:
        return ray.get_gpu_ids(), os.environ.get(VARIABLE)

    return look


def holder() -> Any:
    """Return an actor class."""

    @ray.remote
    class Holder:
        def look(self) -> list[Any]:
            return ray.get_gpu_ids()

    return Holder


def test_an_actor_with_a_gpu_keeps_a_cpu_unless_told_otherwise() -> None:
    @ray.remote(num_gpus=0.25)
    class Holder:
        def resources(self) -> dict[str, float]:
            found: dict[str, float] = ray.get_runtime_context().get_assigned_resources()
            return found

    assert ray.get(Holder.remote().resources.remote()) == {"CPU": 1.0, "GPU": 0.25}
    freed = Holder.options(num_cpus=0).remote()
    assert ray.get(freed.resources.remote()) == {"GPU": 0.25}


def test_task_without_gpus_sees_none() -> None:
    ids, shown = ray.get(looker().remote())
    assert ids == []
    assert shown == ""


@pytest.mark.parametrize("count", [1, 2, 3])
def test_task_sees_as_many_gpus_as_it_asks_for(count: int) -> None:
    ids, shown = ray.get(looker().options(num_gpus=count).remote())
    assert ids == list(range(count))
    assert shown == ",".join(map(str, ids))


def test_driver_has_no_gpus_assigned() -> None:
    assert ray.get_gpu_ids() == []


def test_fractions_share_gpus_and_whole_ones_do_not() -> None:
    cls = holder()
    halves = [cls.options(num_cpus=0, num_gpus=0.5).remote() for _ in range(4)]
    whole = cls.options(num_cpus=0, num_gpus=1).remote()
    ids = ray.get([one.look.remote() for one in halves])
    assert sorted(Counter(map(tuple, ids)).values()) == [2, 2]
    (alone,) = ray.get(whole.look.remote())
    assert [alone] not in ids
    assert "GPU" not in ray.available_resources()
    del halves, whole
    wait_until(lambda: ray.available_resources().get("GPU") == 3, 5, "the GPUs")


def test_fractions_leave_whole_gpus_whole() -> None:
    cls = holder()
    holders = [cls.options(num_cpus=0, num_gpus=0.25).remote() for _ in range(4)]
    ids = ray.get([one.look.remote() for one in holders])
    assert ids == [ids[0]] * 4
    assert ray.available_resources()["GPU"] == 2


def test_waiting_task_lends_cpus_and_keeps_gpus() -> None:
    look = looker()

    @ray.remote(num_cpus=4, num_gpus=2)
    def outer() -> tuple[list[Any], list[Any]]:
        inner = ray.get(look.options(num_cpus=4, num_gpus=1).remote())
        return ray.get_gpu_ids(), inner[0]

    mine, others = ray.get(outer.remote(), timeout=20)
    assert len(mine) == 2
    assert set(mine).isdisjoint(others)


def test_worker_that_had_a_gpu_ends_with_its_task() -> None:
    @ray.remote(num_gpus=1)
    def process() -> int:
        return os.getpid()

    assert len({ray.get(process.remote()) for _ in range(3)}) == 3
