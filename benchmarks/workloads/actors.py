"""Actor calls: one at a time, and many at once."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from systems.adapter import Adapter

from workloads.metric import Metric, Plan, Samples, Workload, expect, repeat, timed

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


def echoed(call: Callable[[int], list[int]], shares: int, count: int, plan: Plan) -> Samples:
    """Make calls, after some to warm up; every value comes back, in order."""
    call(100 * shares)
    answer = list(range(count // shares)) * shares
    return repeat(lambda: call(count), lambda got: got == answer, plan.repeats, "us", count)


def two_callers(system: Adapter, plan: Plan) -> Yield:
    """Two tasks call one actor, 5,000 times each."""
    call = partial(system.echo_from_tasks, 2, 1)
    yield "actor.two_callers", echoed(call, 2, plan.count(10_000), plan)


def one_to_many(system: Adapter, plan: Plan) -> Yield:
    """The driver calls four actors in turn."""
    yield "actor.one_to_4", echoed(partial(system.echo_to_many, 4), 1, plan.count(10_000), plan)


def many_to_many(system: Adapter, plan: Plan) -> Yield:
    """Four tasks call four actors."""
    call = partial(system.echo_from_tasks, 4, 4)
    yield "actor.4_to_4", echoed(call, 4, plan.count(10_000), plan)


def threads(system: Adapter, plan: Plan) -> Yield:
    """Calls of an actor with 16 threads."""
    yield "actor.threads", echoed(partial(system.echo_on_threads, 16), 1, plan.count(10_000), plan)


def asynchronous(system: Adapter, plan: Plan) -> Yield:
    """Calls of an asynchronous actor, 1,000 in flight."""
    yield "actor.async", echoed(partial(system.echo_async, 1_000), 1, plan.count(10_000), plan)


def creation(system: Adapter, plan: Plan) -> Yield:
    """Create an actor, call it once and let it go."""
    system.create_and_count()
    yield (
        "actor.create",
        repeat(system.create_and_count, lambda count: count == 1, plan.repeats, "ms"),
    )


WORKLOADS = (
    Workload("actor_sync", (Metric("actor.sync", "actor call, sync", "us", 40, 16),), sync),
    Workload(
        "actor_pipelined",
        (Metric("actor.pipelined_10k", "10,000 actor calls, gathered", "us", 8, 4),),
        pipelined,
        180,
    ),
    Workload(
        "actor_two_callers",
        (Metric("actor.two_callers", "two callers, one actor", "us", 10, 5),),
        two_callers,
    ),
    Workload(
        "actor_one_to_many",
        (Metric("actor.one_to_4", "one caller, 4 actors", "us", 10, 5),),
        one_to_many,
    ),
    Workload(
        "actor_many_to_many",
        (Metric("actor.4_to_4", "4 callers, 4 actors", "us", 10, 5),),
        many_to_many,
    ),
    Workload(
        "actor_threads",
        (Metric("actor.threads", "actor with 16 threads", "us", 10, 5),),
        threads,
    ),
    Workload(
        "actor_async",
        (Metric("actor.async", "asynchronous actor, 1,000 in flight", "us", 20, 10),),
        asynchronous,
    ),
    Workload(
        "actor_create",
        (Metric("actor.create", "create an actor, call it once", "ms", 8, 4),),
        creation,
    ),
)
