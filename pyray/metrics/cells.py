"""What a process has counted: numbers in a file of its own, mapped into memory.

Only this process writes them, so nobody waits for anybody: to count is to add to a number in
memory. What it has counted survives its death, since the file does; `metric_files` adds up the
files of all processes, and keeps what dead ones have counted.

    <session's directory>/metrics/<pid>-<random>.cells      locked (flock) while its process lives

A file is a header (magic, bytes used) and records, in 8-byte units: sizes, key, numbers. A record
is complete before the header says that it is there. Files grow, up to a limit.
"""

from __future__ import annotations

import fcntl
import json
import logging
import mmap
import os
import secrets
import struct
import threading
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger("pyray")

MAGIC = 0x3153454C4C454350
HEADER = struct.Struct("<QQ")
SIZES = struct.Struct("<II")  # of a record: bytes of its key, count of its numbers
FIRST_BYTES = 1 << 14
MOST_BYTES = 4 << 20
"""Of one process: tens of thousands of series."""
SUFFIX = ".cells"
FOLDER = "metrics"


@dataclass(frozen=True, slots=True)
class Key:
    """What a number is about.

    Args:
        kind: "counter", "gauge" or "histogram".
        name: The metric's name, as its user wrote it.
        tags: Names and values, sorted.
        boundaries: Of a histogram.
        description: What it means; two metrics are the same without it.
    """

    kind: str
    name: str
    tags: tuple[tuple[str, str], ...]
    boundaries: tuple[float, ...] = ()
    description: str = ""

    def numbers(self) -> int:
        """Return how many numbers belong to it.

        A counter's sum; a gauge's value and when it was set; for a histogram how many values fell
        into each bucket, and their sum.
        """
        return {"counter": 1, "gauge": 2}.get(self.kind, len(self.boundaries) + 2)

    def pack(self) -> bytes:
        """Return it as bytes."""
        fields = [self.kind, self.name, self.tags, self.boundaries, self.description]
        return json.dumps(fields).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> Key:
        """Return the key that `pack` made bytes of."""
        kind, name, tags, boundaries, description = json.loads(packed)
        pairs = tuple((str(tag), str(value)) for tag, value in tags)
        return cls(kind, name, pairs, tuple(boundaries), description)


class Cells:
    """The numbers of this process.

    Args:
        folder: The session's directory of files.
    """

    def __init__(self, folder: str) -> None:
        place = Path(folder) / FOLDER
        place.mkdir(mode=0o700, exist_ok=True)
        path = place / f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        self.lock = threading.Lock()
        self._is_closed = False
        self._places: dict[Key, int] = {}
        self._used = HEADER.size
        self._size = 0
        self._grow(FIRST_BYTES)
        HEADER.pack_into(self._map, 0, MAGIC, self._used)

    def _grow(self, size: int) -> None:
        os.posix_fallocate(self._fd, 0, size)  # a full disk is an error here, and no SIGBUS later
        self._size = size
        self._map = mmap.mmap(self._fd, size)
        self.numbers = memoryview(self._map).cast("d")

    def place(self, key: Key) -> int:
        """Return the index in `numbers` of a key's first one; -1: there is no more room.

        The caller has the lock.
        """
        if self._is_closed:
            return -1
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = self._add(key)
        return found

    def _add(self, key: Key) -> int:
        packed = key.pack()
        padded = packed.ljust(-(-len(packed) // 8) * 8)
        first = self._used + SIZES.size + len(padded)
        end = first + key.numbers() * 8
        if problem := self._make_room(end):
            logger.warning("The metric %r %s is not counted: %s", key.name, dict(key.tags), problem)
            return -1
        SIZES.pack_into(self._map, self._used, len(padded), key.numbers())
        self._map[self._used + SIZES.size : first] = padded
        self._used = end
        HEADER.pack_into(self._map, 0, MAGIC, end)
        return first // 8

    def _make_room(self, end: int) -> str:
        """Have room up to a place in the file; return why there is none, or ""."""
        try:
            while end > self._size:
                if self._size >= MOST_BYTES:
                    return f"a process has room for {MOST_BYTES} bytes of metrics"
                self._grow(self._size * 2)
        except OSError as error:
            return str(error)
        return ""

    def close(self) -> None:
        """Let go of the file: what was counted is there for whoever asks."""
        with self.lock:
            self._is_closed = True
            self.numbers.release()
            self._map.close()
            os.close(self._fd)


def read(path: Path) -> dict[Key, list[float]]:
    """Return what a process has counted; what is damaged is passed over."""
    content = path.read_bytes()
    found: dict[Key, list[float]] = {}
    if len(content) < HEADER.size:
        return found
    magic, used = HEADER.unpack_from(content)
    place = HEADER.size
    while magic == MAGIC and place < min(used, len(content)):
        size, count = SIZES.unpack_from(content, place)
        first = place + SIZES.size + size
        place = first + count * 8
        if place > len(content):
            break
        key = Key.unpack(content[first - size : first])
        found[key] = list(struct.unpack_from(f"={count}d", content, first))
    return found
