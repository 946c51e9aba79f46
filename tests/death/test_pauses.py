"""A process that stands still is not dead: nobody takes its place, and it goes on afterwards."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from pyray import testing
from tests import support
from tests.death import ways
from tests.death.ways import DEADLINE_S
from tests.support import wait_until

PAUSE_S = 0.7
"""Longer than any pause or period of the supervisor's."""


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Have a process stand still meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(PAUSE_S)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def supervisor_pid() -> int:
    """Return the process that all workers are children of."""
    pid = testing.worker_pids()[0]
    stat = Path(f"/proc/{pid}/stat").read_bytes()
    return int(stat.rpartition(b")")[2].split()[1])


def test_worker_that_stands_still_keeps_its_task(ray: ModuleType, tmp_path: Path) -> None:
    @ray.remote(max_retries=0)
    def slow() -> int:
        ways.note(tmp_path, "began")
        wait_until(lambda: ways.notes(tmp_path, "go"), DEADLINE_S, "the test to go on")
        return os.getpid()

    @ray.remote(max_retries=0)
    def quick(n: int) -> int:
        return n

    ref = slow.remote()
    (pid,) = wait_until(lambda: ways.notes(tmp_path, "began"), DEADLINE_S, "the task")
    with stopped(pid):
        ways.note(tmp_path, "go")
        assert ray.get([quick.remote(n) for n in range(50)], timeout=DEADLINE_S) == [*range(50)]
        assert ray.wait([ref], timeout=0)[0] == []
        assert pid in testing.worker_pids()
    assert ray.get(ref, timeout=DEADLINE_S) == pid


def test_idle_worker_that_stands_still_is_not_in_the_way(ray: ModuleType) -> None:
    @ray.remote(max_retries=0)
    def pid() -> int:
        return os.getpid()

    with stopped(ray.get(pid.remote())):
        ref = pid.remote()  # whoever was told to take it
        ray.wait([ref], timeout=0.2)
    assert isinstance(ray.get(ref, timeout=DEADLINE_S), int)


def test_actor_that_stands_still_keeps_state_and_calls(ray: ModuleType) -> None:
    @ray.remote
    class Counter:
        def __init__(self) -> None:
            self.n = 0

        def add(self) -> tuple[int, int]:
            self.n += 1
            return self.n, os.getpid()

    counter = Counter.remote()
    _, pid = ray.get(counter.add.remote())
    with stopped(pid):
        refs = [counter.add.remote() for _ in range(20)]
        assert ray.wait(refs, timeout=0)[0] == []
    assert ray.get(refs, timeout=DEADLINE_S) == [(n, pid) for n in range(2, 22)]


def test_supervisor_that_stands_still_delays_only_what_needs_it(ray: ModuleType) -> None:
    @ray.remote
    def crash() -> None:
        os._exit(1)

    @ray.remote(max_retries=0)
    def pid() -> int:
        return os.getpid()

    ray.get(pid.remote())
    with stopped(supervisor_pid()):
        assert isinstance(ray.get(pid.remote(), timeout=DEADLINE_S), int)
        ref = crash.options(max_retries=0).remote()
        assert ray.wait([ref], timeout=0.2)[0] == []  # nobody says anything
    with pytest.raises(ray.exceptions.WorkerCrashedError, match="exit code 1"):
        ray.get(ref, timeout=DEADLINE_S)


def test_driver_that_stands_still_is_not_given_up() -> None:
    source = """
    import os, signal, threading, time
    import pyray as ray
    ray.init(num_cpus=2)

    @ray.remote(max_retries=0)
    def nap(n):
        time.sleep(0.05)
        return n

    refs = [nap.remote(n) for n in range(40)]
    print("stop me", flush=True)
    assert ray.get(refs, timeout=30) == list(range(40))
    assert ray.get(nap.remote(41), timeout=30) == 41
    ray.shutdown()
    """
    with support.started_script(source) as script:
        wait_until(lambda: "stop me" in script.stdout(), 20, "the driver")
        with stopped(script.pid):
            pass
        assert script.wait(30).returncode == 0, script.report()


def test_many_pauses_under_load_lose_nothing(ray: ModuleType) -> None:
    @ray.remote(max_retries=0)
    def double(n: int) -> int:
        time.sleep(0.002)
        return 2 * n

    done = threading.Event()

    def disturb() -> None:
        while not done.wait(0.02):
            for pid in testing.worker_pids():
                try:
                    os.kill(pid, signal.SIGSTOP)
                    time.sleep(0.03)
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:  # one too many, let go
                    pass

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        refs = [double.remote(n) for n in range(500)]
        assert ray.get(refs, timeout=40) == [2 * n for n in range(500)]
    finally:
        done.set()
        thread.join()
