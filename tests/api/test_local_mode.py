"""Local mode: tasks and actors in the driver's process, with what they do elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import pyray
from pyray import exceptions, testing
from tests.support import run_script, wait_until


@pytest.fixture(autouse=True)
def local() -> Iterator[ModuleType]:
    """A session in local mode: it takes some milliseconds."""
    pyray.init(num_cpus=1, local_mode=True)
    yield pyray
    pyray.shutdown()
    assert not [thread for thread in threading.enumerate() if thread.name == "pyray-loop"]


@pyray.remote
def add(left: Any, right: Any) -> Any:
    return left + right


@pyray.remote
def where() -> tuple[int, str | None]:
    return os.getpid(), pyray.get_runtime_context().get_task_name()


@pyray.remote
def fail(*_: Any) -> None:
    inside = "a local variable"
    raise LookupError(inside)


def test_task_has_run_when_it_was_submitted_here() -> None:
    seen = []

    @pyray.remote
    def note() -> None:
        seen.append(threading.current_thread())

    ref = note.remote()
    assert seen == [threading.current_thread()]
    assert pyray.get(ref) is None
    assert pyray.get(where.remote()) == (os.getpid(), "where")
    assert not pyray.get_runtime_context().get_task_name()


def test_results_and_arguments_are_those_of_the_store() -> None:
    array = np.zeros(100_000)
    stored = pyray.get(pyray.put(array))
    assert not stored.flags.writeable
    items = [1]

    @pyray.remote
    def change(given: list[int]) -> list[int]:
        given.append(2)
        return given

    assert pyray.get(change.remote(items)) == [1, 2]
    assert items == [1]
    assert pyray.get(add.remote(add.remote(1, 2), right=pyray.put(3))) == 6
    assert pyray.get(add.options(num_returns=2).remote((1,), (2,))) == [1, 2]
    assert add.options(num_returns=0).remote(1, 2) is None
    assert pyray.get(add.options(num_gpus=4, resources={"moon": 1}).remote(1, 2)) == 3
    with pytest.raises(TypeError):
        add.remote(1)


def test_wait_finds_all_ready() -> None:
    refs = [add.remote(n, n) for n in range(3)]
    assert pyray.wait(refs, num_returns=3, timeout=0) == (refs, [])
    assert asyncio.run(_gather(refs)) == [0, 2, 4]


async def _gather(refs: list[Any]) -> list[Any]:
    return list(await asyncio.gather(*refs))


def test_error_has_the_frames_of_the_task() -> None:
    with pytest.raises(LookupError) as caught:
        pyray.get(fail.remote())
    assert isinstance(caught.value, exceptions.RayTaskError)
    trace = caught.value.__cause__.__traceback__  # type: ignore[union-attr]
    while trace.tb_next is not None:  # type: ignore[union-attr]
        trace = trace.tb_next  # type: ignore[union-attr]
    assert trace.tb_frame.f_locals["inside"] == "a local variable"  # type: ignore[union-attr]
    with pytest.raises(LookupError, match="At least one of the input arguments"):
        pyray.get([add.remote(1, 1), add.remote(fail.remote(), 1)])


def test_exit_of_a_task_does_not_end_the_program() -> None:
    @pyray.remote
    def leave() -> None:
        sys.exit(3)

    with pytest.raises(exceptions.WorkerCrashedError, match="exit code 3"):
        pyray.get(leave.remote())


def test_interrupt_goes_through_to_the_program() -> None:
    @pyray.remote
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted.remote()
    assert pyray.get(add.remote(1, 1)) == 2


def test_exceptions_are_retried() -> None:
    tries = []

    @pyray.remote(max_retries=3, retry_exceptions=True)
    def flaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError
        return len(tries)

    assert pyray.get(flaky.remote()) == 3


def test_nested_tasks_and_references_in_containers() -> None:
    @pyray.remote
    def depth(n: int) -> int:
        return 0 if n == 0 else 1 + pyray.get(depth.remote(n - 1))

    @pyray.remote
    def total(refs: list[Any]) -> int:
        return sum(pyray.get(refs))

    assert pyray.get(depth.remote(30)) == 30
    assert pyray.get(total.remote([pyray.put(1), add.remote(1, 1)])) == 3


def test_generator_runs_as_far_as_it_is_asked() -> None:
    made, closed = [], []

    @pyray.remote
    def count() -> Iterator[int]:
        try:
            for n in range(1_000_000_000):
                made.append(n)
                yield n
        finally:
            closed.append(True)

    generator = count.remote()
    assert made == []
    assert [pyray.get(next(generator)) for _ in range(3)] == [0, 1, 2]
    assert made == [0, 1, 2]
    assert pyray.wait([generator], timeout=0)[0] == [generator]
    del generator
    assert closed == [True]


def test_generator_s_error_is_its_last_item() -> None:
    @pyray.remote
    def breaks() -> Iterator[int]:
        yield 1
        raise KeyError("late")

    first, second = breaks.remote()
    assert pyray.get(first) == 1
    with pytest.raises(KeyError):
        pyray.get(second)
    generator = breaks.remote()
    assert pyray.get(generator.completed()) is None
    assert generator.next_ready()
    dynamic = pyray.get(breaks.options(num_returns="dynamic").remote())
    assert pyray.get(next(iter(dynamic))) == 1


@pyray.remote
class Counter:
    def __init__(self, start: int = 0) -> None:
        self.count = start

    def add(self, n: int = 1) -> int:
        self.count += n
        return self.count

    def fail(self) -> None:
        raise KeyError("mine")

    def leave(self, how: str) -> None:
        if how == "exit_actor":
            pyray.actor.exit_actor()
        if how == "caught":
            with contextlib.suppress(SystemExit):
                pyray.actor.exit_actor()
            return
        sys.exit(3)

    def whose(self) -> tuple[Any, ...]:
        context = pyray.get_runtime_context()
        return context.get_actor_id(), context.get_task_name(), context.current_actor

    def items(self) -> Iterator[int]:
        yield self.count


def test_actor_keeps_its_state_and_knows_itself() -> None:
    counter = Counter.remote(5)
    assert pyray.get([counter.add.remote(), counter.add.remote(pyray.put(3))]) == [6, 9]
    assert pyray.get(counter.whose.remote()) == (
        counter._actor_id.hex(),
        "Counter.whose",
        counter,
    )
    assert [pyray.get(ref) for ref in counter.items.remote()] == [9]
    with pytest.raises(KeyError, match="mine"):
        pyray.get(counter.fail.remote())
    assert pyray.get(counter.__ray_ready__.remote()) is True


def test_actors_have_names() -> None:
    counter = Counter.options(name="known").remote()
    assert pyray.get_actor("known") == counter
    assert "known" in pyray.util.list_named_actors()
    with pytest.raises(exceptions.ActorAlreadyExistsError, match="already taken"):
        Counter.options(name="known").remote()
    same = Counter.options(name="known", get_if_exists=True).remote()
    assert same == counter
    del counter, same
    with pytest.raises(ValueError, match="Failed to look up actor"):
        pyray.get_actor("known")


def test_actor_ends_as_elsewhere() -> None:
    killed, left, caught, died = (Counter.remote() for _ in range(4))
    pyray.kill(killed)
    with pytest.raises(exceptions.ActorDiedError, match=r"ray\.kill") as info:
        pyray.get(killed.add.remote())
    assert info.value.actor_id == killed._actor_id.hex()
    for actor, how in ((left, "exit_actor"), (caught, "caught"), (died, "sys.exit")):
        with pytest.raises(exceptions.ActorDiedError):
            pyray.get(actor.leave.remote(how))
        with pytest.raises(exceptions.ActorDiedError):
            pyray.get(actor.add.remote())


def test_actor_restarts_as_often_as_it_may() -> None:
    counter = Counter.options(max_restarts=1).remote(5)
    pyray.get(counter.add.remote())
    pyray.kill(counter, no_restart=False)
    assert pyray.get(counter.add.remote()) == 6
    pyray.kill(counter, no_restart=False)
    with pytest.raises(exceptions.ActorDiedError):
        pyray.get(counter.add.remote())


def test_constructor_s_error_is_every_call_s() -> None:
    @pyray.remote
    class Broken:
        def __init__(self) -> None:
            raise ValueError("no good")

        def method(self) -> None:
            pass

    with pytest.raises(exceptions.ActorDiedError, match="no good"):
        pyray.get(Broken.remote().method.remote())


def test_last_handle_ends_the_actor() -> None:
    ends = []

    @pyray.remote
    class Mortal:
        def __ray_shutdown__(self) -> None:
            ends.append(True)

    mortal = Mortal.remote()
    del mortal
    pyray.get(add.remote(1, 1))
    assert ends == [True]


@pyray.remote
class Signal:
    def __init__(self) -> None:
        self.event = asyncio.Event()

    async def wait(self) -> str:
        await self.event.wait()
        return "woken"

    async def send(self) -> None:
        self.event.set()

    async def items(self) -> AsyncIterator[int]:
        for n in range(3):
            yield n


def test_async_actor_runs_beside_the_program() -> None:
    signal = Signal.remote()
    waiting = signal.wait.remote()
    after = add.remote(waiting, "!")
    assert pyray.wait([waiting, after], timeout=0) == ([], [waiting, after])
    pyray.get(signal.send.remote())
    assert pyray.get([waiting, after], timeout=30) == ["woken", "woken!"]
    assert [pyray.get(ref) for ref in signal.items.remote()] == [0, 1, 2]


def test_async_call_is_cancelled_or_killed() -> None:
    signal = Signal.remote()
    waiting = signal.wait.remote()
    with pytest.raises(exceptions.GetTimeoutError):
        pyray.get(waiting, timeout=0.01)
    pyray.cancel(waiting)
    with pytest.raises(exceptions.TaskCancelledError):
        pyray.get(waiting, timeout=30)
    waiting = signal.wait.remote()
    pyray.kill(signal)
    with pytest.raises(exceptions.ActorDiedError):
        pyray.get(waiting, timeout=30)


def test_nothing_is_left_in_the_store() -> None:
    def work() -> None:
        signal = Signal.remote()
        refs = [add.remote(np.zeros(10_000), 1), signal.wait.remote(), fail.remote()]
        pyray.get(signal.send.remote())
        pyray.get(refs[:2], timeout=30)
        with pytest.raises(LookupError):
            pyray.get(refs[2])

    work()  # the code is in the store from now on
    pyray.get(add.remote(1, 1))
    before = testing.store_accounts()
    for _ in range(3):
        work()

    def balance() -> dict[str, tuple[int, int]]:
        for _ in range(64):  # what nobody refers to is looked for now and then
            pyray.get(add.remote(1, 1))
        now = testing.store_accounts()
        return {name: (before[name], now[name]) for name in now if now[name] > before[name] + 2}

    wait_until(lambda: not balance(), 10, "the end of what the test made")


def test_functions_run_in_workers_again_in_the_next_session() -> None:
    done = run_script(
        """
        import os
        import pyray as ray

        @ray.remote
        def where():
            return os.getpid()

        for local in (True, False, True):
            ray.init(num_cpus=1, local_mode=local)
            assert (ray.get(where.remote()) == os.getpid()) == local
            ray.shutdown()
        """,
        check=True,
    )
    assert done.stderr == ""
