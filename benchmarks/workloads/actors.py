"""Actor calls: one at a time, and many at once."""

from collections.abc import Iterator

from systems.adapter import Adapter

from workloads.metric import Metric, Plan, Samples, Workload, expect, timed

Yield = Iterator[tuple[str, Samples]]


def sync(system: Adapter, plan: Plan) -> Yield:
    """Increment a counter and wait, again and again; no count is lost and none comes twice."""
    count = plan.count(500)
    counter = system.new_counter()
    samples: Samples = []
    done = len(system.count_sync(counter, 20))
    for _ in range(plan.repeats):
        sample, counts = timed(lambda: system.count_sync(counter, count), "us", count)
        expect(counts == list(range(done + 1, done + count + 1)), "wrong counts")
        done += count
        samples.append(sample)
    yield "actor.sync", samples


def pipelined(system: Adapter, plan: Plan) -> Yield:
    """Send 10,000 increments, then gather the counts, which come in order."""
    count = 10_000
    counter = system.new_counter()
    samples: Samples = []
    done = len(system.count_pipelined(counter, 100))
    for _ in range(plan.repeats):
        sample, counts = timed(lambda: system.count_pipelined(counter, count), "us", count)
        expect(counts == list(range(done + 1, done + count + 1)), "wrong counts")
        done += count
        samples.append(sample)
    yield "actor.pipelined_10k", samples


WORKLOADS = (
    Workload("actor_sync", (Metric("actor.sync", "actor call, sync", "us"),), sync),
    Workload(
        "actor_pipelined",
        (Metric("actor.pipelined_10k", "10,000 actor calls, gathered", "us"),),
        pipelined,
        180,
    ),
)
