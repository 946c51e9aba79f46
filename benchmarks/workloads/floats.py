"""The example of every multiprocessing tutorial: a plain function over 1,000,000 floats."""

from collections.abc import Iterator

import numpy as np
from systems.adapter import Adapter

from workloads.metric import Metric, Plan, Samples, Workload, repeat

COUNT = 1_000_000


def multiply(system: Adapter, plan: Plan) -> Iterator[tuple[str, Samples]]:
    """Multiply each by ten, into a list or an array: whichever a system is used with."""
    array = np.arange(COUNT, dtype=np.float64)
    values = array.tolist()
    right = array * 10
    system.multiply(values[:1000], array[:1000])
    yield (
        "floats.multiply_1m",
        repeat(
            lambda: system.multiply(values, array),
            lambda r: len(r) == COUNT and bool(np.array_equal(np.asarray(r), right)),
            plan.repeats,
            "us",
            COUNT,
        ),
    )


WORKLOADS = (
    Workload(
        "multiply",
        (Metric("floats.multiply_1m", "plain function over 1,000,000 floats, per call", "us"),),
        multiply,
    ),
)
