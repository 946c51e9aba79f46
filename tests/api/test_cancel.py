"""`ray.cancel`: before a task runs, while it runs, by force, with its children, calls of actors."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pyray as ray
from pyray import runtime, testing
from pyray.exceptions import GetTimeoutError, RayTaskError, TaskCancelledError
from tests.api.conftest import Gate
from tests.support import wait_until

PATIENCE_S = 20
CPUS = 2


@ray.remote
def sleep_long(begun: str) -> None:
    Path(begun).touch()
    time.sleep(1000)


@ray.remote
def identity(value: Any) -> Any:
    return value


@ray.remote
def return_when_interrupted(begun: str) -> bool:
    try:
        Path(begun).touch()
        time.sleep(1000)
    except KeyboardInterrupt:
        return ray.get_runtime_context().is_canceled()
    return False


@ray.remote
class Actor:
    def sleep_until_cancelled(self, begun: str) -> str:
        Path(begun).touch()
        deadline = time.monotonic() + PATIENCE_S
        while not ray.get_runtime_context().is_canceled() and time.monotonic() < deadline:
            time.sleep(0.001)
        return "asked"

    def submit_and_wait(self, begun: str) -> None:
        ref = sleep_long.options(num_cpus=0).remote(begun)
        try:
            ray.get(ref)
        except TaskCancelledError:
            return

    def one(self) -> int:
        return 1


pytestmark = pytest.mark.usefixtures("ray_session")
TASKS = (sleep_long, identity, return_when_interrupted)


@pytest.fixture(scope="module", autouse=True)
def exported(ray_session: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The code of the above is in the store before the first test is counted."""
    folder = tmp_path_factory.mktemp("exported")
    for number, task in enumerate(TASKS):
        ray_session.cancel(task.remote(str(folder / str(number))))
    ray_session.get(Actor.remote().one.remote())
    no_task_is_left()
    wait_until(lambda: testing.store_accounts()["actors"] == 0, PATIENCE_S, "the actor's end")


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A file that tasks make when they begin."""
    return tmp_path / "begun"


def wait_for(begun: Path) -> None:
    wait_until(begun.exists, PATIENCE_S, "the task's beginning")


def no_task_is_left() -> None:
    wait_until(lambda: testing.store_accounts()["tasks"] == 0, PATIENCE_S, "the tasks' end")


def test_running_task_is_interrupted_in_its_sleep(begun: Path) -> None:
    ref = sleep_long.remote(str(begun))
    wait_for(begun)
    ray.cancel(ref)
    with pytest.raises(TaskCancelledError, match="was cancelled") as caught:
        ray.get(ref, timeout=PATIENCE_S)
    assert isinstance(caught.value, RayTaskError)
    assert "in sleep_long" in str(caught.value)


def test_task_that_catches_the_interrupt_has_its_value(begun: Path) -> None:
    ref = return_when_interrupted.remote(str(begun))
    wait_for(begun)
    ray.cancel(ref)
    assert ray.get(ref, timeout=PATIENCE_S) is True


def test_task_that_is_interrupted_twice(begun: Path) -> None:
    @ray.remote
    def stubborn(begun: str) -> str:
        try:
            sleep_long_here(begun)
        except KeyboardInterrupt:
            Path(begun).rename(begun + "2")
        sleep_long_here(begun + "3")
        return "never"

    def sleep_long_here(begun: str) -> None:
        Path(begun).touch()
        time.sleep(1000)

    ref = stubborn.remote(str(begun))
    wait_for(begun)
    ray.cancel(ref)
    wait_for(Path(f"{begun}3"))
    ray.cancel(ref)
    with pytest.raises(TaskCancelledError):
        ray.get(ref, timeout=PATIENCE_S)


def test_queued_and_waiting_tasks_never_run(gate: Gate, tmp_path: Path) -> None:
    blocker = gate.task()
    waiting = sleep_long.remote(blocker)
    filler = [sleep_long.remote(str(tmp_path / f"filler{i}")) for i in range(CPUS)]
    for i in range(CPUS):
        wait_for(tmp_path / f"filler{i}")
    queued = sleep_long.remote(str(tmp_path / "queued"))
    dependent = identity.remote(queued)
    for ref, force in ((waiting, True), (queued, False)):
        ray.cancel(ref, force=force)
        with pytest.raises(TaskCancelledError):
            ray.get(ref, timeout=0)
    for ref in filler:
        ray.cancel(ref)
    with pytest.raises(TaskCancelledError):
        ray.get(dependent, timeout=PATIENCE_S)
    gate.close_down()
    no_task_is_left()
    assert not (tmp_path / "queued").exists()


def test_force_kills_the_worker_and_nothing_is_retried(tmp_path: Path) -> None:
    @ray.remote(max_retries=-1)
    def swallow_everything(begun: str) -> None:
        with Path(begun).open("a", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
        while True:
            try:
                time.sleep(1000)
            except KeyboardInterrupt:
                continue

    begun = tmp_path / "begun"
    ref = swallow_everything.remote(str(begun))
    wait_until(lambda: begun.exists() and begun.read_text(), PATIENCE_S, "the task's beginning")
    ray.cancel(ref)
    with pytest.raises(GetTimeoutError):
        ray.get(ref, timeout=0.05)
    ray.cancel(ref, force=True)
    with pytest.raises(TaskCancelledError):
        ray.get(ref, timeout=PATIENCE_S)
    assert len(begun.read_text().split()) == 1
    assert ray.get(identity.remote(3), timeout=PATIENCE_S) == 3


def test_retry_exceptions_does_not_retry_a_cancelled_task(tmp_path: Path) -> None:
    @ray.remote(max_retries=5, retry_exceptions=True)
    def raise_when_interrupted(begun: str) -> None:
        with Path(begun).open("a", encoding="ascii") as file:
            file.write("x")
        try:
            time.sleep(1000)
        except KeyboardInterrupt:
            raise ValueError("interrupted") from None

    begun = tmp_path / "begun"
    ref = raise_when_interrupted.remote(str(begun))
    wait_until(lambda: begun.exists() and begun.read_text(), PATIENCE_S, "the task's beginning")
    ray.cancel(ref)
    with pytest.raises(ValueError, match="interrupted"):
        ray.get(ref, timeout=PATIENCE_S)
    assert begun.read_text() == "x"


def test_all_results_of_a_cancelled_task_are_errors(begun: Path) -> None:
    refs = sleep_long.options(num_returns=20).remote(str(begun))
    wait_for(begun)
    ray.cancel(refs[11])
    for ref in refs:
        with pytest.raises(TaskCancelledError):
            ray.get(ref, timeout=PATIENCE_S)


def test_finished_tasks_and_put_objects_are_left_alone() -> None:
    ref = identity.remote(4)
    assert ray.get(ref) == 4
    for force in (False, True):
        ray.cancel(ref, force=force)
        ray.cancel(ray.put(1), force=force)
    assert ray.get(ref) == 4


@pytest.mark.parametrize("generations", [1, 2, 5])
@pytest.mark.parametrize("force", [False, True])
def test_children_are_cancelled_too(begun: Path, generations: int, *, force: bool) -> None:
    @ray.remote(num_cpus=0)
    def wait_for_child(begun: str, left: int) -> None:
        if left > 1:
            ray.get(wait_for_child.remote(begun, left - 1))
        Path(begun).touch()
        time.sleep(1000)

    ref = wait_for_child.remote(str(begun), generations + 1)
    wait_for(begun)
    ray.cancel(ref, force=force)
    with pytest.raises(TaskCancelledError):
        ray.get(ref, timeout=PATIENCE_S)
    no_task_is_left()


def test_children_stay_if_not_recursive(begun: Path) -> None:
    @ray.remote
    def wait_and_tell(begun: str) -> list[ray.ObjectRef]:
        ref = return_when_interrupted.options(num_cpus=0).remote(begun)
        try:
            Path(f"{begun}-parent").touch()
            ray.get(ref)
        except KeyboardInterrupt:
            return [ref]
        return []

    ref = wait_and_tell.remote(str(begun))
    wait_for(begun)
    wait_for(Path(f"{begun}-parent"))
    ray.cancel(ref, recursive=False)
    [child] = ray.get(ref, timeout=PATIENCE_S)
    with pytest.raises(GetTimeoutError):
        ray.get(child, timeout=0.05)
    ray.cancel(child)
    assert ray.get(child, timeout=PATIENCE_S) is True


def test_calls_of_an_actor(begun: Path, tmp_path: Path) -> None:
    actor = Actor.remote()
    running = actor.sleep_until_cancelled.remote(str(begun))
    wait_for(begun)
    first, cancelled, last = (actor.one.remote() for _ in range(3))
    with pytest.raises(ValueError, match="force=True is not supported for actor tasks"):
        ray.cancel(cancelled, force=True)
    ray.cancel(cancelled)
    with pytest.raises(TaskCancelledError):
        ray.get(cancelled, timeout=0)
    ray.cancel(running)
    with pytest.raises(TaskCancelledError):
        ray.get(running, timeout=PATIENCE_S)
    assert ray.get([first, last], timeout=PATIENCE_S) == [1, 1]
    child_begun = tmp_path / "child"
    parent = actor.submit_and_wait.remote(str(child_begun))
    wait_for(child_begun)
    ray.cancel(parent)
    with pytest.raises(TaskCancelledError):
        ray.get(parent, timeout=PATIENCE_S)
    assert ray.get(actor.one.remote(), timeout=PATIENCE_S) == 1
    del actor
    wait_until(lambda: testing.store_accounts()["actors"] == 0, PATIENCE_S, "the actor's end")


def test_call_behind_a_cancelled_one_that_waited_runs(gate: Gate) -> None:
    actor = Actor.remote()
    waiting = actor.sleep_until_cancelled.remote(gate.task())
    behind = actor.one.remote()
    ray.cancel(waiting)
    assert ray.get(behind, timeout=PATIENCE_S) == 1
    with pytest.raises(TaskCancelledError):
        ray.get(waiting, timeout=0)
    del actor
    wait_until(lambda: testing.store_accounts()["actors"] == 0, PATIENCE_S, "the actor's end")


def test_signal_that_comes_late_does_nothing() -> None:
    @ray.remote
    def signal_oneself() -> str:
        for _ in range(100):
            os.kill(os.getpid(), signal.SIGURG)
            time.sleep(0)
        return "undisturbed"

    assert ray.get(signal_oneself.remote(), timeout=PATIENCE_S) == "undisturbed"


def test_only_those_that_were_cancelled_are() -> None:
    """Tasks of some 10 microseconds, cancelled around the moment when they end."""

    @ray.remote
    def spin(number: int) -> int:
        for _ in range(number % 7 * 100):
            pass
        return number

    for round_ in range(15):
        refs = [spin.remote(number) for number in range(100)]
        for ref in refs[round_ % 2 :: 2]:
            ray.cancel(ref)
        for number, ref in enumerate(refs):
            try:
                assert ray.get(ref, timeout=PATIENCE_S) == number
            except TaskCancelledError:
                assert number % 2 == round_ % 2
    no_task_is_left()


def test_tasks_cancelled_at_random_moments_end_soon_and_workers_live(tmp_path: Path) -> None:
    @ray.remote
    def alternate(path: str) -> None:
        Path(path).touch()
        while True:
            ray.get(ray.put(list(range(50))))
            sorted(range(200), key=lambda number: -number)

    deaths = runtime.engine().engine_stats()["deaths"]
    for number in range(30):
        path = tmp_path / str(number)
        ref = alternate.remote(str(path))
        if number % 3:
            wait_for(path)
        time.sleep(number * 0.00037)
        ray.cancel(ref)
        with pytest.raises(TaskCancelledError):
            ray.get(ref, timeout=PATIENCE_S)
    assert runtime.engine().engine_stats()["deaths"] == deaths
    no_task_is_left()


@pytest.mark.parametrize("wrong", [1, None, [], "x"])
def test_anything_else_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="ray.cancel\\(\\) only supported for object refs"):
        ray.cancel(wrong)


def test_actor_handle_is_refused() -> None:
    actor = Actor.remote()
    with pytest.raises(TypeError, match="For actors, try ray.kill"):
        ray.cancel(actor)  # type: ignore[arg-type]
    del actor
    wait_until(lambda: testing.store_accounts()["actors"] == 0, PATIENCE_S, "the actor's end")


def test_is_canceled_in_a_driver_is_refused(ray_session: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="is a driver"):
        ray_session.get_runtime_context().is_canceled()
