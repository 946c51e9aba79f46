"""Breakpoints in workers, with `pyray debug` at the other end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

from tests.support import ROOT, Script, started_script, wait_until

STOPS = """
    import pyray as ray

    @ray.remote
    def f(x):
        y = x + 1
        breakpoint()
        return y

    ray.init(num_cpus=1)
    ref = f.remote(5)
    END
"""


def waiting_pid(script: Script) -> int:
    """Return the process that the line on stderr names."""
    found = wait_until(
        lambda: re.search(r"type in a terminal: pyray debug (\d+)\n", script.stderr()),
        30,
        "the line that says what to type",
    )
    return int(found[1])


def debug(pid: int, typed: str) -> str:
    """Run `pyray debug`, with these lines typed."""
    return subprocess.run(
        [sys.executable, "-m", "pyray", "debug", str(pid)],
        input=typed,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
        cwd=ROOT,
    ).stdout


def test_breakpoint_waits_for_the_terminal_and_goes_on() -> None:
    with started_script(STOPS.replace("END", "print('result', ray.get(ref))")) as script:
        pid = waiting_pid(script)
        shown = debug(pid, "p x, y\nc\n")
        assert "(5, 6)" in shown
        assert "return y" in shown
        script.wait_for_output("result 6")


def test_whoever_goes_away_lets_the_task_go_on() -> None:
    with started_script(STOPS.replace("END", "print('result', ray.get(ref))")) as script:
        pid = waiting_pid(script)
        client = subprocess.Popen(
            [sys.executable, "-m", "pyray", "debug", str(pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert client.stdout is not None
        assert b"breakpoint" in client.stdout.readline()
        assert b">" in client.stdout.readline()  # it talks
        os.kill(client.pid, signal.SIGKILL)
        client.communicate()
        script.wait_for_output("result 6")


KILLED = """
try:
        ray.get(ref)
    except ray.exceptions.WorkerCrashedError:
        print("told", flush=True)
    print("result", ray.get(ray.remote(lambda: 6).remote()), flush=True)
"""


def test_worker_killed_at_its_breakpoint_frees_terminal_and_caller() -> None:
    source = STOPS.replace("@ray.remote", "@ray.remote(max_retries=0)", 1)
    with started_script(source.replace("END", KILLED.strip())) as script:
        pid = waiting_pid(script)
        client = subprocess.Popen(
            [sys.executable, "-m", "pyray", "debug", str(pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert client.stdout is not None
        assert b"breakpoint" in client.stdout.readline()
        os.kill(pid, signal.SIGKILL)
        script.wait_for_output("told")
        script.wait_for_output("result 6")
        try:
            client.wait(10)  # though nothing was typed
        finally:
            client.kill()
            client.communicate()


def test_quit_fails_the_task_and_cancel_ends_the_waiting() -> None:
    with started_script(QUITS) as script:
        pid = waiting_pid(script)
        debug(pid, "q\n")
        script.wait_for_output("BdbQuit")
        script.wait_for_output("cancelled")


QUITS = """
    import time
    import pyray as ray

    @ray.remote
    def f(x):
        breakpoint()

    ray.init(num_cpus=1)
    try:
        ray.get(f.remote(5))
    except ray.exceptions.RayTaskError as error:
        print(type(error.cause).__name__, flush=True)
    ref = f.remote(6)
    ray.wait([ref], timeout=0.5)
    ray.cancel(ref)
    try:
        ray.get(ref)
    except ray.exceptions.TaskCancelledError:
        print("cancelled", flush=True)
"""

FAILS = """
    import pyray as ray

    @ray.remote
    def f(x):
        word = "seen"
        raise ValueError(x)

    ray.init(num_cpus=1)
    try:
        ray.get(f.remote(5))
    except ValueError:
        print("failed")
"""


def test_post_mortem_shows_the_frame_that_raised() -> None:
    with started_script(FAILS, env={"RAY_DEBUG_POST_MORTEM": "1"}) as script:
        pid = waiting_pid(script)
        assert "ValueError(5)" in script.stderr()
        assert "'seen'" in debug(pid, "p word\nc\n")
        script.wait_for_output("failed")


def test_nobody_waits() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pyray", "debug", "1"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert "breakpoint" in done.stderr
