"""The job manager: starts jobs, watches them, ends them. It may be killed at any moment.

What is true of a job is in two places that outlive it: the records (`records`), and the job's
folder, which the job's own runner writes (`runner`). A manager that starts looks at every job that
is not recorded as ended:

    its folder is locked        the runner lives: watch it
    result.json is there        it ended meanwhile: record how
    started.json is there       runner and job were killed: end what is left of it, record that
    none of these               it was never started: start it
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import secrets
import shutil
import signal
import string
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyray import settings
from pyray.dashboard import environment, runner
from pyray.dashboard.records import JobRecords, now_ms
from pyray.exceptions import RuntimeEnvSetupError
from pyray.job_submission import JobErrorType, JobStatus
from pyray.node import session_folder

if TYPE_CHECKING:
    from pyray.dashboard.packages import Packages

logger = logging.getLogger("pyray.dashboard")

ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
ID_LETTERS = string.ascii_letters + string.digits
LAST_GRACE_S = 0.5
"""How long jobs have when the session ends."""
MOST_JOBS = 10_000
"""Records that are kept; then jobs that have ended must be deleted before others are taken."""
RESOURCES = {
    "entrypoint_num_cpus": "CPU",
    "entrypoint_num_gpus": "GPU",
    "entrypoint_memory": "memory",
}

Reserve = Callable[[Mapping[str, float]], Awaitable[Callable[[], object]]]
"""Takes resources, waiting for them; returns what gives them back."""


@dataclass(slots=True)
class Running:
    """A job that has not ended, in this process.

    Args:
        pidfd: Of its runner; -1: not started yet.
        over: Set when it has ended.
        task: What watches it.
    """

    pidfd: int = -1
    over: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class JobManager:
    """Runs the jobs of one session.

    Args:
        folder: The session's; jobs are in ``jobs``, what they write is in ``logs``.
        address: What programs of jobs connect to.
        packages: What clients have uploaded.
        reserve: Takes resources for commands; None: there are none to take.
    """

    def __init__(
        self, folder: Path, address: str, packages: Packages, reserve: Reserve | None
    ) -> None:
        self.folder, self.logs = folder / "jobs", folder / "logs"
        for place in (self.folder, self.logs):
            place.mkdir(mode=0o700, exist_ok=True)
        self.address, self.packages, self.reserve = address, packages, reserve
        self.records = JobRecords(self.folder / "jobs.sqlite")
        self.running: dict[str, Running] = {}

    # ---- What clients ask for.

    async def submit(self, request: Mapping[str, Any]) -> str:
        """Take a job; return its id. What is wrong with it is said now.

        Raises:
            ValueError: If the id is taken, or a value is wrong.
            TypeError: If a value has the wrong type.
        """
        job = dict(request)
        job["submission_id"] = job.get("submission_id") or new_id()
        self._check_resources(job)
        if self.records.count() >= MOST_JOBS:
            raise ValueError(f"There are {MOST_JOBS} jobs: delete some that have ended.")
        job["message"] = "Job has not started yet."
        self.records.add(job)
        self._watch(job["submission_id"], self._run)
        return str(job["submission_id"])

    def _check_resources(self, job: Mapping[str, Any]) -> None:
        if demanded(job) and self.reserve is None:
            raise ValueError(
                f"{', '.join(demanded(job))}: this server belongs to no session that has resources"
            )

    def stop(self, submission_id: str) -> bool:
        """Have a job end; return whether it was still going on."""
        going_on = self.records.request_stop(submission_id)
        if going_on:
            self._stop_now(submission_id)
        return going_on

    def _stop_now(self, submission_id: str) -> None:
        running = self.running.get(submission_id)
        if running is None:
            return
        if running.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(running.pidfd, signal.SIGTERM)
        elif running.task is not None:  # it has not started: it need not
            running.task.cancel()

    def delete(self, submission_id: str) -> bool:
        """Forget a job that has ended; return False if it has not."""
        if (job := self.records.get(submission_id)) is None or submission_id in self.running:
            return False
        if not JobStatus(job["status"]).is_terminal():
            return False
        shutil.rmtree(self.folder / submission_id, ignore_errors=True)
        return self.records.delete(submission_id)

    def log_of(self, submission_id: str) -> Path:
        """Return the file that a job writes to; it may not be there yet."""
        return self.logs / f"job-driver-{submission_id}.log"

    def is_over(self, submission_id: str) -> bool:
        """Return whether a job has ended, and all that it wrote is there."""
        return submission_id not in self.running

    # ---- The life of a job.

    def recover(self) -> None:
        """Go on with what an earlier manager left."""
        for job in self.records.living():
            logger.info("job %s: recovered, it was %s", job["submission_id"], job["status"])
            self._watch(job["submission_id"], self._go_on)

    def _watch(self, submission_id: str, life: Callable[[str, Running], Any]) -> None:
        running = self.running[submission_id] = Running()
        running.task = asyncio.create_task(self._live(submission_id, running, life))

    async def _live(
        self, submission_id: str, running: Running, life: Callable[[str, Running], Any]
    ) -> None:
        try:
            await life(submission_id, running)
        except asyncio.CancelledError:
            self._finish(submission_id, JobStatus.STOPPED, "Job was intentionally stopped.")
        except RuntimeEnvSetupError as error:
            kind = JobErrorType.RUNTIME_ENV_SETUP_FAILURE
            self._finish(
                submission_id, JobStatus.FAILED, f"runtime_env setup failed: {error}", kind
            )
        except Exception as error:
            logger.exception("job %s", submission_id)
            kind = JobErrorType.JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE
            self._finish(submission_id, JobStatus.FAILED, f"{type(error).__name__}: {error}", kind)
        finally:
            if running.pidfd >= 0:
                os.close(running.pidfd)
            del self.running[submission_id]
            running.over.set()

    async def _run(self, submission_id: str, running: Running) -> None:
        """Start a job that was never started, and see it through."""
        job = self.records.get(submission_id)
        if job is None or job["stop_requested"]:
            raise asyncio.CancelledError
        give_back = await self._take_resources(job)
        try:
            spec = await asyncio.to_thread(self._prepare, job)
            self._start(submission_id, running, spec)
            await self._see_through(submission_id, running)
        finally:
            if give_back is not None:
                give_back()

    async def _take_resources(self, job: Mapping[str, Any]) -> Callable[[], object] | None:
        if (demand := demanded(job)) and self.reserve is not None:
            return await self.reserve(demand)
        return None

    def _prepare(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Make a job's folder, and all that its runtime_env needs; return what to run."""
        submission_id = job["submission_id"]
        folder = self.folder / submission_id
        _empty(folder)
        try:
            local = environment.localize(job["runtime_env"] or {}, folder, self.packages)
            local.python_path += environment.install(local.env)
            variables = {**os.environ, **local.env.get("env_vars", {})}
            grace_s = settings.JOB_STOP_WAIT_TIME_S.value(variables)
        except (ValueError, TypeError, OSError) as error:
            raise RuntimeEnvSetupError(f"{type(error).__name__}: {error}") from error
        about = session_folder.read(str(self.folder.parent))
        return {
            "entrypoint": job["entrypoint"],
            "cwd": local.cwd,
            "environment": environment.variables(job, local, self.address, folder),
            "log": str(self.log_of(submission_id)),
            "grace_s": grace_s,
            "supervisor": about.supervisor_pid if about else 0,
        }

    def _start(self, submission_id: str, running: Running, spec: dict[str, Any]) -> None:
        folder = self.folder / submission_id
        self.log_of(submission_id).unlink(missing_ok=True)
        self.log_of(submission_id).touch(mode=0o600)
        runner.write(folder / runner.SPEC, spec)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, runner.SIGNALS)  # which it inherits
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", runner.__file__, str(folder)],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, settings.JOB_FOLDER.variable: str(folder)},
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        running.pidfd = os.pidfd_open(process.pid)
        process.returncode = 0  # it is reaped where its end is seen
        self.records.set_running(submission_id)
        logger.info("job %s: started, runner %d", submission_id, process.pid)
        record = self.records.get(submission_id)
        if record is not None and record["stop_requested"]:
            self._stop_now(submission_id)

    async def _go_on(self, submission_id: str, running: Running) -> None:
        """See through a job that an earlier manager may have started."""
        folder = self.folder / submission_id
        if (pidfd := _living_runner(folder)) is not None:
            running.pidfd = pidfd
            self.records.set_running(submission_id)
            job = self.records.get(submission_id)
            if job is not None and job["stop_requested"]:
                self._stop_now(submission_id)
            await self._see_through(submission_id, running)
        elif (folder / runner.STARTED).exists():
            self._record_end(submission_id)
        else:
            await self._run(submission_id, running)

    async def _see_through(self, submission_id: str, running: Running) -> None:
        """Wait for the runner's end, and record the job's."""
        while True:
            await _end_of(running.pidfd)
            other = _living_runner(self.folder / submission_id)
            if other is None:
                break
            os.close(running.pidfd)  # it found that an earlier manager's had begun
            running.pidfd = other
        self._record_end(submission_id)

    def _record_end(self, submission_id: str) -> None:
        """Record how a job ended whose runner is gone."""
        folder = self.folder / submission_id
        result = _json(folder / runner.RESULT)
        if result is None:
            end_marked(folder)
            kind = JobErrorType.JOB_SUPERVISOR_ACTOR_DIED
            words = "The job's runner was killed, and the job with it."
            self._finish(submission_id, JobStatus.FAILED, words, kind)
        else:
            self._finish(submission_id, *verdict(result), end_time=result["end_time"])
        for name in (environment.WORKING_DIR, environment.MODULES, runner.SPEC):
            place = folder / name
            shutil.rmtree(place, ignore_errors=True) if place.is_dir() else place.unlink(
                missing_ok=True
            )

    def _finish(  # noqa: PLR0913, PLR0917
        self,
        submission_id: str,
        status: JobStatus,
        message: str,
        kind: JobErrorType | None = None,
        exit_code: int | None = None,
        end_time: int | None = None,
    ) -> None:
        self.records.finish(
            submission_id,
            status,
            message,
            error_type=kind.value if kind else None,
            driver_exit_code=exit_code,
            end_time=end_time or now_ms(),
        )
        logger.info("job %s: %s, %s", submission_id, status, message)

    async def end(self) -> None:
        """End all jobs, soon: the session is over."""
        for submission_id in list(self.running):
            self.stop(submission_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_GRACE_S):
                await self._all_over()
        for running in self.running.values():
            if running.pidfd >= 0:
                signal.pidfd_send_signal(running.pidfd, signal.SIGKILL)
        await self._all_over()
        self.records.close()

    async def _all_over(self) -> None:
        for running in list(self.running.values()):
            await running.over.wait()


def new_id() -> str:
    """Return an id for a job whose submitter named none."""
    return "raysubmit_" + "".join(secrets.choice(ID_LETTERS) for _ in range(16))


def demanded(job: Mapping[str, Any]) -> dict[str, float]:
    """Return the resources that a command wants for itself."""
    demand = {name: float(job.get(key) or 0) for key, name in RESOURCES.items()}
    demand |= {
        name: float(value) for name, value in (job.get("entrypoint_resources") or {}).items()
    }
    return {name: value for name, value in demand.items() if value}


def verdict(result: Mapping[str, Any]) -> tuple[JobStatus, str, JobErrorType | None, int | None]:
    """Return status, message, kind of error and exit code for what a runner wrote."""
    code = result["exit_code"]
    if result["stopped"]:
        return JobStatus.STOPPED, "Job was intentionally stopped.", None, code
    if result["problem"]:
        kind = JobErrorType.JOB_ENTRYPOINT_COMMAND_START_ERROR
        return JobStatus.FAILED, f"The command cannot be started: {result['problem']}", kind, None
    if code == 0:
        return JobStatus.SUCCEEDED, "Job finished successfully.", None, 0
    words = f"Job entrypoint command failed with exit code {code}"
    if code < 0:
        words = f"Job entrypoint command was ended by {signal.Signals(-code).name}"
    return JobStatus.FAILED, words, JobErrorType.JOB_ENTRYPOINT_COMMAND_ERROR, code


def _json(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None


async def _end_of(pidfd: int) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(pidfd)
    with contextlib.suppress(ChildProcessError):  # an earlier manager's child
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)  # noqa: ASYNC222  (it has ended)


def _empty(folder: Path) -> None:
    """Make a job's folder, or empty it: an earlier manager may have died while it prepared it.

    A runner that this one started may be about to begin: without the file that says what to run,
    which goes first and while its lock is taken, it does not.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = runner.patient_lock(folder)
    if descriptor is None:
        raise RuntimeError(f"{folder} is in use by another runner")
    try:
        (folder / runner.SPEC).unlink(missing_ok=True)
        for place in folder.iterdir():
            if place.name != runner.LOCK:
                shutil.rmtree(place) if place.is_dir() else place.unlink()
    finally:
        os.close(descriptor)


def _living_runner(folder: Path) -> int | None:
    """Return a pidfd of the process that holds the lock of a job's folder, None if nobody does."""
    while folder.is_dir():
        descriptor = runner.lock(folder)
        if descriptor is not None:
            os.close(descriptor)
            return None
        started = _json(folder / runner.STARTED)  # a runner that has the lock writes this at once
        if started is None:
            time.sleep(0.001)
            continue
        with contextlib.suppress(ProcessLookupError):
            pidfd = os.pidfd_open(started["runner"])
            if (free := runner.lock(folder)) is None:
                return pidfd  # it held the lock when its id was looked up: the id is its own
            os.close(free)
            os.close(pidfd)
    return None


def end_marked(folder: Path) -> None:
    """Kill the processes that a job has left: they have its folder in their environment."""
    mark = f"{settings.JOB_FOLDER.variable}={folder}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            pidfd = os.pidfd_open(int(entry.name))
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            finally:
                os.close(pidfd)
