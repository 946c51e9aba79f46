"""Ray's own client and command submit, follow and stop jobs here.

PYRAY_RAY_PYTHON names the Python of an environment with Ray; without it these are skipped.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.jobs.served import Served

RAY_PYTHON = os.environ.get("PYRAY_RAY_PYTHON", "")
pytestmark = [
    pytest.mark.slow,  # Ray takes seconds to import
    pytest.mark.skipif(not RAY_PYTHON, reason="PYRAY_RAY_PYTHON is not set"),
]
PROGRAM = """
import asyncio, sys, time
from ray.job_submission import JobStatus, JobSubmissionClient
url, folder = sys.argv[1:]
client = JobSubmissionClient(url)
job = client.submit_job(
    entrypoint="python script.py",
    runtime_env={"working_dir": folder, "env_vars": {"GREETING": "hi"}},
    metadata={"a": "b"},
)
async def tail():
    return "".join([text async for text in client.tail_job_logs(job)])
assert asyncio.run(tail()) == "hi from a file\\n"
info = client.get_job_info(job)
assert info.status == JobStatus.SUCCEEDED and info.driver_exit_code == 0, info
assert info.metadata == {"a": "b"}
other = client.submit_job(entrypoint="sleep 300")
while client.get_job_status(other) != JobStatus.RUNNING:
    time.sleep(0.05)
assert client.stop_job(other)
while not client.get_job_status(other).is_terminal():
    time.sleep(0.05)
assert client.get_job_status(other) == JobStatus.STOPPED
assert {job, other} <= {one.submission_id for one in client.list_jobs()}
assert client.delete_job(other)
try:
    client.get_job_info(other)
except RuntimeError as error:
    assert "404" in str(error)
print("fine")
"""


@pytest.fixture
def environment(server: Served) -> dict[str, str]:
    token = str(server.folder / "api_token")
    return {**os.environ, "PYTHONPATH": "", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": token}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = "import os\nprint(os.environ.get('GREETING', 'no'), open('data').read())\n"
    (tmp_path / "script.py").write_text(text)
    (tmp_path / "data").write_text("from a file")
    return tmp_path


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=50, check=False
    )


def test_client_submits_follows_and_stops(
    server: Served, environment: dict[str, str], folder: Path
) -> None:
    done = run([RAY_PYTHON, "-c", PROGRAM, server.url, str(folder)], environment)
    assert done.stdout == "fine\n", done.stdout + done.stderr


def test_command_submits_and_tells_the_end(
    server: Served, environment: dict[str, str], folder: Path
) -> None:
    ray = str(Path(RAY_PYTHON).parent / "ray")
    submit = [ray, "job", "submit", "--address", server.url, "--working-dir", str(folder), "--"]
    done = run([*submit, "python", "script.py"], environment)
    assert done.returncode == 0, done.stderr
    assert "no from a file" in done.stdout
    assert run([*submit, "sh", "-c", "exit 3"], environment).returncode == 1


def test_client_without_the_token_is_refused(server: Served, environment: dict[str, str]) -> None:
    environment["RAY_AUTH_MODE"] = "disabled"
    source = (
        "import sys; from ray.job_submission import JobSubmissionClient; "
        "JobSubmissionClient(sys.argv[1])"
    )
    done = run([RAY_PYTHON, "-c", source, server.url], environment)
    assert done.returncode == 1
    assert "Authentication required" in done.stderr
