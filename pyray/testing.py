"""For tests of programs that use pyray, and of pyray itself."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from pyray import _core, runtime

NOT_OWED = {"slots", "latches", "blocks", "files"}
"""Counts that change with the number of workers, and with where and how memory is divided."""


def store_accounts() -> dict[str, int]:
    """Check every invariant of the session's tables and return what is in use.

    Objects, tasks, actors, edges (references, pins, arguments) and bytes of the heap. What a
    program has let go of is not in it: compare before and after.

    Raises:
        SessionCorruptedError: If an invariant does not hold.
    """
    accounts = runtime.engine().accounts()
    return {name: count for name, count in accounts.items() if name not in NOT_OWED}


def store_stats() -> dict[str, int]:
    """Return the sizes, in bytes, and counts of the object store, files included."""
    return runtime.engine().store_stats()


def supervisor_pid() -> int:
    """Return the process id of the session's supervisor.

    Raises:
        RuntimeError: If this process is not the driver.
    """
    from pyray.node.local_engine import LocalEngine

    engine = runtime.engine()
    if not isinstance(engine, LocalEngine):
        raise RuntimeError(  # noqa: TRY004  (it is about the process)
            "only the driver knows the session's supervisor"
        )
    return engine.supervisor_pid


def worker_pids() -> list[int]:
    """Return the process ids of the session's workers, actors included."""
    pid = supervisor_pid()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(child) for child in children.split()]


def kill_worker(pid: int) -> None:
    """SIGKILL a worker and return when its death has been dealt with.

    Raises:
        TimeoutError: If that takes more than 10 s.
    """
    deaths = _core.engine_stats()["deaths"]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _core.engine_stats()["deaths"] <= deaths or pid in worker_pids():
        if time.monotonic() > deadline:
            raise TimeoutError(f"worker {pid} was killed and not swept within 10 s")
        time.sleep(0.001)
