"""What a piece of work costs beside time: memory of all processes at its peak, bytes read.

As a program, `footprint.py PID` watches a process and its descendants until its input ends,
then prints the highest sum of their proportional memory (PSS: of a page that n processes share,
each has 1/n). It is a process of its own so as not to disturb what it watches.
"""

import contextlib
import os
import select
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

INTERVAL_S = 0.1


@dataclass
class Footprint:
    """Filled in when the work is done."""

    seconds: float = 0.0
    peak_bytes: int = 0
    """Growth of the memory of all processes together, at its highest."""
    peak_shared_bytes: int = 0
    """The part of it that is shared memory."""
    read_bytes: int = 0
    """What this process, and its children that ended, read from pipes and files."""


def read_field(path: str, name: str) -> int:
    """Read the number after `name` in a file of /proc."""
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


def family(root: int, without: int) -> list[int]:
    """List a process and its descendants, but for one of them."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != without:
            with contextlib.suppress(OSError):  # it may have ended meanwhile
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                children[int(parent)].append(int(entry.name))
    members = [root]
    for pid in members:
        members.extend(children[pid])
    return members


def memory_bytes(root: int, without: int) -> tuple[int, int]:
    """Add up the proportional memory of a process and its descendants: all, and what is shared."""
    total = shared = 0
    for pid in family(root, without):
        with contextlib.suppress(OSError):
            total += read_field(f"/proc/{pid}/smaps_rollup", "Pss:") * 1024
            shared += read_field(f"/proc/{pid}/smaps_rollup", "Pss_Shmem:") * 1024
    return total, shared


def bytes_read() -> int:
    """Count all that this process, and its children that ended, have read so far."""
    return read_field("/proc/self/io", "rchar:")


@contextlib.contextmanager
def measured() -> Iterator[Footprint]:
    """Measure the block: its time, its memory beyond what was there before, its bytes read."""
    command = [sys.executable, __file__, str(os.getpid())]
    footprint = Footprint()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as watcher:
        assert watcher.stdout
        total, shared = map(int, watcher.stdout.readline().split())
        read, start = bytes_read(), time.perf_counter()
        yield footprint
        footprint.seconds = time.perf_counter() - start
        footprint.read_bytes = bytes_read() - read
        peak_total, peak_shared = map(int, watcher.communicate()[0].split())
        footprint.peak_bytes = peak_total - total
        footprint.peak_shared_bytes = peak_shared - shared


def watch(root: int) -> None:
    """Print the memory at once, and its peak when standard input ends."""
    total, shared = memory_bytes(root, os.getpid())
    print(total, shared, flush=True)
    while not select.select([sys.stdin], [], [], INTERVAL_S)[0]:
        total_now, shared_now = memory_bytes(root, os.getpid())
        total, shared = max(total, total_now), max(shared, shared_now)
    print(total, shared, flush=True)


if __name__ == "__main__":
    watch(int(sys.argv[1]))
