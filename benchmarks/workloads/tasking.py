"""Tasks: one at a time, many at once, in chains, from tasks, one by one, over one array."""

from collections.abc import Iterator

import numpy as np
import tasks
from systems.adapter import Adapter

from workloads.metric import Metric, Plan, Samples, Workload, expect, repeat

Yield = Iterator[tuple[str, Samples]]
ARRAY_SIZE = 12_500_000  # 100 MB of float64
SLICES = 1000


def sync(system: Adapter, plan: Plan) -> Yield:
    """A no-op and its result, one after the other."""
    count = plan.count(500)
    system.sync_noop(count // 5)
    yield (
        "task.sync",
        repeat(
            lambda: system.sync_noop(count),
            lambda r: r == [None] * count,
            plan.repeats,
            "us",
            count,
        ),
    )


def sync_small(system: Adapter, plan: Plan) -> Yield:
    """The same with small arguments that come back as the result."""
    count = plan.count(500)
    right = [tasks.small(i, "text", factor=0.5) for i in range(count)]
    expect(system.sync_small(5) == right[:5], "small arguments do not come back")
    yield (
        "task.sync_small",
        repeat(lambda: system.sync_small(count), lambda r: r == right, plan.repeats, "us", count),
    )


def batch(system: Adapter, plan: Plan) -> Yield:
    """10,000 no-ops submitted, then gathered."""
    count = 10_000
    system.batch(500)
    yield (
        "task.batch_10k",
        repeat(
            lambda: system.batch(count), lambda r: r == [None] * count, plan.repeats, "us", count
        ),
    )


def chain(system: Adapter, plan: Plan) -> Yield:
    """200 tasks, each on the result of the one before."""
    count = 200
    system.chain(10)
    yield (
        "task.chain_200",
        repeat(lambda: system.chain(count), lambda r: r == count, plan.repeats, "us", count),
    )


def nested(system: Adapter, plan: Plan) -> Yield:
    """A task that runs 100 tasks and gathers their results."""
    count = 100
    right = sum(range(1, count + 1))
    system.nested(count)
    yield (
        "task.nested_100",
        repeat(lambda: system.nested(count), lambda r: r == right, plan.repeats, "us", count),
    )


def wait(system: Adapter, plan: Plan) -> Yield:
    """1,000 results taken one by one, as they come."""
    count = 1000
    system.wait_each(count // 10)
    yield (
        "task.wait_1k",
        repeat(lambda: system.wait_each(count), lambda r: r == count, plan.repeats, "us", count),
    )


def stream(system: Adapter, plan: Plan) -> Yield:
    """The items of a task that yields 2,000 numbers, got one by one as they come."""
    count = 2000
    right = sum(range(count))
    system.stream(count // 10)
    yield (
        "task.stream_2k",
        repeat(lambda: system.stream(count), lambda r: r == right, plan.repeats, "us", count),
    )


def shared_array(system: Adapter, plan: Plan) -> Yield:
    """1,000 tasks over slices of one array of 100 MB; sums of whole numbers are exact."""
    values = np.arange(ARRAY_SIZE, dtype=np.float64)
    right = values.reshape(SLICES, -1).sum(axis=1).tolist()
    yield (
        "task.shared_array",
        repeat(
            lambda: system.slice_sums(values, SLICES),
            lambda r: r == right,
            plan.repeats,
            "us",
            SLICES,
        ),
    )


WORKLOADS = (
    Workload("sync", (Metric("task.sync", "sync task", "us", 40, 16),), sync),
    Workload(
        "sync_small",
        (Metric("task.sync_small", "sync task, small arguments", "us", 40, 16),),
        sync_small,
    ),
    Workload(
        "batch", (Metric("task.batch_10k", "10,000 no-op tasks, gathered", "us", 8, 4),), batch, 180
    ),
    Workload(
        "chain", (Metric("task.chain_200", "chain of 200 dependent tasks", "us", 15, 5),), chain
    ),
    Workload(
        "nested", (Metric("task.nested_100", "100 nested tasks from a task", "us", 10, 5),), nested
    ),
    Workload("wait", (Metric("task.wait_1k", "`wait` one by one over 1,000", "us", 10, 5),), wait),
    Workload("stream", (Metric("task.stream_2k", "item of a generator task", "us"),), stream),
    Workload(
        "shared_array",
        (Metric("task.shared_array", "1,000 tasks over one 100 MB array", "us", 15),),
        shared_array,
    ),
)
