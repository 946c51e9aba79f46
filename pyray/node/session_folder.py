"""The folder of a session: how programs of the same user find it, and its door.

    <root>/session_2026-01-31_12-00-00_000000_1234/
        session.json    what the session is (`Description`)
        door            a Unix socket (SOCK_SEQPACKET) on which the supervisor answers
        logs/           what its processes write for people to read
        runtime_envs/   what the environments of its workers are (`environments.notes`)

The root is private to the user (mode 0700, his own, no link): `PYRAY_TMPDIR/pyray-<uid>` (or that
of `RAY_TMPDIR`), else `XDG_RUNTIME_DIR/pyray`, else `pyray-<uid>` in the directory for temporary
files. A folder is locked by the session's processes (`private_folders`), removed by the supervisor
at the end, and by the next session that starts if the supervisor could not.

A session without a folder works, too: it is only that nobody else finds it.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pyray.descriptors import above_standard
from pyray.node import private_folders
from pyray.settings import RAY_TMPDIR, TMPDIR

PREFIX = "session_"
DOOR = "door"
LOGS = "logs"
DESCRIPTION = "session.json"
BACKLOG = 64
LARGEST_DESCRIPTION = 1 << 16


@dataclass(frozen=True, slots=True)
class Description:
    """What `session.json` says.

    Args:
        session_id: 16 hexadecimal digits.
        supervisor_pid: Process id of the supervisor, with which the session ends.
        driver_pid: Process id of the program that made it; 0 for a head's.
        start_time: Seconds since 1970.
        version: Version of pyray.
        python_version: Version of Python.
        namespace: Name space of its first driver.
        head: Whether it was started by `pyray start --head` and lives without drivers.
    """

    session_id: str
    supervisor_pid: int
    driver_pid: int
    start_time: float
    version: str
    python_version: str
    namespace: str = ""
    head: bool = False


@dataclass(frozen=True, slots=True)
class FoundSession:
    """A living session of this user.

    Args:
        path: Its folder.
        about: Its description.
    """

    path: str
    about: Description


@dataclass(slots=True)
class SessionFolder:
    """The open folder of a session that starts, or why there is none.

    Args:
        fd: Its descriptor, which is locked; -1: there is none.
        door: The descriptor of the listening socket; -1: there is none.
        path: Where it is; "": nowhere.
        problem: Why there is none.
    """

    fd: int = -1
    door: int = -1
    path: str = ""
    problem: str = ""

    def fds(self) -> list[int]:
        """Return its descriptors, if there are any."""
        return [fd for fd in (self.fd, self.door) if fd >= 0]

    def describe(self, about: Description) -> None:
        """Write the description; from then on others find the session."""
        if not self.path:
            return
        place = Path(self.path)
        with contextlib.suppress(OSError):  # full meanwhile: it stays unfound
            (place / f"{DESCRIPTION}.new").write_text(json.dumps(asdict(about)), "utf-8")
            (place / f"{DESCRIPTION}.new").rename(place / DESCRIPTION)

    def remove(self) -> None:
        """Delete it with all that is in it. It may be gone already."""
        if self.path:
            import shutil

            shutil.rmtree(self.path, ignore_errors=True)
            with contextlib.suppress(OSError):  # others are there
                Path(self.path).parent.rmdir()

    def close(self) -> None:
        """Let go of it: it is the supervisor's from now on."""
        for fd in self.fds():
            with contextlib.suppress(OSError):
                os.close(fd)
        self.fd = self.door = -1


def make(asked: str | None = None) -> SessionFolder:
    """Make the folder of a session that starts, after sweeping those whose sessions are gone.

    Args:
        asked: The directory to have the root in, as the user says.

    Raises:
        ValueError: If that directory cannot be used. Where nobody asked for one, a session goes
            without a folder.
    """
    problems = []
    for root in [_root_in(asked)] if asked is not None else roots():
        try:
            return _make_in(root)
        except OSError as error:
            problems.append(f"{root}: {error.strerror or error}")
    problem = "; ".join(problems)
    if asked is not None:
        raise ValueError(f"_temp_dir: no folder of a session can be made in {problem}")
    return SessionFolder(problem=f"The session has no folder: {problem}")


def _make_in(root: Path) -> SessionFolder:
    for attempts_left in range(private_folders.ATTEMPTS, -1, -1):
        _make_root(root)
        try:
            private_folders.living(root, PREFIX)
            fd, path = private_folders.make(root, _new_name)
            break
        except FileNotFoundError:  # the last session that was there has removed the root
            if not attempts_left:
                raise
    folder = SessionFolder(fd, -1, str(path))
    try:
        (path / LOGS).mkdir(mode=0o700)
        folder.door = _listen(fd)
    except OSError:
        folder.remove()
        folder.close()
        raise
    return folder


def _new_name() -> str:
    now = time.time()
    text = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(now))
    return f"{PREFIX}{text}_{int(now % 1 * 1e6):06}_{os.getpid()}"


def _listen(folder: int) -> int:
    """Make the door. The name of a socket is at most 108 bytes long, whatever the folder's is."""
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.bind(f"/proc/self/fd/{folder}/{DOOR}")
        door.listen(BACKLOG)
        door.setblocking(False)  # noqa: FBT003  (socket's)
        return above_standard(door.detach())


def find() -> list[FoundSession]:
    """Return the living sessions of this user, newest first; sweep those that are gone."""
    found: list[FoundSession] = []
    for root in dict.fromkeys(roots()):
        with contextlib.suppress(OSError):
            check_root(root)
            paths = private_folders.living(root, PREFIX)[0]
            found += [FoundSession(path, about) for path in paths if (about := read(path))]
    return sorted(found, key=lambda one: one.about.start_time, reverse=True)


def read(path: str) -> Description | None:
    """Return what a session says of itself; None if nothing that can be read is there."""
    try:
        with (Path(path) / DESCRIPTION).open("rb") as file:
            values = json.loads(file.read(LARGEST_DESCRIPTION))
        return Description(**{field.name: values[field.name] for field in fields(Description)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def roots() -> list[Path]:
    """Return where sessions of this user are, the place for new ones first."""
    if value := TMPDIR.text() or RAY_TMPDIR.text():
        return [_root_in(value)]
    import tempfile

    places = [Path(tempfile.gettempdir()) / f"pyray-{os.geteuid()}"]
    if own := os.environ.get("XDG_RUNTIME_DIR"):
        places.insert(0, Path(own) / "pyray")
    return places


def _root_in(directory: str) -> Path:
    return Path(directory).absolute() / f"pyray-{os.geteuid()}"


def _make_root(root: Path) -> None:
    try:
        root.mkdir(mode=0o700)
    except FileExistsError:
        check_root(root)
    except FileNotFoundError:
        root.parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(mode=0o700, exist_ok=True)
        check_root(root)


def check_root(root: Path) -> None:
    """Make sure that nobody else can reach what is in there.

    Raises:
        OSError: If somebody can, or it is not there.
    """
    about = root.lstat()
    if not stat.S_ISDIR(about.st_mode):
        raise OSError(0, "it is not a directory")
    if about.st_uid != os.geteuid():
        raise OSError(0, f"it belongs to user {about.st_uid}")
    if about.st_mode & 0o077:
        raise OSError(0, f"others may use it: its mode is {stat.S_IMODE(about.st_mode):04o}")
