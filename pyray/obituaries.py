"""What a supervisor notes of workers that have died: who, when, and how.

The last `ROOM` of them are in an anonymous file of the supervisor's, a ring of records that it
alone writes, one write each. Whoever may look into /proc/<pid>/fd (the same user) reads them there;
the supervisor need not answer. A record that is being written while it is read, or was cut short,
has a wrong checksum and is passed over. The file ends with the supervisor, as the session does:
there is nothing to repair.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import time
import zlib
from pathlib import Path
from typing import NamedTuple

from pyray.descriptors import above_standard
from pyray.errors.deaths import describe_exit

ROOM = 1000
RECORD_BYTES = 512
NAME = "pyray-obituaries"
CRASH, ON_REQUEST, OUT_OF_MEMORY = range(3)
"""How a worker may end."""

_CHECK = struct.Struct("<I")
_HEAD = struct.Struct("<IQqqHH")  # pid, number, when it began and ended, manner, length of words
_WORDS_BYTES = RECORD_BYTES - _CHECK.size - _HEAD.size


class Obituary(NamedTuple):
    """A worker that has died.

    Args:
        pid: Its process.
        began_ms: When it was started, in milliseconds since 1970.
        ended_ms: When its end was noticed.
        manner: `CRASH`, `ON_REQUEST` or `OUT_OF_MEMORY`.
        words: What is known about it.
    """

    pid: int
    began_ms: int
    ended_ms: int
    manner: int
    words: str


def obituary(  # noqa: PLR0913  (what a supervisor knows)
    pid: int, age_s: float, wait_status: int, *, asked: bool, shortage: str, last_words: str
) -> Obituary:
    """Return what to note of a worker whose end was noticed just now.

    Args:
        pid: Its process.
        age_s: For how long it lived.
        wait_status: The status that `os.waitpid` gave.
        asked: Somebody wanted it to be killed, or it left in between two tasks.
        shortage: Why it was killed, if memory was short; else "".
        last_words: What it left on stderr.
    """
    now_ms = round(time.time() * 1000)
    began_ms = now_ms - round(age_s * 1000)
    if shortage:
        return Obituary(pid, began_ms, now_ms, OUT_OF_MEMORY, shortage)
    if asked and wait_status in {0, signal.SIGKILL}:
        words = (
            "Worker exits as it was asked to."
            if wait_status == 0
            else "Worker was killed on request."
        )
        return Obituary(pid, began_ms, now_ms, ON_REQUEST, words)
    words = f"Worker exits unexpectedly: {describe_exit(wait_status)}."
    return Obituary(pid, began_ms, now_ms, CRASH, f"{words}\n{last_words}".rstrip())


class Register:
    """Where a supervisor notes them; without a free descriptor nothing is noted."""

    def __init__(self) -> None:
        self._number = 0
        self._fd = -1
        with contextlib.suppress(OSError):
            self._fd = above_standard(os.memfd_create(NAME, os.MFD_CLOEXEC))

    def note(self, one: Obituary) -> None:
        """Note a worker; the oldest may go for it."""
        if self._fd < 0:
            return
        words = one.words.encode("utf-8", "backslashreplace")[:_WORDS_BYTES]
        self._number += 1
        head = _HEAD.pack(one.pid, self._number, one.began_ms, one.ended_ms, one.manner, len(words))
        data = (head + words).ljust(RECORD_BYTES - _CHECK.size, b"\0")
        place = self._number % ROOM * RECORD_BYTES
        with contextlib.suppress(OSError):  # no memory: it is not listed
            os.pwrite(self._fd, _CHECK.pack(zlib.crc32(data)) + data, place)

    def close(self) -> None:
        """Let go of it, also in a forked worker."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def of_supervisor(pid: int) -> list[Obituary]:
    """Return the workers of a supervisor that have died, the last one first."""
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                if str(link.readlink()).startswith(f"/memfd:{NAME} "):
                    with link.open("rb") as file:
                        return _parsed(file.read(ROOM * RECORD_BYTES))
    return []


def _parsed(data: bytes) -> list[Obituary]:
    found: dict[int, Obituary] = {}
    for at in range(0, len(data) - RECORD_BYTES + 1, RECORD_BYTES):
        (check,) = _CHECK.unpack_from(data, at)
        record = data[at + _CHECK.size : at + RECORD_BYTES]
        if check != zlib.crc32(record):
            continue
        pid, number, began_ms, ended_ms, manner, length = _HEAD.unpack_from(record)
        if number:
            words = record[_HEAD.size : _HEAD.size + length].decode("utf-8", "replace")
            found[number] = Obituary(pid, began_ms, ended_ms, manner, words)
    return [found[number] for number in sorted(found, reverse=True)]
