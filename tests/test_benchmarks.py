"""benchmarks/compare.py: what it reports, and that one bad system does not spoil the rest."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMPARE = Path(__file__).resolve().parent.parent / "benchmarks" / "compare.py"

# A system that hangs, dies, lies, and leaves a process of its own session behind.
BAD_SYSTEM = """
import os, subprocess, time
class Task:
    def __init__(self, function): self.function = function
    def remote(self, *args, **kwargs): return self.function, args, kwargs
def init(num_cpus):
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
def shutdown(): pass
def remote(function): return Task(function)
def get(ref):
    if isinstance(ref, list): return [get(one) for one in ref]
    function, args, kwargs = ref
    if function.__name__ == "noop": time.sleep(1000)
    if function.__name__ == "small": os._exit(3)
    if function.__name__ == "run_nested": return 5
    return function(*args, **kwargs)
"""


def run_compare(*arguments: object, **environment: str) -> str:
    """Run it to its end; return what it printed."""
    command = [sys.executable, str(COMPARE), *map(str, arguments)]
    variables = {**os.environ, **environment}
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        env=variables,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def results_file(
    path: Path, seconds: dict[str, list[float]], metric: str = "task.sync", commit: str = "abc"
) -> Path:
    """Write results with one metric, a figure per system and round."""
    samples = [
        {"round": i, "system": system, "metric": metric, "samples": [0, figure, 1e9]}
        for system, figures in seconds.items()
        for i, figure in enumerate(figures, start=1)
    ]
    machine = {"cpu": "abacus", "cores": 2, "memory_mib": 1, "kernel": "6"}
    results = {"date": "today", "commit": commit, "machine": machine, "rounds": 3, "quick": False}
    results |= {"samples": samples, "failures": [], "noise": [], "versions": {}, "limits": {}}
    path.write_text(json.dumps(results))
    return path


def test_compare_when_shown_then_has_ratios_within_rounds(tmp_path: Path) -> None:
    figures = {"pyray": [10.0, 20.0, 30.0], "ray": [1000.0, 1000.0, 6000.0], "pool": [20.0] * 3}
    path = results_file(tmp_path / "a.json", figures)
    table = run_compare("--show", path, "--markdown")
    row = next(line for line in table.splitlines() if line.startswith("| sync task"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["sync task (us)", "20", "1,000", "20", "100x", "1x (mp.Pool)", "", "40"]


def test_compare_when_runs_measured_different_workloads_then_they_are_one(tmp_path: Path) -> None:
    sync = results_file(tmp_path / "a.json", {"pyray": [10.0], "ray": [40.0]})
    chain = results_file(tmp_path / "b.json", {"pyray": [5.0], "ray": [10.0]}, "task.chain_200")
    both = tmp_path / "both.json"
    table = run_compare("--show", sync, chain, "--out", both, "--plot", tmp_path / "both.png")
    assert ["sync" in table, "chain" in table, "4x" in table, "2x" in table] == [True] * 4
    assert run_compare("--show", both) == table
    again = results_file(tmp_path / "c.json", {"pyray": [1.0]})
    other = results_file(tmp_path / "d.json", {"pyray": [1.0]}, "task.chain_200", "abd")
    for second, why in ((again, "several runs: task.sync"), (other, "different commits")):
        with pytest.raises(AssertionError, match=why):
            run_compare("--show", sync, second)


def test_plot_has_a_colour_for_each_system() -> None:
    code = "import plot, systems; print(sorted(systems.SYSTEMS.keys() ^ plot.COLOURS.keys()))"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=COMPARE.parent, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_compare_when_given_a_baseline_then_divides_by_it(tmp_path: Path) -> None:
    before = results_file(tmp_path / "before.json", {"pyray": [10.0], "limit": [5.0]})
    now = results_file(tmp_path / "now.json", {"pyray": [30.0], "limit": [5.0]})
    table = run_compare("--show", now, "--baseline", before).partition("Against")[2]
    row = next(line for line in table.splitlines() if line.startswith("sync task"))
    assert row.split()[-2:] == ["3x", "1x"]


@pytest.mark.slow  # starts several interpreters and waits for a time-out
def test_compare_when_a_system_misbehaves_then_measures_the_others(tmp_path: Path) -> None:
    (tmp_path / "pyray.py").write_text(BAD_SYSTEM)
    out = tmp_path / "out.json"
    options = ["--systems", "pyray,pool", "--workloads", "sync,sync_small,nested"]
    run_compare(*options, "--quick", "--timeout", 4, "--out", out, PYTHONPATH=str(tmp_path))
    results = json.loads(out.read_text())
    kinds = {(f["system"], f["workload"]): f["kind"] for f in results["failures"]}
    assert kinds["pyray", "sync"] == "timed out"
    assert kinds["pyray", "sync_small"] == "crashed"
    assert kinds["pyray", "nested"] == "failed"
    assert kinds["pyray", "stop"] == "failed"  # the process left behind
    measured = {(s["system"], s["metric"]) for s in results["samples"]}
    assert measured == {("pool", "task.sync"), ("pool", "task.sync_small")}
