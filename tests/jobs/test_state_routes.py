"""The paths of `ray list` and `ray.util.state`: shapes as Ray's client reads them, and refusals."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

import pyray as ray
from pyray.node.session import session_path
from tests.jobs.served import Served, served
from tests.support import wait_until

RESOURCES = ["tasks", "actors", "objects", "workers", "nodes", "jobs", "placement_groups"]
PATHS = [
    *(f"/api/v0/{one}" for one in [*RESOURCES, "runtime_envs", "logs", "logs/file"]),
    *(f"/api/v0/{one}/summarize" for one in ("tasks", "actors", "objects")),
    "/nodes?view=summary",
]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server of a session that has done something."""
    ray.init(num_cpus=2, log_to_driver=False)
    try:

        @ray.remote
        def alpha() -> None:
            sys.stdout.write("a line\n")

        @ray.remote
        def beta() -> None: ...

        @ray.remote
        class Gamma:
            def ping(self) -> None: ...

        actor = Gamma.remote()
        ray.get([actor.ping.remote(), *(alpha.remote() for _ in range(5))])
        ray.get([beta.remote() for _ in range(20)])
        with served(Path(session_path() or "")) as server:
            yield server
        del actor
    finally:
        ray.shutdown()


def asked(server: Served, path: str, **query: Any) -> Any:
    answer = server.json("GET", f"{path}?{urlencode(query, doseq=True)}" if query else path)
    assert (answer["result"], answer["msg"]) == (True, "")
    return answer["data"]["result"]


def filtered(column: str, value: str, predicate: str = "=") -> dict[str, str]:
    return {"filter_keys": column, "filter_predicates": predicate, "filter_values": value}


def test_tasks_are_filtered_before_they_are_cut(watched: Served) -> None:
    found = asked(watched, "/api/v0/tasks", limit=2, **filtered("name", "ALPHA"))
    assert [row["func_or_class_name"] for row in found["result"]] == ["alpha", "alpha"]
    assert (len(found["result"]), found["num_filtered"]) == (2, 5)
    assert found["total"] == found["num_after_truncation"] >= 26
    others = asked(watched, "/api/v0/tasks", limit=3, **filtered("name", "alpha", "!="))
    assert others["num_filtered"] == found["total"] - 5
    assert len(others["result"]) == 3


def test_two_filters_must_both_be_passed(watched: Served) -> None:
    both = {
        "filter_keys": ["name", "state"],
        "filter_predicates": ["=", "="],
        "filter_values": ["alpha", "FAILED"],
    }
    assert asked(watched, "/api/v0/tasks", **both)["num_filtered"] == 0


@pytest.mark.parametrize("resource", [*RESOURCES, "runtime_envs"])
def test_lists_have_all_columns(watched: Served, resource: str) -> None:
    found = asked(watched, f"/api/v0/{resource}", detail="1", limit=5)
    assert set(found) == {
        *("total", "num_after_truncation", "num_filtered", "result"),
        *("partial_failure_warning", "warnings"),
    }
    assert found["result"] or resource in {"placement_groups", "runtime_envs"}
    columns = {tuple(row) for row in found["result"]}
    assert len(columns) <= 1


def test_detail_is_for_those_who_ask(watched: Served) -> None:
    [short] = asked(watched, "/api/v0/tasks", limit=1)["result"]
    [long] = asked(watched, "/api/v0/tasks", limit=1, detail="true")["result"]
    assert "events" not in short
    assert long["events"][-1]["state"] == "FINISHED"


@pytest.mark.parametrize("resource", ["tasks", "actors", "objects"])
def test_summaries(watched: Served, resource: str) -> None:
    found = asked(watched, f"/api/v0/{resource}/summarize")
    summary = found["result"]["node_id_to_summary"]["cluster"]
    assert summary["summary"]
    assert found["total"] > 0
    if resource == "tasks":
        assert summary["summary"]["alpha"]["state_counts"] == {"FINISHED": 5}


def test_jobs_are_drivers_and_what_was_submitted(watched: Served) -> None:
    watched.json("POST", "/api/jobs/", {"entrypoint": "true", "submission_id": "one"})
    found = asked(watched, "/api/v0/jobs")["result"]
    assert {(row["type"], row["submission_id"]) for row in found} >= {
        ("DRIVER", None),
        ("SUBMISSION", "one"),
    }
    [job] = asked(watched, "/api/v0/jobs", **filtered("submission_id", "one"))["result"]
    assert job["entrypoint"] == "true"
    wait_until(lambda: watched.json("GET", "/api/jobs/one")["end_time"], 20, "the end")


def test_nodes_in_two_views(watched: Served) -> None:
    [node] = watched.json("GET", "/nodes?view=summary")["data"]["summary"]
    assert node["raylet"]["isHeadNode"]
    assert node["raylet"]["resourcesTotal"]["CPU"] == 2
    names = watched.json("GET", "/nodes?view=hostNameList")["data"]
    assert names == {"hostNameList": [node["hostname"]]}


def test_logs_are_listed_and_sent(watched: Served) -> None:
    names = asked(watched, "/api/v0/logs", glob="worker-*.out")["worker_out"]
    texts = [watched.ask("GET", f"/api/v0/logs/file?filename={name}")[1] for name in names]
    assert sum(text.count("a line\n") for text in texts) == 5
    status, text = watched.ask("GET", "/api/v0/logs/file?filename=..%2fapi_token")
    assert status == 400
    assert "no log file" in json.loads(text)["msg"]


def test_many_who_follow_a_log_hold_up_nobody(watched: Served) -> None:
    names = asked(watched, "/api/v0/logs", glob="worker-*.out")["worker_out"]
    name = next(one for one in names if (watched.folder / "logs" / one).stat().st_size)
    log = watched.folder / "logs" / name
    text = f"GET /api/v0/logs/stream?filename={name} HTTP/1.1\r\nHost: 127.0.0.1:{watched.port}\r\n"
    request = f"{text}Authorization: Bearer {watched.token}\r\n\r\n".encode()
    with contextlib.ExitStack() as open_lines:
        lines = [
            open_lines.enter_context(socket.create_connection(("127.0.0.1", watched.port), 20))
            for _ in range(FOLLOWERS)
        ]
        for line in lines:
            line.sendall(request)
        assert asked(watched, "/api/v0/tasks", limit=1)["result"]
        for line in lines:
            read_until(line, b"a line\n")
        with log.open("a") as file:
            file.write("another line\n")
        for line in lines:
            read_until(line, b"another line\n")


FOLLOWERS = 60
"""More than the server has threads for answers that take time."""


def read_until(line: socket.socket, end: bytes) -> None:
    seen = b""
    while end not in seen:
        piece = line.recv(1 << 16)
        assert piece, seen
        seen += piece


# ---- Refusals.


@pytest.mark.parametrize("path", PATHS)
def test_nobody_is_answered_without_the_token_or_from_elsewhere(watched: Served, path: str) -> None:
    assert watched.ask("GET", path, headers={"Authorization": "-"})[0] == 401
    assert watched.ask("GET", path, headers={"Authorization": "Bearer no"})[0] == 403
    assert watched.ask("GET", path, headers={"Host": "example.com"})[0] == 403
    assert watched.ask("GET", path, headers={"Origin": "http://example.com"})[0] == 403


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "PATCH"])
def test_state_is_only_read(watched: Served, verb: str) -> None:
    assert {watched.ask(verb, path)[0] for path in PATHS} == {405}


BAD_QUERIES = {
    "limit of another type": "limit=x",
    "no limit": "limit=0",
    "negative limit": "limit=-1",
    "large limit": "limit=1000001",
    "endless limit": "limit=" + "9" * 5000,
    "digits of another script": "limit=%D9%A3",
    "detail": "detail=perhaps",
    "half a filter": "filter_keys=name",
    "filters of different lengths": "filter_keys=a&filter_keys=b&filter_predicates=%3D"
    "&filter_values=1&filter_values=2",
    "predicate": urlencode(filtered("name", "x", "<")),
    "column": urlencode(filtered("no_such_column", "x")),
    "column that cannot be filtered by": urlencode(filtered("events", "x")),
}


@pytest.mark.parametrize("query", BAD_QUERIES.values(), ids=BAD_QUERIES)
def test_bad_query_is_refused_and_the_server_lives(watched: Served, query: str) -> None:
    status, text = watched.ask("GET", f"/api/v0/tasks?{query}")
    answer = json.loads(text)
    assert (status, answer["result"], answer["data"]) == (400, False, {"result": None})
    assert answer["msg"]
    assert "Traceback" not in text
    assert watched.ask("GET", "/api/version")[0] == 200


def test_oversized_query_is_refused(watched: Served) -> None:
    assert watched.ask("GET", f"/api/v0/tasks?a={'x' * 40_000}")[0] == 414
    assert "414" in watched.log()


def test_strange_words_are_only_words(watched: Served) -> None:
    for value in ("\0", "\ud800", "%", "' OR 1=1 --", "x" * 10_000):
        query = urlencode(filtered("name", value), errors="surrogatepass")
        assert watched.json("GET", f"/api/v0/tasks?{query}")["data"]["result"]["result"] == []


def test_without_a_session_the_answer_says_so(server: Served) -> None:
    status, text = server.ask("GET", "/api/v0/tasks")
    assert status == 500
    answer = json.loads(text)
    assert not answer["result"]
    assert "no running session" in answer["msg"]
