"""joblib: `Parallel` where it batches, loky's executor where tasks are single, its memory maps."""
# ruff: noqa: ARG002 (each method takes what any system may need for its workload)

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import tasks
from joblib.externals.loky import ProcessPoolExecutor
from tasks import FloatArray, Reading

from systems.adapter import Handle
from systems.executor import ExecutorAdapter

CHUNKS = 8


def read(path: str) -> Reading:
    """Map a stored array in a worker."""
    before = tasks.anonymous_bytes()
    start = time.perf_counter()
    values = joblib.load(path, mmap_mode="r")
    elapsed = time.perf_counter() - start
    return elapsed, tasks.anonymous_bytes() - before, tasks.checksum(values)


class JoblibLoky(ExecutorAdapter):
    """The store is `joblib.dump` to a folder in memory and `joblib.load` with `mmap_mode`."""

    start_program = ("start_joblib.py",)

    def start(self) -> None:
        self.executor = ProcessPoolExecutor(self.workers)  # not the one that Parallel reuses
        self.warm_up()
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm")
        self.dumped = 0

    def stop(self) -> None:
        self.folder.cleanup()
        super().stop()

    def version(self) -> str:
        return f"joblib {joblib.__version__}"

    def slice_sums(self, values: FloatArray, count: int) -> list[float]:
        calls = (joblib.delayed(tasks.slice_sum)(values, i, count) for i in range(count))
        return list(joblib.Parallel(n_jobs=self.workers)(calls))

    def multiply(self, values: list[float], array: FloatArray) -> FloatArray:
        calls = (
            joblib.delayed(tasks.times_ten_range)(array, a, b)
            for a, b in tasks.ranges(len(array), CHUNKS)
        )
        return tasks.flatten(joblib.Parallel(n_jobs=self.workers)(calls))

    def grid_search(self, values: FloatArray, labels: Any) -> float:
        with joblib.parallel_backend("loky"):
            return tasks.grid_search(values, labels, self.workers)

    def put(self, value: Any) -> Handle:
        self.dumped += 1
        path = f"{self.folder.name}/{self.dumped}"
        joblib.dump(value, path)
        return path

    def get(self, handle: Handle) -> Any:
        return joblib.load(handle, mmap_mode="r")

    def get_all(self, handles: Sequence[Handle]) -> list[Any]:
        return [joblib.load(handle, mmap_mode="r") for handle in handles]

    def drop(self, handle: Handle) -> None:
        Path(handle).unlink()

    def read_elsewhere(self, handle: Handle) -> Reading:
        reading: Reading = self.executor.submit(read, handle).result()
        return reading
