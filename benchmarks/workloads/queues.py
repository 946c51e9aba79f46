"""Long queues: what a task costs when very many wait, in time and in memory."""

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import processes
from systems.adapter import Adapter

from workloads.metric import Metric, Plan, Samples, Workload, expect, timed

Yield = Iterator[tuple[str, Samples]]
NAMES = {10_000: "10k", 100_000: "100k", 1_000_000: "1m"}


def sizes(system: Adapter, plan: Plan) -> list[int]:
    """The lengths of queue that this system can do in reasonable time."""
    return [size for size in system.queue_sizes if not plan.quick or size <= 10_000]


def is_successors(results: list[int]) -> bool:
    """Whether each result is its index plus one."""
    return all(result == i for i, result in enumerate(results, start=1))


def submit_and_gather(system: Adapter, size: int) -> list[int]:
    """Queue tasks and wait for all results."""
    return system.gather(system.submit(size))


def cost(system: Adapter, plan: Plan) -> Yield:
    """Submit and gather N tasks with an argument and a result each."""
    system.gather(system.submit(1000))
    for size in sizes(system, plan):
        sample, results = timed(partial(submit_and_gather, system, size), "us", size)
        expect(len(results) == size and is_successors(results), "wrong results")
        yield f"queue.cost_{NAMES[size]}", [sample]


def memory_per_task(system: Adapter, size: int) -> float:
    """Queue tasks behind occupied workers; return the growth of all our processes per task."""
    with tempfile.TemporaryDirectory() as folder:
        gate = Path(folder) / "gate"
        gate.touch()
        held = system.hold_workers(str(gate))
        time.sleep(0.2)
        before = processes.pss_bytes(processes.tree())
        pending = system.submit(size)
        time.sleep(0.5)  # feeder threads and daemons take over what was submitted
        grown = processes.pss_bytes(processes.tree()) - before
        gate.unlink()
        system.gather(held)
        expect(is_successors(system.gather(pending)), "wrong results")
    return grown / size


def memory(system: Adapter, plan: Plan) -> Yield:
    """Memory per queued task, for the shortest queue and the longest (pyray only)."""
    system.gather(system.submit(1000))
    lengths = sizes(system, plan)
    chosen = {lengths[0], lengths[-1]} if lengths[-1] == 1_000_000 else {lengths[0]}
    for size in sorted(chosen):
        yield f"queue.memory_{NAMES[size]}", [memory_per_task(system, size)]


WORKLOADS = (  # memory first: a process that had a long queue already has the memory for one
    Workload(
        "queue_memory",
        (
            Metric("queue.memory_10k", "memory per queued task, of 10,000", "B", 1000),
            Metric("queue.memory_1m", "memory per queued task, of 1,000,000", "B", 1000),
        ),
        memory,
        200,
        is_heavy=True,
    ),
    Workload(
        "queue_cost",
        (
            Metric("queue.cost_10k", "a task among 10,000 queued", "us"),
            Metric("queue.cost_100k", "a task among 100,000 queued", "us"),
            Metric("queue.cost_1m", "a task among 1,000,000 queued", "us"),
        ),
        cost,
        400,
        is_heavy=True,
    ),
)
