"""A server of jobs, started for tests: on a folder of its own, or on a session's."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyray.job_submission import JobSubmissionClient
from tests.support import ROOT, wait_until


@dataclass
class Served:
    """A running server."""

    folder: Path
    process: subprocess.Popen[bytes]
    port: int
    token: str

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> JobSubmissionClient:
        """A client of it."""
        return JobSubmissionClient(str(self.folder))

    def ask(
        self,
        verb: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        """Send a request as it is written; return status and text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            given = {"Authorization": f"Bearer {self.token}", **(headers or {})}
            given = {name: value for name, value in given.items() if value != "-"}
            connection.request(verb, path, body, given)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def json(self, verb: str, path: str, content: Any = None) -> Any:
        """Send JSON; return the JSON of a success."""
        status, text = self.ask(verb, path, json.dumps(content).encode())
        assert status == 200, text
        return json.loads(text)

    def log(self) -> str:
        """What the server has logged."""
        return (self.folder / "logs" / "dashboard.log").read_text()

    def kill(self) -> None:
        """End it with SIGKILL, as if at any moment."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def start(folder: Path) -> Served:
    """Start a server on a folder and wait until it listens."""
    place = folder / "dashboard.json"
    place.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "pyray.dashboard"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYRAY_ADDRESS": str(folder),
            "PYRAY_DASHBOARD_PORT": "0",
            "PYTHONPATH": str(ROOT),
        },
    )
    wait_until(lambda: place.exists() or process.poll() is not None, 30, "the server to listen")
    assert process.poll() is None, "the server has ended"
    url = json.loads(place.read_text())["url"]
    token = (folder / "api_token").read_text()
    return Served(folder, process, int(url.rpartition(":")[2]), token)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Served]:
    """A server on a folder, which is ended afterwards, as it ends with its session."""
    server = start(folder)
    try:
        yield server
    finally:
        server.process.terminate()
        assert server.process.wait(20) == 0
