"""Threads that wait in turn use the same latch: what one left must not mislead the next."""

from __future__ import annotations

import threading
from pathlib import Path
from types import ModuleType


def wait_in_thread(ray: ModuleType, ref: object, timeout_s: float) -> list[object]:
    """Return what `ray.wait` says in a new thread: the list of ready references."""
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.extend(ray.wait([ref], timeout=timeout_s)[0]))
    thread.start()
    thread.join()
    return answers


def test_wait_in_second_thread_when_first_timed_out_on_same_object_then_wakes(
    ray_alone: ModuleType, tmp_path: Path
) -> None:
    ray = ray_alone
    gate = tmp_path / "gate"

    @ray.remote
    def wait_for_gate() -> str:
        import time

        while not gate.exists():
            time.sleep(0.01)
        return "open"

    ref = wait_for_gate.remote()
    assert wait_in_thread(ray, ref, 0.05) == []
    opener = threading.Timer(0.3, gate.touch)
    opener.start()
    assert wait_in_thread(ray, ref, 20.0) == [ref]
    opener.join()
    assert ray.get(ref) == "open"
