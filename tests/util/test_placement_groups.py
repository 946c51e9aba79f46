"""Placement groups and scheduling strategies."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

import pyray as ray
from pyray import testing
from pyray.exceptions import RayActorError
from pyray.ids import PlacementGroupID
from pyray.util.placement_group import (
    PlacementGroup,
    get_current_placement_group,
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from pyray.util.scheduling_strategies import (
    DoesNotExist,
    Exists,
    In,
    NodeAffinitySchedulingStrategy,
    NodeLabelSchedulingStrategy,
    NotIn,
    PlacementGroupSchedulingStrategy,
)
from tests.support import wait_until


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[None]:
    with ray.init(num_cpus=2, num_gpus=2, labels={"zone": "a"}):
        yield


@pytest.fixture(autouse=True)
def nothing_reserved() -> Iterator[None]:
    yield
    for group in placement_group_table():
        remove_placement_group(PlacementGroup(PlacementGroupID.from_hex(group)))
    wait_until(lambda: ray.available_resources().get("CPU") == 2, 5, "the CPUs")
    wait_until(lambda: ray.available_resources().get("GPU") == 2, 5, "the GPUs")
    wait_until(lambda: not placement_group_table(), 5, "the end of all groups")


def test_largest_group() -> None:
    bundles = [{"CPU": 0.01, "GPU": 0.01, "memory": 1} for _ in range(128)]
    group = placement_group(bundles)
    assert group.wait(10)
    assert ray.available_resources()["CPU"] == pytest.approx(2 - 1.28)


def current() -> Any:
    """Return a task that tells its group and GPUs."""

    @ray.remote
    def tell() -> tuple[PlacementGroup | None, list[Any]]:
        return get_current_placement_group(), ray.get_gpu_ids()

    return tell


def inside(group: PlacementGroup, bundle: int = -1, **options: Any) -> dict[str, Any]:
    return {"scheduling_strategy": PlacementGroupSchedulingStrategy(group, bundle, **options)}


def test_group_reserves_and_gives_back() -> None:
    group = placement_group([{"CPU": 1}, {"GPU": 1}])
    assert group.wait(20)
    assert ray.get(group.ready(), timeout=20) == group
    assert group.bundle_specs == [{"CPU": 1.0}, {"GPU": 1.0}]
    assert group.bundle_count == 2
    available = ray.available_resources()
    assert (available["CPU"], available["GPU"]) == (1, 1)
    remove_placement_group(group)
    available = ray.available_resources()
    assert (available["CPU"], available["GPU"]) == (2, 2)
    remove_placement_group(group)
    assert placement_group_table(group)["state"] == "REMOVED"


def test_task_runs_in_its_bundle_and_others_stay_out() -> None:
    tell = current()
    group = placement_group([{"CPU": 2, "GPU": 2}])
    ((found, gpus),) = ray.get([tell.options(num_gpus=2, **inside(group, 0)).remote()], timeout=20)
    assert found == group
    assert gpus == [0, 1]
    plain = tell.remote()
    assert ray.wait([plain], timeout=0.05) == ([], [plain])
    remove_placement_group(group)
    assert ray.get(plain, timeout=20) == (None, [])


def test_actor_of_a_removed_group_takes_no_more_calls() -> None:
    @ray.remote(num_cpus=1)
    class Actor:
        def answer(self) -> int:
            return 1

    group = placement_group([{"CPU": 1}])
    actor = Actor.options(**inside(group, 0)).remote()
    assert ray.get(actor.answer.remote(), timeout=20) == 1
    supervisor = testing.supervisor_pid()
    os.kill(supervisor, signal.SIGSTOP)  # who kills the actor
    try:
        remove_placement_group(group)
        call = actor.answer.remote()
        assert ray.wait([call], timeout=0.1) == ([], [call])
    finally:
        os.kill(supervisor, signal.SIGCONT)
    with pytest.raises(RayActorError):
        ray.get(call, timeout=20)


def test_gpus_of_bundles_are_their_own() -> None:
    group = placement_group([{"CPU": 1, "GPU": 1}, {"CPU": 1, "GPU": 0.5}])
    tell = current()
    first = tell.options(num_gpus=1, **inside(group, 0)).remote()
    second = tell.options(num_gpus=0.25, **inside(group, 1)).remote()
    (_, one), (_, other) = ray.get([first, second], timeout=20)
    assert len(one) == len(other) == 1
    assert one != other


def test_children_are_captured_if_that_is_asked_for() -> None:
    tell = current()

    @ray.remote(num_cpus=0)
    def parent() -> tuple[Any, Any, Any]:
        free = {"scheduling_strategy": PlacementGroupSchedulingStrategy(None)}
        child, outside = tell.remote(), tell.options(num_cpus=0, **free).remote()
        return get_current_placement_group(), ray.get(child)[0], ray.get(outside)[0]

    group = placement_group([{"CPU": 1}])
    captured = parent.options(**inside(group, placement_group_capture_child_tasks=True)).remote()
    assert ray.get(captured, timeout=20) == (group, group, None)
    assert ray.get(parent.options(**inside(group)).remote(), timeout=20) == (group, None, None)
    assert ray.get(parent.remote(), timeout=20) == (None, None, None)


def test_actor_lives_in_its_group_and_ends_with_it() -> None:
    tell = current()

    @ray.remote
    class Actor:
        def group(self) -> Any:
            return get_current_placement_group(), ray.get(tell.remote())[0]

    group = placement_group([{"CPU": 1}])
    options = inside(group, placement_group_capture_child_tasks=True)
    actor = Actor.options(**options).remote()
    assert ray.get(actor.group.remote(), timeout=20) == (group, group)
    remove_placement_group(group)

    def ended() -> bool:
        try:
            ray.get(actor.group.remote(), timeout=20)
        except ray.exceptions.RayActorError:
            return True
        except ray.exceptions.TaskPlacementGroupRemoved:
            pass  # it is about to be killed
        return False

    wait_until(ended, 10, "the end of the actor")


def test_pending_group_gets_what_others_give_back() -> None:
    first = placement_group([{"CPU": 2}])
    second = placement_group([{"CPU": 1}], name="second")
    task = current().options(**inside(second)).remote()
    assert first.wait(20)
    assert not second.wait(0.05)
    assert placement_group_table(second)["state"] == "PENDING"
    assert get_placement_group("second") == second
    remove_placement_group(first)
    assert second.wait(20)
    assert ray.get(task, timeout=20)[0] == second


@pytest.mark.parametrize("running", [False, True])
def test_task_of_a_removed_group_fails_with_its_reason(*, running: bool) -> None:
    @ray.remote
    def sleep() -> None:
        time.sleep(1000)

    group = placement_group([{"CPU": 2 if running else 1}])
    blocker = None if running else placement_group([{"CPU": 2}])
    task = sleep.options(**inside(group)).remote()
    if running:
        assert group.wait(20)
    remove_placement_group(group)
    with pytest.raises(ray.exceptions.TaskPlacementGroupRemoved):
        ray.get(task, timeout=20)
    with pytest.raises(ray.exceptions.TaskPlacementGroupRemoved):
        sleep.options(**inside(group)).remote()
    if blocker is not None:
        remove_placement_group(blocker)


@pytest.mark.parametrize(
    ("bundles", "strategy", "why"),
    [
        ([{"CPU": 1}, {"CPU": 1}], "STRICT_SPREAD", "needs as many machines"),
        ([{"CPU": 3}], "PACK", "3 of 'CPU' (there is 2)"),
        ([{"licence": 1}], "SPREAD", "1 of 'licence' (there is 0)"),
    ],
)
def test_what_can_never_be_created_stays_pending_and_says_why(
    bundles: list[dict[str, float]], strategy: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        group = placement_group(bundles, strategy=strategy)
    assert why in caplog.text
    assert not group.wait(0)
    table = placement_group_table(group)
    assert table["state"] == "PENDING"
    assert table["stats"]["scheduling_state"] == "INFEASIBLE"


def test_strict_spread_over_one_bundle_is_possible() -> None:
    assert placement_group([{"CPU": 1}], strategy="STRICT_SPREAD").wait(20)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"bundles": []}, "non-empty list"),
        ({"bundles": {"CPU": 1}}, "must be a list"),
        ({"bundles": [{"CPU": 0}]}, "only 0 values"),
        ({"bundles": [{"CPU": -1}]}, "non-empty list of resource dictionaries"),
        ({"bundles": [{"CPU": 1}] * 129}, "at most 128 bundles"),
        ({"bundles": [{"CPU": 1}], "strategy": "LOOSE"}, "Invalid strategy type LOOSE"),
        ({"bundles": [{"CPU": 1}], "lifetime": "long"}, "`lifetime` argument"),
        ({"bundles": [{"CPU": 1}], "name": "x" * 64}, "at most 63 bytes"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        placement_group(**arguments)


def test_names_are_unique_and_unknown_ones_an_error() -> None:
    group = placement_group([{"CPU": 1}], name="mine")
    with pytest.raises(ValueError, match="mine is taken"):
        placement_group([{"CPU": 1}], name="mine")
    remove_placement_group(group)
    with pytest.raises(ValueError, match="Failed to look up placement group with name: mine"):
        get_placement_group("mine")


def test_what_fits_no_bundle_is_refused_at_the_call() -> None:
    tell = current()
    group = placement_group([{"CPU": 1}])
    with pytest.raises(ValueError, match="cannot fit into any bundles"):
        tell.options(num_cpus=2, **inside(group)).remote()
    with pytest.raises(ValueError, match="bundle index 1 is invalid"):
        tell.options(**inside(group, 1)).remote()


def test_many_groups_come_and_go() -> None:
    before = ray.available_resources()["CPU"]
    for _ in range(300):
        remove_placement_group(placement_group([{"CPU": 1}, {"CPU": 1}]))
    assert ray.available_resources()["CPU"] == before
    assert placement_group_table() == {}


def test_node_affinity() -> None:
    tell = current()
    here = ray.get_runtime_context().get_node_id()
    for node, soft in ((here, False), ("ab" * 28, True)):
        strategy = NodeAffinitySchedulingStrategy(node, soft)
        assert ray.get(tell.options(scheduling_strategy=strategy).remote(), timeout=20) == (
            None,
            [],
        )
    strategy = NodeAffinitySchedulingStrategy("ab" * 28, soft=False)
    with pytest.raises(ray.exceptions.TaskUnschedulableError, match="doesn't exist any more"):
        ray.get(tell.options(scheduling_strategy=strategy).remote())


@pytest.mark.parametrize(
    "hard",
    [{"zone": In("a", "b")}, {"zone": NotIn("b"), "disk": DoesNotExist()}, {"zone": Exists()}],
)
def test_node_labels_that_hold(hard: dict[str, Any]) -> None:
    strategy = NodeLabelSchedulingStrategy(hard, soft={"zone": In("z")})
    task = current().options(scheduling_strategy=strategy).remote()
    assert ray.get(task, timeout=20) == (None, [])
