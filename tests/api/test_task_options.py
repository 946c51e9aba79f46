"""What options of tasks do: calls per worker, pauses before retries, labels, accelerators."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyray as ray


@pytest.fixture(scope="module", autouse=True)
def labelled_session() -> Iterator[None]:
    with ray.init(
        num_cpus=2, labels={"zone": "a"}, resources={"accelerator_type:T4": 1, "x": 0.0003}
    ):
        yield


def test_worker_is_replaced_after_max_calls() -> None:
    @ray.remote(max_calls=3)
    def process() -> int:
        return os.getpid()

    calls = Counter(ray.get(process.remote()) for _ in range(20))
    assert max(calls.values()) == 3


def test_max_calls_holds_for_queued_tasks_too() -> None:
    @ray.remote(max_calls=1)
    def process() -> int:
        return os.getpid()

    pids = ray.get([process.remote() for _ in range(8)], timeout=30)
    assert len(set(pids)) == 8


def test_max_calls_and_retries_go_together(tmp_path: Path) -> None:
    tries = tmp_path / "tries"

    @ray.remote(max_calls=1, retry_exceptions=[KeyError], max_retries=2)
    def work() -> int:
        with tries.open("ab") as file:
            file.write(b".")
        if tries.stat().st_size < 3:
            raise KeyError
        return os.getpid()

    assert ray.get(work.remote()) != ray.get(work.remote())


def test_default_number_of_retries_can_be_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TASK_MAX_RETRIES", "1")
    tries = tmp_path / "tries"

    @ray.remote
    def die() -> None:
        with tries.open("ab") as file:
            file.write(b".")
        os._exit(1)

    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(die.remote())
    assert tries.stat().st_size == 2


@pytest.mark.parametrize(
    "options",
    [
        {"label_selector": {"zone": "a"}},
        {"label_selector": {"zone": "in(a, b)", "disk": "!ssd"}},
        {"accelerator_type": "T4"},
        {"resources": {"x": 0.0001}},
        {"scheduling_strategy": "SPREAD"},
        {"enable_task_events": False},
        {"_metadata": {"anything": 1}},
        {"memory": 1 << 20},
    ],
)
def test_option_that_the_machine_satisfies_lets_the_task_run(options: dict[str, Any]) -> None:
    @ray.remote
    def one() -> int:
        return 1

    assert ray.get(one.options(**options).remote(), timeout=20) == 1


def test_context_tells_ids_attempt_and_resources() -> None:
    @ray.remote(num_cpus=0.5, resources={"x": 0.0001}, name="asker")
    def ask() -> dict[str, Any]:
        context = ray.get_runtime_context()
        return {
            "task": context.get_task_id(),
            "resources": context.get_assigned_resources(),
            "attempt": context.get_task_attempt(),
            "name": context.get_task_name(),
            **context.get(),
        }

    ref = ask.remote()
    said = ray.get(ref)
    assert said["task"] == ref.task_id().hex()
    assert said["task_id"] == ref.task_id()
    assert said["resources"] == {"CPU": 0.5, "x": 0.0001}
    assert said["attempt"] == 0
    assert said["name"] == "asker"
    context = ray.get_runtime_context()
    assert context.get()["job_id"].hex() == context.get_job_id()
    assert context.get_node_labels()["zone"] == "a"
    with pytest.raises(AssertionError, match="only available when the process is a worker"):
        context.get_assigned_resources()
