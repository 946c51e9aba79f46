"""A storm: a mixed load while workers die, its history checked, its rate compared with calm."""

from __future__ import annotations

import dataclasses
import gc
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

from pyray import testing
from tests.storm import history
from tests.storm.load import Load
from tests.support import ROOT, wait_until


@dataclasses.dataclass
class Plan:
    """How to run.

    Args:
        seed: For load and nemesis.
        folder: Where history, faults and report go.
        cycles: How often calm and storm take turns.
        calm_s: Each calm's length.
        storm_s: Each storm's length.
        pause_s: Mean time between two faults.
        faults: See tests/storm/nemesis.py.
        threads: Threads of the driver that work.
        largest_bytes: Size of the largest objects.
    """

    seed: int
    folder: Path
    cycles: int = 1
    calm_s: float = 0.0
    storm_s: float = 4.0
    pause_s: float = 0.4
    faults: str = "kill"
    threads: int = 4
    largest_bytes: int = 64 << 20


@dataclasses.dataclass
class Report:
    """What came of it."""

    seed: int
    seconds: float
    results: int
    by_kind: dict[str, int]
    faults: dict[str, int]
    findings: list[str]
    calm_rate: float
    storm_rate: float
    ratio: float
    slowest_s: float

    def text(self) -> str:
        """Return some lines for people."""
        lines = [
            f"storm: seed {self.seed}, {self.results} results in {self.seconds:.0f} s",
            ", ".join(f"{n} {kind}" for kind, n in sorted(self.by_kind.items())),
            f"faults: {self.faults}; slowest operation {self.slowest_s:.2f} s",
            f"wrong, lost or hung: {len(self.findings)}",
            *(f"  {finding}" for finding in self.findings[:20]),
        ]
        if self.calm_rate:
            lines.append(
                f"results/s: {self.calm_rate:.0f} in calm, {self.storm_rate:.0f} in the storm "
                f"({self.ratio:.0%}, median of the cycles)"
            )
        return "\n".join(lines)


def run(ray: ModuleType, plan: Plan) -> Report:
    """Work through the plan in the session that is open; leaves it as it was.

    Raises:
        AssertionError: If the load hangs, or the store's accounts do not come back.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    before = testing.store_accounts()
    recorder = history.Recorder(plan.folder / "history.jsonl")
    begin_s = time.monotonic()
    phases, faults = _phases(ray, plan, recorder)
    seconds = time.monotonic() - begin_s
    recorder.close()
    _wait_for_balance(before)
    operations = list(history.read(plan.folder / "history.jsonl"))
    findings, by_kind = history.check(operations)
    findings += [f"{n} zombies" for what, n in faults.items() if what == "zombie"]
    calm, storm = phases["calm"], phases["storm"]
    report = Report(
        seed=plan.seed,
        seconds=seconds,
        results=sum(len(o.got) for o in operations),
        by_kind=dict(by_kind),
        faults=dict(faults),
        findings=findings,
        calm_rate=statistics.median(calm) if calm else 0.0,
        storm_rate=statistics.median(storm),
        ratio=statistics.median(s / c for s, c in zip(storm, calm, strict=True)) if calm else 0.0,
        slowest_s=max(o.end_s - o.begin_s for o in operations),
    )
    (plan.folder / "report.json").write_text(json.dumps(dataclasses.asdict(report), indent=1))
    return report


def _phases(
    ray: ModuleType, plan: Plan, recorder: history.Recorder
) -> tuple[dict[str, list[float]], Counter[str]]:
    """Return rates (results per second) in calm and storm, and counts of faults."""
    rates: dict[str, list[float]] = {"calm": [], "storm": []}
    faults: Counter[str] = Counter()
    load = Load(ray, plan.seed, recorder, plan.threads, plan.largest_bytes)
    load.start()
    try:
        for cycle in range(plan.cycles):
            if plan.calm_s:
                rates["calm"].append(_rate(load, plan.calm_s))
            file = plan.folder / f"faults-{cycle}.jsonl"
            nemesis = _start_nemesis(plan, cycle, file)
            try:
                rates["storm"].append(_rate(load, plan.storm_s))
            finally:
                nemesis.communicate()  # closes its input
            assert nemesis.returncode == 0
            faults.update(json.loads(line)["what"] for line in file.read_text().splitlines())
    finally:
        load.end()
    return rates, faults


def _rate(load: Load, seconds: float) -> float:
    begin_s, begin = time.monotonic(), load.results()
    while (left_s := begin_s + seconds - time.monotonic()) > 0 and not load.errors:
        time.sleep(min(left_s, 0.2))
    return (load.results() - begin) / (time.monotonic() - begin_s)


def _start_nemesis(plan: Plan, cycle: int, file: Path) -> subprocess.Popen[bytes]:
    arguments: list[Any] = [
        testing.supervisor_pid(), f"{plan.seed}-{cycle}", plan.pause_s, plan.faults, file,
    ]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "tests.storm.nemesis", *map(str, arguments)],
        stdin=subprocess.PIPE,
        cwd=ROOT,
    )


def _wait_for_balance(before: dict[str, int]) -> None:
    def balanced() -> bool:
        gc.collect()
        return testing.store_accounts() == before

    try:
        wait_until(balanced, 15, f"the accounts {before} to come back")
    except AssertionError:
        assert testing.store_accounts() == before
        raise
