"""The directory of a session's spilled objects: where it is, whose it is, and its end.

Each session has one of its own, made at its start and removed at its end (`private_folders`). What
a session left that was killed as a whole, the next one that starts finds unlocked, and removes.

What is in the files, and when they are written, the compiled core knows (csrc/store/spill.h).
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from pyray.node import private_folders
from pyray.settings import SPILLING_DIRECTORY

PREFIX = "pyray-spill-"
VARIABLE = SPILLING_DIRECTORY.variable
IN_MEMORY = {"tmpfs", "ramfs", "devtmpfs", "hugetlbfs"}
"""File systems that would take from the memory that is to be saved."""
PUBLIC = ("/var/tmp", "/tmp")  # noqa: S108  (the session's own directory in it is private)


@dataclass(frozen=True, slots=True)
class SpillDirectory:
    """An open directory, or why there is none.

    Args:
        fd: Its descriptor; -1: there is none.
        path: Where it is.
        problem: Why there is none.
    """

    fd: int = -1
    path: str = ""
    problem: str = ""

    def fds(self) -> list[int]:
        """Return its descriptor, if there is one."""
        return [self.fd] if self.fd >= 0 else []

    def remove(self) -> None:
        """Delete it and what is in it. It is gone already when the supervisor has done so."""
        if self.path:
            import shutil

            shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        """Let go of it: the last process that does so unlocks it."""
        if self.fd >= 0:
            with contextlib.suppress(OSError):  # closed already, as daemons do with all
                os.close(self.fd)


def make(asked: str | None) -> SpillDirectory:
    """Make a session's directory, after sweeping those whose sessions are gone.

    Args:
        asked: The directory to make it in, as the user says; None: the environment's, or the
            largest that is on a disk.

    Raises:
        ValueError: If the directory that the user asked for cannot be used.
    """
    named = asked if asked is not None else SPILLING_DIRECTORY.text() or None
    who = "object_spilling_directory" if asked is not None else VARIABLE
    try:
        base = Path(named).absolute() if named is not None else largest_on_disk()
        if base is None:
            return SpillDirectory(
                problem="no directory for temporary files is on a disk; "
                f"name one with ray.init(object_spilling_directory=...) or {VARIABLE}"
            )
        base.mkdir(parents=True, exist_ok=True)
        sweep(base)
        return _make_in(base)
    except OSError as error:
        if named is not None:
            raise ValueError(f"{who}: cannot use {named!r}: {error.strerror or error}") from error
        return SpillDirectory(problem=f"no directory could be made: {error.strerror or error}")


def _make_in(base: Path) -> SpillDirectory:
    fd, path = private_folders.make(base, lambda: f"{PREFIX}{os.urandom(8).hex()}")
    return SpillDirectory(fd, str(path))


def sweep(base: Path) -> list[str]:
    """Remove the directories in `base` of this user's sessions that are gone; return them."""
    return private_folders.living(base, PREFIX)[1]


def largest_on_disk() -> Path | None:
    """Return the directory for temporary files with the most room that is not in memory."""
    import tempfile

    best: tuple[int, Path] | None = None
    for path in dict.fromkeys(map(Path, (tempfile.gettempdir(), *PUBLIC))):
        if file_system(path) in IN_MEMORY or not os.access(path, os.W_OK | os.X_OK):
            continue
        with contextlib.suppress(OSError):
            about = os.statvfs(path)
            free = about.f_bavail * about.f_frsize
            if best is None or free > best[0]:
                best = free, path
    return best[1] if best is not None else None


def file_system(path: Path, mounts: str | None = None) -> str:
    """Return the type of the file system that a path is on; "" if that cannot be told.

    Args:
        path: Any path.
        mounts: The text of /proc/self/mounts; None: read it.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text("utf-8", "replace")
        except OSError:
            return ""
    real = Path(os.path.realpath(path))
    longest, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        if real.is_relative_to(point) and len(point.parts) >= longest:
            longest, kind = len(point.parts), fields[2]
    return kind
