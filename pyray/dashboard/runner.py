"""The process between the job manager and a job: it starts the entrypoint and says how it ended.

    job manager ---exec---> runner ---exec---> sh -c ENTRYPOINT, in a process group of its own

It lives as long as the job, whatever happens to the manager, and holds the lock of the job's folder
meanwhile: so the kernel knows whether the job runs. In the folder are

    spec.json      what to run; the manager wrote it
    lock           locked while this process lives
    started.json   it has begun: a job is never started twice
    result.json    how it ended

SIGTERM means: stop the job. Its group gets SIGTERM, and SIGKILL when the grace is over. When the
entrypoint has ended, by itself or not, everything that it left behind is ended. The end of the
session's supervisor stops the job, too: it may have been killed. When this process is killed, the
entrypoint is killed by the kernel, and the rest by the manager.

Only the standard library, and no `site`: a job should not cost more than it must.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
PATIENCE_S = 1.0
SIGNALS = {signal.SIGTERM, signal.SIGCHLD}
LOCK, SPEC, STARTED, RESULT = "lock", "spec.json", "started.json", "result.json"


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a file so that it is there as a whole or not at all."""
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


def lock(folder: Path) -> int | None:
    """Lock a job's folder; None if its runner lives."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def patient_lock(folder: Path) -> int | None:
    """Lock a job's folder, which a manager that looks may have locked for a moment."""
    deadline = time.monotonic() + PATIENCE_S
    while (descriptor := lock(folder)) is None and time.monotonic() < deadline:
        time.sleep(0.005)
    return descriptor


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _become_job() -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def start(spec: dict[str, Any]) -> int:
    """Start the entrypoint; return its process id."""
    log = os.open(spec["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", spec["entrypoint"]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=spec["cwd"],
            env=spec["environment"],
            start_new_session=True,
            preexec_fn=_become_job,  # noqa: PLW1509  (this process has one thread)
        )
        process.returncode = 0  # or it would be waited for when `process` goes, and its status lost
        return process.pid
    finally:
        os.close(log)


def stop_with(supervisor: int) -> None:
    """Have this process stop the job when the session's supervisor has gone."""
    try:
        descriptor = os.pidfd_open(supervisor)
    except ProcessLookupError:
        pass
    else:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll()
    os.kill(os.getpid(), signal.SIGTERM)


def watch(job: int, grace_s: float) -> tuple[int, bool]:
    """Wait for the job's end; return its wait status, and whether it was told to stop."""
    stopped, kill_at_s = False, float("inf")
    while (status := _reap(job)) is None:
        left_s = min(3600.0, max(0.0, kill_at_s - time.monotonic()))
        found = signal.sigtimedwait(SIGNALS, left_s)
        if found is not None and found.si_signo == signal.SIGTERM and not stopped:
            stopped, kill_at_s = True, time.monotonic() + grace_s
            _signal_group(job, signal.SIGTERM)
        if time.monotonic() >= kill_at_s:
            _signal_group(job, signal.SIGKILL)
            kill_at_s = time.monotonic() + 1.0
    return status, stopped


def _reap(job: int) -> int | None:
    """Wait for whatever has ended; return the job's status if it is among that."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return None
        if pid == job:
            return status


def _signal_group(job: int, number: int) -> None:
    try:
        os.killpg(job, number)
    except (ProcessLookupError, PermissionError):  # ended, or other users' only
        return


def end_the_rest() -> None:
    """End what the entrypoint has left: its orphans have become this process's children."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    beyond_reach: set[int] = set()
    while pids := {int(pid) for pid in children.read_text("ascii").split()} - beyond_reach:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)  # not waited for yet: the id is its own
            except PermissionError:
                beyond_reach.add(pid)
            else:
                os.waitpid(pid, 0)


def run(folder: Path, spec: dict[str, Any]) -> dict[str, Any]:
    """Run the job of a folder; return how it ended."""
    try:
        job = start(spec)
    except OSError as error:
        return {"exit_code": None, "stopped": False, "problem": f"{error}"}
    write(folder / STARTED, {"runner": os.getpid(), "job": job})
    if spec["supervisor"]:  # only now: a fork and threads do not go together
        threading.Thread(target=stop_with, args=(spec["supervisor"],), daemon=True).start()
    status, stopped = watch(job, spec["grace_s"])
    end_the_rest()
    return {"exit_code": os.waitstatus_to_exitcode(status), "stopped": stopped, "problem": ""}


def main(folder: Path) -> None:
    """Run the job of a folder, unless it was begun before."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if patient_lock(folder) is None or (folder / STARTED).exists():
        return
    try:
        spec = json.loads((folder / SPEC).read_text("utf-8"))
    except FileNotFoundError:  # a later manager has begun anew, and will start another
        return
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    write(folder / STARTED, {"runner": os.getpid(), "job": 0})
    result = run(folder, spec)
    with contextlib.suppress(FileNotFoundError):  # the session is gone, and its folder swept
        write(folder / RESULT, {**result, "end_time": int(time.time() * 1000)})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
