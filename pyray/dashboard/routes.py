"""The paths that Ray's clients use for jobs, answered from the job manager."""

from __future__ import annotations

import asyncio
import codecs
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from pyray.dashboard.guard import TooLarge
from pyray.dashboard.jobs import ID, JobManager
from pyray.dashboard.requests import submission
from pyray.job_submission import JobDetails, JobType

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.websockets import WebSocket

logger = logging.getLogger("pyray.dashboard")

PROTOCOL = "4"
RAY_VERSION = "2.60.0"
"""What Ray's clients compare with what they need; the paths here are that version's."""
MOST_LOG_BYTES = 64 << 20
"""Of a log, sent at once; of a longer one its end."""
PIECE_BYTES = 64 << 10
LOOK_S = 0.1

Endpoint = Callable[["Request"], Awaitable[Response]]


class JobRoutes:
    """Answers about the jobs of one manager.

    Args:
        manager: The job manager.
        session_name: What the session is called.
        node_id: What its node is called.
        url: Where the server listens.
    """

    def __init__(self, manager: JobManager, session_name: str, node_id: str, url: str) -> None:
        self.manager, self.session_name = manager, session_name
        self.node_id, self.url = node_id, url

    def routes(self) -> list[Route | WebSocketRoute]:
        """Return all paths."""
        one = "/api/jobs/{submission_id}"
        table: list[tuple[str, str, Endpoint]] = [
            ("GET", "/api/version", self.version),
            ("GET", "/api/jobs/", self.jobs),
            ("POST", "/api/jobs/", self.submit),
            ("GET", one, self.job),
            ("DELETE", one, self.delete),
            ("POST", f"{one}/stop", self.stop),
            ("GET", f"{one}/logs", self.logs),
            ("GET", "/api/packages/{protocol}/{name}", self.package),
            ("PUT", "/api/packages/{protocol}/{name}", self.upload),
        ]
        return [
            *(Route(path, _answered(answer), methods=[verb]) for verb, path, answer in table),
            WebSocketRoute(f"{one}/logs/tail", self.tail),
        ]

    async def version(self, _request: Request) -> Response:
        """Say what is spoken here."""
        return JSONResponse(
            {
                "version": PROTOCOL,
                "ray_version": RAY_VERSION,
                "ray_commit": "pyray",
                "session_name": self.session_name,
            }
        )

    def details(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return what clients are told of a job."""
        started = record["start_time"] is not None
        values = {
            **record,
            "type": JobType.SUBMISSION,
            "driver_agent_http_address": self.url if started else None,
            "driver_node_id": self.node_id if started else None,
        }
        return JobDetails.of(values).dict()

    async def jobs(self, _request: Request) -> Response:
        """List all jobs."""
        return JSONResponse(self.all_details())

    def all_details(self) -> list[dict[str, Any]]:
        """Return what clients are told of all jobs."""
        return [self.details(one) for one in self.manager.records.all()]

    async def submit(self, request: Request) -> Response:
        """Take a job."""
        wanted = submission(await _json_of(request))
        submission_id = await self.manager.submit(wanted)
        return JSONResponse({"job_id": submission_id, "submission_id": submission_id})

    def _record(self, request: Request | WebSocket) -> dict[str, Any]:
        submission_id = request.path_params["submission_id"]
        record = self.manager.records.get(submission_id) if ID.fullmatch(submission_id) else None
        if record is None:
            raise LookupError(f"Job {submission_id} does not exist")
        return record

    async def job(self, request: Request) -> Response:
        """Tell of one job."""
        return JSONResponse(self.details(self._record(request)))

    async def stop(self, request: Request) -> Response:
        """Have a job end."""
        return JSONResponse({"stopped": self.manager.stop(self._record(request)["submission_id"])})

    async def delete(self, request: Request) -> Response:
        """Forget a job."""
        record = self._record(request)
        if not self.manager.delete(record["submission_id"]):
            raise RuntimeError(
                f"Attempted to delete job '{record['submission_id']}', but it is in a non-terminal "
                f"state {record['status']}."
            )
        return JSONResponse({"deleted": True})

    async def logs(self, request: Request) -> Response:
        """Return what a job has written."""
        path = self.manager.log_of(self._record(request)["submission_id"])
        return JSONResponse({"logs": await run_in_threadpool(end_of_log, path)})

    async def package(self, request: Request) -> Response:
        """Say whether a package is there."""
        name = _package_name(request)
        if not self.manager.packages.has(name):
            raise LookupError(f"Package gcs://{name} does not exist")
        return Response()

    async def upload(self, request: Request) -> Response:
        """Keep a package."""
        await self.manager.packages.store(_package_name(request), request.stream())
        return Response()

    async def tail(self, socket: WebSocket) -> None:
        """Send what a job writes, until it has ended."""
        try:
            submission_id = self._record(socket)["submission_id"]
        except LookupError as error:
            await socket.send_denial_response(PlainTextResponse(str(error), 404))
            return
        await socket.accept()
        path = self.manager.log_of(submission_id)
        sending = asyncio.create_task(self._send(socket, path, submission_id))
        leaving = asyncio.create_task(socket.receive())  # clients say nothing but goodbye
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, socket: WebSocket, path: Path, submission_id: str) -> None:
        async for text in follow(path, lambda: self.manager.is_over(submission_id)):
            await socket.send_text(text)
        await socket.close()


def _package_name(request: Request) -> str:
    if request.path_params["protocol"] != "gcs":
        raise LookupError(f"{request.path_params['protocol']!r}: packages are gcs://NAME")
    return str(request.path_params["name"])


async def _json_of(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except RecursionError as error:
        raise ValueError("The body is nested too deeply") from error
    except ValueError as error:  # no JSON, or no UTF-8
        raise ValueError(f"The body is no JSON: {error}") from error


def _answered(answer: Endpoint) -> Endpoint:
    """Return an endpoint whose exceptions are answers: whatever is sent, the server lives on."""

    async def endpoint(request: Request) -> Response:
        try:
            return await answer(request)
        except TooLarge as error:
            status, words = 413, str(error)
        except LookupError as error:
            status, words = 404, str(error.args[0])
        except (TypeError, ValueError) as error:
            status, words = 400, f"{type(error).__name__}: {error}"
        except RuntimeError as error:
            status, words = 500, str(error)
        except OSError as error:
            status, words = 507, f"{error.strerror or error}"
        logger.warning("%d: %s %.200s: %s", status, request.method, request.url.path, words)
        return PlainTextResponse(words, status)

    return endpoint


def end_of_log(path: Path) -> str:
    """Return what a log says; of a long one its end, with a line before it that says so."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - MOST_LOG_BYTES))
            text = file.read(MOST_LOG_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    if size > MOST_LOG_BYTES:
        return f"[the first {size - MOST_LOG_BYTES} bytes are left out: see {path}]\n{text}"
    return text


async def follow(path: Path, is_over: Callable[[], bool]) -> AsyncIterator[str]:
    """Yield the pieces of a log as it grows, until `is_over` and all was read."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    place = 0
    while True:
        over = is_over()  # before the file is read: what comes between is not missed
        try:
            with path.open("rb") as file:
                file.seek(place)
                piece = file.read(PIECE_BYTES)
        except FileNotFoundError:
            piece = b""
        place += len(piece)
        if text := decoder.decode(piece):
            yield text
        elif over and not piece:
            return
        elif not piece:
            await asyncio.sleep(LOOK_S)
