"""How long a task waits before it is tried again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import pyray as ray


@pytest.mark.parametrize("kind", ["exception", "death"])
def test_pause_before_retries_doubles(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_task_retry_delay_ms", "40")
    times = tmp_path / "times"

    @ray.remote(retry_exceptions=True, num_cpus=2)
    def work() -> int:
        with times.open("a") as file:
            file.write(f"{time.monotonic()}\n")
        if len(times.read_text().split()) < 3:
            if kind == "death":
                os._exit(1)
            raise KeyError
        return ray.get_runtime_context().get_task_attempt()

    with ray.init(num_cpus=2):
        assert ray.get(work.remote(), timeout=30) == 2
    first, second, third = map(float, times.read_text().split())
    assert second - first >= 0.04
    assert third - second >= 0.08


def test_task_that_pauses_leaves_its_cpus_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_task_retry_delay_ms", "60000")
    with ray.init(num_cpus=1):
        flag = tmp_path / "flag"

        @ray.remote(retry_exceptions=True)
        def fail() -> None:
            flag.touch()
            raise KeyError

        @ray.remote
        def one() -> int:
            return 1

        failing = fail.remote()
        assert ray.get(one.remote(), timeout=20) == 1
        while not flag.exists():
            time.sleep(0.001)
        assert ray.get(one.remote(), timeout=20) == 1
        assert ray.wait([failing], timeout=0) == ([], [failing])
