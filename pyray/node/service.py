"""The server that a head has beside it, if there is one: `python -m pyray.dashboard`.

It is a child of the supervisor, in a process group of its own; it finds the session by
`PYRAY_ADDRESS`. If it ends, it is started again after a pause, a few times.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pyray import _core
from pyray.settings import ADDRESS, SERVICE

if TYPE_CHECKING:
    import subprocess

MODULE = "pyray.dashboard"
NEEDED = ("starlette", "uvicorn", "websockets")
PAUSE_S = 1.0
MOST_STARTS = 5
POLITE_S = 1.0


class Service:
    """The server's process.

    Args:
        folder: The session's folder; "": this session has no server.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder if folder and is_installed() else ""
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._next_start_s = 0.0
        self.start()

    def start(self) -> None:
        """Start it, if it should run and does not."""
        if not self._folder or self._process is not None or self._starts >= MOST_STARTS:
            return
        if time.monotonic() < self._next_start_s:
            return
        self._starts += 1
        self._next_start_s = time.monotonic() + PAUSE_S
        import subprocess

        with contextlib.suppress(OSError):  # no room for another process: next time
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE],
                stdin=subprocess.DEVNULL,
                env=os.environ | {ADDRESS.variable: self._folder, SERVICE.variable: self._folder},
                process_group=0,
                preexec_fn=_core.die_with_parent,  # noqa: PLW1509  (the supervisor has one thread)
            )

    def next_start_s(self) -> float | None:
        """Return when to call `start` again; None: no need."""
        missing = self._folder and self._process is None and self._starts < MOST_STARTS
        return self._next_start_s if missing else None

    def pids(self) -> set[int]:
        """Return the processes that are children of the supervisor and no worker's."""
        return set() if self._process is None else {self._process.pid}

    def has_ended(self, pid: int, status: int) -> None:
        """It, or another process, was waited for."""
        if self._process is not None and self._process.pid == pid:
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._process = None

    def has_started(self, pid: int) -> bool:
        """Return whether a process descends from it: jobs, which go on when it starts again."""
        if not self._folder:
            return False
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            return f"{SERVICE.variable}={self._folder}".encode() in words
        return False

    def end(self) -> None:
        """End it and its group; returns when it is gone."""
        self._folder = ""
        if self._process is None:
            return
        import subprocess

        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(POLITE_S)
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process = None


def is_installed() -> bool:
    """Return whether what the server needs is there: heads have one then."""
    import importlib.util

    with contextlib.suppress(ImportError):
        return all(importlib.util.find_spec(name) for name in (f"{MODULE}.__main__", *NEEDED))
    return False
