"""The server's process: opens its port, starts the job manager, serves until it is told to end."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from pyray import settings
from pyray.dashboard.guard import Guard
from pyray.dashboard.jobs import JobManager
from pyray.dashboard.link import SessionLink
from pyray.dashboard.packages import MOST_BYTES, Packages
from pyray.dashboard.routes import JobRoutes
from pyray.dashboard.state_routes import StateRoutes
from pyray.job_submission.server import Place, make_token, write_place
from pyray.metrics import export
from pyray.node import session_folder

logger = logging.getLogger("pyray.dashboard")

HOST = "127.0.0.1"
MOST_CONNECTIONS = 200


def run(folder: Path) -> None:
    """Serve a session until SIGTERM.

    Args:
        folder: The session's.

    Raises:
        OSError: If the port is taken, or the folder cannot be written.
        RuntimeError: If the session has a server already.
    """
    (folder / "jobs").mkdir(mode=0o700, exist_ok=True)
    with _alone(folder), contextlib.closing(_listen()) as listening:
        port = listening.getsockname()[1]
        url = f"http://{HOST}:{port}"
        about = session_folder.read(str(folder))
        session_id = about.session_id if about is not None else ""
        link = SessionLink(str(folder))
        manager = JobManager(
            folder,
            str(folder),
            Packages(folder / "jobs" / "packages"),
            link.reserve if about is not None else None,
        )
        routes = JobRoutes(manager, folder.name, f"{session_id:0>56}", url)

        @contextlib.asynccontextmanager
        async def life(_app: Starlette) -> AsyncIterator[None]:
            manager.recover()
            if (metrics := settings.METRICS_EXPORT_PORT.integer()) >= 0 and about is not None:
                link.join()
                export.open_port(metrics)
            write_place(folder, Place(url, os.getpid()))
            logger.info("serving %s at %s", folder, url)
            yield
            await manager.end()

        paths = [*routes.routes(), *StateRoutes(str(folder), routes.all_details).routes()]
        app = Starlette(routes=paths, lifespan=life)
        guarded = Guard(app, make_token(folder), port, {"/api/packages/": MOST_BYTES})
        config = uvicorn.Config(
            guarded,
            log_config=None,
            access_log=False,
            lifespan="on",
            ws="websockets-sansio",
            ws_max_size=1 << 16,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=0,
        )
        # uvicorn ends orderly when it is told to, and then sends itself the signal once more.
        signal.signal(signal.SIGTERM, lambda *_: None)
        uvicorn.Server(config).run(sockets=[listening])


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of which a session has one."""
    path = folder / "jobs" / "server.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RuntimeError(f"The session {folder} has a server already.") from None
    finally:
        os.close(descriptor)


def _listen() -> socket.socket:
    """Open the port that was asked for; else Ray's, or any if that is taken."""
    host = settings.DASHBOARD_HOST.value()
    wanted = settings.DASHBOARD_PORT.integer()
    if settings.DASHBOARD_PORT.text():
        return _bound(host, wanted)
    try:
        return _bound(host, wanted)
    except OSError:
        return _bound(host, 0)


def _bound(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST if host == "localhost" else host, port))
        listening.listen(128)
    except BaseException:
        listening.close()
        raise
    return listening
