"""What numerical programs use workers for: a grid search over a large array, an allreduce."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import processes
from systems.adapter import Adapter

from workloads.metric import Metric, Plan, Samples, Workload, expect, repeat

Yield = Iterator[tuple[str, Samples]]
ROWS, COLUMNS = 12_500, 1_000
"""Of float64: 100 MB."""
ELEMENTS = 16_000_000
"""Of float32: 64 MB."""
IN_A_ROW = 5
MB = 1e6


@contextmanager
def peak_growth() -> Iterator[Callable[[], float]]:
    """Yield a function for the most MB that all our processes have grown by meanwhile."""
    peak, ended = 0, threading.Event()
    before = processes.pss_bytes(processes.tree())

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.05):
            peak = max(peak, processes.pss_bytes(processes.tree()) - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: peak / MB
    finally:
        ended.set()
        watcher.join()


def grid_search(system: Adapter, plan: Plan) -> Yield:
    """Search 4 values with 3 folds each (scikit-learn, two jobs); once more for the memory."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, ROWS)
    values = random.standard_normal((ROWS, COLUMNS))
    values[:, 0] += 3 * labels
    system.grid_search(values[:300], labels[:300])
    yield (
        "numeric.grid_search",
        repeat(
            lambda: system.grid_search(values, labels), lambda score: score > 0.7, plan.repeats, "s"
        ),
    )
    with peak_growth() as growth:
        expect(system.grid_search(values, labels) > 0.7, "wrong score")
    yield "numeric.grid_search_memory", [growth()]


def allreduce(system: Adapter, plan: Plan) -> Yield:
    """Replace the 64 MB of each of two members by the sum of both, 5 times in a row."""
    samples: Samples = []
    for _ in range(plan.repeats):
        system.set_tensors(ELEMENTS)
        samples += repeat(
            lambda: system.allreduce(IN_A_ROW),
            lambda ends: ends == [2.0**IN_A_ROW] * 4,
            1,
            "ms",
            IN_A_ROW,
        )
    yield "numeric.allreduce", samples


WORKLOADS = (
    Workload(
        "grid_search",
        (
            Metric("numeric.grid_search", "scikit-learn grid search over 100 MB", "s"),
            Metric("numeric.grid_search_memory", "memory that it takes beside the data", "MB"),
        ),
        grid_search,
        120,
    ),
    Workload(
        "allreduce",
        (Metric("numeric.allreduce", "allreduce of 64 MB float32 between 2 actors", "ms"),),
        allreduce,
    ),
)
