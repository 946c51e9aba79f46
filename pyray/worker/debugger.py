"""`breakpoint()` in a task: its worker waits for `pyray debug`, which brings the terminal.

The worker listens on a Unix socket, in the folder `debug` of the session's folder (or of one that
only this user can enter), and says on stderr what to type. Whoever connects talks to `pdb` there.
When he goes away by whatever means, the task goes on; when the task is cancelled or its worker
dies, the connection ends. The kernel closes both, and `pyray debug` removes what a killed worker
left in the folder.

With RAY_DEBUG_POST_MORTEM=1 a task that raises waits in the same way, before it fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from pyray import _core, settings

if TYPE_CHECKING:
    from pyray.worker.remote_pdb import Remote


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that waits for somebody to look at it.

    Args:
        pid: Its process.
        task: Its name.
        place: File and line.
        reason: "breakpoint", or the error that it raised.
    """

    pid: int
    task: str
    place: str
    reason: str


def folder() -> Path:
    """Return where this session's workers listen; made if it is not there.

    Raises:
        OSError: If it cannot be made.
        PermissionError: If it is another user's.
    """
    session = settings.SESSION_FOLDER.text()
    own = Path(session) / "debug" if session else fallback_folder()
    own.mkdir(mode=0o700, exist_ok=True)
    found = own.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{own} belongs to somebody else")
    return own


def fallback_folder() -> Path:
    """Return where they listen if their session has no folder."""
    import tempfile  # only now: it is slow to import, and few need it

    return Path(tempfile.gettempdir()) / f"pyray-debug-{os.getuid()}"


def waiting_in(place: Path) -> Iterator[tuple[Path, Waiting]]:
    """Yield sockets of tasks that wait in a folder; remove what dead ones have left."""
    for note in sorted(place.glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            about = Waiting(**json.loads(note.read_text("utf-8")))
            if Path(f"/proc/{about.pid}").exists():
                yield note.with_suffix(".sock"), about
            else:
                note.unlink()
                note.with_suffix(".sock").unlink(missing_ok=True)


def _wait_for_somebody(about: Waiting) -> Remote | None:
    """Listen until somebody connects; None where nobody could."""
    try:
        place = folder() / f"{about.pid}-{os.urandom(4).hex()}"
    except OSError as error:
        sys.stderr.write(f"pyray: no debugger for {about.task}: {error}\n")
        return None
    note, address = place.with_suffix(".json"), place.with_suffix(".sock")
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(_short(address))
            listener.listen(1)
            note.write_text(json.dumps(asdict(about)), "utf-8")
            sys.stderr.write(
                f"pyray: {about.task} waits at {about.place} ({about.reason}). To debug it, type "
                f"in a terminal: pyray debug {about.pid}\n"
            )
            sys.stderr.flush()
            connection, _ = listener.accept()
        finally:
            for path in (note, address):
                path.unlink(missing_ok=True)
    from pyray.worker.remote_pdb import Remote  # only now: few need pdb

    return Remote(connection)


def _short(address: Path) -> str:
    """Return a name of at most 107 bytes for the socket: by the descriptor of its folder."""
    if len(os.fsencode(address)) <= 107:
        return str(address)
    descriptor = os.open(address.parent, os.O_PATH | os.O_DIRECTORY)  # until the process ends
    return f"/proc/self/fd/{descriptor}/{address.name}"


def connect(address: Path) -> socket.socket:
    """Connect to a task that waits.

    Raises:
        OSError: If it does not wait any more.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(_short(address))
    except OSError:
        connection.close()
        raise
    return connection


def _task_name() -> str:
    return _core.current_task()[0] or "worker"


def set_trace(frame: FrameType | None = None) -> None:
    """Have this task wait for a debugger, here."""
    frame = frame or sys._getframe(1)  # noqa: SLF001  (as pdb does)
    place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    session = _wait_for_somebody(Waiting(os.getpid(), _task_name(), place, "breakpoint"))
    if session is not None:
        session.set_trace(frame)


def breakpoint_hook(*_args: Any, **_kwargs: Any) -> None:
    """Do what `breakpoint()` does in a worker."""
    set_trace(sys._getframe(1))  # noqa: SLF001


def install() -> None:
    """In a worker: have `breakpoint()` come here, unless PYTHONBREAKPOINT says otherwise."""
    if "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = breakpoint_hook


def wants_post_mortem() -> bool:
    """Return whether a task that raises waits for a debugger."""
    return settings.DEBUG_POST_MORTEM.value() in {"1", "true"}


def post_mortem(error: BaseException) -> None:
    """Have this task wait for a debugger, where it raised `error`."""
    trace = _without_ours(error.__traceback__)
    if trace is None:
        return
    last = trace
    while last.tb_next is not None:
        last = last.tb_next
    place = f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}"
    session = _wait_for_somebody(Waiting(os.getpid(), _task_name(), place, repr(error)))
    if session is not None:
        session.reset()
        session.message(f"{type(error).__name__}: {error}")
        try:
            session.interaction(None, trace)
        finally:
            session.hang_up()


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    own = str(Path(__file__).parents[1])
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(own):
        trace = trace.tb_next
    return trace
