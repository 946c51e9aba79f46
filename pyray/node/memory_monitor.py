"""Stops a worker before memory runs out, so that the kernel does not choose the victim.

The supervisor looks at the memory of the machine and of its control groups while tasks run. When
more than a share of it is used, one worker is stopped: an idle one that kept much memory, else the
youngest task that may be run again, else the youngest task, else the youngest actor. Workers that
use little are left alone: to stop them would not help. A task that is run again because of this
uses up none of its retries, unless it ran alone.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pyray import machine, settings

CALM_FACTOR = 4
"""How much more seldom to look when no task has run since the last time."""
LEAST_SHARE = 0.01
"""Workers with less than this share of the limit in use are left alone."""
TOP_USERS = 10
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclasses.dataclass(frozen=True, slots=True)
class MemorySettings:
    """When to look and when to act.

    Args:
        usage_threshold: The share of memory, from 0 to 1, above which a worker is stopped.
        refresh_ms: Milliseconds between two looks; 0 switches the monitor off.
        root: The directory that stands for ``/`` where the figures are read; for tests.
    """

    usage_threshold: float = settings.MEMORY_USAGE_THRESHOLD.default
    refresh_ms: int = int(settings.MEMORY_MONITOR_REFRESH_MS.default)
    root: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> MemorySettings:
        """Read the settings from environment variables.

        Raises:
            ValueError: If one of them is no number, or an impossible one.
        """
        return cls(
            settings.MEMORY_USAGE_THRESHOLD.value(environment),
            settings.MEMORY_MONITOR_REFRESH_MS.integer(environment),
            settings.MEMORY_MONITOR_ROOT.text(environment),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """Whom to stop, and what to say about it.

    Args:
        slot: The worker's slot.
        pid: Its process id.
        serial: Serial number of the task that it runs, 0: none. The verdict is on this task.
        is_actor: The worker has an actor, and the verdict is on that.
        words: Who used how much, and why it was this one.
        is_alone: No other task ran: it may be too large for the machine, and to run it again and
            again without counting would not end.
    """

    slot: int
    pid: int
    serial: int
    is_actor: bool
    words: str
    is_alone: bool


class MemoryMonitor:
    """Decides whom to stop.

    Args:
        settings: See `MemorySettings`.
        workers: Returns what the workers do; `pyray._core.workers`.
        tasks: Returns how many tasks wait or run, and how many have been submitted so far.
        others: Process ids of the session that are no workers, by what they are called.
    """

    def __init__(
        self,
        settings: MemorySettings,
        workers: Callable[[], list[dict[str, Any]]],
        tasks: Callable[[], tuple[int, int]],
        others: Mapping[str, int],
    ) -> None:
        self.settings = settings
        self.workers, self.tasks, self.others = workers, tasks, others
        self.root = Path(settings.root) if settings.root else None
        self.next_s = time.monotonic()
        self.submitted = 0
        self.helpless = False
        self.groups = machine.memory_groups(root=self.root)
        self.oom_kills = machine.oom_kills(root=self.root)

    @property
    def next_look_s(self) -> float | None:
        """When to look next, on the monotonic clock; None: never."""
        return self.next_s if self.settings.refresh_ms else None

    def look(self) -> Verdict | None:
        """Return whom to stop now, if anybody; does nothing before its time."""
        now = time.monotonic()
        if not self.settings.refresh_ms or now < self.next_s:
            return None
        busy = self._is_busy()
        self.next_s = now + self.settings.refresh_ms / 1000 * (1 if busy else CALM_FACTOR)
        if not busy:
            return None
        usage = machine.memory_usage(self.groups, root=self.root)
        used, limit = max(usage, key=lambda pair: pair[0] / pair[1])
        if used <= self.settings.usage_threshold * limit:
            return None
        return self._choose(used, limit)

    def _is_busy(self) -> bool:
        before = self.submitted
        pending, self.submitted = self.tasks()
        return pending > 0 or self.submitted != before

    def running_tasks(self) -> int:
        """Return how many workers run a task."""
        return sum(worker["is_running"] for worker in self.workers())

    def kernel_has_killed(self) -> bool:
        """Return whether the kernel has killed somebody for lack of memory since the last call."""
        before, self.oom_kills = self.oom_kills, machine.oom_kills(root=self.root)
        return self.oom_kills > before

    def _choose(self, used: int, limit: int) -> Verdict | None:
        workers = self.workers()
        sizes = {worker["pid"]: private_bytes(worker["pid"]) for worker in workers}
        victim = choose([w for w in workers if sizes[w["pid"]] >= LEAST_SHARE * limit], sizes)
        if victim is None:
            self._say_helpless(used, limit)
            return None
        most = f"more than {self.settings.usage_threshold:.0%}"
        names = {w["pid"]: w["name"] or "idle worker" for w in workers}
        sizes |= {pid: private_bytes(pid) for pid in self.others.values()}
        names |= {pid: name for name, pid in self.others.items()}
        slot, pid, serial = victim["slot"], victim["pid"], victim["serial"]
        lines = [
            f"Memory was short: {_size(used)} of {_size(limit)} in use, {most}.",
            f"Worker {pid} ({names[pid]}) was stopped: {reason(victim)}.",
            "Top memory users:",
            *top_users(sizes, names),
        ]
        is_alone, is_actor = self.running_tasks() < 2, bool(victim["is_actor"])
        return Verdict(slot, pid, serial, is_actor, "\n".join(lines), is_alone)

    def _say_helpless(self, used: int, limit: int) -> None:
        if not self.helpless:
            self.helpless = True
            sys.stderr.write(
                f"pyray: memory is short ({_size(used)} of {_size(limit)} in use), but no worker "
                "uses much of it\n"
            )
            sys.stderr.flush()


def choose(workers: Iterable[dict[str, Any]], sizes: Mapping[int, int]) -> dict[str, Any] | None:
    """Return the worker to stop, None if there is none.

    Args:
        workers: Those that may be stopped, as `pyray._core.workers` describes them.
        sizes: Their memory by process id, in bytes.
    """

    def rank(worker: dict[str, Any]) -> tuple[int, int]:
        if not worker["is_running"] and not worker["is_actor"]:
            return 0, -sizes[worker["pid"]]
        if worker["is_actor"]:
            return 3, -worker["started_ns"]
        return (1 if worker["retries_left"] else 2), -worker["started_ns"]

    return min(workers, key=rank, default=None)


def reason(victim: dict[str, Any]) -> str:
    """Say why it was this one."""
    if not victim["is_running"] and not victim["is_actor"]:
        return "it had no task"
    if victim["is_actor"]:
        return "only actors were left to stop, and it was the last that was called"
    if victim["retries_left"]:
        return "its task was the last to begin of those that may be run again"
    return "its task was the last to begin; none may be run again"


def top_users(sizes: Mapping[int, int], names: Mapping[int, str]) -> list[str]:
    """Return a line for each of the largest processes."""
    largest = sorted(sizes, key=lambda pid: -sizes[pid])[:TOP_USERS]
    return [f"  {_size(sizes[pid]):>10}  pid {pid}  {names[pid]}" for pid in largest]


def private_bytes(pid: int) -> int:
    """Return the resident memory of a process that is its own, 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text("ascii").split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * PAGE_BYTES


def _size(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:.0f} MB" if size_bytes < 1e9 else f"{size_bytes / 1e9:.2f} GB"
