"""Process trees through /proc: who belongs to us, what memory and CPU they use, and their end."""

import contextlib
import ctypes
import os
import signal
import time
from collections import defaultdict
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def adopt_orphans() -> None:
    """Make this process the parent of all orphans below it, so that none is lost from sight."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on (the name may hold anything)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(root: int | None = None) -> list[int]:
    """List a process (default: this one) and all its descendants."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it may have ended meanwhile
                children[int(_stat(int(entry.name))[1])].append(int(entry.name))
    found = [os.getpid() if root is None else root]
    for pid in found:
        found.extend(children[pid])
    return found


def pss_bytes(pids: list[int]) -> int:
    """Add up the proportional memory of processes: shared pages count once in all."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def cpu_seconds(pids: list[int]) -> float:
    """Add up the CPU time that living processes have used."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = _stat(pid)
            total += (int(fields[11]) + int(fields[12])) * TICK_S
    return total


def machine_cpu_seconds() -> float:
    """CPU time that the whole machine has spent on anything since it started."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[1:8])
    return (user + nice + system + irq + softirq) * TICK_S


def own_cpu_seconds() -> float:
    """CPU time of this process and of all descendants that it has reaped."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def end_descendants(patience_s: float = 0.0) -> int:
    """Wait for what still runs below this process, then kill it; return how many were killed."""
    deadline = time.monotonic() + patience_s
    killed: set[int] = set()
    while _reap():
        if time.monotonic() >= deadline:
            for pid in tree()[1:]:
                killed.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    return len(killed)


def _reap() -> bool:
    """Collect children that ended; tell whether any are left."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return True
    return False
