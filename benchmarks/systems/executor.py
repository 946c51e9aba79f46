"""`concurrent.futures.ProcessPoolExecutor`, and what it shares with loky's executor."""
# ruff: noqa: ARG002 (each method takes what any system may need for its workload)

from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from typing import Any

import tasks
from tasks import FloatArray

from systems.adapter import Adapter, Handle


class ExecutorAdapter(Adapter):
    """Everything that the interface of `concurrent.futures` gives."""

    executor: Executor

    def warm_up(self) -> None:
        """Have all workers started."""
        self.gather([self.executor.submit(tasks.overlap, 0.05) for _ in range(self.workers)])

    def stop(self) -> None:
        self.executor.shutdown()

    # --- tasks --------------------------------------------------------------------------------
    def sync_noop(self, count: int) -> list[None]:
        return [self.executor.submit(tasks.noop).result() for _ in range(count)]

    def sync_small(self, count: int) -> list[tuple[int, str, float]]:
        submit = self.executor.submit
        return [submit(tasks.small, i, "text", factor=0.5).result() for i in range(count)]

    def batch(self, count: int) -> list[None]:
        return self.gather([self.executor.submit(tasks.noop) for _ in range(count)])

    def chain(self, count: int) -> int:
        link = 0
        for _ in range(count):  # no futures as arguments: the caller carries each result
            link = self.executor.submit(tasks.increment, link).result()
        return link

    def wait_each(self, count: int) -> int:
        return sum(
            1 for _ in as_completed([self.executor.submit(tasks.noop) for _ in range(count)])
        )

    # --- long queues --------------------------------------------------------------------------
    def hold_workers(self, path: str) -> list[Handle]:
        return [self.executor.submit(tasks.hold_while_exists, path) for _ in range(self.workers)]

    def submit(self, count: int) -> list[Handle]:
        return [self.executor.submit(tasks.increment, i) for i in range(count)]

    def gather(self, pending: list[Handle]) -> list[Any]:
        return [future.result() for future in pending]


class ProcessPool(ExecutorAdapter):
    """The executor of the standard library."""

    start_program = ("start_executor.py",)

    def start(self) -> None:
        self.executor = ProcessPoolExecutor(self.workers)
        self.warm_up()

    def version(self) -> str:
        return "concurrent.futures of the standard library"

    def slice_sums(self, values: FloatArray, count: int) -> list[float]:
        with ProcessPoolExecutor(self.workers, None, tasks.share_array, (values,)) as executor:
            return self.gather(
                [executor.submit(tasks.shared_slice_sum, i, count) for i in range(count)]
            )

    def multiply(self, values: list[float], array: FloatArray) -> Sequence[float]:
        chunk = len(values) // (4 * self.workers)  # as Pool.map chooses by itself
        return list(self.executor.map(tasks.times_ten, values, chunksize=chunk))
