"""`pyray doctor` says what is fine and what is not."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner

from pyray.cli import main
from pyray.observability import doctor
from pyray.observability.doctor import Finding, examine

if TYPE_CHECKING:
    import pytest


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    found = {one.name: one for one in findings}
    assert len(found) == len(findings)
    return found


def fake(root: Path, **files: str) -> Path:
    """A machine with 100 MiB of memory, whose kernel is set up badly."""
    texts = {
        "proc/meminfo": "MemTotal: 204800 kB\nMemAvailable: 102400 kB\n",
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "",
        "sys/kernel/mm/transparent_hugepage/shmem_enabled": "[always] within_size never\n",
        "proc/sys/vm/overcommit_memory": "2\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_this_machine_runs_pyray() -> None:
    found = by_name(examine())
    for name in ("memfd and sealing", "pidfd", "robust futexes", "compiled core", "settings"):
        assert found[name].level == "fine", found[name]
    assert all(bool(one.advice) == (one.level != "fine") for one in found.values())


def test_badly_set_machine_is_told_what_to_do(tmp_path: Path) -> None:
    found = by_name(examine(fake(tmp_path)))
    assert found["memory"].level == "problem"
    assert "100 MiB of 200 MiB" in found["memory"].found
    assert "shmem_enabled" in found["huge pages for shared memory"].advice
    assert found["overcommit"].level == "note"


def test_wrong_variable_is_a_problem_and_the_exit_code_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runner = CliRunner()
    monkeypatch.setenv("PYRAY_memory_usage_threshold", "2")
    done = runner.invoke(main, ["doctor"])
    assert done.exit_code == 1
    assert "PROBLEM settings: PYRAY_memory_usage_threshold: expected" in done.output
    assert all(len(line) <= 80 or " " not in line.strip() for line in done.output.splitlines())
    monkeypatch.delenv("PYRAY_memory_usage_threshold")
    done = runner.invoke(main, ["doctor", "--format", "json"])
    findings = json.loads(done.output)
    assert done.exit_code == int(any(one["level"] == "problem" for one in findings))
    assert {"name", "level", "found", "advice"} == set(findings[0])


def test_low_limit_of_files_is_noted() -> None:
    low, high = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, high))
    try:
        finding = by_name(examine())["open files (ulimit -n)"]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (low, high))
    assert finding.level == "note"
    assert "about 256 workers" in finding.advice


def test_directory_of_a_dead_session_is_a_leftover_and_a_live_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setenv("PYRAY_OBJECT_SPILLING_DIRECTORY", str(tmp_path))
    for name in ("dead", "live"):
        (tmp_path / f"pyray-spill-{name}").mkdir()
    descriptor = os.open(tmp_path / "pyray-spill-live", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert doctor.left_behind() == [str(tmp_path / "pyray-spill-dead")]
    finally:
        os.close(descriptor)
