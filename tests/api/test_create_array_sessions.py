"""Arrays that are made in the store, beyond their session."""

from __future__ import annotations

from typing import Any

import pytest

import pyray as ray


def test_an_array_outlives_its_session() -> None:
    with ray.init(num_cpus=1):
        array = ray.create_array(100_000)
    array[:] = 5
    assert array.sum() == 500_000
    with ray.init(num_cpus=1), pytest.raises(ValueError, match="in this session"):
        ray.seal(array)


def test_result_of_a_task_is_the_array_itself() -> None:
    """Two of them would not fit into the store."""

    @ray.remote
    def make(count: int) -> Any:
        array = ray.create_array(count)
        array[:] = 1
        return array

    with ray.init(num_cpus=1, object_store_memory=100 << 20):
        for _ in range(3):
            assert ray.get(make.remote(8_000_000))[-1] == 1
