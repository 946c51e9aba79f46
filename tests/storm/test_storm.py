"""Short storms, and whether the checker that judges them finds what is wrong."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from types import ModuleType

import pytest

from tests.storm import history, storm
from tests.storm.history import Operation


def weather(ray: ModuleType, rng: random.Random, folder: Path, faults: str, seconds: float) -> None:
    """Run a storm; nothing may be lost, wrong or left."""
    plan = storm.Plan(
        seed=rng.randrange(1 << 20),
        folder=folder,
        storm_s=seconds,
        faults=faults,
        largest_bytes=8 << 20,
    )
    report = storm.run(ray, plan)
    print(report.text())
    assert report.findings == []
    assert sum(report.faults.values()) > 0
    assert ray.available_resources()["CPU"] == 2


@pytest.mark.timeout(120)
@pytest.mark.parametrize("faults", ["kill", "stop"])
def test_storm(ray_alone: ModuleType, rng: random.Random, tmp_path: Path, faults: str) -> None:
    weather(ray_alone, rng, tmp_path, faults, 4 if faults == "kill" else 3)


@pytest.mark.slow  # 20 s of deaths
@pytest.mark.timeout(240)
def test_longer_storm(ray_alone: ModuleType, rng: random.Random, tmp_path: Path) -> None:
    weather(ray_alone, rng, tmp_path, "kill,stop", 20)


GOOD = Operation(0, 0, "tasks", 1.0, 2.0, [1, [2, 1]], [1, [2, 1]])
BAD = {
    "lost": dataclasses.replace(GOOD, got=[1]),
    "wrong": dataclasses.replace(GOOD, got=[1, [2, 0]]),
    "hung": dataclasses.replace(GOOD, got=[1, "GetTimeoutError"]),
    "hung: it took": dataclasses.replace(GOOD, end_s=2 + history.HUNG_S),
    "operation 0 has no record": dataclasses.replace(GOOD, number=1),
    "wrong: result 0 is 'ActorDiedError'": dataclasses.replace(GOOD, got=["ActorDiedError", []]),
}


def test_checker_accepts_what_is_right(tmp_path: Path) -> None:
    dead = dataclasses.replace(
        GOOD, number=1, got=[1, "ActorDiedError"], may_fail=["ActorDiedError"]
    )
    recorder = history.Recorder(tmp_path / "history")
    for operation in (GOOD, dead):
        recorder.add(operation)
    recorder.close()
    findings, results = history.check(history.read(tmp_path / "history"))
    assert findings == []
    assert results == {"tasks": 4, "failed calls of dead actors": 1}


@pytest.mark.parametrize("finding", BAD)
def test_checker_finds_what_is_wrong(finding: str) -> None:
    findings, _ = history.check([BAD[finding]])
    assert len(findings) == 1
    assert finding in findings[0]
