"""One array of 1 GB: put into fresh and into recycled memory, got here and in another process."""

import time
from collections.abc import Iterator

import numpy as np
import tasks
from systems.adapter import Adapter

from workloads.metric import Metric, Plan, Samples, Workload, expect, timed

Yield = Iterator[tuple[str, Samples]]
SIZE = 125_000_000  # float64: 1 GB
SETTLE_S = 0.3
"""Systems that free in the background get this long before the next put."""


def new_array() -> tasks.FloatArray:
    """1 GB whose values are their own indices."""
    return np.arange(SIZE, dtype=np.float64)


def put(system: Adapter, plan: Plan) -> Yield:
    """Put into a store that is new, drop it, and put again, several times."""
    values = new_array()
    samples: Samples = []
    for _ in range(plan.repeats + 1):
        sample, handle = timed(lambda: system.put(values), "ms")
        samples.append(sample)
        system.drop(handle)
        del handle
        time.sleep(SETTLE_S)
    yield "large.put_fresh", samples[:1]
    yield "large.put_recycled", samples[1:]


def get_here(system: Adapter, plan: Plan) -> Yield:
    """Get it in the process that put it."""
    values = new_array()
    handle = system.put(values)
    right = tasks.checksum(values)
    del values
    samples: Samples = []
    for _ in range(4 * plan.repeats):
        sample, loaded = timed(lambda: system.get(handle), "us")
        expect(
            loaded.shape == (SIZE,) and tasks.checksum(loaded) == right,
            "the array does not come back",
        )
        del loaded
        samples.append(sample)
    system.drop(handle)
    yield "large.get_here", samples


def get_elsewhere(system: Adapter, plan: Plan) -> Yield:
    """Get it inside a task, which takes the time and looks at its own memory."""
    values = new_array()
    handle = system.put(values)
    right = tasks.checksum(values)
    del values
    readings = [system.read_elsewhere(handle) for _ in range(4 * plan.repeats)]
    system.drop(handle)
    expect(all(checksum == right for _, _, checksum in readings), "a worker reads something else")
    yield "large.get_elsewhere", [seconds * 1e6 for seconds, _, _ in readings]
    yield "large.private_elsewhere", [max(grown for _, grown, _ in readings) / 1e6]


WORKLOADS = (
    Workload(
        "put_large",
        (
            Metric("large.put_fresh", "`put` of 1 GB float64, fresh memory", "ms", 550, 473),
            Metric("large.put_recycled", "`put` of 1 GB float64, recycled memory", "ms", 60, 50),
        ),
        put,
    ),
    Workload("get_large", (Metric("large.get_here", "`get` of 1 GB here", "us", 20, 8),), get_here),
    Workload(
        "read_large",
        (
            Metric("large.get_elsewhere", "`get` of 1 GB in another process", "us", 60, 30),
            Metric("large.private_elsewhere", "private memory that it costs there", "MB", 0),
        ),
        get_elsewhere,
    ),
)
