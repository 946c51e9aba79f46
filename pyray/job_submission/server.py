"""Where a session's server is, and how it knows its user: two files in the session's folder."""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pyray import settings
from pyray.node import service, session_folder

PLACE, TOKEN = "dashboard.json", "api_token"
STARTING_S = 10.0
"""How old a session may be whose server is still expected."""
LOOK_AGAIN_S = 0.02


@dataclass(frozen=True, slots=True)
class Server:
    """A server and what opens it.

    Args:
        url: Where it listens: ``http://127.0.0.1:PORT``.
        token: What its clients show; "" if that is unknown.
    """

    url: str
    token: str


@dataclass(frozen=True, slots=True)
class Place:
    """What `dashboard.json` says: where the server listens, and its process id."""

    url: str
    pid: int


def write_place(folder: Path, place: Place) -> None:
    """Tell where the server listens, once it does."""
    new = folder / f"{PLACE}.new"
    new.write_text(json.dumps(asdict(place)), "utf-8")
    new.rename(folder / PLACE)


def make_token(folder: Path) -> str:
    """Return the token of a session; made if need be, readable by nobody else from the start."""
    path = folder / TOKEN
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return read_token(folder)
    with os.fdopen(descriptor, "w") as file:
        token = secrets.token_hex(32)
        file.write(token)
    return token


def read_token(folder: Path) -> str:
    """Return the token of a session of this user.

    Raises:
        PermissionError: If others may read it.
        OSError: If there is none.
    """
    path = folder / TOKEN
    with path.open(encoding="ascii") as file:
        about = os.fstat(file.fileno())
        if about.st_uid != os.geteuid() or about.st_mode & 0o077:
            raise PermissionError(0, f"{path} is not private to this user")
        token = file.read(256).strip()
    if len(token) < 32:
        raise PermissionError(0, f"{path} holds no token")
    return token


def server_of(folder: Path) -> Server | None:
    """Return the server of a session, None if it has none."""
    try:
        values = json.loads((folder / PLACE).read_text("utf-8"))
        return Server(str(values["url"]), read_token(folder))
    except FileNotFoundError:
        return None


def find(address: str | None) -> Server:
    """Return the server that an address means.

    Args:
        address: ``http://host:port``, the folder of a session, or "auto" or None: the newest
            session of this user that has a server. The variables RAY_API_SERVER_ADDRESS,
            PYRAY_ADDRESS and RAY_ADDRESS count more, as in Ray.

    Raises:
        ConnectionError: If there is none.
    """
    named = (settings.API_SERVER_ADDRESS, settings.ADDRESS, settings.RAY_ADDRESS)
    address = next((one.text() for one in named if one.text()), address)
    if address in {None, "auto", "local"}:
        return _newest()
    if "://" not in address and ":" in address and "/" not in address:
        address = f"http://{address}"
    if address.startswith("http://"):
        url = address.rstrip("/").replace("//localhost:", "//127.0.0.1:")
        return Server(url, _token_for(url))
    if "://" in address:
        raise ConnectionError(f"{address!r}: pyray's server speaks http on this machine only.")
    if (found := server_of(Path(address)) or _starting(address)) is not None:
        return found
    raise ConnectionError(
        f"The session {address} has no server for jobs: those of `pyray start --head` have one."
    )


def _newest() -> Server:
    sessions = [session.path for session in session_folder.find()]
    for look in (lambda path: server_of(Path(path)), _starting):
        if (found := next(filter(None, map(look, sessions)), None)) is not None:
            return found
    raise ConnectionError(
        "There is no running session of this user with a server for jobs. Start one with "
        "`pyray start --head`, or name it with --address or RAY_API_SERVER_ADDRESS."
    )


def _starting(path: str) -> Server | None:
    """Return the server of a head that has only just started, once it listens."""
    about = session_folder.read(path)
    while about is not None and about.head and service.is_installed():
        if (found := server_of(Path(path))) is not None:
            return found
        if time.time() > about.start_time + STARTING_S:
            break
        time.sleep(LOOK_AGAIN_S)
        about = session_folder.read(path)
    return None


def _token_for(url: str) -> str:
    if token := settings.AUTH_TOKEN.text():
        return token
    if path := settings.AUTH_TOKEN_PATH.text():
        return Path(path).expanduser().read_text("ascii").strip()
    for session in session_folder.find():
        found = server_of(Path(session.path))
        if found is not None and found.url == url:
            return found.token
    return ""
