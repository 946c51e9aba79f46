"""Deep nesting: where many tasks wait, they run what they wait for themselves."""

from __future__ import annotations

import decimal
import os
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pyray import cancel, exceptions, testing
from tests.support import wait_until


@pytest.fixture
def ray(ray_alone: ModuleType) -> ModuleType:
    """A session of its own: how many processes there are is counted."""
    return ray_alone


def test_recursion_of_1000_needs_few_processes(ray: ModuleType) -> None:
    @ray.remote
    def descend(depth: int) -> set[int]:
        below = ray.get(descend.remote(depth - 1)) if depth else set()
        return {os.getpid()} | below

    assert len(ray.get(descend.remote(1000))) < 100


def test_500_waiting_parents_need_few_processes(ray: ModuleType) -> None:
    @ray.remote
    def child(number: int) -> int:
        return number

    @ray.remote
    def parent(number: int) -> tuple[int, int]:
        return ray.get(child.remote(number)), os.getpid()

    answers = ray.get([parent.remote(i) for i in range(500)])
    assert [number for number, _ in answers] == list(range(500))
    assert len({pid for _, pid in answers}) < 100


def test_who_waits_finds_everything_as_it_was(ray: ModuleType) -> None:
    @ray.remote
    def descend(depth: int) -> int:
        """Count the levels that ran in their parent's process."""
        context = ray.get_runtime_context()
        task, name = context.get_task_id(), context.get_task_name()
        assert decimal.getcontext().prec == 28  # a context of its own
        decimal.getcontext().prec = 100 + depth
        helped = 0
        if depth:
            pid, below = ray.get(inform.options(name=f"at {depth}").remote(depth - 1))
            helped = below + (pid == os.getpid())
        assert decimal.getcontext().prec == 100 + depth
        assert (task, name) == (context.get_task_id(), context.get_task_name())
        return helped

    @ray.remote
    def inform(depth: int) -> tuple[int, int]:
        assert ray.get_runtime_context().get_task_name() == f"at {depth + 1}"
        return os.getpid(), ray.get(descend.remote(depth))

    assert ray.get(descend.remote(60)) > 10
    wait_until(lambda: ray.available_resources().get("CPU") == 2, 5, "idle workers")


def test_errors_pass_through_helped_tasks(ray: ModuleType) -> None:
    @ray.remote
    def descend(depth: int) -> Any:
        if depth == 0:
            raise KeyError("bottom")
        return ray.get(descend.remote(depth - 1))

    with pytest.raises(KeyError, match="bottom") as caught:
        ray.get(descend.remote(40))
    assert str(caught.value).count("ray::descend()") == 41


def test_helper_that_dies_runs_again_and_so_does_what_it_ran(
    ray: ModuleType, tmp_path: Path
) -> None:
    @ray.remote
    def descend(depth: int) -> int:
        if depth == 0:
            try:
                (tmp_path / "died").touch(exist_ok=False)
            except FileExistsError:
                return 0
            os._exit(1)
        return 1 + ray.get(descend.remote(depth - 1))

    assert ray.get(descend.remote(40)) == 40


def cancel_when(it_runs: Path, ref: Any) -> None:
    while not it_runs.exists():
        time.sleep(0.005)
    cancel(ref, force=True)


LEAVE = {
    "exit": lambda: sys.exit(3),
    "crash": lambda: os._exit(3),
    "cancel": lambda: time.sleep(60),
}


@pytest.mark.parametrize("leave", LEAVE)
def test_who_waits_for_one_that_leaves_does_not_pay_for_it(
    ray: ModuleType, tmp_path: Path, leave: str
) -> None:
    def note(what: str) -> int:
        with (tmp_path / what).open("a") as file:
            file.write(".")
        return (tmp_path / what).stat().st_size

    @ray.remote(max_retries=1)
    def descend(depth: int) -> int:
        runs = note(f"run{depth}")
        if depth == 0 and runs == 1:
            LEAVE[leave]()
        if depth == 0:
            return 0
        child = descend.remote(depth - 1)
        if depth == 1 and leave == "cancel" and runs == 1:
            threading.Thread(target=cancel_when, args=(tmp_path / "run0", child)).start()
        if depth == 12 and runs == 2:
            os._exit(4)  # costs the one retry: it must still have it
        return 1 + ray.get(child)

    try:
        assert ray.get(descend.remote(20)) == 20
    except exceptions.TaskCancelledError:
        assert leave == "cancel"  # another process ran it, and who waited was told
    if leave == "exit":  # nobody else ran twice
        assert [(tmp_path / f"run{i}").stat().st_size for i in range(21)] == [2] + [1] * 20


def test_parent_that_outlives_its_child_s_crash_still_does(ray: ModuleType) -> None:
    @ray.remote
    def crash() -> None:
        os._exit(1)

    @ray.remote
    def descend(depth: int) -> str:
        if depth:
            return ray.get(descend.remote(depth - 1))
        try:
            ray.get(crash.options(max_retries=1).remote())
        except exceptions.WorkerCrashedError:
            return "survived"
        return "?"

    assert ray.get(descend.remote(20)) == "survived"


def test_tasks_that_must_not_run_again_do_not_share_a_process(ray: ModuleType) -> None:
    @ray.remote(max_retries=0)
    def child() -> int:
        return os.getpid()

    @ray.remote
    def descend(depth: int) -> bool:
        if depth:
            return ray.get(descend.remote(depth - 1))
        return ray.get(child.remote()) == os.getpid()

    assert ray.get(descend.remote(20)) is False


def test_cancelling_the_outermost_ends_all(ray: ModuleType, tmp_path: Path) -> None:
    @ray.remote
    def descend(depth: int) -> None:
        if depth:
            return ray.get(descend.remote(depth - 1))
        (tmp_path / "bottom").touch()
        while True:
            pass

    ref = descend.remote(20)
    wait_until((tmp_path / "bottom").exists, 10, "the innermost task")
    ray.cancel(ref)
    with pytest.raises(exceptions.TaskCancelledError):
        ray.get(ref, timeout=10)
    wait_until(lambda: testing.store_accounts()["tasks"] == 0, 10, "the end of all tasks")
