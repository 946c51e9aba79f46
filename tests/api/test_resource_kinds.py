"""Resources that init declares, and tasks that ask for what is not there."""

from __future__ import annotations

import logging
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


def test_zero_cpus_refuse_nothing_but_tasks_that_need_one() -> None:
    with ray.init(num_cpus=0):

        @ray.remote(num_cpus=0)
        def f() -> int:
            return 1

        assert ray.get(f.remote(), timeout=20) == 1
