"""The paths that Ray's clients use: shapes as recorded from Ray 2.60, and what is refused."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.jobs.served import Served
from tests.support import wait_until

PATHS = [
    ("GET", "/api/version"),
    ("GET", "/api/jobs/"),
    ("POST", "/api/jobs/"),
    ("GET", "/api/jobs/x"),
    ("DELETE", "/api/jobs/x"),
    ("POST", "/api/jobs/x/stop"),
    ("GET", "/api/jobs/x/logs"),
    ("GET", "/api/jobs/x/logs/tail"),
    ("GET", "/api/packages/gcs/a.zip"),
    ("PUT", "/api/packages/gcs/a.zip"),
    ("GET", "/"),
    ("OPTIONS", "/api/jobs/"),
    ("GET", "/no/such/path"),
]


# ---- Shapes.


def test_version_is_what_clients_compare(server: Served) -> None:
    found = server.json("GET", "/api/version")
    assert found["version"] == "4"
    assert found["ray_version"] == "2.60.0"
    assert set(found) == {"version", "ray_version", "ray_commit", "session_name"}


def test_job_has_the_fields_of_ray(server: Served) -> None:
    request = {
        "entrypoint": "echo hi",
        "runtime_env": {"env_vars": {"A": "1"}},
        "metadata": {"k": "v"},
        "submission_id": "shape",
    }
    answer = server.json("POST", "/api/jobs/", request)
    assert answer == {"job_id": "shape", "submission_id": "shape"}
    wait_until(
        lambda: server.json("GET", "/api/jobs/shape")["status"] == "SUCCEEDED", 20, "the end"
    )
    job = server.json("GET", "/api/jobs/shape")
    assert set(job) == {
        *("type", "job_id", "submission_id", "driver_info", "status", "entrypoint", "message"),
        *("error_type", "start_time", "end_time", "metadata", "runtime_env"),
        *("driver_agent_http_address", "driver_node_id", "driver_exit_code"),
    }
    assert job["type"] == "SUBMISSION"
    assert job["runtime_env"] == {"env_vars": {"A": "1"}}
    assert isinstance(job["start_time"], int)
    assert job in server.json("GET", "/api/jobs/")
    assert server.json("GET", "/api/jobs/shape/logs") == {"logs": "hi\n"}
    assert server.json("POST", "/api/jobs/shape/stop") == {"stopped": False}
    assert server.json("DELETE", "/api/jobs/shape") == {"deleted": True}


def archive(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, text in files.items():
            file.writestr(name, text)
    return buffer.getvalue()


def test_package_is_uploaded_and_used(server: Served) -> None:
    path = "/api/packages/gcs/_ray_pkg_0123456789abcdef.zip"
    assert server.ask("GET", path)[0] == 404
    assert server.ask("PUT", path, archive(**{"a.txt": "packed"}))[0] == 200
    assert server.ask("GET", path)[0] == 200
    uri = "gcs://_ray_pkg_0123456789abcdef.zip"
    request = {
        "entrypoint": "cat a.txt",
        "submission_id": "packed",
        "runtime_env": {"working_dir": uri},
    }
    server.json("POST", "/api/jobs/", request)
    wait_until(lambda: server.json("GET", "/api/jobs/packed")["end_time"], 20, "the end")
    assert server.json("GET", "/api/jobs/packed/logs") == {"logs": "packed"}


# ---- Who may ask.


@pytest.mark.parametrize(("verb", "path"), PATHS, ids=lambda one: one)
def test_without_the_token_nothing_is_answered(server: Served, verb: str, path: str) -> None:
    assert server.ask(verb, path, headers={"Authorization": "-"})[0] == 401
    for wrong in ("Bearer x", f"Bearer {server.token[:-1]}", server.token, "Bearer \xff"):
        assert server.ask(verb, path, headers={"Authorization": wrong})[0] == 403
    host = f"evil.example:{server.port}"
    assert server.ask(verb, path, headers={"Host": host})[0] == 403
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{server.port + 1}"):
        assert server.ask(verb, path, headers={"Origin": origin})[0] == 403


def test_own_origin_and_the_other_header_are_fine(server: Served) -> None:
    assert server.ask("GET", "/api/version", headers={"Origin": server.url})[0] == 200
    headers = {"Authorization": "-", "X-Ray-Authorization": f"Bearer {server.token}"}
    assert server.ask("GET", "/api/version", headers=headers)[0] == 200
    assert server.ask("GET", "/api/version", headers={"Host": f"localhost:{server.port}"})[0] == 200


def test_two_hosts_are_refused(server: Served) -> None:
    request = (
        f"GET /api/version HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n"
        f"Authorization: Bearer {server.token}\r\nConnection: close\r\n\r\n"
    )
    assert raw(server, request.encode()).split()[1] in {b"400", b"403"}


def raw(server: Served, request: bytes) -> bytes:
    """Send bytes; return all that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        line.sendall(request)
        answer = b""
        while piece := line.recv(65536):
            answer += piece
    return answer


def test_tail_is_guarded_too(server: Served) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    url = f"ws://127.0.0.1:{server.port}/api/jobs/x/logs/tail"
    good = {"Authorization": f"Bearer {server.token}"}
    for headers, status in (
        ({}, 403),
        ({"Authorization": "Bearer x"}, 403),
        ({**good, "Origin": "http://evil.example"}, 403),
        (good, 404),
    ):
        with pytest.raises(InvalidStatus) as caught, connect(url, additional_headers=headers):
            pass
        assert caught.value.response.status_code == status


def test_refusals_are_logged_and_secrets_are_not(server: Served) -> None:
    server.ask("GET", "/api/marked", headers={"Authorization": "Bearer wrong-secret"})
    assert "refused 403: GET /api/marked" in server.log()
    assert server.token not in server.log()
    assert "wrong-secret" not in server.log()


def test_token_is_private_from_its_first_moment(server: Served, tmp_path: Path) -> None:
    place = server.folder / "api_token"
    about = place.stat()
    assert stat.S_IMODE(about.st_mode) == 0o600
    assert about.st_uid == os.getuid()
    if os.getuid() == 0:
        script = f"import os; os.setuid(65534); open({str(place)!r})"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        assert b"PermissionError" in done.stderr


def test_token_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    from pyray.job_submission.server import make_token, read_token

    token = make_token(tmp_path)
    assert read_token(tmp_path) == token == make_token(tmp_path)
    (tmp_path / "api_token").chmod(0o644)
    with pytest.raises(PermissionError, match="not private"):
        read_token(tmp_path)


def test_it_listens_on_this_machine_only(server: Served) -> None:
    listening = []
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{server.process.pid}/net/{name}").read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            if state == "0A" and int(address.rpartition(":")[2], 16) == server.port:
                listening.append(address.rpartition(":")[0])
    assert listening == ["0100007F"]


def test_foreign_host_to_listen_on_is_refused(tmp_path: Path) -> None:
    environment = {**os.environ, "PYRAY_ADDRESS": str(tmp_path), "PYRAY_DASHBOARD_HOST": "0.0.0.0"}
    done = subprocess.run(
        [sys.executable, "-m", "pyray.dashboard"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "PYRAY_DASHBOARD_HOST: expected" in done.stderr


# ---- Bodies.

GOOD = {"entrypoint": "true"}
BAD_BODIES = {
    "empty": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"entrypoint": "\xff"}',
    "a list": b"[]",
    "null": b"null",
    "deep": b"[" * 200_000,
    "no entrypoint": b"{}",
    "entrypoint of another type": b'{"entrypoint": 5}',
    "blank": b'{"entrypoint": "  "}',
    "zero byte": b'{"entrypoint": "a\\u0000b"}',
    "long": json.dumps({"entrypoint": "x" * 200_000}).encode(),
    "unknown field": json.dumps({**GOOD, "extra": 1}).encode(),
    "metadata": json.dumps({**GOOD, "metadata": {"a": 1}}).encode(),
    "cpus": json.dumps({**GOOD, "entrypoint_num_cpus": -1}).encode(),
    "infinite": b'{"entrypoint": "true", "entrypoint_num_cpus": Infinity}',
    "id upwards": json.dumps({**GOOD, "submission_id": "../x"}).encode(),
    "id dots": json.dumps({**GOOD, "submission_id": "a..b"}).encode(),
    "id slash": json.dumps({**GOOD, "submission_id": "a/b"}).encode(),
    "id empty": json.dumps({**GOOD, "submission_id": ""}).encode(),
    "surrogate": b'{"entrypoint": "echo \\ud800"}',
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_bad_body_is_refused_and_the_server_lives(server: Served, body: bytes) -> None:
    before = len(server.json("GET", "/api/jobs/"))
    status, text = server.ask("POST", "/api/jobs/", body)
    assert status == 400, text
    assert "Traceback" not in text
    assert len(server.json("GET", "/api/jobs/")) == before


def test_large_bodies_are_refused_before_they_are_read(server: Served) -> None:
    headers = {"Content-Length": str(1 << 30)}
    assert server.ask("POST", "/api/jobs/", b"x", headers)[0] == 413
    path = "/api/packages/gcs/large.zip"
    assert server.ask("PUT", path, b"x", {"Content-Length": str(1 << 40)})[0] == 413


def test_chunked_body_is_counted(server: Served) -> None:
    head = (
        f"POST /api/jobs/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.token}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    ).encode()
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        line.sendall(head)
        try:
            for _ in range(40):
                line.sendall(chunk)
        except OSError:
            pass  # it has hung up
        try:
            answer = line.recv(65536)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer.split()[1] == b"413"
    assert "413" in server.log()
    assert server.ask("GET", "/api/version")[0] == 200


def test_garbage_instead_of_http(server: Served) -> None:
    for garbage in (b"\x16\x03\x01\x02\x00" * 50, b"GET / HTTP/1.1\r\n" + b"A" * 100_000):
        with contextlib.suppress(OSError):  # it has hung up
            raw(server, garbage + b"\r\n\r\n")
        assert server.ask("GET", "/api/version")[0] == 200


# ---- Places.


@pytest.mark.parametrize(
    "name", ["..%2F..%2Fx.zip", "%2e%2e", "a..b.zip", ".hidden.zip", "x.txt", "x%00.zip", "-x.zip"]
)
def test_package_name_cannot_leave_its_folder(server: Served, name: str) -> None:
    before = sorted(server.folder.rglob("*"))
    assert server.ask("PUT", f"/api/packages/gcs/{name}", archive(a="x"))[0] in {400, 404, 405}
    assert sorted(server.folder.rglob("*")) == before


def test_what_is_no_package_is_refused(server: Served) -> None:
    assert server.ask("PUT", "/api/packages/gcs/no.zip", b"not a zip file")[0] == 400
    assert server.ask("PUT", "/api/packages/s3/no.zip", archive(a="x"))[0] == 404
    assert not list((server.folder / "jobs" / "packages").glob("*no*"))


def link() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(entry, "/etc")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (archive(**{"../out.txt": "x"}), "outside"),
        (archive(**{"/tmp/out.txt": "x"}), "outside"),
        (archive(**{"a/../../out.txt": "x"}), "outside"),
        (link(), "symbolic link"),
    ],
    ids=["upwards", "absolute", "hidden", "link"],
)
def test_archive_cannot_write_elsewhere(
    server: Served, content: bytes, words: str, request: pytest.FixtureRequest
) -> None:
    name = f"evil_{abs(hash(request.node.name))}.zip"
    assert server.ask("PUT", f"/api/packages/gcs/{name}", content)[0] == 200
    job = server.json(
        "POST",
        "/api/jobs/",
        {"entrypoint": "true", "runtime_env": {"working_dir": f"gcs://{name}"}},
    )["job_id"]
    wait_until(lambda: server.json("GET", f"/api/jobs/{job}")["end_time"], 20, "the end")
    found = server.json("GET", f"/api/jobs/{job}")
    assert found["status"] == "FAILED"
    assert words in found["message"]
    assert not list(server.folder.rglob("out.txt"))


@pytest.mark.parametrize(
    "job", ["..", "%2e%2e", "..%2f..%2fetc", "jobs.sqlite", "packages", "x%00"]
)
def test_id_in_a_path_names_jobs_only(server: Served, job: str) -> None:
    for verb, rest in (("GET", ""), ("GET", "/logs"), ("POST", "/stop"), ("DELETE", "")):
        assert server.ask(verb, f"/api/jobs/{job}{rest}")[0] in {404, 405}
    assert (server.folder / "jobs" / "jobs.sqlite").exists()
