"""Generator tasks and methods: streams of references, errors, limits, deaths, cancellation."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import signal
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import pyray as ray
from pyray import exceptions, testing
from tests.api.conftest import Gate
from tests.support import wait_until

PATIENCE_S = 20

pytestmark = pytest.mark.usefixtures("ray_session")


def numbers_here(count: int, fail_at: int = -1) -> Iterator[int]:
    for number in range(count):
        if number == fail_at:
            raise ValueError(f"at {number}")
        yield number


@ray.remote
def numbers(count: int, fail_at: int = -1) -> Iterator[int]:
    yield from numbers_here(count, fail_at)


@ray.remote
def numbers_until(path: str) -> Iterator[int]:
    """0 at once, then 1 when the file is there."""
    yield 0
    while not os.path.exists(path):
        time.sleep(0.001)
    yield 1


@ray.remote
def noted_numbers(folder: str) -> Iterator[int]:
    """Numbers without end; each leaves a file when it is made, and another one tells the end."""
    number = 0
    try:
        while True:
            Path(folder, str(number)).touch()
            yield number
            number += 1
    finally:
        Path(folder, "end").touch()


@ray.remote
def plain() -> list[int]:
    return [1, 2]


@ray.remote
class Producer:
    def numbers(self, count: int, fail_at: int = -1) -> Iterator[int]:
        yield from numbers_here(count, fail_at)

    @ray.method(num_returns="streaming")
    def iterator(self) -> Iterator[int]:
        return iter([4, 5])

    @ray.method(num_returns="streaming")
    def not_iterable(self) -> int:
        return 3

    def noted_numbers(self, folder: str) -> Iterator[int]:
        number = 0
        while True:
            Path(folder, str(number)).touch()
            yield number
            number += 1

    def one(self) -> int:
        return 1


@pytest.fixture(scope="module", autouse=True)
def exported(ray_session: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The code of the above is in the store before the first test is counted."""
    folder = str(tmp_path_factory.mktemp("exported"))
    for generator in (
        numbers.remote(1),
        numbers_until.remote(folder),
        noted_numbers.remote(folder),
    ):
        next(generator)
    ray_session.get([plain.remote(), Producer.remote().one.remote()])
    wait_until(lambda: testing.store_accounts()["actors"] == 0, PATIENCE_S, "the actor's end")


def values(generator: ray.ObjectRefGenerator) -> list[Any]:
    """The items, or the name of the class of the error in its place."""
    found = []
    for ref in generator:
        try:
            found.append(ray.get(ref, timeout=PATIENCE_S))
        except (exceptions.RayError, ValueError, TypeError) as error:
            found.append(type(error).__name__)
    return found


# ---- Items, the end, and errors.


def test_items_come_in_order_then_it_stops() -> None:
    generator = numbers.remote(5)
    assert isinstance(generator, ray.ObjectRefGenerator)
    assert iter(generator) is generator
    assert ray.get(list(generator)) == [0, 1, 2, 3, 4]
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(generator)
    assert generator.is_finished()
    assert not generator.next_ready()
    assert ray.get(generator.completed()) is None


def test_generator_without_items() -> None:
    assert values(numbers.remote(0)) == []


def test_item_can_be_got_before_the_next_one_is_made(gate: Gate, tmp_path: Path) -> None:
    del gate
    path = tmp_path / "go"
    generator = numbers_until.remote(str(path))
    assert ray.get(next(generator), timeout=PATIENCE_S) == 0
    assert generator._next_sync(0.02).is_nil()
    assert not generator.next_ready()
    assert not generator.is_finished()
    path.touch()
    wait_until(generator.next_ready, PATIENCE_S, "the second item")
    assert ray.get(generator._next_sync(0)) == 1
    assert values(generator) == []


def test_items_of_all_sizes_and_kinds() -> None:
    array = np.arange(100_000)

    @ray.remote
    def all_kinds() -> Iterator[Any]:
        yield None
        yield array
        yield ray.put([1])
        yield [array[:10], "x" * 1000]
        yield b"y" * 100_000

    none, large, ref, mixed, data = ray.get(list(all_kinds.remote()))
    assert none is None
    assert (large == array).all()
    assert not large.flags.writeable
    assert ray.get(ref) == [1]
    assert (mixed[0] == array[:10]).all()
    assert data == b"y" * 100_000


def test_error_is_the_last_item() -> None:
    generator = numbers.remote(5, fail_at=2)
    assert ray.get([next(generator), next(generator)]) == [0, 1]
    with pytest.raises(ValueError, match="at 2"):
        ray.get(next(generator))
    assert values(generator) == []
    assert generator.is_finished()
    assert ray.get(generator.completed()) is None


def test_item_that_cannot_be_pickled_is_the_last() -> None:
    @ray.remote
    def unfit() -> Iterator[Any]:
        yield 1
        yield (number for number in range(3))
        yield 2

    assert values(unfit.remote()) == [1, "RayTaskError(TypeError)"]


def test_failed_argument_is_the_only_item() -> None:
    generator = numbers.remote(next(numbers.remote(1, fail_at=0)))
    assert values(generator) == ["RayTaskError(ValueError)"]
    with pytest.raises(ValueError, match="at 0"):
        ray.get(generator.completed())


def test_more_items_than_go_into_one_transaction() -> None:
    assert ray.get(list(numbers.remote(5000))) == list(range(5000))


def test_items_outlive_the_generator() -> None:
    generator = numbers.remote(3)
    first = next(generator)
    second = next(generator)
    del generator
    assert ray.get([second, first]) == [1, 0]


def test_items_as_arguments_and_in_wait(tmp_path: Path) -> None:
    path = tmp_path / "go"
    slow, quick = numbers_until.remote(str(path)), numbers.remote(2)
    next(slow)
    ref = ray.put(1)
    ready, rest = ray.wait([slow, quick, ref], num_returns=2, timeout=PATIENCE_S)
    assert ready == [quick, ref]
    assert rest == [slow]
    with pytest.raises(ValueError, match="unique"):
        ray.wait([quick, quick])
    path.touch()
    assert ray.wait([slow], timeout=PATIENCE_S) == ([slow], [])

    @ray.remote
    def double(value: int) -> int:
        return 2 * value

    assert ray.get([double.remote(ref) for ref in quick]) == [0, 2]
    assert values(slow) == [1]
    assert ray.wait([slow], timeout=0) == ([slow], [])  # it has ended: `next` does not wait


def test_asynchronous_iteration(tmp_path: Path) -> None:
    async def main() -> list[Any]:
        path = tmp_path / "go"
        slow = numbers_until.remote(str(path))
        found = [await (await anext(slow))]
        assert (await slow._next_async(0.02)).is_nil()
        path.touch()
        found += [await ref async for ref in slow]
        async for ref in numbers.remote(3, fail_at=1):
            try:
                found.append(await ref)
            except ValueError:
                found.append("error")
        return found

    assert asyncio.run(main()) == [0, 1, 0, "error"]


def test_many_at_once_in_one_event_loop() -> None:
    async def total(generator: ray.ObjectRefGenerator) -> int:
        return sum([await ref async for ref in generator])

    async def main() -> list[int]:
        return await asyncio.gather(*[total(numbers.remote(20)) for _ in range(10)])

    assert asyncio.run(main()) == [190] * 10


def test_streams_of_tasks_in_tasks() -> None:
    @ray.remote
    def relay(count: int) -> Iterator[int]:
        for ref in numbers.remote(count):
            yield ray.get(ref) + 1

    assert values(relay.remote(20)) == list(range(1, 21))


# ---- Limits, and consumers that go away.


def made(folder: Path) -> int:
    return len(list(folder.iterdir()))


def has_made(folder: Path, count: int) -> bool:
    return made(folder) == count


@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("of_actor", [False, True])
def test_limit_stops_the_producer(tmp_path: Path, limit: int, *, of_actor: bool) -> None:
    method = Producer.remote().noted_numbers if of_actor else noted_numbers
    generator = method.options(_generator_backpressure_num_objects=limit).remote(str(tmp_path))
    for taken in range(5):
        wait_until(partial(has_made, tmp_path, limit + taken), PATIENCE_S, "the items")
        time.sleep(0.01)
        assert made(tmp_path) == limit + taken
        assert ray.get(next(generator)) == taken
    del generator


def test_producer_that_waits_for_room_lends_its_cpus(tmp_path: Path) -> None:
    waits = noted_numbers.options(num_cpus=2, _generator_backpressure_num_objects=1)
    generator = waits.remote(str(tmp_path))
    wait_until(lambda: made(tmp_path) == 1, PATIENCE_S, "the first item")
    assert ray.get(plain.remote(), timeout=PATIENCE_S) == [1, 2]
    del generator


@pytest.mark.parametrize("limit", [-1, 2])
def test_task_ends_and_items_are_freed_when_the_generator_is_deleted(
    tmp_path: Path, limit: int
) -> None:
    endless = noted_numbers.options(_generator_backpressure_num_objects=limit)
    generator = endless.remote(str(tmp_path))
    assert ray.get(next(generator), timeout=PATIENCE_S) == 0
    del generator
    wait_until((tmp_path / "end").exists, PATIENCE_S, "the task's end")


def test_consumer_that_dies_ends_the_task(tmp_path: Path) -> None:
    @ray.remote(max_retries=0, num_cpus=0)
    def die_after_the_first(folder: str) -> None:
        generator = noted_numbers.remote(folder)
        ray.get(next(generator))
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(exceptions.WorkerCrashedError):
        ray.get(die_after_the_first.remote(str(tmp_path)), timeout=PATIENCE_S)
    wait_until((tmp_path / "end").exists, PATIENCE_S, "the task's end")


# ---- Deaths and cancellation of the producer.


def test_worker_that_dies_ends_the_stream_with_its_error() -> None:
    @ray.remote(max_retries=0)
    def die() -> Iterator[int]:
        yield 1
        os.kill(os.getpid(), signal.SIGKILL)

    generator = die.remote()
    assert values(generator) == [1, "WorkerCrashedError"]
    assert generator.is_finished()
    with pytest.raises(exceptions.WorkerCrashedError):
        ray.get(generator.completed())


def test_retry_goes_on_after_the_items_that_are_there(tmp_path: Path) -> None:
    @ray.remote(max_retries=2)
    def die_twice(folder: str) -> Iterator[tuple[int, int]]:
        attempt = made(Path(folder))
        Path(folder, str(attempt)).touch()
        for number in range(6):
            if number == 2 * (attempt + 1) and attempt < 2:
                os.kill(os.getpid(), signal.SIGKILL)
            yield attempt, number

    found = values(die_twice.remote(str(tmp_path)))
    assert found == [(0, 0), (0, 1), (1, 2), (1, 3), (2, 4), (2, 5)]


@pytest.mark.parametrize("force", [False, True])
def test_cancelled_stream_ends_with_the_error(tmp_path: Path, *, force: bool) -> None:
    generator = numbers_until.remote(str(tmp_path / "never"))
    assert ray.get(next(generator), timeout=PATIENCE_S) == 0
    ray.cancel(generator, force=force)
    with pytest.raises(exceptions.TaskCancelledError):
        ray.get(next(generator), timeout=PATIENCE_S)
    assert values(generator) == []
    with pytest.raises(exceptions.TaskCancelledError):
        ray.get(generator.completed())


def test_cancelled_while_it_waits_for_room(tmp_path: Path) -> None:
    endless = noted_numbers.options(_generator_backpressure_num_objects=1)
    generator = endless.remote(str(tmp_path))
    wait_until(lambda: made(tmp_path) == 1, PATIENCE_S, "the first item")
    ray.cancel(generator)
    assert ray.wait([generator.completed()], timeout=PATIENCE_S)[0]
    assert values(generator) == [0, "RayTaskError(TaskCancelledError)"]


def test_cancelled_before_it_began(gate: Gate) -> None:
    generator = numbers.remote(gate.task())
    ray.cancel(generator)
    assert values(generator) == ["TaskCancelledError"]


# ---- Actors.


def test_methods_stream() -> None:
    producer = Producer.remote()
    assert values(producer.numbers.remote(3)) == [0, 1, 2]
    assert values(producer.numbers.remote(3, fail_at=1)) == [0, "RayTaskError(ValueError)"]
    assert values(producer.iterator.remote()) == [4, 5]
    assert values(producer.not_iterable.remote()) == ["RayTaskError(ValueError)"]
    assert ray.get(producer.one.remote()) == 1


def test_actor_that_is_killed_ends_its_streams(tmp_path: Path) -> None:
    producer = Producer.remote()
    running = producer.noted_numbers.options(_generator_backpressure_num_objects=1)
    first, second = running.remote(str(tmp_path)), producer.numbers.remote(2)
    assert ray.get(next(first), timeout=PATIENCE_S) == 0
    ray.kill(producer)
    assert values(first)[-1] == "ActorDiedError"
    assert values(second) == ["ActorDiedError"]


@pytest.mark.parametrize("limit", [-1, 2])
def test_asynchronous_methods_stream(limit: int) -> None:
    @ray.remote
    class Asynchronous:
        async def numbers(self, count: int, fail_at: int = -1) -> AsyncIterator[int]:
            for number in range(count):
                if number == fail_at:
                    raise ValueError(f"at {number}")
                await asyncio.sleep(0)
                yield number

        def plain_numbers(self, count: int) -> Iterator[int]:
            yield from range(count)

        async def one(self) -> int:
            return 1

    actor = Asynchronous.remote()
    limited = actor.numbers.options(_generator_backpressure_num_objects=limit)
    first, second = limited.remote(50), limited.remote(5, fail_at=3)
    assert ray.get(actor.one.remote(), timeout=PATIENCE_S) == 1
    assert values(second) == [0, 1, 2, "RayTaskError(ValueError)"]
    assert values(first) == [*range(50)]
    assert values(actor.plain_numbers.remote(4)) == [0, 1, 2, 3]


def test_asynchronous_stream_is_cancelled_and_closed() -> None:
    @ray.remote
    class Asynchronous:
        def __init__(self) -> None:
            self.ended = 0

        async def endless(self) -> AsyncIterator[int]:
            try:
                while True:
                    yield 1
                    await asyncio.sleep(0.001)
            finally:
                self.ended += 1

        async def count_ended(self) -> int:
            return self.ended

    actor = Asynchronous.remote()
    generator = actor.endless.remote()
    assert ray.get(next(generator), timeout=PATIENCE_S) == 1
    ray.cancel(generator)
    assert values(generator)[-1] == "TaskCancelledError"
    generator = actor.endless.remote()
    assert ray.get(next(generator), timeout=PATIENCE_S) == 1
    del generator
    wait_until(lambda: ray.get(actor.count_ended.remote()) == 2, PATIENCE_S, "both ends")


def test_streams_on_threads() -> None:
    @ray.remote(max_concurrency=3)
    class Threaded:
        def numbers(self, count: int) -> Iterator[int]:
            yield from range(count)

        def one(self) -> int:
            return 1

    actor = Threaded.remote()
    limited = actor.numbers.options(_generator_backpressure_num_objects=1)
    generators = [limited.remote(20) for _ in range(2)]
    assert ray.get(actor.one.remote(), timeout=PATIENCE_S) == 1
    for generator in generators:
        assert values(generator) == [*range(20)]


# ---- Dynamic, and wrong use.


def test_dynamic_returns_all_references_at_once() -> None:
    ref = numbers.options(num_returns="dynamic").remote(3)
    assert isinstance(ref, ray.ObjectRef)
    generator = ray.get(ref)
    assert isinstance(generator, ray.DynamicObjectRefGenerator)
    assert len(generator) == 3
    assert ray.get(list(generator)) == [0, 1, 2]
    assert len(generator) == 0
    assert values(ray.get(numbers.options(num_returns="dynamic").remote(3, fail_at=1))) == [
        0,
        "RayTaskError(ValueError)",
    ]


@pytest.mark.parametrize("kind", ["streaming", "dynamic"])
def test_functions_that_do_not_yield_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=f"num_returns='{kind}' can only be used with generator"):
        plain.options(num_returns=kind).remote()


def test_generator_cannot_be_pickled_or_copied() -> None:
    generator = numbers.remote(1)
    for wrong in (pickle.dumps, copy.copy, ray.put, lambda value: plain.remote(value)):
        with pytest.raises(TypeError):
            wrong(generator)
    assert ray.get(generator) is generator
    with pytest.raises(TypeError, match="not an ray.ObjectRef"):
        ray.get([generator])


@pytest.mark.parametrize("name", ["send", "throw", "close", "asend", "athrow", "aclose"])
def test_what_ray_does_not_support(name: str) -> None:
    method = getattr(numbers.remote(1), name)
    args = () if name.endswith("close") else (1,)

    async def call() -> None:
        await method(*args)

    with pytest.raises(NotImplementedError, match=f"gen.{name}"):
        asyncio.run(call())


def test_nil_reference_is_refused_by_get() -> None:
    nil = ray.ObjectRef.nil()
    assert nil.is_nil()
    assert nil.binary() == b"\xff" * 28
    assert not ray.put(1).is_nil()
    with pytest.raises(ValueError, match="ObjectRef"):
        ray.get(nil)


@pytest.mark.parametrize("kind", ["asynchronous", "plain"])
def test_stalled_streams_of_one_actor_do_not_hold_up_others(kind: str) -> None:
    @ray.remote
    class Asynchronous:
        async def asynchronous(self, count: int) -> AsyncIterator[int]:
            for number in range(count):
                yield number

        def plain(self, count: int) -> Iterator[int]:
            yield from range(count)

        async def one(self) -> int:
            return 1

    actor = Asynchronous.remote()
    method = getattr(actor, kind).options(_generator_backpressure_num_objects=1)
    stalled = [method.remote(3) for _ in range(40)]  # more than any pool of threads would serve
    assert ray.get(actor.one.remote(), timeout=PATIENCE_S) == 1
    assert values(method.remote(20)) == [*range(20)]
    del stalled[:20]
    assert [values(stream) for stream in stalled] == [[0, 1, 2]] * 20
