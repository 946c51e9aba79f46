"""The functions that the systems run as tasks: plain, at module level, the same for everybody."""

import importlib
import itertools
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Reading = tuple[float, int, float]
"""Seconds that a reader waited, anonymous bytes its process grew by, checksum of what it read."""

SHARED: dict[str, FloatArray] = {}
"""What a pool's initializer leaves in each of its workers."""


def noop() -> None:
    """Do nothing: all that is measured is the way there and back."""


def count_up(count: int) -> Iterator[int]:
    """Yield the numbers below `count`."""
    for number in range(count):  # noqa: UP028  (Ray cannot delegate to a plain iterator)
        yield number


def small(number: int, text: str, *, factor: float) -> tuple[int, str, float]:
    """Return the arguments."""
    return number, text, factor


def increment(number: int) -> int:
    """Return the next number: a link of a chain."""
    return number + 1


def total(*numbers: int) -> int:
    """Add up all arguments."""
    return sum(numbers)


def numbers(count: int) -> list[int]:
    """Return 0, 1, ...: one result each, where a task may have many."""
    return list(range(count))


def overlap(seconds: float) -> int:
    """Sleep, so that a second task needs a second worker; return the worker's pid."""
    time.sleep(seconds)
    return os.getpid()


def hold_while_exists(path: str) -> None:
    """Occupy a worker until the file is gone."""
    while os.path.exists(path):  # noqa: PTH110 (the fewest modules in the worker)
        time.sleep(0.005)


def stage(block: FloatArray) -> FloatArray:
    """Do one step of a pipeline of arrays."""
    return np.multiply(block, np.float32(1.5))


def times_ten(x: float) -> float:
    """Multiply by ten: the plain function of every multiprocessing tutorial."""
    return x * 10


def times_ten_range(values: FloatArray, begin: int, end: int) -> FloatArray:
    """Apply the plain function to each value of a range of an array."""
    return np.fromiter(map(times_ten, values[begin:end].tolist()), np.float64, end - begin)


def slice_sum(values: FloatArray, index: int, slice_count: int) -> float:
    """Add up one of the equal slices of an array."""
    size = len(values) // slice_count
    return float(values[index * size : (index + 1) * size].sum())


def share_array(values: FloatArray) -> None:
    """Keep an array in this worker (a pool's initializer)."""
    SHARED["array"] = values


def shared_slice_sum(index: int, slice_count: int) -> float:
    """As `slice_sum`, over the array that the initializer left here."""
    return slice_sum(SHARED["array"], index, slice_count)


def checksum(values: FloatArray) -> float:
    """Add up about 250 values spread over an array, without touching all its pages."""
    return float(values[:: max(1, len(values) // 250)].sum())


def anonymous_bytes() -> int:
    """Count the bytes of this process that no other process could share.

    `Anonymous` and not `Private_*`: pages of a shared mapping that nobody else has touched yet
    count as private there, although they are the store's own.
    """
    with open("/proc/self/smaps_rollup") as lines:  # noqa: PTH123
        for line in lines:
            if line.startswith("Anonymous:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("smaps_rollup has no line 'Anonymous:'")


def ranges(size: int, parts: int) -> list[tuple[int, int]]:
    """Cut `size` into `parts` nearly equal ranges."""
    edges = [size * i // parts for i in range(parts + 1)]
    return list(itertools.pairwise(edges))


def flatten(parts: Sequence[Any]) -> FloatArray:
    """Join the arrays of all ranges."""
    return np.concatenate(parts)


def grid_search(values: FloatArray, labels: Any, jobs: int) -> float:
    """Search 4 values of a parameter with 3 folds each; return the best score."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.naive_bayes import GaussianNB

    grid = {"var_smoothing": [1e-9, 1e-6, 1e-3, 1.0]}
    search = GridSearchCV(GaussianNB(), grid, cv=3, n_jobs=jobs, refit=False)
    return float(search.fit(values, labels).best_score_)


class Member:
    """An actor of a collective group."""

    def join(self, module: str, size: int, rank: int) -> None:
        """Join, with pyray's or Ray's operations."""
        self.operations = importlib.import_module(f"{module}.util.collective")
        self.operations.init_collective_group(size, rank, backend="gloo", group_name="sums")

    def set(self, elements: int) -> None:
        """Begin with ones."""
        self.tensor = np.ones(elements, np.float32)

    def allreduce(self, count: int) -> list[float]:
        """Sum up so many times; return the first and last element."""
        for _ in range(count):
            self.operations.allreduce(self.tensor, "sums")
        return [float(self.tensor[0]), float(self.tensor[-1])]


class Counter:
    """The actor of every tutorial."""

    def __init__(self) -> None:
        self.value = 0

    def increment(self) -> int:
        """Count one more."""
        self.value += 1
        return self.value


class Echo:
    """An actor that answers what it is asked."""

    def echo(self, value: int) -> int:
        """Return the argument."""
        return value


class AsyncEcho:
    """The same, on an event loop."""

    async def echo(self, value: int) -> int:
        """Return the argument."""
        return value
