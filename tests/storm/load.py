"""The mixed load: tasks, dependent and nested ones, objects of all sizes, waits, actors.

Several threads of one driver do random operations and record what came of each. The same seed does
the same operations (how they interleave is up to the machine).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from tests.storm import work
from tests.storm.history import HUNG_S, Operation, Recorder

ACTORS = 8


class Load:
    """Works in threads of its own until told to stop.

    Args:
        ray: The module to use.
        seed: For all random choices.
        recorder: Where the history goes.
        threads: How many threads.
        largest_bytes: Size of the largest objects.
    """

    def __init__(
        self, ray: ModuleType, seed: int, recorder: Recorder, threads: int, largest_bytes: int
    ) -> None:
        self.stop = threading.Event()
        self.errors: list[BaseException] = []
        actors = Actors(ray)
        self.hands = [
            Hand(ray, index, random.Random(f"{seed}-{index}"), recorder, actors, largest_bytes)
            for index in range(threads)
        ]
        self.threads = [
            threading.Thread(target=self._run, args=(hand,), name=f"load-{hand.index}", daemon=True)
            for hand in self.hands
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        """Let every thread finish its operation; raise what went wrong in the load itself."""
        self.stop.set()
        for thread in self.threads:
            thread.join(4 * HUNG_S)
        if alive := [thread.name for thread in self.threads if thread.is_alive()]:
            raise AssertionError(f"threads of the load hang: {alive}")
        if self.errors:
            raise self.errors[0]

    def results(self) -> int:
        """Return how many results have been checked so far."""
        return sum(hand.results for hand in self.hands)

    def _run(self, hand: Hand) -> None:
        try:
            while not self.stop.is_set():
                hand.operate()
        except BaseException as error:  # noqa: BLE001  (shown by end())
            self.errors.append(error)


class Actors:
    """The actors of all threads: who finds one dead puts another one in its place."""

    def __init__(self, ray: ModuleType) -> None:
        self.make = ray.remote(num_cpus=0)(work.Tally).remote
        self.lock = threading.Lock()
        self.handles = [self.make() for _ in range(ACTORS)]

    def get(self, index: int) -> Any:
        """Return the actor in this place."""
        with self.lock:
            return self.handles[index]

    def replace(self, index: int, dead: Any) -> None:
        """Make a new actor in this place, unless somebody has."""
        with self.lock:
            if self.handles[index] is dead:
                self.handles[index] = self.make()


class Hand:
    """What one thread does."""

    def __init__(  # noqa: PLR0913, PLR0917  (made in one place)
        self,
        ray: ModuleType,
        index: int,
        rng: random.Random,
        recorder: Recorder,
        actors: Actors,
        largest_bytes: int,
    ) -> None:
        self.ray, self.index, self.rng, self.recorder = ray, index, rng, recorder
        self.actors, self.largest_bytes = actors, largest_bytes
        self.task = ray.remote(max_retries=-1)(work.make)
        self.deep = ray.remote(max_retries=-1)(work.nested)
        self.number = self.results = 0
        self.called: dict[int, tuple[Any, int]] = {}
        self.kinds: dict[Callable[[], tuple[list[Any], list[Any], list[str]]], int] = {
            self.tasks: 6,
            self.long_task: 1,
            self.chain: 3,
            self.objects: 3,
            self.large_object: 1,
            self.nested: 2,
            self.waits: 2,
            self.calls: 4,
        }

    def operate(self) -> None:
        """Do one random operation and record it."""
        kind = self.rng.choices([*self.kinds], [*self.kinds.values()])[0]
        begin_s = time.monotonic()
        expected, got, may_fail = kind()
        end_s = time.monotonic()
        self.recorder.add(
            Operation(
                self.index, self.number, kind.__name__, begin_s, end_s, expected, got, may_fail
            )
        )
        self.number += 1
        self.results += len(got)

    def seed(self) -> int:
        """Return a number for a value's contents."""
        return self.rng.randrange(1 << 20)

    def size(self) -> int:
        """Return a size: small ones are frequent."""
        return int(8 * 2 ** self.rng.uniform(0, 14))

    def fetch(self, refs: list[Any]) -> list[Any]:
        """Return the digests of results, and names of exceptions."""
        return [self._fetch(ref) for ref in refs]

    def _fetch(self, ref: Any) -> Any:
        try:
            return work.digest(self.ray.get(ref, timeout=HUNG_S))
        except self.ray.exceptions.RayError as error:
            return type(error).__name__

    def tasks(self) -> tuple[list[Any], list[Any], list[str]]:
        """Independent tasks of all durations up to 5 ms."""
        wanted = [
            (self.seed(), self.size(), self.rng.choice([0, 0, 0, 0.0005, 0.005]))
            for _ in range(self.rng.randrange(1, 60))
        ]
        refs = [self.task.remote(*arguments) for arguments in wanted]
        return [work.digest(work.make(s, b, 0)) for s, b, _ in wanted], self.fetch(refs), []

    def long_task(self) -> tuple[list[Any], list[Any], list[str]]:
        """One that takes up to 100 ms."""
        seed, size = self.seed(), self.size()
        refs = [self.task.remote(seed, size, self.rng.uniform(0, 0.1))]
        return [work.digest(work.make(seed, size, 0))], self.fetch(refs), []

    def chain(self) -> tuple[list[Any], list[Any], list[str]]:
        """Tasks that take earlier ones' results."""
        refs: list[Any] = []
        values: list[work.Value] = []
        for _ in range(self.rng.randrange(2, 25)):
            seed, size = self.seed(), self.size()
            parents = self.rng.sample(range(len(refs)), min(len(refs), self.rng.randrange(3)))
            refs.append(self.task.remote(seed, size, 0.0, *(refs[p] for p in parents)))
            values.append(work.make(seed, size, 0.0, *(values[p] for p in parents)))
        return [work.digest(value) for value in values], self.fetch(refs), []

    def objects(self) -> tuple[list[Any], list[Any], list[str]]:
        """Objects from here, read here."""
        values = [(n, work.body(self.seed(), self.size())) for n in range(self.rng.randrange(20))]
        refs = [self.ray.put(value) for value in values]
        return [work.digest(value) for value in values], self.fetch(refs), []

    def large_object(self) -> tuple[list[Any], list[Any], list[str]]:
        """A large object from here that two tasks read, and a large result."""
        seed = self.seed()
        size = int(self.largest_bytes * 2 ** self.rng.uniform(-8, 0))
        value = (seed, work.body(seed, size))
        given = self.ray.put(value)
        refs = [self.task.remote(n, 8, 0.0, given) for n in range(2)]
        refs.append(self.task.remote(seed, size, 0.0))
        expected = [work.make(n, 8, 0.0, value) for n in range(2)]
        expected.append(work.make(seed, size, 0.0))
        return [work.digest(one) for one in expected], self.fetch(refs), []

    def nested(self) -> tuple[list[Any], list[Any], list[str]]:
        """Tasks that wait for tasks."""
        wanted = [
            (self.seed(), self.size(), self.rng.randrange(1, 5))
            for _ in range(self.rng.randrange(1, 5))
        ]
        refs = [self.deep.remote(*arguments) for arguments in wanted]
        expected = [work.digest(work.expected_nested(*arguments)) for arguments in wanted]
        return expected, self.fetch(refs), []

    def waits(self) -> tuple[list[Any], list[Any], list[str]]:
        """Tasks whose results are taken as they come."""
        wanted = [(self.seed(), self.size()) for _ in range(self.rng.randrange(1, 30))]
        left = [self.task.remote(seed, size, 0.0) for seed, size in wanted]
        place = {ref: n for n, ref in enumerate(left)}
        got: list[Any] = ["GetTimeoutError"] * len(left)
        while left:
            done, left = self.ray.wait(left, timeout=HUNG_S)
            if not done:
                break
            got[place[done[0]]] = self._fetch(done[0])
        return [work.digest(work.make(*arguments, 0)) for arguments in wanted], got, []

    def calls(self) -> tuple[list[Any], list[Any], list[str]]:
        """Calls of one actor, which must arrive in order."""
        place = self.rng.randrange(ACTORS)
        actor = self.actors.get(place)
        known, number = self.called.get(place, (None, -1))
        if known is not actor:
            number = -1
        refs, expected = [], []
        payload = self.task.remote(self.seed(), self.size(), 0.0)
        for _ in range(self.rng.randrange(1, 30)):
            refs.append(actor.call.remote(f"hand {self.index}", number + 1, payload))
            expected.append([number + 1, number])
            number += 1
        self.called[place] = actor, number
        got: list[Any] = []
        for ref in refs:
            try:
                got.append([*self.ray.get(ref, timeout=HUNG_S)])
            except self.ray.exceptions.RayError as error:
                got.append(type(error).__name__)
        if "ActorDiedError" in got:
            self.actors.replace(place, actor)
        return expected, got, ["ActorDiedError"]
