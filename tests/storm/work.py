"""What workers do in a storm. Every value says what it must be: origin, checksum, contents.

Imports little, since every replaced worker imports it again.
"""

from __future__ import annotations

import time
import zlib
from typing import Any

import numpy as np

Value = tuple[int, np.ndarray]
"""A number that covers where the value comes from, and contents that belong to its seed."""


def body(seed: int, size_bytes: int) -> np.ndarray:
    """Return the contents that belong to a seed."""
    count = max(1, size_bytes // 8)
    return np.arange(count, dtype=np.uint64) * np.uint64(2 * seed + 1) + np.uint64(seed)


def digest(value: Value) -> int:
    """Return a checksum of all of it."""
    return zlib.crc32(value[1], value[0] & 0xFFFFFFFF)


def make(seed: int, size_bytes: int, pause_s: float, *others: Value) -> Value:
    """Make a value; the number covers the arguments too."""
    if pause_s:
        time.sleep(pause_s)
    return (seed + sum(map(digest, others))) % 2**32, body(seed, size_bytes)


def nested(seed: int, size_bytes: int, width: int) -> Value:
    """Let other tasks do it, one of them with an object from here."""
    import pyray

    task = pyray.remote(max_retries=-1)(make)
    given = pyray.put((seed, body(seed, size_bytes)))
    values = pyray.get([task.remote(seed + n, 64, 0.0, given) for n in range(width)])
    return sum(number for number, _ in values) % 2**32, body(seed, size_bytes)


def expected_nested(seed: int, size_bytes: int, width: int) -> Value:
    """Return what `nested` must give."""
    given = (seed, body(seed, size_bytes))
    numbers = (make(seed + n, 64, 0.0, given)[0] for n in range(width))
    return sum(numbers) % 2**32, body(seed, size_bytes)


class Tally:
    """An actor that sees whether each caller's calls arrive in order, none twice."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}

    def call(self, caller: str, number: int, _payload: Any) -> tuple[int, int]:
        """Return this call's number and that of the caller's one before."""
        before, self.last[caller] = self.last.get(caller, -1), number
        return number, before
