"""`pyray start`, `status` and `stop`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pyray as ray
from pyray import _core
from pyray.node import session_folder
from tests.node.conftest import pyray
from tests.support import ROOT, process, session_processes, started_script, wait_until


def test_head_says_what_it_is_and_what_it_has(head: str) -> None:
    [found] = session_folder.find()
    assert found.path == head
    assert found.about.head
    assert process(found.about.supervisor_pid) is not None
    done = pyray("status")
    assert done.returncode == 0, done.stderr
    assert "head, up" in done.stdout
    assert "0/2 CPU" in done.stdout
    assert "(no resource demands)" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80 or head in done.stdout


def test_idle_head_is_small(head: str) -> None:
    pids = session_processes(session_folder.find()[0].about.session_id)
    assert 1 <= len(pids) <= 6
    total = sum(
        int(line.split()[1]) << 10
        for pid in pids
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    )
    assert total < 150_000_000
    del head


def test_status_counts_what_runs_and_waits(head: str) -> None:
    ray.init(address=head)
    blockers = [ray.remote(lambda: time.sleep(60)).remote() for _ in range(2)]
    waiting = [ray.remote(lambda: 1).options(num_cpus=2).remote() for _ in range(5)]
    wait_until(lambda: _core.resources()["CPU"][1] == 0, 20, "both CPUs to be in use")
    done = pyray("status", "--address", head)
    assert "2/2 CPU" in done.stdout
    assert "{'CPU': 2.0}: 5+ pending" in done.stdout
    del blockers, waiting
    ray.shutdown()


def test_second_head_is_refused(head: str) -> None:
    done = pyray("start", "--head")
    assert done.returncode == 1
    assert head in done.stderr
    assert len(session_folder.find()) == 1


def test_stop_tells_drivers_and_leaves_nothing(head: str) -> None:
    [found] = session_folder.find()
    ray.init(address=head)
    waiting = ray.remote(lambda: time.sleep(60)).remote()
    done = pyray("stop")
    assert done.returncode == 0, done.stderr
    assert "Stopped session_" in done.stdout
    with pytest.raises(ray.exceptions.RaySystemError, match="ended"):
        ray.get(waiting, timeout=20)
    ray.shutdown()
    left = process(found.about.supervisor_pid)
    assert left is None or left.state == "Z"
    assert not Path(head).exists()
    again = pyray("stop")
    assert again.returncode == 0
    assert "No session" in again.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_head_that_does_not_answer_is_stopped_by_force(head: str, number: signal.Signals) -> None:
    [found] = session_folder.find()
    ray.init(address=head)
    worker = ray.get(ray.remote(os.getpid).remote())
    os.kill(found.about.supervisor_pid, number)
    done = pyray("stop", "--force")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: process(worker) is None, 10, "its worker to end")
    with pytest.raises(ray.exceptions.RaySystemError, match="ended"):
        ray.get(ray.remote(lambda: 1).remote(), timeout=20)
    ray.shutdown()
    assert session_folder.find() == []
    assert not Path(head).exists()


def test_stop_spares_sessions_of_programs_but_by_address(place: Path) -> None:
    source = "import pyray as ray, time\nray.init(num_cpus=1)\nprint('ready')\ntime.sleep(60)\n"
    with started_script(source) as script:
        script.wait_for_output("ready")
        assert "No session" in pyray("stop").stderr
        [found] = session_folder.find()
        assert pyray("status").stdout.count(f"pid {script.process.pid}") == 1
        assert pyray("stop", "--address", found.about.session_id[:6]).returncode == 0
        assert session_folder.find() == []
    assert not list(place.glob("*"))


def test_block_stays_and_ends_with_its_program(place: Path) -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "pyray", "start", "--head", "--num-cpus=1", "--block"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        wait_until(session_folder.find, 20, "the session")
        ray.init(address="auto")
        assert ray.get(ray.remote(lambda: 1).remote()) == 1
        ray.shutdown()
        command.terminate()
        _, errors = command.communicate(timeout=20)
        assert command.returncode == 0
        assert b"Stopping" in errors
    finally:
        command.kill()
        command.wait()
    assert not list(place.glob("*"))


def test_head_outlives_who_started_it_and_its_terminal(head: str) -> None:
    [found] = session_folder.find()
    assert os.getsid(found.about.supervisor_pid) == found.about.supervisor_pid
    with ray.init():
        pass
    assert slots_at_rest(head) == 2


def slots_at_rest(head: str) -> int:
    """Return how many processes have a slot, once those that left have given back theirs."""
    with ray.init(address=head):
        wait_until(lambda: _core.audit()["slots"] == 2, 10, "slots to be given back")
        return _core.audit()["slots"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--head"),
        (("--head", "--num-cpus=-1"), "CPU"),
        (("--head", "--resources={"), "expected JSON"),
        (("--head", "--resources=[1]"), "object in JSON"),
        (("--head", '--resources={"CPU": 1}'), "num_cpus"),
        (("--head", "--labels=x"), "NAME=VALUE"),
        (("--head", "--object-store-memory=1"), "at least"),
        (("--head", "--temp-dir=/dev/null"), "/dev/null"),
    ],
    ids=range(8),
)
def test_bad_argument_is_refused(place: Path, arguments: tuple[str, ...], words: str) -> None:
    done = pyray("start", *arguments)
    assert done.returncode in {1, 2}
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert session_folder.find() == []
    del place


def test_options_arrive(place: Path) -> None:
    done = pyray(
        *("start", "--head", "--num-cpus=1", "--num-gpus=0", '--resources={"special": 3}'),
        *("--labels=zone=a,kind=b", "--object-store-memory=50000000"),
    )
    assert done.returncode == 0, done.stderr
    with ray.init():
        assert ray.cluster_resources()["special"] == 3
        assert ray.nodes()[0]["Labels"]["zone"] == "a"
        assert 45e6 < ray.cluster_resources()["object_store_memory"] < 55e6
    assert pyray("stop").returncode == 0
    assert not list(place.glob("*"))


def test_status_without_a_session_is_an_error(place: Path) -> None:
    done = pyray("status")
    assert done.returncode == 1
    assert re.search("no running session", done.stderr)
    del place
