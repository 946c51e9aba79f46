"""Actor calls: one at a time, and many at once."""

from collections.abc import Callable, Iterator
from typing import Any

from systems.adapter import Adapter

from workloads.metric import Metric, Plan, Samples, Workload, expect, timed

Yield = Iterator[tuple[str, Samples]]


def counted(call: Callable[[Any, int], list[int]], counter: Any, count: int, plan: Plan) -> Samples:
    """Call again and again; no count is lost, none comes twice, all come in order."""
    samples: Samples = []
    done = len(call(counter, 20))
    for _ in range(plan.repeats):
        sample, counts = timed(lambda: call(counter, count), "us", count)
        expect(counts == list(range(done + 1, done + count + 1)), "wrong counts")
        done += count
        samples.append(sample)
    return samples


def sync(system: Adapter, plan: Plan) -> Yield:
    """Increment a counter and wait, again and again."""
    counter = system.new_counter()
    yield "actor.sync", counted(system.count_sync, counter, plan.count(500), plan)


def pipelined(system: Adapter, plan: Plan) -> Yield:
    """Send 10,000 increments, then gather the counts, which come in order."""
    counter = system.new_counter()
    yield "actor.pipelined_10k", counted(system.count_pipelined, counter, 10_000, plan)


WORKLOADS = (
    Workload("actor_sync", (Metric("actor.sync", "actor call, sync", "us"),), sync),
    Workload(
        "actor_pipelined",
        (Metric("actor.pipelined_10k", "10,000 actor calls, gathered", "us"),),
        pipelined,
        180,
    ),
)
