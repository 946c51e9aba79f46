"""What a process leaves for others to read: its last lines on stderr, and stacks on request.

Each process of a session has an anonymous file. Its first part is mapped and holds the end of what
was printed on stderr; behind it `faulthandler` writes, when the process crashes or when it is sent
`STACK_SIGNAL`. That works without the GIL, so also while C code holds it or sleeps. The supervisor
keeps a descriptor of each worker's, to read it after a death; whoever may look into
/proc/<pid>/fd (the same user) can read the stacks of a live one.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import mmap
import os
import signal
import struct
from pathlib import Path

from pyray.descriptors import above_standard

STACK_SIGNAL = signal.SIGRTMAX - 2
NAME = "pyray-journal"
OWN_NAME = "pyray-journal-own"
"""Of drivers and supervisors: a supervisor has its workers' journals open as well."""
TEXT_BYTES = 8192
LIMIT_BYTES = 1 << 20
"""More than that is not read."""
MACHINERY = '/pyray/worker/main.py", line'
CRASH = "Fatal Python error: "
LAST_LINES = 10
CRASH_LINES = 9
LINE_LENGTH = 200
MOST_OPEN = 256
"""Journals of workers that a supervisor keeps open: a quarter of the usual limit of files."""
_HEAD = struct.Struct("<QQ")  # serial of the task, length of the text


def create(name: str) -> int:
    """Return a descriptor of a new, empty journal."""
    descriptor = above_standard(os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
    try:
        os.ftruncate(descriptor, TEXT_BYTES)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_APPEND)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Journal:
    """This process's journal.

    Args:
        descriptor: What `create` returned.
        crashes: Whether to write the stack when the process crashes, too.
    """

    def __init__(self, descriptor: int, *, crashes: bool) -> None:
        self.descriptor = descriptor
        self._map: mmap.mmap | None = None
        self._text = b""
        self._serial = 0
        if crashes:
            faulthandler.enable(descriptor, all_threads=True)
        faulthandler.register(STACK_SIGNAL, descriptor, all_threads=True)

    def note(self, text: str, serial: int) -> None:
        """Remember text that was printed on stderr.

        Args:
            text: Whole lines.
            serial: Serial number of the task that did, 0 for all of the process's life.
        """
        if serial != self._serial:
            self._serial, self._text = serial, b""
        if self._map is None:
            self._map = mmap.mmap(self.descriptor, TEXT_BYTES)
        room = TEXT_BYTES - _HEAD.size
        self._text = (self._text + text.encode("utf-8", "backslashreplace"))[-room:]
        self._map[_HEAD.size : _HEAD.size + len(self._text)] = self._text
        self._map[: _HEAD.size] = _HEAD.pack(serial, len(self._text))

    def close(self) -> None:
        """Be as before."""
        faulthandler.unregister(STACK_SIGNAL)
        if self._map is not None:
            self._map.close()
        os.close(self.descriptor)


# ---- for those who read


def last_words(descriptor: int, serial: int) -> str:
    """Return the end of a dead worker's output on stderr, and its stack if it crashed; or "".

    Args:
        descriptor: Its journal.
        serial: Serial number of the task that it ran, 0 if none.
    """
    data = os.pread(descriptor, TEXT_BYTES, 0)
    noted, length = _HEAD.unpack_from(data)
    text = data[_HEAD.size : _HEAD.size + length].decode("utf-8", "replace")
    lines = text.splitlines()[-LAST_LINES:] if noted in {0, serial} else []
    parts = _section("last lines on stderr:", lines)
    behind = os.pread(descriptor, LIMIT_BYTES, TEXT_BYTES).decode("utf-8", "replace")
    _, crash, stack = behind.rpartition(CRASH)
    if crash:
        wanted = [line for line in without_machinery(crash + stack) if line.strip()]
        parts += _section("Python stack at its death:", wanted[:CRASH_LINES])
    return "\n".join(parts)


def without_machinery(stacks: str) -> list[str]:
    """Return the lines of `faulthandler`'s output without the frames below a worker's task."""
    kept: list[str] = []
    below = False
    for line in stacks.splitlines():
        if not line.startswith("  File "):
            below = False
        elif MACHINERY in line:
            below = True
        if not below:
            kept.append(line)
    return kept


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"  {title}", *(f"    {line[:LINE_LENGTH]}" for line in lines)] if lines else []


class Journals:
    """What a supervisor knows of journals: its own, and its workers'."""

    def __init__(self) -> None:
        self._own = open_own()
        self._open: dict[int, int] = {}  # pid -> descriptor

    def new(self) -> int | None:
        """Return a journal for a worker; None when there are too many, or no more files."""
        if len(self._open) >= MOST_OPEN:
            return None
        with contextlib.suppress(OSError):
            return create(NAME)
        return None

    def keep(self, descriptor: int | None, pid: int | None) -> None:
        """It is this worker's; without a worker it is closed."""
        if descriptor is None:
            return
        if pid is None:
            os.close(descriptor)
        elif pid:
            self._open[pid] = descriptor

    def leave(self) -> None:
        """In a forked worker: close what is the supervisor's."""
        if self._own is not None:
            self._own.close()
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def owner_of(self, pid: int) -> int:
        """Return the worker from which this process has inherited its journal, 0 if none."""
        inodes = {os.fstat(fd).st_ino: worker for worker, fd in self._open.items()}
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if (worker := inodes.get(link.stat().st_ino)) is not None:
                        return worker
        return 0

    def take(self, pid: int, serial: int) -> str:
        """Return the last words of a dead worker, and close its journal; see `last_words`."""
        descriptor = self._open.pop(pid, None)
        if descriptor is None:
            return ""
        try:
            return last_words(descriptor, serial)
        finally:
            os.close(descriptor)


def open_own() -> Journal | None:
    """Give a driver or supervisor its journal; None without files, or if the signal is taken."""
    if signal.getsignal(STACK_SIGNAL) is not signal.SIG_DFL:
        return None
    with contextlib.suppress(OSError):
        return Journal(create(OWN_NAME), crashes=False)
    return None


def find(pid: int) -> Path | None:
    """Return where a live process's own journal can be opened; None if it has none.

    Raises:
        PermissionError: If it belongs to somebody else.
    """
    found: dict[str, Path] = {}
    folder = Path(f"/proc/{pid}/fd")
    with contextlib.suppress(FileNotFoundError):
        for link in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                target = str(link.readlink())
                for name in (OWN_NAME, NAME):
                    if target.startswith(f"/memfd:{name} "):
                        found.setdefault(name, link)
    return found.get(OWN_NAME) or found.get(NAME)
