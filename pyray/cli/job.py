"""`pyray job`: submit commands to a session, look at them, stop them; as `ray job`."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pyray.job_submission import JobDetails, JobSubmissionClient

PAUSE_S = 0.2
_F = TypeVar("_F", bound=Callable[..., Any])


@click.group()
def job() -> None:
    """Run commands in a session that was started with `pyray start --head`."""


def _with_address(function: _F) -> _F:
    return click.option(
        "--address",
        metavar="ADDRESS",
        help="The session's folder, or http://127.0.0.1:PORT; default: RAY_API_SERVER_ADDRESS, "
        "PYRAY_ADDRESS, RAY_ADDRESS, or the newest session.",
    )(function)


def _client(address: str | None) -> JobSubmissionClient:
    from pyray.job_submission import JobSubmissionClient

    try:
        return JobSubmissionClient(address)
    except (ConnectionError, RuntimeError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _asked(question: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return the server's answer; what it refuses is an error of the command."""
    try:
        return question(*arguments, **options)
    except (ConnectionError, RuntimeError, TypeError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"this needs {error.name}: pip install 'pyray[default]'"
        ) from None


@job.command(context_settings={"ignore_unknown_options": True})
@_with_address
@click.option("--submission-id", metavar="ID", help="An id of your own.")
@click.option(
    "--working-dir", metavar="PATH", help="A folder or .zip file that the job gets a copy of."
)
@click.option("--runtime-env", metavar="FILE", help="A file with a runtime_env, in YAML or JSON.")
@click.option("--runtime-env-json", metavar="JSON", help="A runtime_env.")
@click.option("--metadata-json", metavar="JSON", help="Texts by name to keep with the job.")
@click.option("--entrypoint-num-cpus", type=float, help="CPUs for the command itself.")
@click.option("--entrypoint-num-gpus", type=float, help="GPUs for the command itself.")
@click.option("--entrypoint-memory", type=int, help="Bytes of memory for the command itself.")
@click.option("--entrypoint-resources", metavar="JSON", help="Further resources for it.")
@click.option("--no-wait", is_flag=True, help="Return when the job is accepted.")
@click.argument("entrypoint", nargs=-1, required=True, type=click.UNPROCESSED)
def submit(address: str | None, no_wait: bool, **options: Any) -> None:  # noqa: FBT001  (click's way)
    """Run ENTRYPOINT as a job, as in `pyray job submit -- python script.py`.

    Shows what it writes until it has ended, and exits with its exit code. The job goes on when this
    command, or its terminal, does not.
    """
    arguments = {
        "entrypoint": shlex.join(options.pop("entrypoint")),
        "runtime_env": _runtime_env(options),
        "metadata": _json_option("--metadata-json", options.pop("metadata_json")),
        "entrypoint_resources": _json_option(
            "--entrypoint-resources", options.pop("entrypoint_resources")
        ),
        **options,
    }
    client = _client(address)
    submission_id = _asked(client.submit_job, **arguments)
    click.echo(f"Job '{submission_id}' submitted successfully", err=True)
    if no_wait:
        click.echo(submission_id)
        return
    _follow(client, submission_id)
    info = _asked(client.get_job_info, submission_id)
    click.echo(_words(info), err=True)
    sys.exit(_exit_code(info))


def _runtime_env(options: dict[str, Any]) -> dict[str, Any]:
    file, text = options.pop("runtime_env"), options.pop("runtime_env_json")
    working_dir = options.pop("working_dir")
    if file is not None and text is not None:
        raise click.UsageError("Only one of --runtime-env and --runtime-env-json can be provided.")
    env = _json_option("--runtime-env-json", text) or {}
    if file is not None:
        env = _yaml(file)
    if working_dir is not None:
        env["working_dir"] = working_dir
    return env


def _yaml(file: str) -> dict[str, Any]:
    try:
        import yaml
    except ModuleNotFoundError:
        raise click.ClickException("this needs yaml: pip install 'pyray[default]'") from None
    try:
        content = yaml.safe_load(Path(file).read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise click.UsageError(f"--runtime-env: {error}") from error
    if not isinstance(content, dict):
        raise click.UsageError(f"--runtime-env: {file} has no mapping")
    return content


def _json_option(name: str, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        content = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{name}: {text!r} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise click.UsageError(f"{name}: expected an object, got {text!r}")
    return content


def _follow(client: JobSubmissionClient, submission_id: str) -> None:
    def show() -> None:
        for text in client.follow_job_logs(submission_id):
            click.echo(text, nl=False)

    try:
        _asked(show)
    except KeyboardInterrupt:
        click.echo(f"\nJob '{submission_id}' goes on: pyray job stop {submission_id}", err=True)
        sys.exit(130)


def _words(info: JobDetails) -> str:
    words = f"Job '{info.submission_id}' {info.status.lower()}"
    return words if info.status == "SUCCEEDED" else f"{words}: {info.message}"


def _exit_code(info: JobDetails) -> int:
    """Return the command's exit code, as a shell has it; 1 if it has none."""
    if info.status == "SUCCEEDED":
        return 0
    code = info.driver_exit_code
    if code is None:
        return 1
    return 128 - code if code < 0 else code or 1


@job.command()
@_with_address
@click.argument("job_id")
def status(address: str | None, job_id: str) -> None:
    """Say how far a job is."""
    click.echo(_words(_asked(_client(address).get_job_info, job_id)))


@job.command()
@_with_address
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.argument("job_id")
def logs(address: str | None, follow: bool, job_id: str) -> None:  # noqa: FBT001  (click's way)
    """Show what a job has written."""
    client = _client(address)
    if follow:
        _follow(client, job_id)
    else:
        click.echo(_asked(client.get_job_logs, job_id), nl=False)


@job.command()
@_with_address
@click.option("--no-wait", is_flag=True, help="Return when the job was told.")
@click.argument("job_id")
def stop(address: str | None, no_wait: bool, job_id: str) -> None:  # noqa: FBT001  (click's way)
    """Stop a job: SIGTERM, and SIGKILL if it has not ended in time."""
    client = _client(address)
    _asked(client.stop_job, job_id)
    info = _asked(client.get_job_info, job_id)
    while not no_wait and not info.status.is_terminal():
        time.sleep(PAUSE_S)
        info = _asked(client.get_job_info, job_id)
    click.echo(_words(info))


@job.command("list")
@_with_address
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def list_jobs(address: str | None, form: str) -> None:
    """List all jobs of the session, the oldest first."""
    found: list[JobDetails] = _asked(_client(address).list_jobs)
    if form == "json":
        click.echo(json.dumps([one.dict() for one in found], indent=2))
        return
    click.echo(f"{'ID':<28}{'STATUS':<11}{'EXIT':<6}COMMAND")
    for one in found:
        code = "" if one.driver_exit_code is None else str(one.driver_exit_code)
        command = " ".join(one.entrypoint.split())
        shown = command if len(command) <= 34 else f"{command[:31]}..."
        click.echo(f"{one.submission_id or one.job_id or '':<27} {one.status:<11}{code:<6}{shown}")


@job.command()
@_with_address
@click.argument("job_id")
def delete(address: str | None, job_id: str) -> None:
    """Forget a job that has ended. What it wrote stays until the session ends."""
    _asked(_client(address).delete_job, job_id)
    click.echo(f"Job '{job_id}' deleted successfully")
