"""Folders that are made once and then only read: one for each content, under the user's cache.

A folder is made under another name and renamed when it is complete, by whoever holds the lock of
its name. The kernel gives a dead process's lock back; what it had begun is removed by the next.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import fnmatch
import hashlib
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pyray import settings

NEVER_COPIED = ("__pycache__", ".git", ".venv")
ATTEMPTS = 5
"""How often to copy what changes meanwhile."""


def cache_folder() -> Path:
    """Return where environments are kept: PYRAY_CACHE_DIR, or `pyray` in the user's cache."""
    named = settings.CACHE_DIR.text()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(named).expanduser() if named else Path(base).expanduser() / "pyray"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def made_once(kind: str, digest: str, make: Callable[[Path], None]) -> Path:
    """Return the complete folder of this kind and content, made by `make(folder)` if need be.

    Raises:
        OSError: If the cache cannot be written.
    """
    parent = cache_folder() / kind
    folder = parent / digest
    if folder.is_dir():
        return folder
    parent.mkdir(parents=True, exist_ok=True)
    with _locked(parent / f"{digest}.lock"):
        if folder.is_dir():
            return folder
        for abandoned in parent.glob(f"{digest}.*.tmp"):  # its maker is dead, or had the lock
            shutil.rmtree(abandoned, ignore_errors=True)
        growing = Path(tempfile.mkdtemp(prefix=f"{digest}.", suffix=".tmp", dir=parent))
        try:
            make(growing)
            growing.rename(folder)
        except BaseException:
            shutil.rmtree(growing, ignore_errors=True)
            raise
    return folder


def _ignored(folder: Path) -> list[str]:
    try:
        lines = (folder / ".gitignore").read_text().splitlines()
    except OSError:
        return []
    patterns = [line.strip() for line in lines]
    return [line for line in patterns if line and not line.startswith(("#", "!"))]


def _excluded(relative: str, patterns: list[str]) -> bool:
    """Whether a path, relative with "/" in between, is meant by a pattern as in .gitignore."""
    name = relative.rpartition("/")[2]
    for pattern in patterns:
        bare = pattern.strip("/")
        if fnmatch.fnmatchcase(relative, bare):
            return True
        if "/" not in pattern.rstrip("/") and fnmatch.fnmatchcase(name, bare):
            return True
    return False


def files_of(folder: Path, excludes: list[str]) -> list[str]:
    """Return the files of a folder, relative and sorted, without those that are excluded.

    Args:
        folder: Where they are.
        excludes: Patterns as in .gitignore, which counts too.

    Only regular files count, and links to them.
    """
    patterns = [*excludes, *_ignored(folder)]
    found = []
    for parent, folders, files in os.walk(folder):
        inside = os.path.relpath(parent, folder).replace(os.sep, "/").removeprefix(".")
        prefix = f"{inside.lstrip('/')}/" if inside else ""
        folders[:] = sorted(
            name
            for name in folders
            if name not in NEVER_COPIED and not _excluded(prefix + name, patterns)
        )
        found += [
            prefix + name
            for name in files
            if not _excluded(prefix + name, patterns) and (folder / prefix / name).is_file()
        ]
    return sorted(found)


class _Moved(Exception):  # noqa: N818  (no error of anybody's)
    """A file changed while it was copied."""


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield a regular file's bytes; OSError if it is another kind of file, never waiting for it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        while chunk := file.read(1 << 20):
            yield chunk


def _mode(path: Path) -> int:
    return 0o700 if path.stat().st_mode & 0o100 else 0o600


def file_digest(path: Path) -> Any:
    """Return the hash of a file: of its bytes, and whether it may be executed."""
    digest = hashlib.blake2b(_mode(path).to_bytes(2, "big"), digest_size=16)
    for chunk in _chunks(path):
        digest.update(chunk)
    return digest


def folder_digest(folder: Path, excludes: list[str], name: str = "") -> Any:
    """Return the hash of a folder: of the names and contents of the files that count."""
    digest = hashlib.blake2b(name.encode(), digest_size=16)
    for relative in files_of(folder, excludes):
        text = os.fsencode(relative)
        digest.update(len(text).to_bytes(8, "big") + text + file_digest(folder / relative).digest())
    return digest


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = _mode(source)
    with target.open("wb") as file:
        for chunk in _chunks(source):
            file.write(chunk)
    target.chmod(mode)


def folder_copy(folder: Path, excludes: list[str], name: str = "") -> Path:
    """Return a copy of a folder as it is now; equal contents have one copy.

    Sockets, pipes and devices in it are left out.

    Args:
        folder: What to copy.
        excludes: Patterns of what to leave out.
        name: Put the copy below a folder of this name, and return what that is in.

    Raises:
        OSError: If it changes all the time, or cannot be read.
    """

    def copy(target: Path) -> None:
        (target / name).mkdir(exist_ok=True)
        for relative in files_of(folder, excludes):
            _copy(folder / relative, target / name / relative)

    return _copied(
        lambda: folder_digest(folder, excludes, name).hexdigest(),
        copy,
        lambda target: folder_digest(target / name, [], name).hexdigest(),
        folder,
    )


def file_copy(path: Path) -> Path:
    """Return a folder with a copy of one file."""

    def digest(at: Path) -> str:
        named = hashlib.blake2b(os.fsencode(path.name) + b"\0" + file_digest(at).digest())
        return named.hexdigest()[:32]

    return _copied(
        lambda: digest(path),
        lambda target: _copy(path, target / path.name),
        lambda target: digest(target / path.name),
        path,
    )


def _copied(
    ask: Callable[[], str], copy: Callable[[Path], Any], check: Callable[[Path], str], what: Path
) -> Path:
    """Make a copy under the hash of what it is a copy of: not of what that was a moment ago."""
    for _ in range(ATTEMPTS):
        digest = ask()

        def make(target: Path, digest: str = digest) -> None:
            copy(target)
            if check(target) != digest:
                raise _Moved

        with contextlib.suppress(_Moved, FileNotFoundError):
            return made_once("folders", digest, make)
    raise OSError(errno.EBUSY, "changed each time that it was copied", str(what))


def unpacked(archive: Path) -> Path:
    """Return the folder that a zip file holds; a single folder at its top is stepped into."""
    digest = hashlib.blake2b(archive.read_bytes(), digest_size=16).hexdigest()

    def make(target: Path) -> None:
        with zipfile.ZipFile(archive) as file:
            file.extractall(target)

    folder = made_once("folders", f"zip-{digest}", make)
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
