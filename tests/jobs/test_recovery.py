"""The job manager is killed at any moment; the next one knows what is true."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyray.dashboard import runner
from pyray.job_submission import JobStatus
from tests.jobs import served as servers
from tests.jobs.served import served
from tests.support import wait_until


def test_running_job_survives_and_its_exit_code_arrives(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with served(tmp_path) as server:
        job = server.client().submit_job(
            entrypoint=f"echo one; while [ ! -e {go} ]; do sleep 0.02; done; echo two; exit 5"
        )
        wait_until(lambda: server.client().get_job_logs(job), 20, "the job to run")
        server.kill()
        again = server.process = servers.start(tmp_path).process
        assert again.poll() is None
        client = server.client()
        assert client.get_job_status(job) is JobStatus.RUNNING
        go.touch()
        assert "".join(client.follow_job_logs(job)) == "one\ntwo\n"
        wait_until(lambda: client.get_job_status(job).is_terminal(), 20, "the end")
        info = client.get_job_info(job)
        assert (info.status, info.driver_exit_code) == (JobStatus.FAILED, 5)


def test_job_that_ended_meanwhile_is_recorded(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        job = server.client().submit_job(entrypoint=f"while [ ! -e {tmp_path}/go ]; do :; done")
        wait_until(lambda: started(tmp_path, job), 20, "the job to run")
        server.kill()
        (tmp_path / "go").touch()
        wait_until(lambda: (tmp_path / "jobs" / job / "result.json").exists(), 20, "its end")
        server.process = servers.start(tmp_path).process
        assert server.client().get_job_status(job) is JobStatus.SUCCEEDED


def started(folder: Path, job: str) -> dict[str, int] | None:
    try:
        found = json.loads((folder / "jobs" / job / "started.json").read_text())
    except FileNotFoundError:
        return None
    return dict(found) if found["job"] else None


@pytest.mark.parametrize("manager", ["lives", "dead"])
def test_runner_that_is_killed_takes_the_job_with_it(tmp_path: Path, manager: str) -> None:
    with served(tmp_path) as server:
        job = server.client().submit_job(entrypoint="setsid sleep 300 & sleep 300")
        wait_until(lambda: started(tmp_path, job), 20, "the job to run")
        runner = started(tmp_path, job)["runner"]
        if manager == "dead":
            server.kill()
        os.kill(runner, signal.SIGKILL)
        if manager == "dead":
            server.process = servers.start(tmp_path).process
        client = server.client()
        wait_until(lambda: client.get_job_status(job).is_terminal(), 20, "the end")
        info = client.get_job_info(job)
        assert (info.status, info.error_type) == (JobStatus.FAILED, "JOB_SUPERVISOR_ACTOR_DIED")
        mark = f"PYRAY_JOB_FOLDER={tmp_path}/jobs/{job}".encode()
        wait_until(lambda: not marked(mark), 10, "what the job left to end")


def test_job_ends_with_the_supervisor_of_its_session(tmp_path: Path) -> None:
    mark = f"MARK={tmp_path}"
    spec = {
        "entrypoint": "sleep 300",
        "cwd": str(tmp_path),
        "environment": {**os.environ, "MARK": str(tmp_path)},
        "log": str(tmp_path / "log"),
        "grace_s": 60,
    }
    with subprocess.Popen(["sleep", "300"]) as supervisor:
        spec["supervisor"] = supervisor.pid
        (tmp_path / runner.SPEC).write_text(json.dumps(spec))
        with subprocess.Popen([sys.executable, "-I", "-S", runner.__file__, str(tmp_path)]) as job:
            try:
                wait_until(lambda: marked(mark.encode()), 20, "the job to run")
            finally:
                supervisor.kill()
            assert job.wait(20) == 0
    assert marked(mark.encode()) == []
    assert json.loads((tmp_path / runner.RESULT).read_text())["stopped"]


def marked(mark: bytes) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(entry.name)
        except OSError:
            continue
    return found


def test_stop_that_was_promised_is_kept(tmp_path: Path) -> None:
    """The manager dies after it noted the wish, before the signal is sent."""
    with served(tmp_path) as server:
        job = server.client().submit_job(entrypoint="sleep 300")
        wait_until(lambda: started(tmp_path, job), 20, "the job to run")
        server.kill()
        database = sqlite3.connect(tmp_path / "jobs" / "jobs.sqlite")
        database.execute("UPDATE jobs SET stop_requested = 1")
        database.commit()
        database.close()
        server.process = servers.start(tmp_path).process
        client = server.client()
        wait_until(lambda: client.get_job_status(job) is JobStatus.STOPPED, 20, "the stop")


@pytest.mark.slow
def test_kills_at_random_moments(tmp_path: Path) -> None:
    """Every job that was accepted ends, once: it leaves one line, and the right exit code."""
    seed = int(os.environ.get("PYRAY_TEST_SEED") or random.randrange(10**6))
    dice = random.Random(seed)
    counted = tmp_path / "counted"
    accepted: dict[str, int] = {}
    with served(tmp_path) as server:
        for round_ in range(4):
            client = server.client()
            for number in range(3):
                code = dice.randrange(3)
                job = client.submit_job(
                    entrypoint=f"echo {round_}-{number} >> {counted}; exit {code}"
                )
                accepted[job] = code
            time.sleep(dice.random() * 0.15)  # the moment of death, not a wait
            server.kill()
            again = servers.start(tmp_path)
            server.process, server.port = again.process, again.port
        client = server.client()
        jobs = {one.submission_id: one for one in client.list_jobs()}
        assert set(jobs) == set(accepted), f"seed {seed}"
        for job, code in accepted.items():
            wait_until(lambda job=job: client.get_job_status(job).is_terminal(), 30, "the end")
            assert client.get_job_info(job).driver_exit_code == code, f"seed {seed}"
    lines = counted.read_text().split()
    assert sorted(lines) == sorted(f"{a}-{b}" for a in range(4) for b in range(3)), f"seed {seed}"


def test_second_server_on_a_folder_is_refused(tmp_path: Path) -> None:
    import subprocess
    import sys

    with served(tmp_path) as server:
        done = subprocess.run(
            [sys.executable, "-m", "pyray.dashboard"],
            env={**os.environ, "PYRAY_ADDRESS": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 1
        assert "has a server already" in done.stderr
        assert server.client().list_jobs() == []


def test_jobs_end_with_their_server(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        job = server.client().submit_job(entrypoint="trap '' TERM; sleep 300; sleep 300")
        wait_until(lambda: started(tmp_path, job), 20, "the job to run")
    assert not marked(f"PYRAY_JOB_FOLDER={tmp_path}/jobs/{job}".encode())
