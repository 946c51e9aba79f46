"""The one helper process of a session: everybody's parent and reaper, and the workers' template.

    driver ---exec---> supervisor ---fork---> worker, worker, ...

It is not on the path of any task. It sleeps until one of these happens:

    doorbell     somebody wants a worker, a kill, or the end of the session (an eventfd)
    a pidfd      a worker has died: reap it, then give back what it held
    driver's     the driver is gone, by whatever means: end everything

It imports what workers need once, stays single-threaded, and forks: a worker starts in milliseconds
and shares the interpreter's pages. When the supervisor itself dies, the kernel kills the workers
(PR_SET_PDEATHSIG) and the driver's waits raise.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from pyray import _core, worker_main

POLITE_S = 0.2
"""How long idle workers get to run their exit handlers when the session ends."""
FORK_PAUSE_S = 0.25
"""How long to wait after the system refused to fork."""
TRIM_AFTER_S = 5.0
"""How often a worker more than the CPUs that has nothing to do is let go."""


class Supervisor:
    """Starts, reaps and repairs.

    Args:
        settings: What the driver passed on; see `pyray.local_engine.start_supervisor`.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.slots: dict[int, tuple[int, int]] = {}  # pidfd -> (pid, slot)
        self.doorbell: int = settings["doorbell_fd"]
        self.driver = os.pidfd_open(settings["driver_pid"])
        self.poller = select.epoll()
        for descriptor in (self.doorbell, self.driver):
            self.poller.register(descriptor, select.EPOLLIN)
        self.kills_seen = 0
        self.next_trim_s = time.monotonic() + TRIM_AFTER_S

    def serve(self) -> None:
        """Work until the session is over or the driver is gone."""
        if os.getppid() != self.settings["driver_pid"]:
            return  # it died before it could be watched
        while not _core.is_session_ending():
            self.start_requested_workers()
            ready = [descriptor for descriptor, _ in self.poller.poll(self._patience_s())]
            if self.driver in ready:
                return
            if self.doorbell in ready:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self.doorbell)
                self.kill_requested_workers()
            for descriptor in ready:
                if descriptor in self.slots:
                    self.reap(descriptor)
            self.trim()

    def _patience_s(self) -> float | None:
        """Nothing to do: sleep for ever. Too many idle workers: look again soon."""
        surplus = _core.engine_stats()["idle"] > self.settings["keep_idle"]
        return max(0.0, self.next_trim_s - time.monotonic()) if surplus else None

    def start_requested_workers(self) -> None:
        """Fork a worker for each request in the tables."""
        while slot := _core.reserve_worker():
            self._follow_driver_imports()
            pid = _fork()
            if pid is None:
                _core.sweep(slot, 0)  # gives the slot back, and asks again if there is work
                return
            if pid == 0:
                self._become_worker(slot)
            pidfd = os.pidfd_open(pid)
            self.slots[pidfd] = (pid, slot)
            self.poller.register(pidfd, select.EPOLLIN)

    def _follow_driver_imports(self) -> None:
        """Import here what the driver uses (numpy), so that workers have it from the start."""
        if self.settings["preload"]:
            for name in self.settings["preload"]:
                with contextlib.suppress(ImportError):
                    __import__(name)
            self.settings["preload"] = []

    def _become_worker(self, slot: int) -> NoReturn:
        try:
            _core.die_with_parent()
            if os.getppid() != self.settings["supervisor_pid"]:
                os._exit(1)
            self.poller.close()
            for descriptor in (self.driver, *self.slots):
                os.close(descriptor)
            worker_main.run(slot, log_to_driver=self.settings["log_to_driver"])
        finally:
            os._exit(1)

    def reap(self, pidfd: int) -> None:
        """A worker is dead: end what it started, take its exit status, repair."""
        pid, slot = self.slots.pop(pidfd)
        self.poller.unregister(pidfd)
        os.close(pidfd)
        _kill_group(pid)
        _, status = os.waitpid(pid, 0)
        _core.sweep(slot, status)
        self._reap_orphans()

    def _reap_orphans(self) -> None:
        """Processes that a dead worker left behind have become our children."""
        known = {pid for pid, _ in self.slots.values()}
        for pid in _children():
            if pid not in known:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)

    def kill_requested_workers(self) -> None:
        """Carry out `ray.kill`."""
        requests = _core.kill_requests()
        if requests == self.kills_seen:
            return
        self.kills_seen = requests
        for pid, slot in self.slots.values():
            if _core.kill_requested(slot):
                _kill_group(pid)

    def trim(self) -> None:
        """Let one surplus idle worker go."""
        if time.monotonic() >= self.next_trim_s:
            self.next_trim_s = time.monotonic() + TRIM_AFTER_S
            _core.trim_idle(self.settings["keep_idle"])

    def end(self, *, polite: bool) -> None:
        """End every worker and everything they started; returns when all are reaped."""
        _core.end_session()
        deadline = time.monotonic() + (POLITE_S if polite else 0.0)
        while self.slots and (left := deadline - time.monotonic()) > 0:
            for descriptor, _ in self.poller.poll(left):
                if descriptor in self.slots:
                    self._bury(descriptor)
                elif descriptor == self.doorbell:
                    with contextlib.suppress(BlockingIOError):
                        os.eventfd_read(self.doorbell)
        for descriptor in list(self.slots):
            _kill_group(self.slots[descriptor][0])
            self._bury(descriptor)
        while _children():
            self._reap_orphans()

    def _bury(self, pidfd: int) -> None:
        pid, _ = self.slots.pop(pidfd)
        self.poller.unregister(pidfd)
        os.close(pidfd)
        _kill_group(pid)
        os.waitpid(pid, 0)


def _fork() -> int | None:
    """Fork; None, after a pause, when the system refuses (a limit of processes or memory)."""
    try:
        return os.fork()
    except OSError as error:
        sys.stderr.write(f"pyray: cannot start a worker: {error}\n")
        sys.stderr.flush()
        time.sleep(FORK_PAUSE_S)
        return None


def _kill_group(pid: int) -> None:
    for kill in (os.killpg, os.kill):  # the group may not exist yet, or no more
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _children() -> list[int]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii")
    return [int(pid) for pid in children.split()]


def main() -> NoReturn:
    """Run the supervisor with the settings (JSON) on stdin."""
    settings = json.load(sys.stdin)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    status = 1
    try:
        settings["supervisor_pid"] = os.getpid()
        _core.become_subreaper()
        _core.attach_session(settings["control_fd"], settings["heap_fd"], settings["doorbell_fd"])
        supervisor = Supervisor(settings)
        polite = False
        try:
            supervisor.serve()
            polite = _core.is_session_ending()
        finally:
            supervisor.end(polite=polite)
        status = 0
    finally:
        os._exit(status)
