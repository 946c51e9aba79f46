"""What people use pools for: a plain function over many numbers, many small calls, a pipeline."""

from collections.abc import Iterator

import numpy as np
from systems.adapter import Adapter

from workloads.metric import Metric, Plan, Samples, Workload, repeat

COUNT = 1_000_000
CALLS = 10_000
STAGES = 8


def pool_map(system: Adapter, plan: Plan) -> Iterator[tuple[str, Samples]]:
    """Map a plain function over a list of floats, into a list."""
    values = [n / 3 for n in range(COUNT)]
    right = [x * 10 for x in values]
    system.pool_map(values[:1000])
    work = repeat(lambda: system.pool_map(values), lambda r: r == right, plan.repeats, "us", COUNT)
    yield "pools.map_1m", work


def pool_apply(system: Adapter, plan: Plan) -> Iterator[tuple[str, Samples]]:
    """Send many small calls, then gather them."""
    count = plan.count(CALLS)
    right = [i * 10 for i in range(count)]
    system.pool_apply(100)
    work = repeat(lambda: system.pool_apply(count), lambda r: r == right, plan.repeats, "us", count)
    yield "pools.apply_async", work


def pipeline(system: Adapter, plan: Plan) -> Iterator[tuple[str, Samples]]:
    """Send blocks of 8 MB float32 through 8 stages; the time per block and stage."""
    blocks = [np.full(2 << 20, n, np.float32) for n in range(plan.count(64))]
    right = [float(np.float32(n) * 1.5**STAGES) for n in range(len(blocks))]
    system.pipeline(blocks[:4], 2)
    work = repeat(
        lambda: system.pipeline(blocks, STAGES),
        lambda r: bool(np.allclose(r, right)),
        plan.repeats,
        "ms",
        STAGES * len(blocks),
    )
    yield "pools.pipeline", work


WORKLOADS = (
    Workload(
        "pool_map",
        (Metric("pools.map_1m", "`Pool.map` over 1,000,000 floats, per call", "us"),),
        pool_map,
    ),
    Workload(
        "pool_apply",
        (Metric("pools.apply_async", "`Pool.apply_async` x 10,000", "us", 10),),
        pool_apply,
    ),
    Workload(
        "pipeline",
        (Metric("pools.pipeline", "8 stages over 64 blocks of 8 MB, per stage", "ms", None, 1),),
        pipeline,
    ),
)
