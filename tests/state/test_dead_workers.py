"""Workers that have died stay listed."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from pyray import _core
from pyray.observability import records
from pyray.observability.records import Session
from pyray.util import state
from tests.support import wait_until


def dead(pid: int) -> Any:
    """Return the row of a worker once it is dead."""

    def rows() -> list[Any]:
        return [one for one in state.list_workers(detail=True, limit=10_000) if one.pid == pid]

    wait_until(lambda: rows()[0].exit_type, 10, f"the end of {pid}")
    [row] = rows()
    assert row.worker_type == "WORKER"
    assert row.worker_id == Session().worker_id(pid)
    assert row.start_time_ms <= row.end_time_ms <= time.time() * 1000
    return row


def pid_of_dying_task(ray: ModuleType, end: Callable[[], object], tmp_path: Any) -> int:
    """Run a task that ends its worker; return that worker's pid."""
    path = tmp_path / "pid"

    @ray.remote(max_retries=0)
    def task() -> None:
        path.write_text(str(os.getpid()))
        sys.stderr.write("last words\n")
        end()

    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(task.remote())
    return int(path.read_text())


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda: os._exit(3), "exit code 3"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed by SIGKILL"),
        (lambda: sys.exit(0), "exit code 0"),
    ],
    ids=["exits", "killed", "leaves"],
)
def test_a_crash_is_told_at_once(
    ray_session: ModuleType, tmp_path: Any, end: Callable[[], object], words: str
) -> None:
    pid = pid_of_dying_task(ray_session, end, tmp_path)
    [row] = [one for one in state.list_workers(detail=True, limit=10_000) if one.pid == pid]
    assert (row.is_alive, row.exit_type) == (False, "SYSTEM_ERROR")
    assert words in row.exit_detail
    assert "last words" in row.exit_detail
    assert state.get_worker(row.worker_id).exit_type == "SYSTEM_ERROR"
    wanted = [("pid", "=", pid), ("is_alive", "=", False)]
    assert len(state.list_workers(filters=wanted)) == 1


def test_ends_of_actors_have_types(ray_session: ModuleType) -> None:
    ray = ray_session

    @ray.remote(num_cpus=0)
    class Actor:
        def pid(self) -> int:
            return os.getpid()

        def leave(self) -> None:
            ray.actor.exit_actor()

    dropped, killed, left = (Actor.remote() for _ in range(3))
    pids = ray.get([dropped.pid.remote(), killed.pid.remote(), left.pid.remote()])
    del dropped
    ray.kill(killed)
    left.leave.remote()
    rows = [dead(pid) for pid in pids]
    asked = "INTENDED_SYSTEM_EXIT"
    assert [row.exit_type for row in rows] == [asked, asked, "INTENDED_USER_EXIT"]
    assert "it was killed by `ray.kill`" in rows[1].exit_detail


def test_they_are_read_from_outside_while_the_supervisor_does_not_answer(
    ray_session: ModuleType, tmp_path: Any
) -> None:
    pid = pid_of_dying_task(ray_session, lambda: os._exit(4), tmp_path)
    supervisor = next(
        one.pid for one in Session().slots() if records.SLOT_KINDS[one.kind] == "SUPERVISOR"
    )
    os.kill(supervisor, signal.SIGSTOP)
    try:
        rows = state.list_workers(address=f"{_core.nonce():016x}", detail=True, limit=10_000)
    finally:
        os.kill(supervisor, signal.SIGCONT)
    assert [one.exit_type for one in rows if one.pid == pid] == ["SYSTEM_ERROR"]
