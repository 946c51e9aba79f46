"""A long storm that watches for growth: `python -m tests.storm.soak --minutes 10`.

The mixed load runs with a kill now and then. Each few seconds the resident memory, open files and
threads of the driver and the supervisor are noted, and the workers' number. After the warm-up (a
third of the time) the slope of each is estimated by least squares; what grows by more than the
limit an hour, with 95 % confidence, is a leak.
"""

from __future__ import annotations

import argparse
import math
import os
import secrets
import statistics
import sys
import threading
import time
from pathlib import Path

import pyray
from pyray import testing
from tests.storm import storm

LIMITS = {"MB": 1.0, "files": 1.0, "threads": 1.0}
"""Growth an hour."""
WARM_UP = 1 / 3
SAMPLES_FOR_A_SLOPE = 10


def sample(pid: int) -> dict[str, float]:
    """Return what a process holds."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file.read().splitlines()[1:])
    private_kb = sum(int(lines[f"Private_{kind}"].split()[0]) for kind in ("Clean", "Dirty"))
    shared_kb = int(lines["Pss_Shmem"].split()[0]) if "Pss_Shmem" in lines else 0
    return {
        "MB": max(0, private_kb - shared_kb) / 1024,
        "files": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
    }


def slope(times: list[float], values: list[float]) -> tuple[float, float]:
    """Return the least-squares slope and half the width of its 95 % interval (normal)."""
    mean_t, mean_v = statistics.fmean(times), statistics.fmean(values)
    spread = sum((t - mean_t) ** 2 for t in times)
    found = sum((t - mean_t) * (v - mean_v) for t, v in zip(times, values, strict=True)) / spread
    rest = sum((v - mean_v - found * (t - mean_t)) ** 2 for t, v in zip(times, values, strict=True))
    return found, 1.96 * math.sqrt(rest / (len(times) - 2) / spread)


class Watch(threading.Thread):
    """Notes what driver and supervisor hold."""

    def __init__(self, pause_s: float, seconds: float) -> None:
        super().__init__(name="watch", daemon=True)
        self.pause_s = pause_s
        self.end_s = time.monotonic() + seconds
        self.pids = {"driver": os.getpid(), "supervisor": testing.supervisor_pid()}
        self.rows: dict[str, list[tuple[float, float]]] = {}

    def run(self) -> None:
        """As long as the load runs."""
        while time.monotonic() < self.end_s:
            time.sleep(self.pause_s)
            for name, pid in self.pids.items():
                for what, value in sample(pid).items():
                    self.rows.setdefault(f"{name} {what}", []).append((time.monotonic(), value))

    def report(self) -> list[str]:
        """Print the slopes; return those that are too steep."""
        steep = []
        for name, rows in self.rows.items():
            late = rows[int(len(rows) * WARM_UP) :]
            if len(late) < SAMPLES_FOR_A_SLOPE:
                continue
            found, width = slope([t / 3600 for t, _ in late], [v for _, v in late])
            text = f"{name}: {late[-1][1]:.1f} now, {found:+.2f} (± {width:.2f}) an hour"
            print(text)
            if found - width > LIMITS[name.split()[-1]]:
                steep.append(text)
        return steep


def main() -> int:
    """Run as long as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--pause", type=float, default=10, help="mean seconds between two kills")
    arguments = parser.parse_args()
    pyray.init(num_cpus=2, object_store_memory=1 << 30)
    watch = Watch(max(0.5, arguments.minutes * 60 / 600), arguments.minutes * 60)
    watch.start()
    report = storm.run(
        pyray,
        storm.Plan(
            seed=arguments.seed,
            folder=Path("build/storm") / f"soak-{arguments.seed}",
            storm_s=arguments.minutes * 60,
            pause_s=arguments.pause,
        ),
    )
    watch.join()
    print(report.text())
    steep = watch.report()
    pyray.shutdown()
    return 1 if report.findings or steep else 0


if __name__ == "__main__":
    sys.exit(main())
