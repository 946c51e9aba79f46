"""Directories of one session, of mode 0700, that the next session removes if theirs is gone.

All processes of a session share one open description of such a directory, which is locked (flock):
so the kernel knows whether any of them lives, however they ended.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path

from pyray.descriptors import above_standard

ATTEMPTS = 5


def make(base: Path, name: Callable[[], str]) -> tuple[int, Path]:
    """Make and lock a new directory in `base`; return its descriptor, above 2, and path.

    Args:
        base: Where.
        name: Returns a new name at each call.

    Raises:
        OSError: If that cannot be done.
    """
    for _ in range(ATTEMPTS):
        path = base / name()
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue
        fd = open_folder(path)
        if fd is not None:
            fd = above_standard(fd)
        if fd is not None and lock(fd) and os.fstat(fd).st_nlink > 0:
            return fd, path
        if fd is not None:  # another session's sweep came between
            os.close(fd)
    raise OSError(0, "another session removes it again and again")


def living(base: Path, prefix: str) -> tuple[list[str], list[str]]:
    """Remove the directories in `base` of this user's sessions that are gone.

    Returns:
        The paths of those that live, and of those that were removed.
    """
    alive, removed = [], []
    with os.scandir(base) as entries:
        found = [entry.path for entry in entries if entry.name.startswith(prefix)]
    for path in found:
        fd = open_folder(Path(path))
        if fd is None:
            continue
        try:
            about = os.fstat(fd)
            if about.st_uid != os.geteuid() or not stat.S_ISDIR(about.st_mode):
                continue
            if lock(fd):
                import shutil

                shutil.rmtree(path, ignore_errors=True)
                removed.append(path)
            else:
                alive.append(path)
        finally:
            os.close(fd)
    return alive, removed


def open_folder(path: Path) -> int | None:
    """Return a descriptor of a directory; None if it is gone, or not ours."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None


def lock(fd: int) -> bool:
    """Lock a directory; return whether nobody else has."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
