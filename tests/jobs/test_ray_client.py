"""Ray's own clients and commands submit, follow and stop jobs here, and list what there is.

PYRAY_RAY_PYTHON names the Python of an environment with Ray; without it these are skipped.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyray as ray
from pyray.node.session import session_path
from pyray.util.placement_group import placement_group
from tests.jobs.served import Served, served

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
STATE_PROGRAM = """
import sys
from ray.util import state
url = sys.argv[1]
tasks = state.list_tasks(address=url, filters=[("name", "=", "alpha")], limit=2, detail=True)
assert [(task.name, task.state) for task in tasks] == [("alpha", "FINISHED")] * 2, tasks
assert state.get_task(tasks[0].task_id, address=url).worker_pid == tasks[0].worker_pid
[actor] = state.list_actors(address=url, filters=[("state", "=", "ALIVE")])
assert actor.class_name == "Gamma"
assert state.get_actor(actor.actor_id, address=url).pid == actor.pid
assert state.list_objects(address=url)
assert {one.worker_type for one in state.list_workers(address=url)} >= {"DRIVER", "WORKER"}
[node] = state.list_nodes(address=url)
assert node.is_head_node and state.get_node(node.node_id, address=url).node_id == node.node_id
assert "DRIVER" in {job.type for job in state.list_jobs(address=url)}
[group] = state.list_placement_groups(address=url, detail=True)
assert group.state == "CREATED" and group.name == "pair", group
assert state.list_runtime_envs(address=url)
counts = state.summarize_tasks(address=url)["cluster"]["summary"]["alpha"]["state_counts"]
assert counts == {"FINISHED": 5}, counts
assert state.summarize_actors(address=url)["cluster"]["total_actors"] == 1
assert state.summarize_objects(address=url)["cluster"]["total_objects"] > 0
try:
    state.list_tasks(address=url, filters=[("no_such_column", "=", "x")])
except Exception as error:
    assert "no_such_column" in str(error), error
else:
    raise AssertionError("not refused")
print("fine")
"""


@pytest.fixture
def environment(server: Served) -> dict[str, str]:
    token = str(server.folder / "api_token")
    return {**os.environ, "PYTHONPATH": "", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": token}


@pytest.fixture
def watched() -> Iterator[Served]:
    """The server of a session that has done something."""
    ray.init(num_cpus=2, log_to_driver=False)
    try:

        @ray.remote
        def alpha() -> None: ...

        @ray.remote(num_cpus=0)
        class Gamma:
            def ping(self) -> None: ...

        actor = Gamma.remote()
        environment = {"env_vars": {"A": "1"}}
        ray.get([actor.ping.remote(), *(alpha.remote() for _ in range(5))])
        ray.get(alpha.options(name="other", runtime_env=environment).remote())
        group = placement_group([{"CPU": 0.5}] * 2, name="pair")
        ray.get(group.ready())
        with served(Path(session_path() or "")) as server:
            yield server
        del actor
    finally:
        ray.shutdown()


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


def with_token(server: Served, environment: dict[str, str]) -> dict[str, str]:
    return environment | {"RAY_AUTH_TOKEN_PATH": str(server.folder / "api_token")}


def test_state_client_lists_gets_and_counts(watched: Served, environment: dict[str, str]) -> None:
    command = [RAY_PYTHON, "-c", STATE_PROGRAM, watched.url]
    done = run(command, with_token(watched, environment))
    assert done.stdout == "fine\n", done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["list", "tasks", "--filter", "name=alpha", "--limit", "2"], "alpha"),
        (["list", "actors", "--detail"], "class_name: Gamma"),
        (["summary", "tasks"], "alpha"),
    ],
    ids=["list", "detail", "summary"],
)
def test_command_lists_what_there_is(
    watched: Served, environment: dict[str, str], words: list[str], shown: str
) -> None:
    ray_command = str(Path(RAY_PYTHON).parent / "ray")
    done = run([ray_command, *words, "--address", watched.url], with_token(watched, environment))
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


def test_client_without_the_token_is_refused(server: Served, environment: dict[str, str]) -> None:
    environment["RAY_AUTH_MODE"] = "disabled"
    source = (
        "import sys; from ray.job_submission import JobSubmissionClient; "
        "JobSubmissionClient(sys.argv[1])"
    )
    done = run([RAY_PYTHON, "-c", source, server.url], environment)
    assert done.returncode == 1
    assert "Authentication required" in done.stderr
