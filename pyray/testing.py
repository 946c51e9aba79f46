"""For tests of programs that use pyray, and of pyray itself."""

from __future__ import annotations

import os
import signal
import time

from pyray import _core, runtime


def store_accounts() -> dict[str, int]:
    """Check every invariant of the session's tables and return what is in use.

    Objects, tasks, actors, edges (references, pins, arguments), heap blocks and bytes. What a program has let go
    of is not in it: compare before and after.

    Raises:
        SessionCorruptedError: If an invariant does not hold.
    """
    accounts = runtime.engine().accounts()
    return {name: count for name, count in accounts.items() if name not in {"slots", "latches"}}


def supervisor_pid() -> int:
    """Return the process id of the session's supervisor."""
    from pyray.local_engine import LocalEngine

    engine = runtime.engine()
    assert isinstance(engine, LocalEngine)
    return engine.supervisor_pid


def worker_pids() -> list[int]:
    """Return the process ids of the session's workers, actors included."""
    pid = supervisor_pid()
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


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
