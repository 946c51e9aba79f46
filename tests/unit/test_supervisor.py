"""Parts of the supervisor that need no session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pyray.journal import Journals
from pyray.node import supervisor
from pyray.node.door import Door
from pyray.node.local_engine import START
from pyray.node.service import Service
from pyray.node.supervisor import FUTILE_STARTS, Supervisor


@pytest.fixture
def idle() -> Supervisor:
    """A supervisor that has neither session nor workers."""
    one = Supervisor.__new__(Supervisor)
    one.settings = {"keep_idle": 1}
    one.slots, one.started_s = {}, {}
    one.journals = Journals.__new__(Journals)
    one.journals._open = {}
    one.door = Door.__new__(Door)
    one.door.waiting, one.door.ended = {}, {}
    one.service = Service("")
    one.futile_starts, one.tasks_seen, one.next_fork_s = 0, 0, 0.0
    return one


def test_children_are_found_also_where_the_kernel_does_not_list_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(_self: Path, *_args: object) -> str:
        raise FileNotFoundError

    with subprocess.Popen(["sleep", "60"]) as child:
        listed = supervisor._children()
        monkeypatch.setattr(Path, "read_text", missing)
        searched = supervisor._children()
        monkeypatch.undo()
        child.kill()
    assert child.pid in listed
    assert listed == searched


def test_orphan_in_the_session_of_a_live_worker_is_spared(idle: Supervisor) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as leader:
        assert leader.pid in idle._orphans()
        idle.slots[leader.pid] = 1
        assert leader.pid not in idle._orphans()
        leader.kill()


def test_preloaded_module_may_fail_in_any_way(
    idle: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyray_test_broken.py").write_text("raise RuntimeError('broken')")
    monkeypatch.syspath_prepend(str(tmp_path))
    idle.settings["preload"] = ["pyray_test_broken", "pyray_test_absent"]
    idle._follow_driver_imports()
    assert idle.settings["preload"] == []


def test_workers_that_die_before_any_task_are_started_with_pauses(
    idle: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    stats: Counter[str] = Counter()
    monkeypatch.setattr(supervisor._core, "engine_stats", lambda: stats)
    monkeypatch.setattr(supervisor._core, "count_idle", lambda: 0)
    for _ in range(FUTILE_STARTS - 1):
        idle._slow_down(futile=True)
    stats["failed"] += 1  # that one had a task
    for _ in range(FUTILE_STARTS):
        assert idle._patience_s() is None
        idle._slow_down(futile=True)
    assert idle._patience_s() is None
    idle._slow_down(futile=True)
    seconds = idle._patience_s()
    assert seconds is not None
    assert 0 < seconds <= supervisor.FORK_PAUSE_S
    idle._slow_down(futile=False)
    assert idle.futile_starts == 0


def test_wrong_settings_end_it_at_once(tmp_path: Path) -> None:
    """What comes through the pipe at its start: cut off, of other types, with wrong descriptors."""
    not_memory = (tmp_path / "not_memory").open("w+b")
    path = json.dumps([one for one in sys.path if isinstance(one, str)])
    settings = {"driver_pid": os.getpid(), "as_ray": False, "doorbell_fd": 0, "heap_fd": 0}
    texts = ["", "[]", path + "\n", path + '\n{"driver_pid":', "[]\n[]", "[]\n{}\n{}", "\0\n\0"]
    texts += [f"{path}\n{json.dumps(settings | {'control_fd': fd})}" for fd in (0, 999, -1, "x")]
    texts += [f"{path}\n{json.dumps(settings | {'control_fd': not_memory.fileno()})}"]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", START],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[not_memory.fileno()],
        )
        for _ in texts
    ]
    not_memory.close()
    for program, text in zip(started, texts, strict=True):
        program.communicate(text.encode(), timeout=30)
    assert [program.returncode for program in started] == [1] * len(texts)
