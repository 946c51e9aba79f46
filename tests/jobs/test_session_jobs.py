"""Jobs of a session that was started with `pyray start --head`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from pyray.job_submission import server
from pyray.node import session_folder
from tests.support import ROOT, wait_until


def pyray(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyray", *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a head whose server starts at this moment."""
    monkeypatch.setenv("PYRAY_TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYRAY_DASHBOARD_PORT", "0")
    done = pyray("start", "--head", "--num-cpus", "2")
    assert done.returncode == 0, done.stderr
    try:
        yield next(tmp_path.glob("*/session_*"))
    finally:
        assert pyray("stop").returncode == 0


PROGRAM = """
import os, sys
import pyray as ray
ray.init()

@ray.remote
def work():
    return os.environ["GREETING"], open("data").read()

print(ray.get(work.remote()), ray.cluster_resources()["CPU"])
sys.exit(4)
"""


def test_program_joins_the_session_with_its_runtime_env(head: Path, tmp_path: Path) -> None:
    place = tmp_path / "program"
    place.mkdir()
    (place / "script.py").write_text(PROGRAM)
    (place / "data").write_text("content")
    env = json.dumps({"env_vars": {"GREETING": "hi"}})
    options = ("--working-dir", str(place), "--runtime-env-json", env)
    done = pyray("job", "submit", *options, "--", "python", "script.py")
    assert done.stdout == "('hi', 'content') 2.0\n", done.stderr
    assert done.returncode == 4
    listed = pyray("job", "list")
    assert "FAILED" in listed.stdout
    assert "python script.py" in listed.stdout
    assert all(len(line) <= 80 for line in listed.stdout.splitlines())


def described(folder: Path, start_time: float) -> None:
    """Make a head's folder, without a head."""
    about = session_folder.Description("0" * 16, 1, 0, start_time, "0", "3", head=True)
    (folder / session_folder.DESCRIPTION).write_text(json.dumps(asdict(about)))
    server.make_token(folder)


def test_server_that_is_about_to_listen_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described(tmp_path, time.time())
    place = server.Place("http://127.0.0.1:1", 1)
    monkeypatch.setattr(server.time, "sleep", lambda _: server.write_place(tmp_path, place))
    assert server.find(str(tmp_path)).url == place.url


def test_server_of_an_old_session_is_not_waited_for(tmp_path: Path) -> None:
    described(tmp_path, time.time() - 60)
    started = time.monotonic()
    with pytest.raises(ConnectionError, match="has no server for jobs"):
        server.find(str(tmp_path))
    assert time.monotonic() - started < server.STARTING_S / 2


def test_empty_id_names_no_job(head: Path) -> None:
    done = pyray("job", "status", "", "--address", str(head))
    assert done.returncode == 1
    assert done.stderr == "Error: Job '' does not exist.\n"


@pytest.mark.slow
def test_command_waits_for_its_resources(head: Path) -> None:
    options = ("--no-wait", "--entrypoint-num-cpus", "2", "--submission-id")
    assert pyray("job", "submit", *options, "first", "--", "sleep", "300").stdout == "first\n"
    wait_until(lambda: "running" in pyray("job", "status", "first").stdout, 30, "it to run")
    pyray("job", "submit", *options, "second", "--", "echo", "ran")
    assert "pending" in pyray("job", "status", "second").stdout
    assert "stopped" in pyray("job", "stop", "first").stdout
    assert pyray("job", "logs", "-f", "second").stdout == "ran\n"
    done = pyray("job", "submit", "--entrypoint-num-cpus", "3", "--", "true")
    assert done.returncode == 1
    assert "CPU" in done.stderr


def test_without_a_session_the_command_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYRAY_TMPDIR", str(tmp_path))
    done = pyray("job", "list")
    assert done.returncode == 1
    assert "no running session" in done.stderr
