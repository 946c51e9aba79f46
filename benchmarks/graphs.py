"""Compiled graphs: what a value costs on its way through three actors, next to plain calls.

    python benchmarks/graphs.py                      pyray
    /path/to/ray/bin/python benchmarks/graphs.py     Ray, where pyray is not installed

The same graph for both: three actors in a row that return what they are given, and one whose first
stage makes the array. A round is one value in, waited for at the end; medians of rounds.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import pyray as ray
    from pyray.dag import InputNode
except ImportError:
    import ray
    from ray.dag import InputNode

ARRAY_BYTES = 8 << 20


@ray.remote(num_cpus=0)
class Stage:
    def same(self, value: Any) -> Any:
        return value

    def fresh(self, value: int) -> Any:
        """Make an array, in the store itself where that is possible."""
        create = getattr(ray, "create_array", np.empty)
        array = create(ARRAY_BYTES, "u1")
        array[:64] = value
        return array

    def copy(self, value: Any) -> Any:
        return value.copy()


def compiled(methods: list[str]) -> Any:
    """Compile a row of actors that call these methods."""
    with InputNode() as start:
        node: Any = start
        for method in methods:
            node = getattr(Stage.remote(), method).bind(node)
    return node.experimental_compile(_buffer_size_bytes=ARRAY_BYTES + 4096)


def measure(name: str, call: Callable[[], object], count: int) -> None:
    """Print the median of rounds in microseconds, and the lowest."""
    for _ in range(count // 5 + 5):
        call()
    samples = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        samples.append((time.perf_counter() - start) * 1e6)
    print(f"{name:45} {statistics.median(samples):10.1f} us   lowest {min(samples):10.1f} us")


def with_graph(methods: list[str], value: Any, name: str, count: int) -> None:
    dag = compiled(methods)
    measure(name, lambda: ray.get(dag.execute(value)), count)
    dag.teardown()


def with_calls(value: Any, name: str, count: int) -> None:
    actors = [Stage.remote() for _ in range(3)]

    def run() -> None:
        result = value
        for actor in actors:
            result = actor.same.remote(result)
        ray.get(result)

    measure(name, run, count)


def main() -> None:
    """Print one line for each workload."""
    ray.init(num_cpus=2)
    print(ray.__name__, ray.__version__, sys.version.split()[0])
    array = np.ones(ARRAY_BYTES // 8)
    row = ["same"] * 3
    with_graph(row, 1, "graph of 3 actors, a number", 2000)
    with_calls(1, "3 calls in a row, a number", 1000)
    with_graph(row, b"x" * 1000, "graph of 3 actors, 1,000 bytes", 1000)
    with_graph(row, array, "graph of 3 actors, 8 MB from the driver", 50)
    with_graph(["copy", *row[1:]], array, "the same, copied by the first", 50)
    with_graph(["fresh", *row[1:]], 7, "graph of 3 actors, 8 MB made by the first", 50)
    with_calls(array, "3 calls in a row, 8 MB from the driver", 50)
    target, warm = np.empty_like(array), array.copy()
    measure("memcpy of 8 MB", lambda: np.copyto(target, warm), 50)
    ray.shutdown()


if __name__ == "__main__":
    main()
