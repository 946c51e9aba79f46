"""Packages that clients upload: zip files of a job's working_dir and modules, named by content.

A package is written under another name and renamed when it is complete, and so is the folder that
it is unpacked into. Nothing in an archive may name a place outside of that folder.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

SCHEME = "gcs://"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}\.(zip|whl|jar)")
MOST_BYTES = 512 << 20
"""Of a package, as in Ray."""
MOST_UNPACKED_BYTES = 4 << 30
MOST_KEPT_BYTES = 4 << 30
"""Of all packages: then those that were used longest ago go."""


class Packages:
    """The packages of a session.

    Args:
        folder: Where they are; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        for left in folder.glob("*.new"):  # of a server that was killed
            _remove(left)

    def place(self, name: str) -> Path:
        """Return where a package is or will be.

        Raises:
            ValueError: If that is no name of a package.
        """
        if not NAME.fullmatch(name) or ".." in name:
            raise ValueError(f"{name!r} is not the name of a package: [A-Za-z0-9_.-] and .zip")
        return self.folder / name

    def has(self, name: str) -> bool:
        """Return whether a package is there, and have it count as used."""
        place = self.place(name)
        try:
            os.utime(place)
        except FileNotFoundError:
            return False
        return True

    async def store(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Keep a package.

        Raises:
            ValueError: If it is none.
        """
        place = self.place(name)
        growing = self.folder / f"{secrets.token_hex(8)}.new"
        try:
            with growing.open("xb") as file:
                async for chunk in chunks:
                    file.write(chunk)
            if not zipfile.is_zipfile(growing):
                raise ValueError(f"package {name}: it is no zip file")
            growing.rename(place)
        finally:
            growing.unlink(missing_ok=True)
        self.trim(keep=name)

    def trim(self, keep: str) -> None:
        """Delete packages, those that were used longest ago first, until few bytes are kept."""
        files = [path for path in self.folder.iterdir() if NAME.fullmatch(path.name)]
        files.sort(key=lambda path: path.stat().st_mtime)
        total = sum(path.stat().st_size for path in files)
        for path in files:
            if total <= MOST_KEPT_BYTES:
                return
            if path.name != keep:
                total -= path.stat().st_size
                path.unlink()

    def local(self, uri: str) -> Path:
        """Return a file or folder of this machine for what a job's runtime_env names.

        Raises:
            ValueError: If a package is not there, or is not fit to be unpacked.
        """
        if not uri.startswith(SCHEME):
            return Path(uri)
        name = uri.removeprefix(SCHEME)
        if not self.has(name):
            raise ValueError(f"package {uri} does not exist: it was not uploaded")
        if name.endswith(".whl"):
            return self.place(name)
        folder = self.place(name).with_suffix(".unpacked")
        if not folder.is_dir():
            growing = self.folder / f"{secrets.token_hex(8)}.new"
            try:
                unpack(self.place(name), growing)
                _move(growing, folder)
            finally:
                _remove(growing)
        return folder


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError:
        if not target.is_dir():  # else another thread was faster
            raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip file into a new folder.

    Raises:
        ValueError: If it names a place outside, holds links, or is too large.
    """
    folder.mkdir(mode=0o700)
    try:
        with zipfile.ZipFile(archive) as file:
            entries = file.infolist()
            _check(archive.name, entries)
            for entry in entries:
                place = file.extract(entry, folder)
                if (mode := entry.external_attr >> 16 & 0o777) and not entry.is_dir():
                    Path(place).chmod(mode & 0o755 | 0o600)
    except zipfile.BadZipFile as error:
        raise ValueError(f"package {archive.name}: {error}") from error


def _check(name: str, entries: list[zipfile.ZipInfo]) -> None:
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"package {name}: {entry.filename!r} is a place outside of it")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise ValueError(f"package {name}: {entry.filename!r} is a symbolic link")
    if sum(entry.file_size for entry in entries) > MOST_UNPACKED_BYTES:
        raise ValueError(f"package {name}: unpacked, it has more than {MOST_UNPACKED_BYTES} bytes")
