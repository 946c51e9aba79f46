"""The example of every multiprocessing tutorial: a plain Python function over 1,000,000 floats.

The function is so small that for most ways to spread it over processes the spreading costs more
than it saves. Here the floats lie in shared memory once, and a task takes a range of them.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable
from typing import Any

import display
import numpy as np
from numpy.typing import NDArray

import pyray as ray

COUNT = 1_000_000
RANGES = 8
WORKERS = 2
REPEATS = 3

FloatArray = NDArray[np.float64]


def times_ten(x: float) -> float:
    """Stand for any small piece of Python that knows nothing of processes."""
    return x * 10


def times_ten_each(values: FloatArray) -> FloatArray:
    """Apply the function to each value, one by one."""
    return np.fromiter(map(times_ten, values.tolist()), np.float64, len(values))


@ray.remote
def times_ten_range(values: FloatArray, begin: int, end: int) -> FloatArray:
    """As a task: `values` is a view on shared memory, only the range is touched."""
    return times_ten_each(values[begin:end])


def multiply_with_pyray(values: FloatArray) -> FloatArray:
    """Share the array, start a task for each range, join the results."""
    shared = ray.put(values)
    edges = [COUNT * i // RANGES for i in range(RANGES + 1)]
    parts = [times_ten_range.remote(shared, *edges[i : i + 2]) for i in range(RANGES)]
    return np.concatenate(ray.get(parts))


def best_time(work: Callable[[], Any]) -> tuple[float, Any]:
    """Run a few times; return the shortest time and the last result."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return min(times), result


def measure_all(array: FloatArray) -> dict[str, tuple[float, Any]]:
    """Do it each way, with workers that are already running."""
    values = array.tolist()
    found = {
        "list comprehension": best_time(lambda: [times_ten(x) for x in values]),
        "one process, array to array": best_time(lambda: times_ten_each(array)),
    }
    with multiprocessing.Pool(WORKERS) as pool:
        pool.map(times_ten, values[:100])
        found["multiprocessing.Pool.map"] = best_time(lambda: pool.map(times_ten, values))
    ray.init(num_cpus=WORKERS)
    multiply_with_pyray(array)
    found["pyray, array to array"] = best_time(lambda: multiply_with_pyray(array))
    ray.shutdown()
    return found


def main() -> bool:
    """Compare; return whether all results are the same."""
    array = np.arange(COUNT, dtype=np.float64) / 3
    found = measure_all(array)
    baseline = found["list comprehension"][0]
    rows = [
        [name, f"{elapsed * 1e3:.0f} ms", f"{baseline / elapsed:.2f}x"]
        for name, (elapsed, _) in found.items()
    ]
    title = f"Multiply each of {COUNT:,} floats by 10 with a plain Python function"
    display.print_table(title, ["", "time", "speed"], rows)
    agree = all(np.array_equal(np.asarray(result), array * 10) for _, result in found.values())
    display.say("All four results are the same." if agree else "THE RESULTS DIFFER.")
    return agree


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
