"""Restarts of actors, retries of their calls, and their ends."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pyray as ray
import pyray.actor
from pyray import testing
from pyray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    RayActorError,
    RayTaskError,
)
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("ray_session", "no_actor_is_left")


def fragile_class() -> Any:  # noqa: C901  (a class, not branches)
    """Return a new actor class."""

    @ray.remote
    class Fragile:
        def __init__(self, log: str = "") -> None:
            self.log = log
            self.count = 0
            self.note("init")

        def note(self, text: str) -> None:
            if self.log:
                with Path(self.log).open("a") as file:
                    file.write(f"{text}\n")

        def add(self) -> int:
            self.count += 1
            return self.count

        def pid(self) -> int:
            return os.getpid()

        def die(self, how: int = 1) -> None:
            self.note("die")
            os._exit(how)

        def die_once(self, path: str) -> int:
            self.note("die_once")
            if not os.path.exists(path):
                Path(path).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return self.add()

        def mark(self, n: int) -> int:
            self.note(f"mark {n}")
            return n

        def was_reconstructed(self) -> bool:
            return ray.get_runtime_context().was_current_actor_reconstructed

        def fail_times(self, path: str, times: int) -> int:
            tries = len(Path(path).read_text()) if os.path.exists(path) else 0
            Path(path).write_text("x" * (tries + 1))
            if tries < times:
                raise ConnectionError(f"try {tries}")
            return tries

        def fail_differently(self) -> None:
            self.note("fails")
            raise KeyError("no retry for this")

        def exit(self) -> None:
            ray.actor.exit_actor()

        def sys_exit(self, code: int | None) -> None:
            sys.exit(code)

        def __ray_shutdown__(self) -> None:
            self.note("shutdown")

    return Fragile


def until_there(call: Callable[[], Any]) -> Any:
    """Call again while the actor restarts."""
    while True:
        try:
            return ray.get(call())
        except ActorUnavailableError:
            time.sleep(0.002)


def test_restarted_actor_begins_anew_and_dies_when_none_is_left() -> None:
    actor = fragile_class().options(max_restarts=2).remote()
    pids = set()
    for _ in range(3):
        assert until_there(actor.add.remote) == 1
        pids.add(ray.get(actor.pid.remote()))
        with pytest.raises(RayActorError):
            ray.get(actor.die.remote())
    assert len(pids) == 3
    for _ in range(2):
        with pytest.raises(ActorDiedError, match=r"Fragile[\s\S]*exit code 1"):
            ray.get(actor.add.remote())


def test_exit_code_zero_that_nobody_announced_is_a_death_too() -> None:
    actor = fragile_class().options(max_restarts=1).remote()
    with pytest.raises(ActorUnavailableError):
        ray.get(actor.die.remote(0))
    assert until_there(actor.add.remote) == 1


def test_calls_without_retries_fail_as_unavailable() -> None:
    actor = fragile_class().options(max_restarts=1).remote()
    ray.get(actor.add.remote())
    refs = [actor.die.remote(), actor.add.remote(), actor.add.remote()]
    for ref in refs:
        with pytest.raises(ActorUnavailableError, match="Fragile restarts, its process"):
            ray.get(ref)
    assert until_there(actor.add.remote) == 1


def test_retried_calls_run_first_and_in_order(tmp_path: Path) -> None:
    log, flag = tmp_path / "log", tmp_path / "flag"
    actor = fragile_class().options(max_restarts=1, max_task_retries=1).remote(str(log))
    refs = [actor.mark.remote(0), actor.die_once.remote(str(flag))]
    refs += [actor.mark.remote(n) for n in range(1, 6)]
    assert ray.get(refs) == [0, 1, 1, 2, 3, 4, 5]
    expected = [
        "init",
        "mark 0",
        "die_once",
        "init",
        "die_once",
        *(f"mark {n}" for n in range(1, 6)),
    ]
    assert log.read_text().splitlines() == expected


def test_retries_for_ever_outlast_all_restarts() -> None:
    actor = fragile_class().options(max_restarts=3, max_task_retries=-1).remote()
    with pytest.raises(ActorDiedError):
        ray.get(actor.die.remote())


def test_death_in_the_constructor_counts_as_a_restart(tmp_path: Path) -> None:
    log = tmp_path / "log"

    @ray.remote(max_restarts=2)
    class Stillborn:
        def __init__(self) -> None:
            with log.open("a") as file:
                file.write("x")
            os._exit(4)

        def f(self) -> None: ...

    actor = Stillborn.remote()
    with pytest.raises(RayActorError):
        ray.get(actor.f.remote())
    wait_until(lambda: log.read_text() == "xxx", 10, "three tries")
    with pytest.raises(ActorDiedError, match="exit code 4"):
        ray.get(actor.f.options(max_task_retries=-1).remote())


def test_failed_constructor_is_not_repeated(tmp_path: Path) -> None:
    flag = tmp_path / "flag"

    @ray.remote(max_restarts=-1, max_task_retries=-1)
    class SecondTimeFails:
        def __init__(self) -> None:
            if flag.exists():
                raise ValueError("not twice")
            flag.touch()

        def die(self) -> None:
            os._exit(1)

    actor = SecondTimeFails.remote()
    with pytest.raises(ActorDiedError, match="not twice"):
        ray.get(actor.die.remote())


def test_arguments_of_the_constructor_outlive_the_first_life() -> None:
    @ray.remote(max_restarts=-1, max_task_retries=-1)
    class Holder:
        def __init__(self, values: Any, ref: list[Any]) -> None:
            self.values, self.ref = values, ref[0]

        def total(self) -> float:
            return float(sum(self.values) + ray.get(self.ref))

        def pid(self) -> int:
            return os.getpid()

    actor = Holder.remote(ray.put([1.0, 2.0]), [ray.put(3.0)])
    for _ in range(3):
        pid = ray.get(actor.pid.remote())
        assert ray.get(actor.total.remote()) == 6.0
        os.kill(pid, signal.SIGKILL)
    assert ray.get(actor.total.remote()) == 6.0


def test_was_current_actor_reconstructed() -> None:
    actor = fragile_class().options(max_restarts=1).remote()
    assert ray.get(actor.was_reconstructed.remote()) is False
    actor.die.remote()
    assert until_there(actor.was_reconstructed.remote) is True


def test_kill_without_no_restart_restarts_while_it_can() -> None:
    actor = fragile_class().options(max_restarts=1, max_task_retries=2).remote()
    ray.get([actor.add.remote(), actor.add.remote()])
    pid = ray.get(actor.pid.remote())
    ray.kill(actor, no_restart=False)
    assert ray.get(actor.pid.remote()) != pid
    ray.kill(actor, no_restart=False)
    with pytest.raises(ActorDiedError, match="killed by `ray.kill`"):
        ray.get(actor.add.remote())


def test_kill_with_no_restart_is_the_end() -> None:
    actor = fragile_class().options(max_restarts=-1).remote()
    ray.get(actor.add.remote())
    ray.kill(actor)
    with pytest.raises(ActorDiedError, match="killed by `ray.kill`"):
        ray.get(actor.add.remote())


def test_restarting_actor_ends_when_nobody_wants_it() -> None:
    actor = fragile_class().options(max_restarts=-1).remote()
    ray.get(actor.add.remote())
    actor.die.remote()
    del actor  # the fixture waits for its end


# ---- Retries of exceptions.


def test_exceptions_are_retried_as_the_method_says(tmp_path: Path) -> None:
    actor = fragile_class().options(max_task_retries=2).remote(str(tmp_path / "log"))
    again = actor.fail_times.options(retry_exceptions=[ConnectionError])
    assert ray.get(again.remote(str(tmp_path / "a"), 2)) == 2
    with pytest.raises(ConnectionError, match="try 2"):
        ray.get(again.remote(str(tmp_path / "b"), 3))
    any_error = actor.fail_times.options(retry_exceptions=True, max_task_retries=4)
    assert ray.get(any_error.remote(str(tmp_path / "c"), 4)) == 4
    with pytest.raises(RayTaskError):
        ray.get(actor.fail_differently.options(retry_exceptions=[OSError]).remote())
    assert (tmp_path / "log").read_text() == "init\nfails\n"


def test_exceptions_are_retried_as_the_decorator_says(tmp_path: Path) -> None:
    @ray.remote
    class Flaky:
        def __init__(self) -> None:
            self.calls = 0

        @ray.method(max_task_retries=3, retry_exceptions=[KeyError])
        def third_time(self) -> int:
            self.calls += 1
            if self.calls < 3:
                raise KeyError(self.calls)
            return self.calls

        @ray.method(max_task_retries=1, retry_exceptions=True)
        async def never(self) -> None:
            self.calls += 1
            raise OSError(self.calls)

    del tmp_path
    flaky = Flaky.remote()
    assert ray.get(flaky.third_time.remote()) == 3
    with pytest.raises(OSError, match="5"):
        ray.get(flaky.never.remote())


# ---- Ends.


def lines(path: Path) -> list[str]:
    """What an actor has noted."""
    return path.read_text().splitlines()


@pytest.mark.parametrize("way", ["exit", "terminate", "sys_exit", "handle"])
def test_graceful_ends_run_the_hook_once_and_do_not_restart(tmp_path: Path, way: str) -> None:
    log = tmp_path / "log"
    actor = fragile_class().options(max_restarts=-1).remote(str(log))
    ray.get(actor.add.remote())
    ref = None
    if way == "exit":
        ref = actor.exit.remote()
    elif way == "terminate":
        ref = actor.__ray_terminate__.remote()
    elif way == "sys_exit":
        ref = actor.sys_exit.remote(0)
    later = actor.add.remote() if ref is not None else None
    if ref is not None:
        for one in (ref, later):
            with pytest.raises(ActorDiedError, match="left by itself"):
                ray.get(one)
    pid_gone = len(testing.worker_pids())
    del actor, ref, later, pid_gone
    wait_until(lambda: "shutdown" in lines(log), 10, "the hook")
    wait_until(lambda: testing.store_accounts()["actors"] == 0, 10, "the end of the actor")
    assert lines(log) == ["init", "shutdown"]


def test_kill_and_death_run_no_hook(tmp_path: Path) -> None:
    log = tmp_path / "log"
    killed = fragile_class().remote(str(log))
    ray.get(killed.add.remote())
    ray.kill(killed)
    dead = fragile_class().remote(str(log))
    with pytest.raises(ActorDiedError):
        ray.get(dead.die.remote())
    del killed, dead
    wait_until(lambda: testing.store_accounts()["actors"] == 0, 10, "the end of the actors")
    assert lines(log) == ["init", "init", "die"]


def test_terminate_waits_for_earlier_calls() -> None:
    actor = fragile_class().remote()
    refs = [actor.add.remote() for _ in range(20)]
    last = actor.__ray_terminate__.remote()
    assert ray.get(refs) == list(range(1, 21))
    with pytest.raises(ActorDiedError):
        ray.get(last)


def test_exit_handlers_run_at_a_graceful_end(tmp_path: Path) -> None:
    path = tmp_path / "left"

    @ray.remote
    class Leaver:
        def __init__(self) -> None:
            import atexit

            atexit.register(path.touch)

        def leave(self) -> None:
            ray.actor.exit_actor()

    with pytest.raises(ActorDiedError):
        ray.get(Leaver.remote().leave.remote())
    assert path.exists()


class Stubborn:
    """Methods that want the end of their actor, and do not let go."""

    def leave(self) -> str:
        with contextlib.suppress(BaseException):
            pyray.actor.exit_actor()
        return "stays"

    def raise_then(self) -> None:
        try:
            pyray.actor.exit_actor()
        except SystemExit:
            raise KeyError("raised on the way out") from None

    def leave_soon(self) -> None:
        threading.Timer(0.05, pyray.actor.exit_actor).start()

    def items(self) -> Iterator[int]:
        yield 1
        self.leave()
        yield 2


class StubbornAsync(Stubborn):
    """The same, on an event loop."""

    async def leave(self) -> str:  # type: ignore[override]
        return super().leave()

    async def raise_then(self) -> None:  # type: ignore[override]
        super().raise_then()


KINDS = {"plain": (Stubborn, 1), "threads": (Stubborn, 2), "async": (StubbornAsync, 10)}
every_kind = pytest.mark.parametrize("kind", KINDS)


def stubborn(kind: str) -> Any:
    """Return a new actor of that kind."""
    cls, limit = KINDS[kind]
    return ray.remote(cls).options(max_concurrency=limit, max_restarts=-1).remote()


@every_kind
def test_exit_actor_under_except_system_exit_ends_the_actor(kind: str) -> None:
    actor = stubborn(kind)
    with pytest.raises(ActorDiedError):
        ray.get(actor.leave.remote())
    with pytest.raises(ActorDiedError, match=r"exit_actor\(\)"):
        ray.get(actor.__ray_ready__.remote())


@every_kind
def test_error_after_exit_actor_arrives_and_the_actor_ends(kind: str) -> None:
    actor = stubborn(kind)
    with pytest.raises(KeyError, match="on the way out"):
        ray.get(actor.raise_then.remote())
    with pytest.raises(ActorDiedError, match=r"exit_actor\(\)"):
        ray.get(actor.__ray_ready__.remote())


@pytest.mark.parametrize("kind", ["plain", "threads"])
def test_stream_that_wants_to_leave_ends_with_the_death_of_its_actor(kind: str) -> None:
    items = stubborn(kind).items.options(num_returns="streaming").remote()
    assert [ray.get(next(items)) for _ in range(2)] == [1, 2]
    with pytest.raises(ActorDiedError):
        ray.get(next(items))


def test_exit_actor_in_a_constructor_that_catches_it() -> None:
    @ray.remote
    class Unwilling(Stubborn):
        def __init__(self) -> None:
            self.leave()

    with pytest.raises(ActorDiedError):
        ray.get(Unwilling.remote().leave.remote())


def call_for_ever(actor: Any) -> None:
    """Call an actor now and then, until that raises."""
    while True:
        ray.get(actor.__ray_ready__.remote())
        time.sleep(0.02)


@every_kind
def test_exit_actor_in_a_thread_of_its_own_ends_the_actor_after_its_calls(
    kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    actor = stubborn(kind)
    ray.get(actor.leave_soon.remote())
    with pytest.raises(ActorDiedError, match=r"exit_actor\(\)"):
        call_for_ever(actor)
    assert "Traceback" not in capfd.readouterr().err


def test_exit_actor_elsewhere_is_refused() -> None:
    with pytest.raises(TypeError, match="non-actor worker"):
        pyray.actor.exit_actor()


def test_reference_to_a_dead_actor_s_result_stays() -> None:
    actor = fragile_class().remote()
    ref = actor.add.remote()
    ray.get(ref)
    ray.kill(actor)
    assert ray.get(ref) == 1


def test_a_killed_actor_s_cpus_are_taken_until_its_process_is_dead() -> None:
    actor = fragile_class().options(num_cpus=1).remote()
    pid = ray.get(actor.pid.remote())
    ray.kill(actor)

    @ray.remote(num_cpus=2)
    def whole_machine() -> bool:
        return os.path.exists(f"/proc/{pid}")

    assert ray.get(whole_machine.remote()) is False
