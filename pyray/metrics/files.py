"""What all processes of a session have counted, living and dead.

What dead processes have counted is added up in one file, `ended.json`, and their files are deleted:
so a session of many short-lived workers needs little room. Whoever does that holds a lock. The new
`ended.json` names the files that it contains and replaces the old one at once, before they are
deleted; whoever is killed in between leaves files that are named, and are not counted twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pyray.metrics.cells import FOLDER, SUFFIX, Key, read

ENDED, LOCK = "ended.json", "ended.lock"
MANY_FILES = 64
"""With more files than this, a process that begins to count adds up those of the dead."""
MOST_ENDED = 10_000
"""Series of dead processes; further ones are lost."""

Counts = dict[Key, list[float]]


def totals(folder: str) -> Counts:
    """Return what was counted in a session so far.

    Args:
        folder: The session's.
    """
    place = Path(folder) / FOLDER
    if not place.is_dir():
        return {}
    with _locked(place):
        counts = _fold(place)
        for path in place.glob(f"*{SUFFIX}"):
            with contextlib.suppress(OSError):
                add(counts, read(path))
    return counts


def fold_if_many(folder: str) -> None:
    """Add up the files of dead processes if there are many files."""
    place = Path(folder) / FOLDER
    if place.is_dir() and sum(1 for _ in place.glob(f"*{SUFFIX}")) > MANY_FILES:
        with _locked(place):
            _fold(place)


@contextlib.contextmanager
def _locked(place: Path) -> Iterator[None]:
    descriptor = os.open(place / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _fold(place: Path) -> Counts:
    """Add up the files of dead processes, and delete them; return what the dead have counted."""
    counts, contained = _load(place / ENDED)
    _delete(place, contained)
    dead = [path for path in place.glob(f"*{SUFFIX}") if _is_dead(path)]
    if dead:
        for path in dead:
            add(counts, read(path), MOST_ENDED)
        _save(place / ENDED, counts, [path.name for path in dead])
        _delete(place, [path.name for path in dead])
    return counts


def _delete(place: Path, names: list[str]) -> None:
    for name in names:
        (place / name).unlink(missing_ok=True)


def _is_dead(path: Path) -> bool:
    """Whether the process that counted there is gone: it holds the file's lock while it lives."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return path.stat().st_size > 0  # else it was made this moment, and is locked the next


def _load(path: Path) -> tuple[Counts, list[str]]:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}, []
    counts = {Key.unpack(key.encode()): list(numbers) for key, numbers in content["counts"]}
    return counts, list(content["contained"])


def _save(path: Path, counts: Counts, contained: list[str]) -> None:
    pairs = [(key.pack().decode(), numbers) for key, numbers in counts.items()]
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"counts": pairs, "contained": contained}), "utf-8")
    new.rename(path)


def add(counts: Counts, others: Mapping[Key, list[float]], most: float = float("inf")) -> None:
    """Add what others have counted: sums add up, of a gauge the value that was set last counts."""
    for key, numbers in others.items():
        mine = counts.get(key)
        if mine is None:
            if len(counts) < most:
                counts[key] = list(numbers)
        elif key.kind == "gauge":
            if numbers[1] >= mine[1]:
                counts[key] = list(numbers)
        else:
            counts[key] = [one + other for one, other in zip(mine, numbers, strict=True)]
