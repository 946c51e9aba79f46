"""Whom the memory monitor stops, when, and what it says; figures come from files of the test."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from pyray.node import memory_monitor
from pyray.node.memory_monitor import MemoryMonitor, MemorySettings, choose


def machine_with(root: Path, used_mb: int, total_mb: int = 1000) -> None:
    """Describe a machine without control groups."""
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/meminfo").write_text(
        f"MemTotal: {total_mb * 1000} kB\nMemAvailable: {(total_mb - used_mb) * 1000} kB\n"
    )


def worker(slot: int, name: str = "f", **fields: Any) -> dict[str, Any]:
    """What a worker does: by default it runs a task that may be run again."""
    return {
        "slot": slot, "pid": os.getpid(), "name": name, "is_actor": 0, "is_running": 1,
        "retries_left": 3, "started_ns": slot, "serial": 100 + slot, **fields,
    }  # fmt: skip


def monitor(root: Path, workers: list[dict[str, Any]], threshold: float = 0.9) -> MemoryMonitor:
    settings = MemorySettings(threshold, 100, str(root))
    return MemoryMonitor(
        settings, lambda: workers, lambda: (len(workers), 1), {"the driver": os.getppid()}
    )


def test_youngest_retriable_task_is_stopped() -> None:
    idle = worker(1, is_running=0)
    actor = worker(9, is_actor=1, retries_left=0)
    final = worker(8, retries_left=0)
    old, young = worker(2), worker(3, retries_left=-1)
    everybody = [actor, final, old, young, idle]
    sizes = {os.getpid(): 1}
    for victim in (idle, young, old, final, actor):
        assert choose(everybody, sizes) is victim
        everybody.remove(victim)
    assert choose([], sizes) is None


def test_nothing_is_done_below_the_threshold(tmp_path: Path) -> None:
    machine_with(tmp_path, 899)
    assert monitor(tmp_path, [worker(1)]).look() is None


def test_words_name_victim_reason_and_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_with(tmp_path, 901)
    monkeypatch.setattr(memory_monitor, "private_bytes", lambda pid: 300_000_000 + pid)
    watch = monitor(tmp_path, [worker(1), worker(2, "train")])
    verdict = watch.look()
    assert verdict is not None
    assert (verdict.slot, verdict.pid) == (2, os.getpid())
    lines = verdict.words.splitlines()
    assert lines[0] == "Memory was short: 923 MB of 1.02 GB in use, more than 90%."
    assert lines[1].endswith("its task was the last to begin of those that may be run again.")
    assert "train" in lines[1]
    assert any(line.endswith(f"300 MB  pid {os.getppid()}  the driver") for line in lines[3:])
    assert watch.look() is None  # not before the next time


def test_small_workers_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine_with(tmp_path, 990)
    monkeypatch.setattr(memory_monitor, "private_bytes", lambda _pid: 1_000_000)
    watch = monitor(tmp_path, [worker(1)])
    for _ in range(3):
        watch.next_s = 0
        assert watch.look() is None
    assert capsys.readouterr().err.count("no worker uses much of it") == 1


def test_idle_session_is_looked_at_seldom(tmp_path: Path) -> None:
    machine_with(tmp_path, 990)
    watch = monitor(tmp_path, [])
    pauses = []
    for _ in range(3):
        watch.next_s = before = time.monotonic()
        assert watch.look() is None
        assert watch.next_look_s is not None
        pauses.append(watch.next_look_s - before)
    assert pauses[0] < 2 * pauses[0] < pauses[2]
    off = MemoryMonitor(MemorySettings(0.9, 0), list, lambda: (0, 0), {})
    assert off.next_look_s is None
    assert off.look() is None


def test_settings_come_from_the_environment() -> None:
    assert MemorySettings.from_environment({}) == MemorySettings(0.95, 250, "")
    given = {"PYRAY_memory_usage_threshold": "0.5", "PYRAY_memory_monitor_refresh_ms": "10"}
    assert MemorySettings.from_environment(given) == MemorySettings(0.5, 10, "")


@pytest.mark.parametrize("text", ["much", "-1", "1.5", "nan"])
def test_impossible_settings_are_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="PYRAY_memory_usage_threshold"):
        MemorySettings.from_environment({"PYRAY_memory_usage_threshold": text})


@pytest.mark.parametrize(
    ("name", "text"),
    [("memory.events", "low 0\noom 3\noom_kill 2\n"), ("memory.oom_control", "oom_kill 2\n")],
)
def test_kills_of_the_kernel_are_seen(tmp_path: Path, name: str, text: str) -> None:
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    machine_with(tmp_path, 1)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (group / name).write_text(text.replace("2", "1"))
    watch = monitor(tmp_path, [])
    assert not watch.kernel_has_killed()
    (group / name).write_text(text)
    assert watch.kernel_has_killed()
    assert not watch.kernel_has_killed()
