"""Log files of a session's workers, found and read from outside or inside.

They are in the folder `logs` of the session's own folder, which is named in the environment of its
supervisor; see `pyray list workers` for who is who.
"""

from __future__ import annotations

import codecs
import contextlib
import fnmatch
import os
import re
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pyray import settings
from pyray.observability.schemas import RayStateApiException

if TYPE_CHECKING:
    from pyray.observability.records import Session

PIECE_BYTES = 1 << 16
PAUSE_S = 0.2
"""How long who follows a file waits when nothing is new."""
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
CATEGORIES = {".out": "worker_out", ".err": "worker_err"}


def folder_of(session: Session) -> Path | None:
    """Return where a session's log files are; None if it keeps none."""
    name = session_folder(session)
    logs = Path(name) / "logs"
    return logs if name and logs.is_dir() else None


def session_folder(session: Session) -> str:
    """Return a session's own folder; "" if it has none."""
    name = settings.SESSION_FOLDER.text()
    if settings.SESSION_ID.text() != f"{session.nonce:016x}" or not name:
        name = _folder_of_supervisor(session)
    return name


def _folder_of_supervisor(session: Session) -> str:
    for slot in session.slots():
        if slot.kind != 1 and slot.pid:  # not a driver: its environment is its own
            with contextlib.suppress(OSError):
                for word in Path(f"/proc/{slot.pid}/environ").read_bytes().split(b"\0"):
                    name, _, value = word.partition(b"=")
                    if name.decode("ascii", "replace") == settings.SESSION_FOLDER.variable:
                        return os.fsdecode(value)
    return ""


def log_files(session: Session, pattern: str = "*") -> dict[str, list[str]]:
    """Return the names of log files that match, by category."""
    folder = folder_of(session)
    found: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()) if folder is not None else ():
        if fnmatch.fnmatch(path.name, pattern) and path.is_file():
            suffix = ".err" if ".err" in path.name else ".out" if ".out" in path.name else ""
            found.setdefault(CATEGORIES.get(suffix, "other"), []).append(path.name)
    return found


def file_of_process(session: Session, pid: int, suffix: str) -> str:
    """Return the name of a worker's file, `suffix` being "out" or "err".

    Raises:
        RayStateApiException: If there is none.
    """
    names = [name for group in log_files(session).values() for name in group]
    for name in names:
        if name.endswith(f"-{pid}.{suffix}"):
            return name
    raise RayStateApiException(f"Process {pid} has no log file of that kind.")


def read_log(
    session: Session, filename: str, *, tail: int = -1, follow: bool = False
) -> Iterator[bytes]:
    """Return the pieces of a log file; waits for more if it is followed.

    Args:
        session: Whose file it is.
        filename: A name that `log_files` returned.
        tail: Only so many lines at its end; -1: all.
        follow: Go on when more is written.

    Raises:
        RayStateApiException: If there is no such file.
    """
    return _waited_for(poll_log(session, filename, tail=tail, follow=follow))


def _waited_for(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if piece:
            yield piece
        else:
            time.sleep(PAUSE_S)


def poll_log(
    session: Session, filename: str, *, tail: int = -1, follow: bool = False
) -> Iterator[bytes]:
    """Return what `read_log` does, but b"" instead of waiting: the caller waits, `PAUSE_S` say."""
    folder = folder_of(session)
    if folder is None:
        raise RayStateApiException("The session keeps no log files.")
    path = folder / filename
    if os.sep in filename or not path.is_file():
        raise RayStateApiException(f"There is no log file {filename!r}.")
    return _pieces(path, tail, follow=follow)


def _pieces(path: Path, tail: int, *, follow: bool) -> Iterator[bytes]:
    with path.open("rb") as file:
        if tail >= 0 and (last := b"".join(deque(file, maxlen=tail))):
            yield last
        while (piece := file.read(PIECE_BYTES)) or (follow and path.exists()):
            yield piece


def decoded(pieces: Iterator[bytes], encoding: str, errors: str, *, plain: bool) -> Iterator[str]:
    """Yield texts of pieces that may end inside of a character; `plain`: without colours."""
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    for piece in pieces:
        text = decoder.decode(piece)
        yield ANSI.sub("", text) if plain else text
