"""Resources that init declares, and tasks that ask for what is not there."""

from __future__ import annotations

import logging
import os
from typing import Any

import pytest

import pyray as ray
from tests.api.conftest import run_at_once


def test_custom_resources_limit_too() -> None:
    with ray.init(num_cpus=4, resources={"license": 1, "slots": 1.5}):
        assert run_at_once(6, resources={"license": 1}) == 1
        assert run_at_once(6, num_cpus=0, resources={"slots": 0.5}) <= 3
        assert run_at_once(6, num_cpus=0, resources={"slots": 1}) == 1


def test_gpus_are_declared_and_counted() -> None:
    with ray.init(num_cpus=4, num_gpus=1):
        assert ray.cluster_resources()["GPU"] == 1
        assert run_at_once(4, num_gpus=1) == 1
        assert run_at_once(4, num_gpus=0.5) <= 2


@pytest.mark.parametrize("options", [{"num_cpus": 3}, {"num_gpus": 1}, {"resources": {"x": 1}}])
def test_task_that_can_never_run_stays_pending_with_one_warning(
    options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with ray.init(num_cpus=2):
        check_infeasible(options, caplog)


def check_infeasible(options: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Submit tasks that can never run, in a session of their own."""

    @ray.remote
    def f() -> int:
        return 1

    with caplog.at_level(logging.WARNING):
        refs = [f.options(**options).remote() for _ in range(3)]
    assert len(caplog.records) == 1, caplog.text
    assert "stays pending" in caplog.text
    assert ray.wait(refs, timeout=0.1) == ([], refs)
    assert ray.get(f.remote(), timeout=20) == 1  # others do not mind


def test_what_can_never_run_is_named_when_it_is_submitted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lacks: dict[str, dict[str, Any]] = {
        "a machine with labels {'zone': 'b'}": {"label_selector": {"zone": "b"}},
        "'accelerator_type:H100' (there is 0)": {"accelerator_type": "H100"},
        "3 of 'CPU' (there is 2)": {"num_cpus": 3},
        "0.0004 of 'x' (there is 0.0003)": {"resources": {"x": 0.0004}},
        "of 'memory'": {"memory": 1 << 62},
    }

    @ray.remote
    def f() -> int:
        return 1

    with ray.init(num_cpus=2, resources={"x": 0.0003}, labels={"zone": "a"}):
        for lack, options in lacks.items():
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                ref = f.options(**options).remote()
            assert "f can never run here and stays pending" in caplog.text
            assert lack in caplog.text
            assert ray.wait([ref], timeout=0) == ([], [ref])


def test_zero_cpus_refuse_nothing_but_tasks_that_need_one() -> None:
    with ray.init(num_cpus=0):

        @ray.remote(num_cpus=0)
        def f() -> int:
            return 1

        assert ray.get(f.remote(), timeout=20) == 1


def test_ids_are_those_that_the_driver_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-abc")

    @ray.remote(num_gpus=2)
    def look() -> tuple[list[Any], str | None]:
        return ray.get_gpu_ids(), os.environ.get("CUDA_VISIBLE_DEVICES")

    with ray.init(num_cpus=1):
        assert ray.cluster_resources()["GPU"] == 2
        assert ray.get(look.remote()) == (["5", "GPU-abc"], "5,GPU-abc")
    with pytest.raises(ValueError, match="CUDA_VISIBLE_DEVICES contains"):
        ray.init(num_gpus=3)


def test_more_gpus_than_can_be_declared_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 64"):
        ray.init(num_gpus=65)
