"""`JobSubmissionClient`: talks to a session's server over HTTP, with the standard library."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from pyray.job_submission import server
from pyray.job_submission.types import JobDetails, JobStatus

TIMEOUT_S = 600.0
"""An answer may take as long as copying a working_dir."""


class JobSubmissionClient:
    """Submits jobs to a session, and asks about them.

    Args:
        address: The folder of a session, ``http://127.0.0.1:PORT``, or None or "auto": the newest
            session of this user that has a server.
        create_cluster_if_needed: Accepted for Ray's sake.
        cookies: Accepted for Ray's sake.
        metadata: Said about each job of this client.
        headers: Sent with each request.
        verify: Accepted for Ray's sake: nothing leaves the machine.

    Raises:
        ConnectionError: If there is no such session, or it does not answer.
        RuntimeError: If it refuses.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (Ray's parameters)
        self,
        address: str | None = None,
        create_cluster_if_needed: bool = False,  # noqa: ARG002, FBT001, FBT002
        cookies: dict[str, Any] | None = None,  # noqa: ARG002
        metadata: dict[str, Any] | None = None,
        headers: dict[str, Any] | None = None,
        verify: str | bool | None = True,  # noqa: ARG002, FBT001, FBT002
    ) -> None:
        for name, value, kind in (
            ("address", address, str),
            ("metadata", metadata, dict),
            ("headers", headers, dict),
        ):
            if value is not None and not isinstance(value, kind):
                raise TypeError(f"{name} must be a {kind.__name__}, got {type(value)}")
        self._server = server.find(address)
        self._metadata = dict(metadata or {})
        self._headers = {str(name): str(value) for name, value in (headers or {}).items()}
        if self._server.token and not any(one.lower() == "authorization" for one in self._headers):
            self._headers["Authorization"] = f"Bearer {self._server.token}"
        self.get_version()

    def get_address(self) -> str:
        """Return the server's address."""
        return self._server.url

    def get_version(self) -> str:
        """Return the version of the protocol."""
        return str(self._ask("GET", "/api/version")["version"])

    def submit_job(  # noqa: PLR0913  (Ray's parameters)
        self,
        *,
        entrypoint: str,
        job_id: str | None = None,
        runtime_env: dict[str, Any] | None = None,
        metadata: dict[str, str] | None = None,
        submission_id: str | None = None,
        entrypoint_num_cpus: float | None = None,
        entrypoint_num_gpus: float | None = None,
        entrypoint_memory: int | None = None,
        entrypoint_resources: dict[str, float] | None = None,
        entrypoint_label_selector: dict[str, str] | None = None,
    ) -> str:
        """Submit a command, which runs once, whatever becomes of this program; return its id.

        Args:
            entrypoint: A command for the shell.
            job_id: The older name of `submission_id`.
            runtime_env: What it and its workers are set up with; a `working_dir` is copied.
            metadata: Texts by name that are kept with the job.
            submission_id: An id; default: one is made.
            entrypoint_num_cpus: CPUs that are kept for the command itself, while it runs.
            entrypoint_num_gpus: GPUs, likewise.
            entrypoint_memory: Bytes of the resource `memory`, likewise.
            entrypoint_resources: Further resources, likewise.
            entrypoint_label_selector: Labels that this machine must have.

        Raises:
            RuntimeError: If the server refuses it: the id is taken, or an argument is wrong.
        """
        request = {
            "entrypoint": entrypoint,
            "submission_id": submission_id or job_id,
            "runtime_env": _absolute(runtime_env or {}),
            "metadata": {**(metadata or {}), **self._metadata},
            "entrypoint_num_cpus": entrypoint_num_cpus,
            "entrypoint_num_gpus": entrypoint_num_gpus,
            "entrypoint_memory": entrypoint_memory,
            "entrypoint_resources": entrypoint_resources,
            "entrypoint_label_selector": entrypoint_label_selector,
        }
        given = {name: value for name, value in request.items() if value is not None}
        return str(self._ask("POST", "/api/jobs/", given)["submission_id"])

    def stop_job(self, job_id: str) -> bool:
        """Ask a job to end: SIGTERM, and SIGKILL if it has not done so in time.

        Returns:
            Whether it was still going on.

        Raises:
            RuntimeError: If there is no such job.
        """
        return bool(self._ask("POST", f"{_path(job_id)}/stop")["stopped"])

    def delete_job(self, job_id: str) -> bool:
        """Forget a job that has ended.

        Raises:
            RuntimeError: If there is no such job, or it has not ended.
        """
        return bool(self._ask("DELETE", _path(job_id))["deleted"])

    def get_job_info(self, job_id: str) -> JobDetails:
        """Return what is known of a job.

        Raises:
            RuntimeError: If there is no such job.
        """
        return JobDetails.of(self._ask("GET", _path(job_id)))

    def list_jobs(self) -> list[JobDetails]:
        """Return all jobs of the session, the oldest first."""
        return [JobDetails.of(one) for one in self._ask("GET", "/api/jobs/")]

    def get_job_status(self, job_id: str) -> JobStatus:
        """Return how far a job is.

        Raises:
            RuntimeError: If there is no such job.
        """
        return self.get_job_info(job_id).status

    def get_job_logs(self, job_id: str) -> str:
        """Return what a job has written so far.

        Raises:
            RuntimeError: If there is no such job.
        """
        return str(self._ask("GET", f"{_path(job_id)}/logs")["logs"])

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        """Yield what a job writes, from its beginning to its end.

        Raises:
            RuntimeError: If there is no such job, or the server ends before the job does.
        """
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosedError, InvalidStatus

        url, options = self._tail(job_id)
        try:
            async with connect(url, **options) as socket:
                async for text in socket:
                    yield str(text)
        except InvalidStatus as error:
            raise _refused(error.response.status_code, f"no logs of {job_id}") from None
        except ConnectionClosedError as error:
            raise RuntimeError(f"The connection to {self._server.url} was lost: {error}") from error

    def follow_job_logs(self, job_id: str) -> Iterator[str]:
        """Yield what a job writes, as `tail_job_logs` does, without an event loop."""
        from websockets.exceptions import ConnectionClosedError, InvalidStatus
        from websockets.sync.client import connect

        url, options = self._tail(job_id)
        try:
            with connect(url, **options) as socket:
                for text in socket:
                    yield str(text)
        except InvalidStatus as error:
            raise _refused(error.response.status_code, f"no logs of {job_id}") from None
        except ConnectionClosedError as error:
            raise RuntimeError(f"The connection to {self._server.url} was lost: {error}") from error

    def _tail(self, job_id: str) -> tuple[str, dict[str, Any]]:
        url = f"ws://{self._server.url.partition('://')[2]}{_path(job_id)}/logs/tail"
        return url, {"additional_headers": self._headers, "proxy": None, "max_size": None}

    def _ask(self, verb: str, path: str, content: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON of an answer.

        Raises:
            ConnectionError: If nobody answers.
            RuntimeError: If the answer is no success.
        """
        where = urllib.parse.urlsplit(self._server.url)
        connection = http.client.HTTPConnection(
            where.hostname or "", where.port or 80, timeout=TIMEOUT_S
        )
        headers = dict(self._headers)
        body = None
        if content is not None:
            body, headers["Content-Type"] = json.dumps(content), "application/json"
        try:
            connection.request(verb, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionError(
                f"Failed to connect to Ray at address: {self._server.url}. ({error})"
            ) from error
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise _refused(response.status, text)
        return json.loads(text)


def _refused(status: int, text: str) -> RuntimeError:
    return RuntimeError(f"Request failed with status code {status}: {text}.")


def _path(job_id: str) -> str:
    if not job_id:
        raise RuntimeError("Job '' does not exist.")
    return f"/api/jobs/{urllib.parse.quote(job_id, safe='')}"


def _absolute(runtime_env: Mapping[str, Any]) -> dict[str, Any]:
    """Return a runtime_env whose paths mean the same in the server."""
    env = dict(runtime_env)
    if isinstance(env.get("working_dir"), str | Path):
        env["working_dir"] = _absolute_path(env["working_dir"])
    if isinstance(env.get("py_modules"), list):
        env["py_modules"] = [
            _absolute_path(one) if isinstance(one, str | Path) else one for one in env["py_modules"]
        ]
    for tool in ("pip", "uv"):
        if isinstance(env.get(tool), str | Path):
            env[tool] = _absolute_path(env[tool])
    hook = env.get("worker_process_setup_hook")
    if hook is not None and not isinstance(hook, str):
        raise ValueError(
            f"Invalid type {type(hook)} for `worker_process_setup_hook`: for jobs it is the name "
            "of a function, 'module.function'."
        )
    return env


def _absolute_path(path: str | Path) -> str:
    return str(path) if "://" in str(path) else str(Path(path).expanduser().resolve())
