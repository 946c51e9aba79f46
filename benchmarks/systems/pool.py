"""`multiprocessing.Pool`, `shared_memory` by hand as its store, a manager for its actors."""
# ruff: noqa: ARG002 (each method takes what any system may need for its workload)

import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing.managers import BaseManager
from typing import Any

import tasks
from tasks import FloatArray, Reading

from systems import byhand
from systems.adapter import Adapter, Handle, refuse

MANY = 2000


class CounterManager(BaseManager):
    """A process that keeps `tasks.Counter` objects and serves their methods."""


CounterManager.register("Counter", tasks.Counter)


def read(handle: byhand.SharedObject) -> Reading:
    """Load a stored array in a worker; the first time there it is mapped anew."""
    before = tasks.anonymous_bytes()
    start = time.perf_counter()
    values = byhand.get(handle)
    elapsed = time.perf_counter() - start
    return elapsed, tasks.anonymous_bytes() - before, tasks.checksum(values)


class MultiprocessingPool(Adapter):
    """What the standard library has for many small jobs."""

    start_program = ("start_pool.py",)

    def start(self) -> None:
        byhand.prepare()
        self.pool = multiprocessing.Pool(self.workers)
        self.manager: CounterManager | None = None

    def stop(self) -> None:
        self.pool.terminate()
        self.pool.join()
        if self.manager:
            self.manager.shutdown()

    def version(self) -> str:
        return "multiprocessing.Pool of the standard library"

    # --- pools --------------------------------------------------------------------------------
    def pool_map(self, values: list[float]) -> list[float]:
        return self.pool.map(tasks.times_ten, values)

    def pool_apply(self, count: int) -> list[float]:
        results = [self.pool.apply_async(tasks.times_ten, (i,)) for i in range(count)]
        return [result.get() for result in results]

    def pipeline(self, blocks: list[FloatArray], stages: int) -> list[float]:
        for _ in range(stages):
            blocks = self.pool.map(tasks.stage, blocks, 1)
        return [float(block[-1]) for block in blocks]

    # --- tasks --------------------------------------------------------------------------------
    def sync_noop(self, count: int) -> list[None]:
        return [self.pool.apply(tasks.noop) for _ in range(count)]

    def sync_small(self, count: int) -> list[tuple[int, str, float]]:
        return [self.pool.apply(tasks.small, (i, "text"), {"factor": 0.5}) for i in range(count)]

    def batch(self, count: int) -> list[None]:
        return self.gather([self.pool.apply_async(tasks.noop) for _ in range(count)])

    def chain(self, count: int) -> int:
        link = 0
        for _ in range(count):  # no futures as arguments: the caller carries each result
            link = self.pool.apply(tasks.increment, (link,))
        return link

    def nested(self, count: int) -> int:
        refuse("its workers may not have children and cannot reach the pool")

    def wait_each(self, count: int) -> int:
        return sum(1 for _ in self.pool.imap_unordered(tasks.increment, range(count)))

    def slice_sums(self, values: FloatArray, count: int) -> list[float]:
        with multiprocessing.Pool(self.workers, tasks.share_array, (values,)) as pool:
            pending = [pool.apply_async(tasks.shared_slice_sum, (i, count)) for i in range(count)]
            return self.gather(pending)

    def multiply(self, values: list[float], array: FloatArray) -> Sequence[float]:
        return self.pool.map(tasks.times_ten, values)

    # --- objects ------------------------------------------------------------------------------
    def put(self, value: Any) -> Handle:
        return byhand.put(value)

    def put_each(self, values: Sequence[Any]) -> list[Handle]:
        if len(values) > MANY:
            refuse("by hand every object is a segment with a file descriptor: not for thousands")
        return super().put_each(values)

    def get(self, handle: Handle) -> Any:
        return byhand.get(handle)

    def drop(self, handle: Handle) -> None:
        byhand.drop(handle)

    def read_elsewhere(self, handle: Handle) -> Reading:
        return self.pool.apply(read, (handle,))

    # --- actors -------------------------------------------------------------------------------
    def new_counter(self) -> Any:
        self.manager = CounterManager()
        self.manager.start()
        return self.manager.Counter()  # type: ignore[attr-defined]  # registered above

    def count_sync(self, counter: Any, count: int) -> list[int]:
        return [counter.increment() for _ in range(count)]

    def count_pipelined(self, counter: Any, count: int) -> list[int]:
        refuse("every call of a manager's object blocks")

    def create_and_count(self) -> int:
        manager = CounterManager()
        manager.start()
        try:
            return int(manager.Counter().increment())  # type: ignore[attr-defined]
        finally:
            manager.shutdown()

    # --- long queues --------------------------------------------------------------------------
    def hold_workers(self, path: str) -> list[Handle]:
        return [
            self.pool.apply_async(tasks.hold_while_exists, (path,)) for _ in range(self.workers)
        ]

    def submit(self, count: int) -> list[Handle]:
        return [self.pool.apply_async(tasks.increment, (i,)) for i in range(count)]

    def gather(self, pending: list[Handle]) -> list[Any]:
        return [result.get() for result in pending]
