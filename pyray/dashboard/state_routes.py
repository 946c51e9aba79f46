"""The paths that `ray list`, `ray get`, `ray summary` and `ray.util.state` ask.

Answers are {"result": whether it worked, "msg": why not, "data": {"result": what was asked for}}.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from pyray.dashboard.queries import SUFFIXES, list_query, number, truth
from pyray.job_submission import JobDetails
from pyray.observability import logs, observed, queries
from pyray.observability.filters import Answer, choose, tests_of
from pyray.observability.rows import job_rows
from pyray.observability.schemas import JobState, RayStateApiException

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request

    from pyray.observability.records import Session

logger = logging.getLogger("pyray.dashboard")

Asked = Callable[["Session", "QueryParams"], Any]

ALL_LINES = -1


def listed(resource: str, session: Session, given: QueryParams) -> dict[str, Any]:
    """Answer `/api/v0/RESOURCE`."""
    asked = list_query(given)
    answer = queries.query(session, resource, asked.filters, asked.limit, detail=asked.detail)
    columns = queries.SCHEMAS[resource].list_columns(detail=asked.detail)
    return _response(answer, [{name: row.get(name) for name in columns} for row in answer.rows])


def listed_jobs(
    submitted: list[dict[str, Any]], session: Session, given: QueryParams
) -> dict[str, Any]:
    """Answer `/api/v0/jobs`: jobs that were submitted, and drivers."""
    asked = list_query(given)
    drivers = (JobDetails.of(row).dict() for row in job_rows(session, detail=True))
    answer = choose([*submitted, *drivers], tests_of(JobState, asked.filters), asked.limit)
    return _response(answer, answer.rows)


def summarized(resource: str, session: Session, _given: QueryParams) -> dict[str, Any]:
    """Answer `/api/v0/RESOURCE/summarize`."""
    summary = queries.SUMMARIES[resource](session)
    total = sum(count for name, count in summary.items() if name in queries.SUMMARY_TOTALS)
    answer = Answer(total=total, num_filtered=total)
    return _response(answer, {"node_id_to_summary": {"cluster": summary}})


def _response(answer: Answer, result: Any) -> dict[str, Any]:
    return {
        "total": answer.total,
        "num_after_truncation": answer.total,
        "num_filtered": answer.num_filtered,
        "result": result,
        "partial_failure_warning": "",
        "warnings": answer.warnings,
    }


def log_names(session: Session, given: QueryParams) -> dict[str, list[str]]:
    """Answer `/api/v0/logs`."""
    return logs.log_files(session, given.get("glob", "*"))


def nodes(session: Session, given: QueryParams) -> dict[str, Any]:
    """Answer `/nodes`: the data beside the words."""
    view = given.get("view", "")
    rows = queries.query(session, "nodes", detail=True).rows
    if view.lower() == "hostnamelist":
        return {"hostNameList": [row["node_name"] for row in rows]}
    if view != "summary":
        raise ValueError(f"Unknown view {view[:100]!r}: summary or hostNameList")
    store = session.reader.store_stats()
    used, room = store["used_bytes"], store["capacity_bytes"]
    return {"summary": [_node_summary(row, used, room) for row in rows]}


def _node_summary(row: dict[str, Any], used_bytes: int, room_bytes: int) -> dict[str, Any]:
    return {
        "ip": row["node_ip"],
        "hostname": row["node_name"],
        "raylet": {
            "nodeId": row["node_id"],
            "nodeManagerAddress": row["node_ip"],
            "nodeManagerHostname": row["node_name"],
            "isHeadNode": row["is_head_node"],
            "state": row["state"],
            "startTimeMs": row["start_time_ms"],
            "resourcesTotal": row["resources_total"],
            "labels": row["labels"],
            "objectStoreUsedMemory": used_bytes,
            "objectStoreAvailableMemory": room_bytes - used_bytes,
        },
    }


class StateRoutes:
    """Answers about one session.

    Args:
        folder: The session's.
        submitted: Returns the jobs that were submitted to it.
    """

    def __init__(self, folder: str, submitted: Callable[[], list[dict[str, Any]]]) -> None:
        self.folder, self.submitted = folder, submitted

    def routes(self) -> list[Route]:
        """Return all paths."""
        asked: dict[str, Asked] = {"logs": log_names}
        for resource in queries.SUMMARIES:
            asked[f"{resource}/summarize"] = functools.partial(summarized, resource)
        for resource in set(queries.SCHEMAS) - {"jobs"}:
            asked[resource] = functools.partial(listed, resource)
        return [
            *(
                Route(f"/api/v0/{path}", functools.partial(self.answer, asked=one))
                for path, one in asked.items()
            ),
            Route("/api/v0/jobs", self.jobs),
            Route("/api/v0/logs/{media_type}", self.log),
            Route("/nodes", functools.partial(self.answer, asked=nodes, is_data=True)),
        ]

    async def answer(self, request: Request, asked: Asked, *, is_data: bool = False) -> Response:
        """Send what was asked for; `is_data`: it is all of the data."""

        def found() -> Any:
            return asked(observed.other(self.folder), request.query_params)

        try:
            result = await run_in_threadpool(found)
        except (ConnectionError, RayStateApiException, ValueError) as error:
            return _refusal(request, error)
        data = result if is_data else {"result": result}
        return JSONResponse({"result": True, "msg": "", "data": data})

    async def jobs(self, request: Request) -> Response:
        """Send the jobs; their records are this thread's to read."""
        return await self.answer(request, functools.partial(listed_jobs, self.submitted()))

    async def log(self, request: Request) -> Response:
        """Send a log file, or its end; `stream`: also what is still to be written."""
        try:
            pieces = await run_in_threadpool(self._log_pieces, request)
        except (ConnectionError, RayStateApiException, ValueError) as error:
            return _refusal(request, error)
        return StreamingResponse(_waited_for(pieces), media_type="text/plain")

    def _log_pieces(self, request: Request) -> Iterator[bytes | str]:
        given, follow = request.query_params, request.path_params["media_type"] == "stream"
        if not follow and request.path_params["media_type"] != "file":
            raise ValueError("Logs come as a file or as a stream")
        session = observed.other(self.folder)
        name = given.get("filename") or _file_of_process(session, given)
        tail = number(given, "lines", 1000, ALL_LINES, 1_000_000)
        pieces = logs.poll_log(session, name, tail=tail, follow=follow)
        if truth(given, "filter_ansi_code", default=False):
            return logs.decoded(pieces, "utf-8", "replace", plain=True)
        return pieces


async def _waited_for(pieces: Iterator[bytes | str]) -> AsyncIterator[bytes | str]:
    """Yield what is there; wait for more without a thread, of which the server has few."""
    while (piece := await run_in_threadpool(lambda: next(pieces, None))) is not None:
        if piece:
            yield piece
        else:
            await asyncio.sleep(logs.PAUSE_S)


def _file_of_process(session: Session, given: QueryParams) -> str:
    suffix = given.get("suffix", "out")
    if suffix not in SUFFIXES:
        raise ValueError(f"suffix must be out or err, got {suffix[:100]!r}")
    pid = number(given, "pid", 0, 1, 1 << 31) or queries.process_of(
        session,
        given.get("actor_id"),
        given.get("task_id"),
        number(given, "attempt_number", 0, 0, 1 << 31),
    )
    return logs.file_of_process(session, pid, suffix)


def _refusal(request: Request, error: Exception) -> Response:
    """Answer in the form that Ray's client reads."""
    status = 500 if isinstance(error, ConnectionError) else 400
    logger.warning("%d: GET %.200s: %.500s", status, request.url.path, error)
    return JSONResponse({"result": False, "msg": str(error), "data": {"result": None}}, status)
