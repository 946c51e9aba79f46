"""What a worker prints, in files of its own: `logs/worker-<id>-<job>-<pid>.out` and `.err`.

They lie in the session's folder and go with it. A file that has grown to `MOST_BYTES` becomes
`.out.1`, and the one that had that name goes: with many workers, each keeps less, so that a session
stays within about 10 MB (`SESSION_BYTES`). A worker that prints nothing spends nothing on them:
every page of the interpreter that it writes to as it starts is a page to copy. Where the driver
does not show the output, descriptors 1 and 2 lead here as well, and empty files go with their
worker.
"""

from __future__ import annotations

import contextlib
import os

from pyray.settings import SESSION_FOLDER

SESSION_BYTES = 10 << 20
MOST_BYTES = 1 << 20
LEAST_BYTES = 16 << 10


class LogFile:
    """One of them, opened when the first line comes.

    Args:
        path: Where it is.
        most_bytes: When it is put aside; None: at its share of what a session may keep.
    """

    def __init__(self, path: str, most_bytes: int | None = None) -> None:
        self.path = path
        self._most_bytes = most_bytes
        self._fd = -1
        self._taken = -1

    def write(self, data: bytes) -> None:
        """Append; a disk that is full, or a folder that is gone, costs the line only."""
        with contextlib.suppress(OSError):
            if self._most_bytes is None:
                self._most_bytes = _share(os.path.dirname(self.path))  # noqa: PTH120
            if self._fd < 0 or os.fstat(self._fd).st_size >= self._most_bytes:
                self._open()
            os.write(self._fd, data[-self._most_bytes :])

    def take(self, descriptor: int) -> None:
        """Have what others write to a descriptor come here; a full disk costs it."""
        self._taken = descriptor
        with contextlib.suppress(OSError):
            self._open()

    def close(self) -> None:
        """Close it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        if self._fd >= 0:
            self.close()
            os.replace(self.path, f"{self.path}.1")  # noqa: PTH105
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(self.path, flags, 0o600)
        if self._taken >= 0:
            os.dup2(self._fd, self._taken)


def _share(logs: str) -> int:
    """Return how large a file may become beside those that are there."""
    others = len(os.listdir(logs))  # noqa: PTH208
    return max(LEAST_BYTES, min(MOST_BYTES, SESSION_BYTES // (2 * (others + 2))))


def files_of(nonce: int, job: int, pid: int) -> tuple[LogFile, LogFile] | None:
    """Return the files of a worker, (.out, .err); None when the session has no folder.

    Args:
        nonce: That of the session.
        job: For whose tasks it is.
        pid: Its process.
    """
    folder = SESSION_FOLDER.text()
    if not folder or not os.path.isdir(logs := f"{folder}/logs"):  # noqa: PTH112
        return None
    worker_id = f"{pid:016x}{nonce:040x}"  # as get_worker_id()
    name = f"{logs}/worker-{worker_id}-{job.to_bytes(4, 'little').hex()}-{pid}"
    return LogFile(f"{name}.out"), LogFile(f"{name}.err")


def remove_empty(files: tuple[LogFile, LogFile] | None) -> None:
    """Remove those of a worker that has ended in which there is nothing."""
    for file in files or ():
        with contextlib.suppress(OSError):
            if os.stat(file.path).st_size == 0:  # noqa: PTH116
                os.unlink(file.path)  # noqa: PTH108
