"""The physical limits: a bare C program over the same primitives, and pickle for values.

A limit is a floor, not a target: everything but the named primitives is free in it.
"""

import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workloads.metric import Plan

from systems.adapter import Adapter

SOURCE = Path(__file__).resolve().parent.parent / "limits" / "limits.c"
GB = 1_000_000_000
Derivation = tuple[str, Callable[[], list[float]]]
"""What the limit consists of, and how to measure it."""


def compile_limits(folder: Path) -> Path:
    """Build the C program into a folder with the system's compiler; return its path."""
    program = folder / "limits"
    subprocess.run(["cc", "-O2", "-pthread", "-o", str(program), str(SOURCE)], check=True)
    return program


def best_of(batches: int, count: int, work: Callable[[], Any]) -> float:
    """Time `count` runs of some Python; return the best batch's microseconds per run."""
    best = float("inf")
    for _ in range(batches):
        start = time.perf_counter()
        for _ in range(count):
            work()
        best = min(best, time.perf_counter() - start)
    return best / count * 1e6


def pickle_both_ways(value: Any) -> tuple[float, float]:
    """Time dumping and loading with out-of-band buffers, in microseconds."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, 5, buffer_callback=buffers.append)
    count = 3 if len(head) > 10_000 else 2000
    out = best_of(5, count, lambda: pickle.dumps(value, 5, buffer_callback=lambda _: None))
    back = best_of(5, count, lambda: pickle.loads(head, buffers=buffers))
    return out, back


class Limit(Adapter):
    """Not a system: `limits` answers for each workload instead of the adapter's methods."""

    start_program = ("start_limit.py",)

    def __init__(self) -> None:
        self.program: Path | None = None
        self.plan = Plan(quick=True)

    def use(self, program: str, plan: Plan) -> None:
        """Say where the compiled program is, and how much to repeat."""
        self.program, self.plan = Path(program), plan

    def version(self) -> str:
        return f"limits.c and pickle of Python {sys.version.split()[0]}"

    def primitive(self, *arguments: object) -> list[float]:
        """Run one subcommand of the C program; the number of repeats is added."""
        command = [str(self.program), *map(str, arguments), str(self.plan.repeats)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [float(line) for line in output.split()]

    def round_trip(self) -> list[float]:
        """Time a wake there and back where it is cheapest."""
        placements = [self.primitive("pingpong", where, 5000) for where in ("same", "two")]
        return min(placements, key=statistics.median)

    def with_pickle(self, primitive: list[float], value: Any) -> list[float]:
        """Add dumping and loading a value to each repetition."""
        extra = sum(pickle_both_ways(value))
        return [sample + extra for sample in primitive]

    def pipelined(self) -> list[float]:
        """Time a task through a ring under a robust mutex; two cores share the pickling."""
        ring = self.primitive("pipelined", 200_000)
        extra = (sum(pickle_both_ways(((), {}))) + sum(pickle_both_ways(None))) / 2
        return [sample + extra for sample in ring]

    def copy(self) -> list[float]:
        """Copy 1 GB into mapped pages, with one thread or two, whichever is faster."""
        return min((self.primitive("recycled", n, GB) for n in (1, 2)), key=statistics.median)

    def view(self) -> list[float]:
        """Load an array of 1 GB as a view, as pickle does it."""
        import numpy as np

        return [pickle_both_ways(np.zeros(GB // 8))[1] for _ in range(self.plan.repeats)]

    def mapped_view(self) -> list[float]:
        """Map existing pages and load an array as a view on them."""
        mapping = self.primitive("map", GB)
        return [a + b for a, b in zip(mapping, self.view(), strict=True)]

    def small_dict(self) -> tuple[float, float]:
        """Dump and load a dict of 1,000 arrays of 1 KB."""
        from workloads.objects import new_dict

        return pickle_both_ways(new_dict())

    def integer(self, way: int) -> list[float]:
        """Dump (0) or load (1) an int under one robust lock."""
        extra = pickle_both_ways(12345)[way]
        return [sample + extra for sample in self.primitive("lock", 200_000)]

    def derivations(self) -> dict[str, Derivation]:
        """Name, for each metric, the primitives that bound it."""
        per_task = (
            "a ring under a robust mutex, nobody asleep + half of all pickling",
            self.pipelined,
        )
        no_args = (
            "a blocking futex round trip + pickle of no arguments and of None",
            lambda: self.with_pickle(self.with_pickle(self.round_trip(), ((), {})), None),
        )
        return {
            "task.sync": no_args,
            "task.sync_small": (
                "a blocking futex round trip + pickle of the arguments and of the result",
                lambda: self.with_pickle(
                    self.with_pickle(self.round_trip(), ((1, "text"), {"factor": 0.5})),
                    (1, "text", 0.5),
                ),
            ),
            "task.batch_10k": per_task,
            "task.chain_200": per_task,
            "task.nested_100": per_task,
            "task.wait_1k": per_task,
            "queue.cost_10k": per_task,
            "queue.cost_100k": per_task,
            "actor.sync": no_args,
            "actor.pipelined_10k": per_task,
            "object.put_int": ("pickle + a robust lock", lambda: self.integer(0)),
            "object.get_int": ("unpickle + a robust lock", lambda: self.integer(1)),
            "object.put_dict": ("out-of-band pickle alone", lambda: [self.small_dict()[0] / 1e3]),
            "object.get_dict": ("out-of-band unpickle alone", lambda: [self.small_dict()[1] / 1e3]),
            "large.put_fresh": (
                "pwrite into new pages of a memfd",
                lambda: self.primitive("fresh", GB),
            ),
            "large.put_recycled": ("memcpy into mapped pages, 1 or 2 threads", self.copy),
            "large.get_here": ("unpickle of a view", self.view),
            "large.get_elsewhere": (
                "mmap of existing pages + unpickle of a view",
                self.mapped_view,
            ),
        }

    def measure(self, metric: str) -> list[float]:
        """Measure what bounds one metric: a floor, so the best repetition counts."""
        return [min(self.derivations()[metric][1]())]
