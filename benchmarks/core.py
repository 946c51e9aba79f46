"""Figures of the core API that `compare.py` has no peers for, each next to its goal.

    python benchmarks/core.py                      pyray
    python benchmarks/core.py frame table          only these
    /path/to/ray/bin/python benchmarks/core.py     Ray, where pyray is not installed

Streams, fan-out from inside a task, deep nesting, placement groups, frames, tables, environments
with packages. Medians of rounds; two CPUs.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

try:
    import pyray as ray
    from pyray.util import placement_group, remove_placement_group
except ImportError:
    import ray
    from ray.util import placement_group, remove_placement_group

ROUNDS = 7
Row = tuple[str, float, str, str]
"""What was measured, the figure, its unit, the goal."""


def seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the median duration of a call, after one that warms up."""
    work()
    samples = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


@ray.remote
def noop() -> None:
    """Do nothing."""


@ray.remote
def count_up(count: int) -> Iterator[int]:
    yield from range(count)


@ray.remote
def fan_out(count: int) -> float:
    """Submit no-ops and get them; return how long that takes here."""
    start = time.perf_counter()
    ray.get([noop.remote() for _ in range(count)])
    return time.perf_counter() - start


@ray.remote
def nest(depth: int) -> int:
    return 0 if depth == 0 else 1 + ray.get(nest.remote(depth - 1))


def stream() -> Iterator[Row]:
    """Take 20,000 items of a generator, each by a `get` of its own."""
    count = 20_000
    took = seconds(lambda: sum(ray.get(ref) for ref in count_up.remote(count)))
    yield "items of a generator", count / took, "1/s", ">= 50,000"


def fanout() -> Iterator[Row]:
    """Compare 1,000 no-ops submitted by a task with 1,000 submitted by the driver, in turn."""
    count = 1_000

    def both() -> tuple[float, float]:
        start = time.perf_counter()
        ray.get([noop.remote() for _ in range(count)])
        return time.perf_counter() - start, ray.get(fan_out.remote(count))

    both()
    pairs = [both() for _ in range(41)]
    driver, inside = (statistics.median(column) for column in zip(*pairs, strict=True))
    yield "no-ops submitted by the driver", count / driver, "1/s", ""
    yield "no-ops submitted by a task", count / inside, "1/s", ""
    ratio = statistics.median(one / other for one, other in pairs)
    yield "the second over the first", ratio, "", ">= 0.7"


def depth() -> Iterator[Row]:
    """Nest tasks 30 deep, each waiting for the next."""
    yield (
        "30 tasks, each waiting for the next",
        seconds(lambda: ray.get(nest.remote(29))) * 1e3,
        "ms",
        "< 100",
    )


def groups() -> Iterator[Row]:
    """Create placement groups, wait for each, and remove it."""
    count = 200

    def cycle() -> None:
        for _ in range(count):
            group = placement_group([{"CPU": 1}])
            ray.get(group.ready())
            remove_placement_group(group)

    yield "placement groups created and removed", count / seconds(cycle, 5), "1/s", ">= 1,000"


def put_and_get(name: str, value: Any, put_goal: str, get_goal: str) -> Iterator[Row]:
    """Put a value into recycled memory, and get it."""
    puts, gets = [], []
    for _ in range(ROUNDS + 2):
        start = time.perf_counter()
        ref = ray.put(value)
        puts.append(time.perf_counter() - start)
        start = time.perf_counter()
        found = ray.get(ref)
        gets.append(time.perf_counter() - start)
        assert found.shape == value.shape
        del found, ref
        time.sleep(0.3)  # Ray frees in the background
    yield f"put of {name}", statistics.median(puts[2:]) * 1e3, "ms", put_goal
    yield f"get of {name}", statistics.median(gets[2:]) * 1e3, "ms", get_goal


def frame() -> Iterator[Row]:
    """Put and get a pandas frame of 100 MB: eight columns of numbers, one of texts."""
    import pandas as pd

    rows = 1_100_000
    columns: dict[str, Any] = {f"n{i}": np.arange(rows, dtype=np.float64) * i for i in range(8)}
    columns["text"] = [f"text {i % 1000:05}" for i in range(rows)]
    table = pd.DataFrame(columns)
    yield from put_and_get("a 100 MB frame of numbers and texts", table, "<= 102", "<= 99")
    table["text"] = table["text"].astype(object)
    yield from put_and_get("the same with texts as objects", table, "<= 102", "<= 99")


def table() -> Iterator[Row]:
    """Put and get an Arrow table of 500 MB."""
    import pyarrow as pa

    rows = 62_500_000 // 4
    columns = {f"n{i}": np.arange(rows, dtype=np.float64) + i for i in range(4)}
    yield from put_and_get("a 500 MB Arrow table", pa.table(columns), "<= 66", "<= 0.25")


def environment() -> Iterator[Row]:
    """Run a task in an environment with two packages: fetched and installed, then found again."""

    @ray.remote
    def versions() -> tuple[str, str]:
        import iniconfig
        import pluggy

        return str(iniconfig.__name__), str(pluggy.__version__)

    # An upper bound that nobody has used makes an environment that nobody has built.
    packages = ["iniconfig>=2", f"pluggy<{time.time_ns()}"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(UV_CACHE_DIR=folder, PIP_CACHE_DIR=folder)
        for name, goal in (("cold", "< 10,000"), ("warm", "< 300")):
            ray.shutdown()
            ray.init(num_cpus=2)
            ray.get(noop.remote())
            start = time.perf_counter()
            ray.get(versions.options(runtime_env={"pip": packages}).remote())
            took = time.perf_counter() - start
            yield f"an environment of two packages, {name}", took * 1e3, "ms", goal


PARTS = (stream, fanout, depth, groups, frame, table, environment)


def main(names: list[str]) -> None:
    """Measure what is named, or everything."""
    ray.init(num_cpus=2)
    ray.get([noop.remote() for _ in range(100)])
    for part in PARTS:
        if not names or part.__name__ in names:
            for name, figure, unit, goal in part():
                print(f"{name:45} {figure:12,.2f} {unit:4} {goal}")
    ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
