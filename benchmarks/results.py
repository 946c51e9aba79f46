"""Results on disk, by date and commit, and what the tables take from them."""

import datetime as dt
import json
import os
import platform
import statistics
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rounds import Findings, Setup
from systems import SYSTEMS

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "results"
Results = dict[str, Any]
ByRound = dict[int, float]
Values = dict[str, dict[str, ByRound]]
"""By system and metric: for each round the median of its samples."""


def commit() -> str:
    """Name the commit that was measured, with a mark when files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    result = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def machine() -> dict[str, Any]:
    """Describe the machine, without its name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": memory >> 20,
        "kernel": platform.release().partition("-")[0],
    }


def collect(setup: Setup, findings: Findings, derivations: dict[str, str]) -> Results:
    """Put together what is kept of one comparison."""
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "machine": machine(),
        "rounds": setup.rounds,
        "quick": setup.quick,
        "limits": derivations,
        **asdict(findings),
    }


def save(results: Results, path: Path | None = None) -> Path:
    """Write a results file; its name tells date and commit unless one is given."""
    if path is None:
        stamp = results["date"].removesuffix(" UTC").replace(" ", "T").replace(":", "")
        path = FOLDER / f"{stamp}_{results['commit']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    return path


def load(path: Path) -> Results:
    """Read a results file."""
    results: Results = json.loads(path.read_text())
    return results


def merge(parts: list[Results]) -> Results:
    """Make one of the results of several runs, each of which measured other workloads.

    Raises:
        ValueError: If they are of different commits or machines, or share a metric.
    """
    first, *others = parts
    merged: Results = {**first, "rounds": min(part["rounds"] for part in parts)}
    for part in others:
        for name in ("commit", "machine"):
            if part[name] != first[name]:
                raise ValueError(f"results of different {name}s: {first[name]}, {part[name]}")
        if shared := metrics_of(merged) & metrics_of(part):
            raise ValueError(f"measured in several runs: {', '.join(sorted(shared))}")
        merged["date"] = max(merged["date"], part["date"])
        merged["quick"] = merged["quick"] or part["quick"]
        for name in ("samples", "failures", "noise"):
            merged[name] = merged[name] + part[name]
        for name in ("limits", "versions"):
            merged[name] = {**merged[name], **part[name]}
    return merged


def metrics_of(results: Results) -> set[str]:
    """Name what was measured."""
    return {entry["metric"] for entry in results["samples"]}


def values(results: Results) -> Values:
    """Take the median of each round."""
    found: Values = {}
    for entry in results["samples"]:
        by_metric = found.setdefault(entry["system"], {})
        by_metric.setdefault(entry["metric"], {})[entry["round"]] = statistics.median(
            entry["samples"]
        )
    return found


def median(by_round: ByRound | None) -> float | None:
    """Median over the rounds, where there are any."""
    return statistics.median(by_round.values()) if by_round else None


def ratio(over: ByRound | None, under: ByRound | None) -> float | None:
    """Median over the rounds of the ratio within a round."""
    if not over or not under:
        return None
    common = {number: over[number] / under[number] for number in over if under.get(number)}
    return median(common)


def best_peer(found: Values, metric: str) -> str | None:
    """Name the fastest of the systems that pyray is measured against."""
    peers = {
        name: statistics.median(by_metric[metric].values())
        for name, by_metric in found.items()
        if SYSTEMS[name].is_peer and metric in by_metric
    }
    return min(peers, key=lambda name: peers[name]) if peers else None
