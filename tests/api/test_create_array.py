"""Arrays that are made in the store: `create_array`, `seal`, and results of tasks."""

from __future__ import annotations

import os
import signal
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import pyray as ray
from pyray import testing
from tests.support import wait_until


@ray.remote
def make(count: int, how: str) -> Any:
    array = ray.create_array(count, np.float32)
    array[:] = 1
    if how == "part":
        return array[1:]
    if how == "sealed":
        ray.seal(array)
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "failed":
        raise KeyError(how)
    return array


@pytest.fixture(scope="module", autouse=True)
def exported(ray_session: ModuleType) -> None:
    ray.get(make.remote(1, ""))


def used() -> int:
    return testing.store_accounts()["heap_used_bytes"]


@pytest.mark.parametrize("shape", [(), 0, 5, (3, 0), (200, 300)], ids=str)
@pytest.mark.parametrize("dtype", ["f4", "i8", "?", "c16", "M8[s]", "U3", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_sealed_array_is_what_was_written(
    ray_session: ModuleType, shape: Any, dtype: str, order: str
) -> None:
    expected = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype, order=order)
    array = ray.create_array(shape, dtype, order)
    assert array.flags.writeable
    array[...] = expected
    ref = ray.seal(array)
    stored = ray.get(ref)
    assert (stored.dtype, stored.shape) == (expected.dtype, expected.shape)
    assert stored.size == 0 or stored.strides == expected.strides
    assert np.array_equal(stored, expected)
    assert not stored.flags.writeable
    assert not array.flags.writeable
    assert np.array_equal(array, expected)


def test_nothing_is_copied(ray_session: ModuleType) -> None:
    before = used()
    array = ray.create_array((1000, 1000))
    made = used() - before
    array[:] = 7
    ref = ray.seal(array)
    assert used() - before == made
    assert ray.get(ref)[5, 5] == 7
    del ref
    assert used() - before == made  # the array still shows it
    assert array[999, 999] == 7
    del array
    assert used() == before


def test_an_array_that_is_not_sealed_goes_back(ray_session: ModuleType) -> None:
    before = used()
    array = ray.create_array(100_000)
    part = array[10:20]
    del array
    assert used() > before
    part[:] = 1
    del part
    assert used() == before


@pytest.mark.parametrize("how", ["part", "sealed"])
def test_other_results_are_copied(ray_session: ModuleType, how: str) -> None:
    assert ray.get(make.remote(100_000, how)).sum() >= 99_999


def test_an_array_that_the_worker_keeps_is_copied(ray_session: ModuleType) -> None:
    """Otherwise the worker could change a result that others have read."""

    @ray.remote
    class Keeper:
        def make(self) -> Any:
            self.array = ray.create_array(100_000)
            self.array[:] = 1
            return self.array

        def change(self) -> None:
            self.array[:] = 2

    keeper = Keeper.remote()
    ref = keeper.make.remote()
    ray.get([ref, keeper.change.remote()])
    assert ray.get(ref).sum() == 100_000


@pytest.mark.parametrize(
    ("how", "error"), [("failed", KeyError), ("killed", ray.exceptions.WorkerCrashedError)]
)
def test_what_a_failed_task_was_making_goes_back(
    ray_session: ModuleType, how: str, error: type[Exception]
) -> None:
    before = used()
    with pytest.raises(error):
        ray.get(make.options(max_retries=0).remote(500_000, how))
    wait_until(lambda: used() - before < 1_000_000, 5, "the array to go back")


def test_wrong_arguments_are_refused(ray_session: ModuleType) -> None:
    for shape, dtype, order, error, text in [
        (3, object, "C", TypeError, "dtype"),
        (3, "f8", "A", ValueError, "order"),
        (-1, "f8", "C", ValueError, "shape"),
        (2**62, "f8", "C", ValueError, "shape"),
        ((1,) * 33, "f8", "C", ValueError, "shape"),
        ("ab", "f8", "C", TypeError, "integer"),
        (10**12, "f8", "C", ray.exceptions.ObjectStoreFullError, "room"),
    ]:
        with pytest.raises(error, match=text):
            ray.create_array(shape, dtype, order)  # type: ignore[arg-type]
    array = ray.create_array(10)
    for wrong in (array[1:], np.zeros(10), "array"):
        with pytest.raises(ValueError, match="seal: expected an array"):
            ray.seal(wrong)
    ray.seal(array)
    with pytest.raises(ValueError, match="sealed before"):
        ray.seal(array)
