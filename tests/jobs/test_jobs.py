"""Jobs from submission to end, through the client."""

from __future__ import annotations

import asyncio
import os
import shlex
import zipfile
from pathlib import Path

import pytest

from pyray.job_submission import JobDetails, JobStatus, JobSubmissionClient, JobType
from tests.jobs.served import Served
from tests.support import ROOT, wait_until


@pytest.fixture
def client(server: Served) -> JobSubmissionClient:
    return server.client()


def ended(client: JobSubmissionClient, submission_id: str) -> JobDetails:
    """Wait for a job's end."""
    wait_until(lambda: client.get_job_status(submission_id).is_terminal(), 30, "the job's end")
    return client.get_job_info(submission_id)


def running(client: JobSubmissionClient, submission_id: str) -> None:
    wait_until(
        lambda: client.get_job_status(submission_id) is JobStatus.RUNNING, 20, "the job to run"
    )


def test_job_runs_and_its_output_is_there(client: JobSubmissionClient) -> None:
    job = client.submit_job(entrypoint="echo out; echo err >&2", metadata={"why": "test"})
    info = ended(client, job)
    assert info.status is JobStatus.SUCCEEDED
    assert info.type is JobType.SUBMISSION
    assert (info.driver_exit_code, info.metadata) == (0, {"why": "test"})
    assert info.start_time is not None
    assert info.end_time is not None
    assert info.start_time <= info.end_time
    assert sorted(client.get_job_logs(job).split()) == ["err", "out"]
    assert job in [one.submission_id for one in client.list_jobs()]


def test_failure_has_the_exit_code(client: JobSubmissionClient) -> None:
    info = ended(client, client.submit_job(entrypoint="exit 7"))
    assert (info.status, info.driver_exit_code) == (JobStatus.FAILED, 7)
    assert info.message == "Job entrypoint command failed with exit code 7"
    info = ended(client, client.submit_job(entrypoint="kill -KILL $$"))
    assert (info.status, info.driver_exit_code) == (JobStatus.FAILED, -9)
    assert "SIGKILL" in str(info.message)


def test_environment_of_a_job(client: JobSubmissionClient, server: Served) -> None:
    names = "GREETING PYRAY_ADDRESS RAY_ADDRESS"
    job = client.submit_job(
        entrypoint=f"for n in {names}; do printenv $n; done; command -v python",
        runtime_env={"env_vars": {"GREETING": "hello you"}},
    )
    ended(client, job)
    import sys

    folder = str(server.folder)
    assert client.get_job_logs(job).splitlines() == [
        "hello you", folder, folder, str(Path(sys.executable).parent / "python")
    ]  # fmt: skip


def test_job_without_a_folder_starts_where_the_session_was_started(
    client: JobSubmissionClient,
) -> None:
    job = client.submit_job(entrypoint="pwd -P")
    ended(client, job)
    assert client.get_job_logs(job).strip() == str(ROOT)


def test_working_dir_is_a_copy_and_leaves_nothing(
    client: JobSubmissionClient, server: Served, tmp_path: Path
) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "data.txt").write_text("content")
    (tmp_path / "run.py").write_text("import os; print(open('part/data.txt').read())\n")
    job = client.submit_job(
        entrypoint="python run.py; echo new > new.txt", runtime_env={"working_dir": str(tmp_path)}
    )
    assert ended(client, job).status is JobStatus.SUCCEEDED
    assert client.get_job_logs(job) == "content\n"
    assert not (tmp_path / "new.txt").exists()
    assert not (server.folder / "jobs" / job / "working_dir").exists()


def test_working_dir_from_an_archive(client: JobSubmissionClient, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("inner/x.sh", "echo from the archive")
    job = client.submit_job(
        entrypoint="sh inner/x.sh", runtime_env={"working_dir": str(tmp_path / "a.zip")}
    )
    ended(client, job)
    assert client.get_job_logs(job) == "from the archive\n"


def test_py_modules_can_be_imported(client: JobSubmissionClient, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("answer = 42\n")
    job = client.submit_job(
        entrypoint="python -c 'import mine; print(mine.answer)'",
        runtime_env={"py_modules": [str(tmp_path / "mine")]},
    )
    ended(client, job)
    assert client.get_job_logs(job) == "42\n"


def test_wrong_runtime_env_fails_the_job_with_the_reason(client: JobSubmissionClient) -> None:
    info = ended(client, client.submit_job(entrypoint="true", runtime_env={"conda": "x"}))
    assert (info.status, info.error_type) == (JobStatus.FAILED, "RUNTIME_ENV_SETUP_FAILURE")
    assert "'conda' is not available" in str(info.message)
    info = ended(
        client, client.submit_job(entrypoint="true", runtime_env={"working_dir": "/no/such"})
    )
    assert "/no/such" in str(info.message)


def test_logs_are_followed_to_the_end(client: JobSubmissionClient, tmp_path: Path) -> None:
    go = shlex.quote(str(tmp_path / "go"))
    job = client.submit_job(
        entrypoint=f"printf 'gr\\303\\274n\\n'; while [ ! -e {go} ]; do sleep 0.02; done; echo two"
    )
    seen: list[str] = []
    for text in client.follow_job_logs(job):
        seen.append(text)
        (tmp_path / "go").touch()  # it goes on only when somebody has seen the beginning
    assert "".join(seen) == "grün\ntwo\n"
    assert len(seen) > 1

    async def tail() -> str:
        return "".join([text async for text in client.tail_job_logs(job)])

    assert asyncio.run(tail()) == "grün\ntwo\n"  # of a job that has ended: all of it


def test_stop_ends_the_whole_group(client: JobSubmissionClient, tmp_path: Path) -> None:
    job = client.submit_job(
        entrypoint=f"sleep 300 & echo $! > {tmp_path}/pid; setsid sleep 300 & wait"
    )
    wait_until(lambda: (tmp_path / "pid").exists(), 20, "the job to run")
    assert client.stop_job(job) is True
    info = ended(client, job)
    assert (info.status, info.message) == (JobStatus.STOPPED, "Job was intentionally stopped.")
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert client.stop_job(job) is False


def test_stop_kills_what_ignores_the_signal(client: JobSubmissionClient) -> None:
    job = client.submit_job(
        entrypoint="trap '' TERM; echo ready; while :; do sleep 0.05; done",
        runtime_env={"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "0.2"}},
    )
    wait_until(lambda: client.get_job_logs(job), 20, "the job to run")
    client.stop_job(job)
    assert ended(client, job).status is JobStatus.STOPPED


def test_stop_at_once_stops(client: JobSubmissionClient) -> None:
    for _ in range(5):
        job = client.submit_job(entrypoint="sleep 300")
        client.stop_job(job)
        assert ended(client, job).status is JobStatus.STOPPED


def test_what_a_job_leaves_behind_is_ended(client: JobSubmissionClient, tmp_path: Path) -> None:
    job = client.submit_job(
        entrypoint=f"setsid sleep 300 & echo $! > {tmp_path}/pid; sleep 300 & exit 0"
    )
    assert ended(client, job).status is JobStatus.SUCCEEDED
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_ids_are_ones_own_and_unique(client: JobSubmissionClient, server: Served) -> None:
    assert client.submit_job(entrypoint="true", submission_id="mine.1") == "mine.1"
    with pytest.raises(RuntimeError, match="400.*mine.1 already exists"):
        client.submit_job(entrypoint="true", submission_id="mine.1")
    ended(client, "mine.1")
    assert client.delete_job("mine.1") is True
    assert not (server.folder / "jobs" / "mine.1").exists()
    with pytest.raises(RuntimeError, match="404: Job mine.1 does not exist"):
        client.get_job_info("mine.1")
    assert client.submit_job(entrypoint="true", submission_id="mine.1") == "mine.1"
    assert ended(client, "mine.1").status is JobStatus.SUCCEEDED


def test_running_job_is_not_deleted(client: JobSubmissionClient) -> None:
    job = client.submit_job(entrypoint="sleep 300")
    running(client, job)
    with pytest.raises(RuntimeError, match="500.*non-terminal state RUNNING"):
        client.delete_job(job)
    client.stop_job(job)
    ended(client, job)


@pytest.mark.parametrize("verb", ["get_job_info", "get_job_logs", "stop_job", "delete_job"])
def test_unknown_job_is_an_error(client: JobSubmissionClient, verb: str) -> None:
    with pytest.raises(RuntimeError, match="404: Job nobody does not exist"):
        getattr(client, verb)("nobody")
    with pytest.raises(RuntimeError, match="404"):
        list(client.follow_job_logs("nobody"))


def test_resources_without_a_session_are_refused(client: JobSubmissionClient) -> None:
    with pytest.raises(RuntimeError, match="400.*CPU"):
        client.submit_job(entrypoint="true", entrypoint_num_cpus=1)


def test_command_that_cannot_start(client: JobSubmissionClient, server: Served) -> None:
    info = ended(client, client.submit_job(entrypoint="no-such-command-at-all"))
    assert (info.status, info.driver_exit_code) == (JobStatus.FAILED, 127)


def test_files_of_jobs_are_private(client: JobSubmissionClient, server: Served) -> None:
    job = client.submit_job(entrypoint="echo x")
    ended(client, job)
    places = [*server.folder.rglob("*")]
    assert len(places) > 5
    open_ones = [path for path in places if path.stat().st_mode & 0o077 and path.is_file()]
    assert not open_ones
