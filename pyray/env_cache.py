"""Folders that are made once and then only read: one for each content, under the user's cache.

A folder is made under another name and renamed when it is complete, by whoever holds the lock of
its name. The kernel gives a dead process's lock back; what it had begun is removed by the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import fnmatch
import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pyray import settings

NEVER_COPIED = ("__pycache__", ".git", ".venv")


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
        found += [prefix + name for name in files if not _excluded(prefix + name, patterns)]
    return sorted(found)


def folder_copy(folder: Path, excludes: list[str], name: str = "") -> Path:
    """Return a copy of a folder as it is now; equal contents have one copy.

    Args:
        folder: What to copy.
        excludes: Patterns of what to leave out.
        name: Put the copy below a folder of this name, and return what that is in.
    """
    digest = hashlib.blake2b(name.encode(), digest_size=16)
    files = files_of(folder, excludes)
    for relative in files:
        content = (folder / relative).read_bytes()
        for part in (relative.encode(), content):
            digest.update(len(part).to_bytes(8, "big") + part)

    def make(target: Path) -> None:
        target = target / name
        target.mkdir(exist_ok=True)
        for relative in files:
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / relative, target / relative)

    return made_once("folders", digest.hexdigest(), make)


def file_copy(path: Path) -> Path:
    """Return a folder with a copy of one file."""
    content = path.read_bytes()
    digest = hashlib.blake2b(path.name.encode() + b"\0" + content, digest_size=16).hexdigest()
    return made_once("folders", digest, lambda target: _write(target / path.name, content))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def unpacked(archive: Path) -> Path:
    """Return the folder that a zip file holds; a single folder at its top is stepped into."""
    digest = hashlib.blake2b(archive.read_bytes(), digest_size=16).hexdigest()

    def make(target: Path) -> None:
        with zipfile.ZipFile(archive) as file:
            file.extractall(target)

    folder = made_once("folders", f"zip-{digest}", make)
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
