"""The command `pyray`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT, started_script, wait_until


def pyray(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does who has no installation."""
    return subprocess.run(
        [sys.executable, "-m", "pyray", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )


HANGS = """
    import ctypes, os, threading, time
    import pyray as ray
    from pyray import _core, testing
    ray.init(num_cpus=4)

    @ray.remote
    def sleeps_in_python(path):
        open(path + "/1", "w").close()
        time.sleep(60)

    @ray.remote
    def sleeps_in_c(path):
        open(path + "/2", "w").close()
        ctypes.PyDLL(None).pause()

    @ray.remote
    def loops(path):
        open(path + "/3", "w").close()
        while True:
            pass

    @ray.remote
    def waits(path):
        open(path + "/4", "w").close()
        ray.get(loops.remote(path))

    here = os.getcwd()
    refs = [task.remote(here) for task in (sleeps_in_python, sleeps_in_c, loops, waits)]
    print("session", f"{_core.nonce():016x}", testing.supervisor_pid(), flush=True)

    def main_waits():
        ray.get(refs)

    main_waits()
"""


def part_of(text: str, function: str) -> str:
    """The part about the process that is in this function."""
    parts = [part for part in re.split(r"\n(?=\w+, pid \d+)", text) if f"in {function}\n" in part]
    assert parts, text
    return parts[0]


def test_stack_shows_every_process_of_a_session() -> None:
    with started_script(HANGS) as script:
        script.wait_for_output("session")
        _, session, supervisor = script.stdout().split()
        work = script.folder / "work"
        wait_until(lambda: len(list(work.iterdir())) == 4, 20, "the tasks to run")
        done = pyray("stack", "--session", session)
        assert done.returncode == 0, done.stderr
        assert f"session {session}\n" in done.stdout
        assert f"driver, pid {script.pid}" in part_of(done.stdout, "main_waits")
        assert f"supervisor, pid {supervisor}" in part_of(done.stdout, "serve")
        workers = {
            name: part_of(done.stdout, name)
            for name in ("sleeps_in_python", "sleeps_in_c", "loops", "waits")
        }
        assert all(part.startswith("worker, pid ") for part in workers.values())
        assert "worker/main.py" not in done.stdout

        pid = re.findall(r"pid (\d+)", workers["loops"])[0]
        os.kill(int(pid), signal.SIGSTOP)
        wait_until(lambda: state(int(pid)) == "T", 10, "the worker to stop")
        done = pyray("stack", "--session", session, "--pid", pid)
        assert "It is stopped (SIGSTOP)" in done.stdout
        assert "driver" not in done.stdout
        os.kill(int(pid), signal.SIGCONT)
        again = pyray("stack", "--session", session, "--pid", pid)
        assert "in loops\n" in again.stdout
        assert script.process.poll() is None  # asking has disturbed nobody
        script.process.kill()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_stack_without_a_session_says_so() -> None:
    done = pyray("stack", "--session", "nobody")
    assert done.returncode == 1
    assert "no running session of this user whose id begins with nobody" in done.stderr


def test_help_names_the_commands() -> None:
    assert "stack" in pyray("--help").stdout
    assert pyray("walk").returncode == 2


def test_program_that_uses_the_signal_keeps_it() -> None:
    source = """
    import signal
    from pyray import journal
    caught = []
    signal.signal(journal.STACK_SIGNAL, lambda number, _frame: caught.append(number))
    import os, time
    import pyray as ray
    from pyray import _core
    ray.init(num_cpus=1)
    ray.get(ray.remote(lambda: 1).remote())  # its supervisor is up
    print("session", f"{_core.nonce():016x}", flush=True)
    while not os.path.exists("go"): time.sleep(0.005)
    os.kill(os.getpid(), journal.STACK_SIGNAL)
    ray.shutdown()
    os.kill(os.getpid(), journal.STACK_SIGNAL)
    assert len(caught) == 2
    """
    with started_script(source) as script:
        script.wait_for_output("session")
        session = script.stdout().split()[1]
        done = pyray("stack", "--session", session, "--pid", str(script.pid))
        assert "uses the signal itself" in done.stdout
        (script.folder / "work/go").touch()
        assert script.wait(20).returncode == 0, script.report()
