"""`pyray.util.queue.Queue`: the verbs of `queue` and of asyncio, with Ray's batches."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import threading
from collections.abc import Iterator
from types import ModuleType

import pytest

import pyray
from pyray.util.queue import Empty, Full, Queue
from tests.support import wait_until


@pytest.fixture(scope="module", autouse=True)
def exported(ray_session: ModuleType) -> Iterator[None]:
    """The actor's code is in the store before the first test is counted."""
    first = Queue()
    first.put(1)
    assert first.get() == 1
    yield
    first.shutdown()


def new_queue(maxsize: int = 0) -> Queue:
    return Queue(maxsize)


def test_items_come_out_in_order(ray_session: ModuleType) -> None:
    q = new_queue()
    items = [1, None, "text", [1.0], {"a": 2}]
    for item in items:
        q.put(item)
    assert (len(q), q.qsize(), q.size(), q.empty(), q.full()) == (5, 5, 5, False, False)
    assert [q.get() for _ in items] == items
    assert q.empty()
    q.shutdown()


def test_a_full_or_empty_queue_says_so(ray_session: ModuleType) -> None:
    q = new_queue(2)
    for empty in (q.get_nowait, lambda: q.get(block=False), lambda: q.get(timeout=0.01)):
        with pytest.raises(Empty):
            empty()
    q.put_nowait_batch([1, 2])
    assert q.full()
    for full in (
        lambda: q.put_nowait(3),
        lambda: q.put(3, block=False),
        lambda: q.put(3, timeout=0.01),
        lambda: q.put_nowait_batch([3]),
    ):
        with pytest.raises(Full):
            full()
    assert issubclass(Empty, queue.Empty)
    assert issubclass(Full, queue.Full)
    assert q.get_nowait_batch(2) == [1, 2]
    with pytest.raises(Empty, match="Cannot get 1 items"):
        q.get_nowait_batch(1)
    assert q.get_nowait_batch(0) == []
    q.shutdown()


def test_a_waiting_get_takes_what_another_process_puts(ray_session: ModuleType) -> None:
    q = new_queue(1)
    taken = pyray.remote(lambda q: [q.get(timeout=30) for _ in range(5)]).remote(q)
    for n in range(5):
        q.put(n, timeout=30)
    assert pyray.get(taken) == [0, 1, 2, 3, 4]
    q.shutdown()


def test_coroutines(ray_session: ModuleType) -> None:
    q = new_queue(1)

    async def use() -> list[int]:
        async def fill() -> None:
            for n in range(4):
                await q.put_async(n)

        task = asyncio.create_task(fill())
        found = [await q.get_async() for _ in range(4)]
        await task
        with pytest.raises(Empty):
            await q.get_async(block=False)
        with pytest.raises(Empty):
            await q.get_async(timeout=0.01)
        return found

    assert asyncio.run(use()) == [0, 1, 2, 3]
    q.shutdown()


def test_a_get_that_is_interrupted_takes_nothing(ray_session: ModuleType) -> None:
    q = new_queue()
    pid = os.getpid()
    timer = threading.Timer(0.1, os.kill, (pid, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        q.get()
    timer.join()
    q.put("kept")
    assert q.get(timeout=10) == "kept"
    q.shutdown()


def test_a_coroutine_that_is_cancelled_takes_and_adds_nothing(ray_session: ModuleType) -> None:
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(q.get_async(), 0.1)
        await q.put_async("kept")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(q.put_async("never"), 0.1)

    q = new_queue(1)
    asyncio.run(give_up())
    assert q.get(timeout=10) == "kept"
    with pytest.raises(Empty):
        q.get(timeout=0.1)
    q.shutdown()


def test_references_stay_references(ray_session: ModuleType) -> None:
    q = new_queue()
    ref = pyray.put("value")
    q.put(ref)
    assert q.get() == ref
    q.shutdown()


def test_wrong_arguments_are_refused(ray_session: ModuleType) -> None:
    q = new_queue()
    with pytest.raises(ValueError, match="non-negative"):
        q.get(timeout=-1)
    with pytest.raises(ValueError, match="non-negative"):
        q.put(1, timeout=-1)
    with pytest.raises(TypeError, match="items"):
        q.put_nowait_batch(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="num_items"):
        q.get_nowait_batch("a")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nonnegative"):
        q.get_nowait_batch(-1)
    q.shutdown()


def test_shutdown_ends_the_actor(ray_session: ModuleType) -> None:
    q = new_queue()
    actor = q.actor
    q.shutdown()

    def is_dead() -> bool:
        try:
            pyray.get(actor.qsize.remote())
        except pyray.exceptions.ActorDiedError:
            return True
        return False

    wait_until(is_dead, 5, "the end of the actor")
