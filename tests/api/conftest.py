"""Fixtures for the tests of the public API."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyray as ray
from pyray import testing
from tests.support import wait_until


class Gate:
    """Tasks that wait until the gate is open, and return "through"; they take no CPU."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._refs: list[ray.ObjectRef] = []

    def task(self) -> ray.ObjectRef:
        """Submit a task that waits at the gate."""
        path = str(self._path)

        @ray.remote(num_cpus=0)
        def wait_for_gate() -> str:
            while not os.path.exists(path):
                time.sleep(0.001)
            return "through"

        self._refs.append(wait_for_gate.remote())
        return self._refs[-1]

    def open(self) -> None:
        """Let all tasks through."""
        self._path.touch()

    def close_down(self) -> None:
        """Let all tasks end."""
        self.open()
        ray.get(self._refs)
        self._refs.clear()


@pytest.fixture
def no_actor_is_left() -> Iterator[None]:
    """Every actor has ended when the test has."""
    yield
    gc.collect()  # an error that was caught holds the frames it passed, and their handles
    wait_until(lambda: testing.store_accounts()["actors"] == 0, 10, "the end of the actors")


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gate that is closed; it opens when the test ends."""
    made = Gate(tmp_path / "gate")
    yield made
    made.close_down()


def overlap(intervals: list[tuple[float, float]]) -> int:
    """Return how many of the intervals overlap at most."""
    events = sorted([(start, 1) for start, _ in intervals] + [(end, -1) for _, end in intervals])
    running = most = 0
    for _, change in events:
        running += change
        most = max(most, running)
    return most


def run_at_once(count: int, **options: Any) -> int:
    """Run tasks with these options; return how many ran at the same time at most."""

    @ray.remote
    def work() -> tuple[float, float]:
        start = time.monotonic()
        time.sleep(0.02)
        return start, time.monotonic()

    task = work.options(**options)
    return overlap(ray.get([task.remote() for _ in range(count)]))
