"""The one helper process of a session: everybody's parent and reaper, and the workers' template.

    driver ---exec---> supervisor ---fork---> worker, worker, ...

It is not on the path of any task. It sleeps until one of these happens:

    doorbell     somebody wants a worker, a kill, or the end of the session, or has left a file of
                 spilled objects to be deleted (an eventfd)
    SIGCHLD      a worker has died: reap it, then give back what it held
    driver's     the driver is gone, by whatever means (a pidfd): end everything
    the door     another program wants to join, or one that has joined is gone (pyray.node.door)

It imports what workers need once, stays single-threaded, and forks: a worker starts in milliseconds
and shares the interpreter's pages. When the supervisor itself dies, the kernel kills the workers
(PR_SET_PDEATHSIG) and the driver's waits raise.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

import pyray
from pyray import _core, as_ray, obituaries
from pyray.core_engine import CoreEngine
from pyray.journal import Journals
from pyray.node import service, session_folder, spill
from pyray.node.door import Door, Guest
from pyray.node.guest_output import GuestOutput
from pyray.node.memory_monitor import MemoryMonitor, MemorySettings, Verdict
from pyray.observability import stacks
from pyray.worker import log_files, output
from pyray.worker import main as worker_main
from pyray.worker.repeats import Repeats
from pyray.worker.repeats import Settings as RepeatSettings

FIRST_JOB = 1
"""That of the driver whose session it is, unless it is a head."""
POLITE_S = 0.2
"""How long idle workers get to run their exit handlers when the session ends."""
FORK_PAUSE_S = 0.25
"""How long to wait after the system refused to fork, or workers could not begin."""
FUTILE_S = 1.0
FUTILE_STARTS = 3
"""So many workers in a row that died so young, while no task ended: do not go on at full speed."""
TRIM_AFTER_S = 5.0
"""How often a worker more than the CPUs that has nothing to do is let go."""


class Supervisor:
    """Starts, reaps and repairs.

    Args:
        settings: What the driver passed on; see `pyray.node.local_engine`.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.slots: dict[int, int] = {}  # pid -> slot
        self.started_s: dict[int, float] = {}  # pid -> when
        self.journals = Journals()
        self.dead = obituaries.Register()
        self.futile_starts = 0
        self.tasks_seen = 0
        self.next_fork_s = 0.0
        self.doorbell: int = settings["doorbell_fd"]
        self.spill = spill.SpillDirectory(*settings["spill"])
        self.folder = session_folder.SessionFolder(*settings["folder"])
        self.driver = _end_of(settings["driver_pid"])
        self.deaths, self.deaths_in = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self.deaths_in, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self.poller = select.poll()
        for descriptor in (self.doorbell, self.deaths):
            self.poller.register(descriptor, select.POLLIN)
        self.door = self._open_door()
        self.service = service.Service(self.folder.path if settings["head"] else "")
        self.signals_seen = 0
        self.next_trim_s = time.monotonic() + TRIM_AFTER_S
        self.memory = MemoryMonitor(
            MemorySettings(**settings["memory"]),
            _core.workers,
            _tasks,
            {"the driver": settings["driver_pid"], "the supervisor": os.getpid()},
        )
        self.condemned: dict[int, Verdict] = {}  # slot -> why, until it is swept
        self.told_of_memory = False
        self.output = self._own_output()
        self.engine = CoreEngine()  # for workers, who inherit it

    def _own_output(self) -> GuestOutput:
        """Return how workers of the driver print whose session it is."""
        own = GuestOutput(self.settings["log_to_driver"], self.settings["logging_config"])
        own.pipes = [1, 2] if own.is_shown else []  # they inherit what is its driver's
        folding = RepeatSettings.from_environment(os.environ)
        own.repeats = Repeats(folding) if own.is_marked and folding.enabled else None
        return own

    def _open_door(self) -> Door:
        settings = self.settings
        about = {
            "session_id": f"{_core.nonce():016x}",
            "head": settings["head"],
            "version": pyray.__version__,
            "python_version": sys.version.split()[0],
            "folder": self.folder.path,
            "labels": settings["labels"],
            "spill": [self.spill.path, self.spill.problem],
        }
        descriptors = [settings[f"{name}_fd"] for name in ("control", "heap", "doorbell")]
        door = Door(self.folder.door, self.poller, about, descriptors + self.spill.fds())
        door.preload = self._preload
        if settings["head"]:  # who made it is a guest, who has no job
            door.admit(Guest(settings["driver_pid"], self.driver, settings["driver_slot"], 0))
        else:
            self.poller.register(self.driver, select.POLLIN)
        return door

    def _preload(self, names: list[str]) -> None:
        self.settings["preload"] += [name for name in names if name in self.settings["may_preload"]]

    def serve(self) -> None:
        """Work until the session is over, or the driver is gone whose session it is."""
        if os.getppid() != self.settings["driver_pid"]:
            return  # it died before it could be watched
        while not _core.is_session_ending():
            self.start_requested_workers()
            ready = self._wait(self._patience_s())
            if self.driver in ready and not self.settings["head"]:
                return
            self.door.answer(ready)
            if self.door.stop_requested:
                _core.end_session()
            self.reap()
            self.service.start()
            self.send_requested_signals()
            self.watch_memory()
            self.trim()
            _core.clean_spill_files()  # a failure shows when the disk is full, to whoever writes

    def _wait(self, seconds: float | None) -> list[int]:
        """Sleep until something happens; return the descriptors that say what."""
        milliseconds = None if seconds is None else seconds * 1000
        ready = [descriptor for descriptor, _ in self.poller.poll(milliseconds)]
        with contextlib.suppress(BlockingIOError):
            if self.doorbell in ready:
                os.eventfd_read(self.doorbell)
        with contextlib.suppress(BlockingIOError):
            if self.deaths in ready:
                os.read(self.deaths, 65536)
        return ready

    def _patience_s(self) -> float | None:
        """Nothing to do: sleep for ever. Too many idle workers, or a pause: look again soon."""
        now = time.monotonic()
        times = [self.next_fork_s] if self.next_fork_s > now else []
        others = (self.door.next_look_s(), self.service.next_start_s())
        times += [look_s for look_s in others if look_s is not None]
        if _core.count_idle() > self.settings["keep_idle"]:
            times.append(self.next_trim_s)
        if self.slots and (look_s := self.memory.next_look_s) is not None:
            times.append(look_s)
        return max(0.0, min(times) - now) if times else None

    def start_requested_workers(self) -> None:
        """Fork a worker for each request in the tables."""
        if time.monotonic() < self.next_fork_s:
            return
        while slot := _core.reserve_worker():
            self._follow_driver_imports()
            journal_fd = self.journals.new()
            pid = _fork()
            self.journals.keep(journal_fd, pid)
            if pid is None:
                _core.sweep(slot, 0)  # gives the slot back, and asks again if there is work
                return
            if pid == 0:
                self._become_worker(slot, journal_fd)
            self.slots[pid] = slot
            self.started_s[pid] = time.monotonic()

    def _follow_driver_imports(self) -> None:
        """Import here what the driver uses (numpy), so that workers have it from the start."""
        if self.settings["preload"]:
            for name in self.settings["preload"]:
                with contextlib.suppress(Exception):  # whoever uses it is told in the task
                    __import__(name)
            self.settings["preload"] = []
            _warn_of_threads()
            gc.collect()
            gc.freeze()  # collections in workers would copy all pages, and there is nothing to find

    def _become_worker(self, slot: int, journal_fd: int | None) -> NoReturn:
        try:
            _core.die_with_parent()
            if os.getppid() != self.settings["supervisor_pid"]:
                os._exit(1)
            signal.set_wakeup_fd(-1)
            printing = self._printing_of(_core.job_of(slot))
            for descriptor in (self.deaths, self.deaths_in):
                os.close(descriptor)
            if not self.settings["head"]:
                os.close(self.driver)  # else the door's
            self.door.leave()
            self.journals.leave()
            self.dead.close()
            worker_main.run(
                slot,
                journal_fd,
                engine=self.engine,
                printing=printing,
                environment=self.settings["environment"],
                namespace=self.settings["namespace"],
            )
        finally:
            os._exit(1)

    def _printing_of(self, job: int) -> GuestOutput:
        """Return how workers of a job print."""
        if job == FIRST_JOB and not self.settings["head"]:
            return self.output.enter()
        guest = self.door.of_job(job)
        printing = guest.output if guest is not None else GuestOutput(is_shown=False)
        return printing.enter()

    def reap(self) -> None:
        """For each worker that is dead: end what it started, take its exit status, repair."""
        while (pid := _zombie()) is not None:
            slot = self.slots.get(pid)
            age_s = time.monotonic() - self.started_s.get(pid, 0.0)
            status = self._bury(pid)
            if slot is not None:
                self._sweep(pid, slot, status, age_s)
                self._end_orphans()
                self.door.hurry()
                self._slow_down(futile=status != 0 and age_s < FUTILE_S)

    def _sweep(self, pid: int, slot: int, status: int, age_s: float) -> None:
        log_files.remove_empty(log_files.files_of(_core.nonce(), _core.job_of(slot), pid))
        verdict = self.condemned.pop(slot, None)
        if verdict is None and status == signal.SIGKILL and self.memory.kernel_has_killed():
            words = "The kernel's out-of-memory killer has struck: it was probably its victim."
            is_alone = self.memory.running_tasks() < 2
            verdict = Verdict(slot, pid, 0, False, words, is_alone)  # noqa: FBT003
        serial = _core.running_serial(slot)
        words = self.journals.take(pid, serial)
        self.dead.note(
            obituaries.obituary(
                pid,
                age_s,
                status,
                asked=_core.kill_requested(slot) or not (serial or status),
                shortage=verdict.words if verdict is not None else "",
                last_words=words,
            )
        )
        if verdict is None:
            _core.sweep(slot, status, words if status else "")
        else:
            free = not verdict.is_alone
            _core.sweep(slot, status, verdict.words, out_of_memory=True, free_retry=free)

    def _bury(self, pid: int) -> int:
        """End the group of a dead child, then let its id go; return its exit status."""
        self.started_s.pop(pid, None)
        if self.slots.pop(pid, None) is not None:
            _kill_group(pid)
        status = os.waitpid(pid, 0)[1]
        self.service.has_ended(pid, status)
        return status

    def _slow_down(self, *, futile: bool) -> None:
        """Workers that die before they do anything must not be started without a pause."""
        stats = _core.engine_stats()
        tasks = stats["finished"] + stats["failed"] + stats["retried"]
        futile = futile and tasks == self.tasks_seen
        self.tasks_seen = tasks
        self.futile_starts = self.futile_starts + 1 if futile else 0
        if self.futile_starts >= FUTILE_STARTS:
            self.next_fork_s = time.monotonic() + FORK_PAUSE_S

    def _end_orphans(self) -> None:
        """End what a dead worker left behind: it has become our child, and its children will.

        So has what a live worker's task left to itself, which is spared. It is known by the
        worker's session (the kernel's; a worker leads one); a daemon, which has one of its own, by
        its environment or by a file that it inherited. Whose owner cannot be told ends here.
        """
        beyond_reach: set[int] = set()
        while orphans := self._orphans() - beyond_reach:
            for pid in orphans:
                try:
                    os.kill(pid, signal.SIGKILL)  # not reaped yet: the id is its own
                except PermissionError:  # it runs as another user
                    beyond_reach.add(pid)
                else:
                    os.waitpid(pid, 0)

    def _orphans(self) -> set[int]:
        strangers = _children() - self.slots.keys() - self.service.pids()
        return {pid for pid in strangers if not self._has_live_owner(pid)}

    def _has_live_owner(self, pid: int) -> bool:
        return (
            os.getsid(pid) in self.slots
            or (worker_main.owner_of(pid) or self.journals.owner_of(pid)) in self.slots
            or self.service.has_started(pid)
        )

    def send_requested_signals(self) -> None:
        """Carry out `ray.kill` and `ray.cancel`: nobody else knows that a pid is not another's."""
        requests = _core.signal_requests()
        if requests == self.signals_seen:
            return
        self.signals_seen = requests
        for pid, slot in self.slots.items():
            if _core.kill_requested(slot):
                _kill_group(pid)
            elif _core.take_interrupt(slot):
                _core.interrupt(pid, worker_main.INTERRUPT)

    def watch_memory(self) -> None:
        """Stop a worker when memory is short; the next one when this one is gone."""
        if self.condemned or (verdict := self.memory.look()) is None:
            return
        if not _core.condemn(verdict.slot, verdict.serial, verdict.is_actor):
            return  # it runs another task by now; it ends after that
        self.condemned[verdict.slot] = verdict
        _kill_group(verdict.pid)
        # What it did may begin again at once: not before somebody has looked at memory again.
        self.next_fork_s = time.monotonic() + self.memory.settings.refresh_ms / 1000
        if not self.told_of_memory:
            self.told_of_memory = True
            sys.stderr.write(f"pyray: {verdict.words}\n(Said once; others may follow.)\n")
            sys.stderr.flush()

    def trim(self) -> None:
        """Let one surplus idle worker go."""
        if time.monotonic() >= self.next_trim_s:
            self.next_trim_s = time.monotonic() + TRIM_AFTER_S
            _core.trim_idle(self.settings["keep_idle"])

    def end(self, *, polite: bool) -> None:
        """End every worker and everything they started; returns when all are reaped."""
        _core.end_session()
        deadline = time.monotonic() + (POLITE_S if polite else 0.0)
        self._bury_the_dead()
        while self.slots and (left := deadline - time.monotonic()) > 0:
            self._wait(left)
            self._bury_the_dead()
        for pid in self.slots:
            _kill_group(pid)
        for pid in list(self.slots):
            self._bury(pid)
        self.service.end()
        self._end_orphans()
        if self.output.repeats is not None:
            output.write_lines(self.output.repeats.rest())
        self.spill.remove()  # nobody is left who could write to it
        self.folder.remove()

    def _bury_the_dead(self) -> None:
        while (pid := _zombie()) is not None:
            self._bury(pid)


def _end_of(pid: int) -> int:
    """Return a descriptor that is ready once a process has ended, as it may have already."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        ended, writer = os.pipe()
        os.close(writer)
        return ended


def _tasks() -> tuple[int, int]:
    stats = _core.engine_stats()
    return stats["pending"], stats["submitted"]


def _zombie() -> int | None:
    """Return a child that has ended and was not waited for."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found is not None else None


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


def _children() -> set[int]:
    try:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii")
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        return {pid for pid in _everybody() if _parent(pid) == os.getpid()}
    return {int(pid) for pid in children.split()}


def _everybody() -> list[int]:
    try:
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    except OSError:
        return []


def _parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:  # gone
        return 0
    return int(stat.rpartition(b")")[2].split()[1])


def _warn_of_threads() -> None:
    """A process with threads forks into one that may find their locks held, for ever."""
    with contextlib.suppress(OSError):
        if (count := len(list(Path("/proc/self/task").iterdir()))) > 1:
            sys.stderr.write(f"pyray: imports left {count} threads in the process that forks\n")
            sys.stderr.flush()


def _open_standard_files() -> None:
    """Have 0, 1 and 2 taken, so that no later file gets a number that people print to."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(nothing, number)
    os.dup2(nothing, 0)
    if nothing > 2:
        os.close(nothing)


def _open_directories(settings: dict[str, Any]) -> None:
    for fd in (settings["spill"][0], *settings["folder"][:2]):
        if fd >= 0:
            fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)  # a task's programs must not lock it
    _core.set_spill_directory(*settings["spill"])


def main(settings: dict[str, Any]) -> NoReturn:
    """Run the supervisor; for `settings` see `pyray.node.local_engine`."""
    _open_standard_files()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stacks.name_process(stacks.SUPERVISOR_NAME)
    status = 1
    try:
        if settings["as_ray"]:
            as_ray.install_as_ray()
        settings["supervisor_pid"] = os.getpid()
        _core.become_subreaper()
        _core.attach_session(settings["control_fd"], settings["heap_fd"], settings["doorbell_fd"])
        _open_directories(settings)
        supervisor = Supervisor(settings)
        polite = False
        try:
            supervisor.serve()
            polite = _core.is_session_ending()
        finally:
            supervisor.end(polite=polite)
        status = 0
    except BaseException:  # noqa: BLE001  (the session ends here, and says why)
        traceback.print_exc()
    finally:
        os._exit(status)
