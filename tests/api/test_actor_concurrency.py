"""Actors that run many calls at a time: threads, event loops, concurrency groups, limits."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import pyray as ray
import pyray.actor
from pyray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    PendingCallsLimitExceeded,
    RayActorError,
    RayTaskError,
    TaskCancelledError,
)
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("ray_session", "no_actor_is_left")


def meeting_class() -> Any:
    """Return a new class of actors whose calls wait for each other."""

    @ray.remote
    class Meeting:
        def __init__(self, size: int) -> None:
            self.barrier = threading.Barrier(size)
            self.gate = threading.Event()

        def meet(self) -> str:
            self.barrier.wait(20)
            return threading.current_thread().name

        def wait(self) -> str:
            assert self.gate.wait(20)
            return "through"

        def open(self) -> str:
            self.gate.set()
            return ray.get_runtime_context().get_task_name()

        def fail(self) -> None:
            raise KeyError("threaded")

        def get(self, refs: list[Any]) -> Any:
            return ray.get(refs[0])

        def die(self) -> None:
            os._exit(1)

        def exit(self) -> None:
            ray.actor.exit_actor()

        def pid(self) -> int:
            return os.getpid()

    return Meeting


# ---- Threads.


def test_max_concurrency_calls_run_at_once() -> None:
    meeting = meeting_class().options(max_concurrency=8).remote(8)
    threads = ray.get([meeting.meet.remote() for _ in range(8)])
    assert len(set(threads)) == 8
    assert len(set(ray.get([meeting.meet.remote() for _ in range(16)]))) <= 8


def test_no_more_than_max_concurrency_calls_run_at_once() -> None:
    @ray.remote(max_concurrency=3)
    class Counter:
        def __init__(self) -> None:
            self.running = self.most = 0

        def work(self) -> int:
            self.running += 1
            self.most = max(self.most, self.running)
            time.sleep(0.002)
            self.running -= 1
            return self.most

    counter = Counter.remote()
    assert max(ray.get([counter.work.remote() for _ in range(50)])) == 3


def test_threaded_calls_see_their_own_context_and_errors() -> None:
    meeting = meeting_class().options(max_concurrency=2).remote(1)
    waiting = meeting.wait.remote()
    with pytest.raises(KeyError, match="threaded"):
        ray.get(meeting.fail.remote())
    assert ray.get(meeting.open.remote()) == "Meeting.open"
    assert ray.get(waiting) == "through"


def test_a_threaded_actor_can_wait_for_a_call_of_itself() -> None:
    meeting = meeting_class().options(max_concurrency=2).remote(1)
    waiting = meeting.wait.remote()
    getting = meeting.get.remote([meeting.open.remote()])
    assert ray.get([waiting, getting]) == ["through", "Meeting.open"]


def test_exit_of_a_threaded_actor_lets_running_calls_end() -> None:
    meeting = meeting_class().options(max_concurrency=3).remote(1)
    waiting = meeting.wait.remote()
    opening = meeting.get.remote([waiting])
    assert ray.get(meeting.open.remote()) == "Meeting.open"
    with pytest.raises(ActorDiedError, match="left by itself"):
        ray.get(meeting.exit.remote())
    assert ray.get([waiting, opening]) == ["through", "through"]


def test_a_kill_ends_calls_that_an_exit_has_left_running() -> None:
    meeting = meeting_class().options(max_concurrency=3).remote(1)
    pid = ray.get(meeting.pid.remote())
    waiting = meeting.wait.remote()
    with pytest.raises(ActorDiedError, match="left by itself"):
        ray.get(meeting.exit.remote())
    assert ray.wait([waiting], timeout=0)[0] == []  # who asked is told while others run
    ray.kill(meeting)
    with pytest.raises(ActorDiedError):
        ray.get(waiting)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 10, "the end of the process")


def test_the_exit_of_an_asynchronous_actor_is_told_while_others_run() -> None:
    actor = async_class().remote()
    waiting = actor.wait.remote()
    ray.get(actor.__ray_call__.remote(lambda self: self.running))
    with pytest.raises(ActorDiedError, match="left by itself"):
        ray.get(actor.exit.remote())
    assert ray.wait([waiting], timeout=0)[0] == []
    ray.kill(actor)
    with pytest.raises(ActorDiedError):
        ray.get(waiting)


def test_death_fails_or_repeats_all_running_calls(tmp_path: Path) -> None:
    @ray.remote(max_concurrency=4, max_restarts=1)
    class Together:
        def wait(self, path: str) -> int:
            Path(path).with_name(f"run{threading.get_ident()}").touch()
            while not os.path.exists(path):
                time.sleep(0.001)
            return 1

    path = tmp_path / "go"
    actor = Together.remote()
    once = [actor.wait.remote(str(path)) for _ in range(2)]
    again = [actor.wait.options(max_task_retries=1).remote(str(path)) for _ in range(2)]
    queued = actor.wait.options(max_task_retries=1).remote(str(path))
    wait_until(lambda: len(list(tmp_path.glob("run*"))) == 4, 10, "four running calls")
    ray.kill(actor, no_restart=False)
    for ref in once:
        with pytest.raises(ActorUnavailableError):
            ray.get(ref)
    path.touch()
    assert ray.get([*again, queued]) == [1, 1, 1]


# ---- Event loops.


def async_class() -> Any:  # noqa: C901  (a class, not branches)
    """Return a new class of asynchronous actors."""

    @ray.remote
    class Async:
        def __init__(self) -> None:
            self.event = asyncio.Event()
            self.running = self.most = 0
            self.loop = asyncio.get_running_loop()

        async def wait(self) -> str:
            self.running += 1
            self.most = max(self.most, self.running)
            await self.event.wait()
            self.running -= 1
            return ray.get_runtime_context().get_task_name()

        async def open(self) -> int:
            assert asyncio.get_running_loop() is self.loop
            self.event.set()
            return self.most

        def close(self) -> None:
            self.event.clear()

        async def echo(self, value: Any) -> Any:
            await asyncio.sleep(0)
            return value

        async def fail(self) -> None:
            await asyncio.sleep(0)
            raise ValueError("asynchronous")

        async def call(self, me: Any, value: Any) -> Any:
            return await me.echo.remote(value)

        async def blocking_get(self, refs: list[Any]) -> Any:
            return ray.get(refs[0])

        async def exit(self) -> None:
            ray.actor.exit_actor()

        @ray.method(num_returns=2)
        async def two(self) -> tuple[int, int]:
            return 1, 2

        async def me(self) -> Any:
            return ray.get_runtime_context().current_actor

    return Async


def test_a_thousand_calls_are_in_flight() -> None:
    actor = async_class().remote()
    waiting = [actor.wait.remote() for _ in range(999)]
    wait_until(
        lambda: ray.get(actor.__ray_call__.remote(lambda self: self.running)) == 999, 10, "all"
    )
    assert ray.get(actor.open.remote()) == 999
    assert set(ray.get(waiting)) == {"Async.wait"}


def test_max_concurrency_of_an_asynchronous_actor() -> None:
    actor = async_class().options(max_concurrency=2).remote()
    waiting = [actor.wait.remote() for _ in range(2)]
    opening = actor.open.remote()
    ready, _ = ray.wait([opening], timeout=0.05)
    assert ready == []
    ray.kill(actor)
    for ref in (*waiting, opening):
        with pytest.raises(ActorDiedError):
            ray.get(ref)


def test_asynchronous_and_plain_methods_share_the_loop() -> None:
    actor = async_class().remote()
    waiting = actor.wait.remote()
    ray.get(actor.open.remote())
    assert ray.get(waiting) == "Async.wait"
    ray.get(actor.close.remote())
    assert ray.get(actor.two.remote()) == [1, 2]
    assert ray.get([actor.echo.remote(n) for n in range(300)]) == list(range(300))
    with pytest.raises(ValueError, match="asynchronous") as info:
        ray.get(actor.fail.remote())
    assert isinstance(info.value, RayTaskError)


def test_an_asynchronous_actor_awaits_itself_and_its_caller() -> None:
    actor, other = (async_class().remote() for _ in range(2))
    assert ray.get(actor.call.remote(actor, 3)) == 3
    assert ray.get(actor.call.remote(other, [other.echo.remote(4)])) is not None
    assert ray.get(actor.blocking_get.remote([other.echo.remote(5)])) == 5
    assert ray.get(actor.echo.remote(other.echo.remote(6))) == 6


def test_current_actor_is_a_weak_handle_of_itself() -> None:
    actor = async_class().remote()
    assert ray.get(actor.me.remote()) == actor


def test_large_and_many_results_of_asynchronous_calls() -> None:
    @ray.remote
    class Big:
        async def many(self) -> list[int]:
            return list(range(100))

        async def large(self, n: int) -> bytes:
            return bytes([n]) * 100_000

        async def refs(self, n: int) -> list[Any]:
            return [ray.put(i) for i in range(n)]

    big = Big.remote()
    assert ray.get(big.many.options(num_returns=100).remote()) == list(range(100))
    values = ray.get([big.large.remote(n) for n in range(20)])
    assert values == [bytes([n]) * 100_000 for n in range(20)]
    for refs in ray.get([big.refs.remote(40) for _ in range(5)]):
        assert ray.get(refs) == list(range(40))


def test_exit_of_an_asynchronous_actor_lets_running_calls_end() -> None:
    actor = async_class().remote()
    waiting = actor.wait.remote()
    slow = actor.call.remote(actor, 1)
    assert ray.get(slow) == 1
    ray.get(actor.open.remote())
    with pytest.raises(ActorDiedError, match="left by itself"):
        ray.get(actor.exit.remote())
    assert ray.get(waiting) == "Async.wait"


# ---- Concurrency groups.


def test_groups_have_limits_of_their_own() -> None:
    @ray.remote(concurrency_groups={"io": 2, "compute": 1})
    class Grouped:
        def __init__(self) -> None:
            self.gate = threading.Event()
            self.meeting = threading.Barrier(2)

        @ray.method(concurrency_group="io")
        def wait(self) -> str:
            assert self.gate.wait(20)
            return "io"

        @ray.method(concurrency_group="compute")
        def open(self) -> str:
            self.gate.set()
            return "compute"

        def plain(self) -> str:
            return "plain"

        @ray.method(concurrency_group="io")
        def meet(self) -> int:
            return self.meeting.wait(20)

    actor = Grouped.remote()
    waiting = [actor.wait.remote() for _ in range(3)]
    assert ray.get(actor.plain.remote()) == "plain"
    assert ray.get(actor.plain.options(concurrency_group="compute").remote()) == "plain"
    assert ray.wait(waiting, num_returns=1, timeout=0)[0] == []
    assert ray.get(actor.open.remote()) == "compute"
    assert ray.get(waiting) == ["io"] * 3
    assert sorted(ray.get([actor.meet.remote(), actor.meet.remote()])) == [0, 1]
    with pytest.raises(ValueError, match="has no concurrency group 'nope'"):
        actor.plain.options(concurrency_group="nope")


def test_groups_of_an_asynchronous_actor() -> None:
    @ray.remote(concurrency_groups=[{"name": "slow", "max_concurrency": 1}])
    class Grouped:
        def __init__(self) -> None:
            self.event = asyncio.Event()
            self.most = self.running = 0

        @ray.method(concurrency_group="slow")
        async def slow(self) -> int:
            self.running += 1
            self.most = max(self.most, self.running)
            await self.event.wait()
            self.running -= 1
            return self.most

        async def open(self) -> None:
            self.event.set()

    actor = Grouped.remote()
    slow = [actor.slow.remote() for _ in range(5)]
    ray.get(actor.open.remote())
    assert ray.get(slow) == [1] * 5


def test_a_method_of_an_unknown_group_is_refused_at_the_class() -> None:
    with pytest.raises(ValueError, match="has no concurrency group 'lost'"):

        @ray.remote
        class Wrong:
            @ray.method(concurrency_group="lost")
            def f(self) -> None: ...


# ---- Order and limits.


@pytest.mark.parametrize("kind", ["threads", "async"])
def test_ready_calls_overtake_waiting_ones_unless_that_is_forbidden(
    tmp_path: Path, kind: str
) -> None:
    class Base:
        def __init__(self) -> None:
            self.seen: list[int] = []

        def see(self, n: int, _value: Any = None) -> list[int]:
            self.seen.append(n)
            return self.seen

    class Async(Base):
        async def nothing(self) -> None: ...

    @ray.remote
    def late(path: str) -> None:
        while not os.path.exists(path):
            time.sleep(0.001)

    cls = ray.remote(Async if kind == "async" else Base)
    options = {} if kind == "async" else {"max_concurrency": 2}
    for allowed in (None, True, False):
        path = str(tmp_path / str(allowed))
        actor = cls.options(allow_out_of_order_execution=allowed, **options).remote()
        first = actor.see.remote(1, late.remote(path))
        second = actor.see.remote(2)
        if allowed is not False:
            assert ray.get(second) == [2]
        else:
            assert ray.wait([second], timeout=0.02)[0] == []
        Path(path).touch()
        assert ray.get(first) == ([1] if allowed is False else [2, 1])
        ray.get(second)


def test_max_pending_calls_refuses_more() -> None:
    meeting = meeting_class().options(max_pending_calls=5, max_concurrency=6).remote(1)
    waiting = [meeting.wait.remote() for _ in range(5)]
    with pytest.raises(PendingCallsLimitExceeded, match="5 calls of this actor are pending"):
        meeting.open.remote()
    assert len(waiting) == 5
    ray.kill(meeting)
    for ref in waiting:
        with pytest.raises(RayActorError):
            ray.get(ref)


def test_callers_get_their_turn() -> None:
    @ray.remote
    class Plain:
        def f(self, n: int) -> int:
            return n

    @ray.remote
    def call(actor: Any, count: int) -> bool:
        return ray.get([actor.f.remote(n) for n in range(count)]) == list(range(count))

    actor = Plain.remote()
    assert ray.get([call.remote(actor, 500), call.remote(actor, 500)]) == [True, True]


# ---- Cancellation.


def test_cancel_ends_an_asynchronous_call_that_runs() -> None:
    actor = async_class().remote()
    waiting = [actor.wait.remote() for _ in range(3)]
    wait_until(
        lambda: ray.get(actor.__ray_call__.remote(lambda self: self.running)) == 3, 10, "all"
    )
    ray.cancel(waiting[1])
    with pytest.raises(TaskCancelledError):
        ray.get(waiting[1])
    ray.get(actor.open.remote())
    assert ray.get([waiting[0], waiting[2]]) == ["Async.wait"] * 2


def test_cancel_of_a_queued_call_spares_those_that_run() -> None:
    meeting = meeting_class().options(max_concurrency=2).remote(1)
    waiting = [meeting.wait.remote() for _ in range(2)]
    queued = meeting.wait.remote()
    ray.cancel(queued)
    with pytest.raises(TaskCancelledError):
        ray.get(queued)
    ray.cancel(waiting[0])
    ray.kill(meeting)
    with pytest.raises(RayActorError):
        ray.get(waiting[1])


def test_a_threaded_call_hears_that_it_is_cancelled(tmp_path: Path) -> None:
    @ray.remote(max_concurrency=2)
    class Patient:
        def listen(self, path: str) -> str:
            Path(path).touch()
            context = ray.get_runtime_context()
            while not context.is_canceled():
                time.sleep(0.001)
            return "heard"

    path = tmp_path / "began"
    patient = Patient.remote()
    ref = patient.listen.remote(str(path))
    wait_until(path.exists, 10, "the beginning")
    ray.cancel(ref)
    with pytest.raises(TaskCancelledError):
        ray.get(ref)
