"""Ways to die, and what the caller must be told about each."""

from __future__ import annotations

import ctypes
import dataclasses
import faulthandler
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import wait_until

DEADLINE_S = 10.0
"""Longer than any death takes to be noticed: 'a few seconds' on an overloaded machine."""


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to die.

    Args:
        name: For the test's id.
        words: What the error must say about it.
        signal: The signal it takes from outside, 0 when it can only be done from within.
        is_death: False when the process survives, because it is an ordinary error of Python.
    """

    name: str
    words: str
    signal: int = 0
    is_death: bool = True


def _no_core_file() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


WAYS = (
    Way("SIGKILL", "SIGKILL", signal.SIGKILL),
    Way("SIGTERM", "SIGTERM", signal.SIGTERM),
    Way("SIGSEGV", "SIGSEGV", signal.SIGSEGV),
    Way("SIGABRT", "SIGABRT", signal.SIGABRT),
    Way("SIGBUS", "SIGBUS", signal.SIGBUS),
    Way("os._exit(0)", "exit code 0"),
    Way("os._exit(3)", "exit code 3"),
    Way("sys.exit", "exit code 5"),
    Way("stack overflow", "SIGSEGV"),
    Way("exception", "on purpose", is_death=False),
    Way("MemoryError", "no more memory", is_death=False),
)
DEATHS = tuple(way for way in WAYS if way.is_death)
SIGNALS = tuple(way for way in WAYS if way.signal)


def by_name(way: Way) -> str:
    """Return the id of a parametrised test."""
    return way.name


def die(way: Way) -> None:
    """Die, here and now."""
    _no_core_file()
    faulthandler.disable()
    if way.signal:
        os.kill(os.getpid(), way.signal)
        time.sleep(60)
    actions: dict[str, Callable[[], Any]] = {
        "os._exit(0)": lambda: os._exit(0),
        "os._exit(3)": lambda: os._exit(3),
        "sys.exit": lambda: sys.exit(5),
        "stack overflow": faulthandler._stack_overflow,  # type: ignore[attr-defined]
        "exception": lambda: _raise(ValueError("on purpose")),
        "MemoryError": lambda: _raise(MemoryError("no more memory")),
    }
    actions[way.name]()


def _raise(error: BaseException) -> None:
    raise error


def note(folder: Path, name: str) -> int:
    """Leave a note that this process came along here; return how many there are now."""
    with (folder / name).open("a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    return len(notes(folder, name))


def notes(folder: Path, name: str) -> list[int]:
    """Return the processes that left a note."""
    try:
        return [int(line) for line in (folder / name).read_text(encoding="ascii").split()]
    except FileNotFoundError:
        return []


class DiesWhenUnpickled:
    """Kills the process that unpickles it."""

    def __init__(self, way: Way, folder: Path) -> None:
        self.way, self.folder = way, folder

    def __reduce__(self) -> tuple[Any, ...]:
        return _die_noted, (self.way, self.folder)


class DiesWhenPickled:
    """Kills the process that pickles it."""

    def __init__(self, way: Way) -> None:
        self.way = way

    def __reduce__(self) -> tuple[Any, ...]:
        die(self.way)
        return int, ()


def _die_noted(way: Way, folder: Path) -> None:
    note(folder, "attempts")
    die(way)


def sleep_holding_gil(folder: Path) -> None:
    """Sleep in C code that does not give the interpreter away."""
    _no_core_file()
    note(folder, "asleep")
    ctypes.PyDLL(None).sleep(60)


def settled(accounts: Callable[[], dict[str, int]], expected: dict[str, int]) -> None:
    """Wait until the store's accounts are `expected`: what a death leaves goes a moment later."""

    def balanced() -> bool:
        gc.collect()  # tracebacks of expected errors hold what their frames held
        return accounts() == expected

    try:
        wait_until(balanced, DEADLINE_S, "the accounts to come back")
    except AssertionError:
        now = accounts()
        different = {name: (n, now[name]) for name, n in expected.items() if now[name] != n}
        assert not different, f"expected and found: {different}"
        raise
