"""The Python stacks of all processes of a session, from outside and without ptrace."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from pyray import journal
from pyray.settings import SESSION_ID

NO_REQUESTS = "It takes no requests for stacks: it begins or ends, or uses the signal itself."
ANSWER_S = 2.0
QUIET_S = 0.03
"""So long nothing more must be written for an answer to be complete."""
SUPERVISOR_NAME = "pyray-super"
WORKER_NAME = "pyray-worker"
"""As /proc/<pid>/comm shows them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Session:
    """A session of this user on this machine.

    Args:
        id: 16 hexadecimal digits; `PYRAY_SESSION_ID` in its processes.
        supervisor: Process id of its supervisor.
    """

    id: str
    supervisor: int

    def processes(self) -> list[tuple[str, int]]:
        """Return what each of its processes is, and its id."""
        workers = [pid for pid in children(self.supervisor) if command(pid) == WORKER_NAME]
        return [
            *(("driver", pid) for pid in _users_of_memory(self.supervisor) - set(workers)),
            ("supervisor", self.supervisor),
            *(("worker", pid) for pid in workers),
        ]


def tell_kernel(file: str, text: str) -> None:
    """Write to a file of /proc/self, if that is possible; with little Python, for new workers."""
    with contextlib.suppress(OSError):
        descriptor = os.open(f"/proc/self/{file}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode("ascii"))
        finally:
            os.close(descriptor)


def name_process(name: str) -> None:
    """Set what `ps` and `top` show as this process's command."""
    tell_kernel("comm", name)


def arguments_area() -> tuple[int, int]:
    """Return address and size of the memory with this program's arguments; (0, 0) if untold."""
    try:
        start, end = map(int, _stat(os.getpid())[45:47])
    except (OSError, ValueError):
        return 0, 0
    return start, end - start


def sessions() -> list[Session]:
    """Return the sessions of this user, the oldest first."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            pid = int(entry.name)
            if command(pid) != SUPERVISOR_NAME or entry.stat().st_uid != os.getuid():
                continue
            if (session_id := session_id_of(pid)) is not None:
                found.append((_start(pid), Session(session_id, pid)))
    return [session for _, session in sorted(found, key=lambda pair: pair[0])]


def session_id_of(pid: int) -> str | None:
    """Return the id of the session that a supervisor is of; None if it is none."""
    with contextlib.suppress(OSError):
        for word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if word.startswith(f"{SESSION_ID.variable}=".encode()):
                return word.partition(b"=")[2].decode("ascii", "replace")
    return None


def stack_of(pid: int) -> str:
    """Return the Python stacks of all threads of a process, or why they cannot be had."""
    try:
        place = journal.find(pid)
    except PermissionError:
        return "It belongs to another user."
    if place is None:
        return "It is gone." if not _is_alive(pid) else NO_REQUESTS
    if not _catches(pid, journal.STACK_SIGNAL):
        return NO_REQUESTS
    if _field(pid, "State").startswith("T"):
        return "It is stopped (SIGSTOP): `kill -CONT` continues it."
    try:
        with place.open("rb", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            os.kill(pid, journal.STACK_SIGNAL)
            text = "".join(_answer(file.fileno(), before))
    except (FileNotFoundError, ProcessLookupError):
        return "It is gone."
    lines = journal.without_machinery(text.strip())
    return "\n".join(lines) or f"It did not answer within {ANSWER_S:g} s."


def _answer(descriptor: int, before: int) -> Iterator[str]:
    """Yield what is written behind `before`, until nothing comes any more."""
    deadline = time.monotonic() + ANSWER_S
    seen, since = before, time.monotonic()
    while (now := time.monotonic()) < deadline:
        size = os.fstat(descriptor).st_size
        if size != seen:
            seen, since = size, now
        elif seen > before and now - since > QUIET_S:
            break
        time.sleep(0.002)
    length = min(seen - before, journal.LIMIT_BYTES)
    yield os.pread(descriptor, length, before).decode("utf-8", "replace")


def children(pid: int) -> list[int]:
    """Return the children of a process."""
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def command(pid: int) -> str:
    """Return the name of a process, "" when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
    return ""


def _stat(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()


def _users_of_memory(supervisor: int) -> set[int]:
    """Return the other processes of this user that map the session's tables."""
    memory = _control_memory(supervisor)
    found = {int(entry.name) for entry in Path("/proc").glob("[0-9]*")} - {supervisor}
    return {pid for pid in found if memory and _control_memory(pid) & memory}


def _control_memory(pid: int) -> set[str]:
    """Return device and inode of the tables that a process maps; of none or one session."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/maps").read_text("utf-8", "replace").splitlines()
        return {" ".join(line.split()[3:5]) for line in lines if "/memfd:pyray-control" in line}
    return set()


def _start(pid: int) -> int:
    return int(_stat(pid)[19])


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _field(pid: int, name: str) -> str:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines():
            if line.startswith(f"{name}:"):
                return line.partition(":")[2].strip()
    return ""


def _catches(pid: int, number: signal.Signals | int) -> bool:
    """Without a handler the signal would end it."""
    return bool(int(_field(pid, "SigCgt") or "0", 16) >> (number - 1) & 1)
