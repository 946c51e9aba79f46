"""Floods of equal lines from several workers are folded, as in Ray.

The first worker that prints a line has it printed, as often as it prints it. When another one
prints the same, numbers aside, within 5 seconds, lines are counted instead; when the time is over,
or the session ends, the last of them comes with `[repeated 7x across cluster]`.

Settings are Ray's: RAY_DEDUP_LOGS=0 turns it off, RAY_DEDUP_LOGS_AGG_WINDOW_S is the time,
RAY_DEDUP_LOGS_ALLOW_REGEX names lines that are never folded, RAY_DEDUP_LOGS_SKIP_REGEX lines that
are dropped.

Workers share a table in anonymous memory, made by the supervisor before it forks. A record lock of
the kernel guards it, which ends with its holder; an entry is written in one copy, and one that was
cut short costs at most a wrong line.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import struct
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyray import settings

ENTRIES = 256
ENTRY_BYTES = 512
HEAD = struct.Struct("<QdIIHH")  # key, when first seen, count, process, descriptor, length of text
TEXT_BYTES = ENTRY_BYTES - HEAD.size
LOOK_S = 0.5
"""A process looks so often for lines whose time is over."""
NEVER = "__ray_testing_never_deduplicate__"
HINT = " (pyray folds equal lines of several workers; RAY_DEDUP_LOGS=0 turns this off.)"

_numbers = re.compile(r"(\d+|0x[0-9a-fA-F]+)")


@dataclass(slots=True)
class _Entry:
    key: int
    since_s: float
    count: int
    process: int
    descriptor: int
    line: str

    def packed(self) -> bytes:
        text = self.line.encode("utf-8", "backslashreplace")[:TEXT_BYTES]
        return HEAD.pack(
            self.key, self.since_s, self.count, self.process, self.descriptor, len(text)
        ) + text.ljust(TEXT_BYTES, b"\0")


@dataclass(frozen=True, slots=True)
class Settings:
    """What RAY_DEDUP_LOGS and its like say.

    Args:
        enabled: Whether lines are folded.
        window_s: For how long equal lines are counted.
        never: Lines that are not folded.
        skip: Lines that are dropped; None: none.
    """

    enabled: bool = True
    window_s: float = 5.0
    never: re.Pattern[str] = re.compile(NEVER)
    skip: re.Pattern[str] | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read them.

        Raises:
            ValueError: If one has an impossible value.
        """
        return cls(
            settings.DEDUP_LOGS.value(environment) in {"1", "true"},
            settings.DEDUP_LOGS_AGG_WINDOW_S.value(environment),
            _expression(settings.DEDUP_LOGS_ALLOW_REGEX, environment) or re.compile(NEVER),
            _expression(settings.DEDUP_LOGS_SKIP_REGEX, environment),
        )


def _expression(
    setting: settings.Setting, environment: Mapping[str, str]
) -> re.Pattern[str] | None:
    text = setting.text(environment)
    try:
        return re.compile(text) if text else None
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{setting.variable}: no regular expression: {error}") from error


class Repeats:
    """The table of lines that were seen lately.

    Args:
        chosen: What to fold.
    """

    def __init__(self, chosen: Settings) -> None:
        self._settings = chosen
        self._fd = os.memfd_create("pyray-lines", os.MFD_CLOEXEC)
        size = mmap.PAGESIZE + ENTRIES * ENTRY_BYTES  # the first page says whether HINT was given
        try:
            os.ftruncate(self._fd, size)
            self._map = mmap.mmap(self._fd, size)  # takes a second descriptor
        except BaseException:
            os.close(self._fd)
            raise
        self._look_s = 0.0

    def close(self) -> None:
        """Let go of the table."""
        self._map.close()
        os.close(self._fd)

    def choose(
        self, lines: list[str], mark: str, descriptor: int, now_s: float | None = None
    ) -> list[tuple[int, str]]:
        """Return what to print, as (descriptor, marked line), for lines that this process prints.

        Args:
            lines: Without their ends.
            mark: What stands before each.
            descriptor: Where they are to go.
            now_s: The time.
        """
        now_s = time.monotonic() if now_s is None else now_s
        chosen = []
        fcntl.lockf(self._fd, fcntl.LOCK_EX)
        try:
            for line in lines:
                if self._settings.never.search(line):
                    chosen.append((descriptor, mark + line))
                elif self._settings.skip and self._settings.skip.search(line):
                    continue
                elif self._is_news(line, mark, descriptor, now_s):
                    chosen.append((descriptor, mark + line))
            if now_s >= self._look_s:
                self._look_s = now_s + LOOK_S
                chosen += self._expired(now_s)
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)
        return chosen

    def rest(self) -> list[tuple[int, str]]:
        """Return what has been counted and not told, at the end."""
        return list(self._expired(float("inf")))

    def _is_news(self, line: str, mark: str, descriptor: int, now_s: float) -> bool:
        pattern = " ".join(word for word in line.split() if not _numbers.search(word))
        if not pattern:
            return True
        data = f"{descriptor} {pattern}".encode("utf-8", "backslashreplace")
        key = zlib.crc32(data) << 32 | zlib.adler32(data) | 1
        entry = self._read(key)
        if entry is None or entry.key != key:  # new, or it takes the place of another
            if entry is None or entry.count == 0:
                self._write(_Entry(key, now_s, 0, os.getpid(), descriptor, mark + line))
            return True
        if entry.process == os.getpid():
            return True  # its own repetitions are its own affair
        entry.process, entry.count, entry.line = 0, entry.count + 1, mark + line
        self._write(entry)
        return False

    def _expired(self, now_s: float) -> Iterator[tuple[int, str]]:
        for index in range(ENTRIES):
            start = mmap.PAGESIZE + index * ENTRY_BYTES
            if self._map[start : start + 8] == bytes(8):
                continue
            entry = self._load(start)
            if now_s - entry.since_s < self._settings.window_s:
                continue
            if entry.count > 1:
                hint = "" if self._map[0] else HINT
                self._map[0] = 1
                text = f"{entry.line} [repeated {entry.count}x across cluster]{hint}"
                yield entry.descriptor, text
                entry.since_s, entry.count = now_s, 0
                self._map[start : start + ENTRY_BYTES] = entry.packed()
                continue
            if entry.count:
                yield entry.descriptor, entry.line
            self._map[start : start + ENTRY_BYTES] = bytes(ENTRY_BYTES)

    def _read(self, key: int) -> _Entry | None:
        start = self._place(key)
        return self._load(start) if self._map[start : start + 8] != bytes(8) else None

    def _write(self, entry: _Entry) -> None:
        start = self._place(entry.key)
        self._map[start : start + ENTRY_BYTES] = entry.packed()

    def _load(self, start: int) -> _Entry:
        data = self._map[start : start + ENTRY_BYTES]
        key, since_s, count, process, descriptor, length = HEAD.unpack_from(data)
        text = data[HEAD.size : HEAD.size + min(length, TEXT_BYTES)].decode("utf-8", "replace")
        return _Entry(key, since_s, count, process, descriptor, text)

    @staticmethod
    def _place(key: int) -> int:
        return mmap.PAGESIZE + (key >> 32) % ENTRIES * ENTRY_BYTES
