"""A small storm: random tasks, nested, dependent, large, small, while workers are killed at random.

Every value carries a checksum of what it must be. With retries for ever nothing may be lost, wrong
or left over; calls of an actor may only fail with ActorDiedError. The number of kills is printed.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import threading
import time
import zlib
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pyray import exceptions, testing
from tests.support import SLOWNESS, wait_until


def body(seed: int) -> np.ndarray:
    """The payload that belongs to a seed: between some bytes and half a MiB."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, int(rng.choice([10, 1_000, 70_000, 500_000])), dtype=np.uint8)


def checksum(value: np.ndarray) -> int:
    """Its checksum."""
    return zlib.crc32(value.tobytes())


def work(seed: int, *others: Any) -> tuple[int, np.ndarray]:
    """Make a value; the first number covers the arguments too."""
    total = sum(checksum(other[1]) + other[0] for other in others)
    if seed % 3 == 0:
        time.sleep(seed % 7 / 1000)
    return (seed + total) % 2**32, body(seed)


def nested(seed: int) -> tuple[int, np.ndarray]:
    """Let others do it, through the store."""
    import pyray

    task = pyray.remote(max_retries=-1)(work)
    given = pyray.put((seed, body(seed)))
    parts = [task.remote(seed + n, given) for n in range(3)]
    values = pyray.get(parts)
    return sum(number for number, _ in values) % 2**32, body(seed)


def expected(seed: int, *others: tuple[int, np.ndarray]) -> tuple[int, np.ndarray]:
    """What `work` must give."""
    return (seed + sum(checksum(o[1]) + o[0] for o in others)) % 2**32, body(seed)


def expected_nested(seed: int) -> tuple[int, np.ndarray]:
    """What `nested` must give."""
    given = (seed, body(seed))
    return sum(expected(seed + n, given)[0] for n in range(3)) % 2**32, body(seed)


class Tally:
    """An actor whose answers show that no call was lost or run twice."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, _value: Any) -> int:
        self.count += 1
        return self.count


class Nemesis(threading.Thread):
    """Kills a random worker again and again."""

    def __init__(self, rng: random.Random, pause_s: float) -> None:
        super().__init__(name="nemesis", daemon=True)
        self.rng, self.pause_s = rng, pause_s
        self.kills = 0
        self.over = threading.Event()

    def run(self) -> None:
        """Until it is stopped."""
        while not self.over.wait(self.rng.uniform(0, 2 * self.pause_s)):
            with suppress(ProcessLookupError, IndexError):
                os.kill(self.rng.choice(testing.worker_pids()), signal.SIGKILL)
                self.kills += 1


def one_round(ray: ModuleType, rng: random.Random) -> int:
    """Submit random work and check every value; return how many there were."""
    task, deep = ray.remote(max_retries=-1)(work), ray.remote(max_retries=-1)(nested)
    actor = ray.remote(Tally).options(num_cpus=0).remote()
    known: list[tuple[Any, tuple[int, np.ndarray]]] = []
    calls = []
    for _ in range(rng.randrange(10, 40)):
        seed = rng.randrange(1 << 20)
        kind = rng.choice(["task", "task", "depends", "put", "nested"])
        if kind == "put":
            known.append((ray.put((seed, body(seed))), (seed, body(seed))))
        elif kind == "nested":
            known.append((deep.remote(seed), expected_nested(seed)))
        else:
            parents = rng.sample(known, min(len(known), 2)) if kind == "depends" else []
            ref = task.remote(seed, *(parent for parent, _ in parents))
            known.append((ref, expected(seed, *(value for _, value in parents))))
        if rng.random() < 0.3:
            calls.append(actor.add.remote(known[-1][0]))
    for ref, (number, array) in known:
        got_number, got_array = ray.get(ref, timeout=60 * SLOWNESS)
        assert got_number == number
        assert checksum(got_array) == checksum(array)
    answers = []
    for call in calls:
        try:
            answers.append(ray.get(call, timeout=60 * SLOWNESS))
        except exceptions.ActorDiedError:
            answers.append(0)
    alive = [answer for answer in answers if answer]
    assert alive == [*range(1, len(alive) + 1)]
    return len(known) + len(calls)


def storm(ray: ModuleType, rng: random.Random, seconds: float) -> None:
    """Work for so long while workers die, then look whether anything is left."""
    before = testing.store_accounts()
    nemesis = Nemesis(random.Random(rng.random()), 0.4)
    nemesis.start()
    end = time.monotonic() + seconds
    values = 0
    try:
        while time.monotonic() < end:
            values += one_round(ray, rng)
    finally:
        nemesis.over.set()
        nemesis.join()
    print(  # noqa: T201  (the figure that one runs it for)
        f"storm: {values} values, {nemesis.kills} kills in {seconds:g} s"
    )
    assert nemesis.kills > 0

    def balanced() -> bool:
        gc.collect()
        return testing.store_accounts() == before

    wait_until(balanced, 10, f"the accounts {before} to come back after {nemesis.kills} kills")
    assert ray.available_resources()["CPU"] == 2


@pytest.mark.timeout(120)
def test_storm(ray_alone: ModuleType, rng: random.Random) -> None:
    storm(ray_alone, rng, 4)


@pytest.mark.slow  # 20 s of deaths
@pytest.mark.timeout(240)
def test_longer_storm(ray_alone: ModuleType, rng: random.Random) -> None:
    storm(ray_alone, rng, 20)
