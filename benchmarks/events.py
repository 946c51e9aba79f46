"""What the record of every task costs: the pipelined rate with and without it, interleaved.

    python benchmarks/events.py [--rounds 300] [--tasks 1000]

Both are the same function in the same session, once with `enable_task_events=False`; which one goes
first alternates. A round is `--tasks` tasks, submitted and then gathered. Lower is better.
"""

import argparse
import statistics
import time
from typing import Any

import pyray as ray


@ray.remote
def nothing() -> None:
    """Return at once."""


def round_us(function: Any, tasks: int) -> float:
    """Return microseconds per task of one round."""
    start = time.perf_counter()
    ray.get([function.remote() for _ in range(tasks)])
    return (time.perf_counter() - start) / tasks * 1e6


def main() -> None:
    """Measure, and print the lowest and the median of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--tasks", type=int, default=1000)
    options = parser.parse_args()
    ray.init(num_cpus=1, log_to_driver=False)
    kinds = {"with": nothing, "without": nothing.options(enable_task_events=False)}
    samples: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(options.rounds + 10):
        for name in sorted(kinds, reverse=number % 2 == 1):
            taken = round_us(kinds[name], options.tasks)
            if number >= 10:  # warm
                samples[name].append(taken)
    for what, figure in (("lowest", min), ("median", statistics.median)):
        recorded, bare = (float(figure(samples[name])) for name in ("with", "without"))
        print(
            f"{what}: {recorded:.3f} us with records, {bare:.3f} without: "
            f"{100 * (recorded / bare - 1):+.1f} %"
        )
    ray.shutdown()


if __name__ == "__main__":
    main()
