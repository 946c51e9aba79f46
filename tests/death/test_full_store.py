"""A full store whose disk is full as well is an answer, not a crash."""

from __future__ import annotations

import gc
import itertools
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pyray import exceptions, testing
from tests.death.ways import DEADLINE_S, settled

pytestmark = pytest.mark.timeout(120)

MIB = 1 << 20
FULL = (exceptions.ObjectStoreFullError, exceptions.OutOfDiskError)


@pytest.fixture(scope="module")
def deadly_session() -> Iterator[ModuleType]:
    """A session in which no file can be written, as on a full disk."""
    import pyray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYRAY_FAILPOINTS", "spill.write=fail:28")
        pyray.init(num_cpus=2, object_store_memory=64 << 20)
    yield pyray
    pyray.shutdown()


def zeros(size: int) -> np.ndarray:
    """A result of this size."""
    return np.zeros(size, dtype=np.uint8)


def fails(message: str) -> None:
    """Raise a long error."""
    raise ValueError(message)


def fill(ray: ModuleType) -> list[Any]:
    """Take every last byte of the heap."""
    kept, size = [], 8 * MIB
    while size >= 64:
        try:
            kept.append(ray.put(zeros(size)))
        except FULL:
            size //= 2
    return kept


def test_put_too_large_says_all_numbers(ray: ModuleType) -> None:
    kept = ray.put(zeros(10 * MIB))
    view = ray.get(kept)
    with pytest.raises(exceptions.ObjectStoreFullError) as caught:
        ray.put(zeros(60 * MIB))
    text = str(caught.value)
    numbers = [int(number.replace(",", "")) for number in re.findall(r"[\d,]{7,}", text)]
    assert numbers[0] >= 60 * MIB
    assert numbers[1] == 64 * MIB
    assert 10 * MIB <= numbers[2] < 11 * MIB
    assert numbers[3] == numbers[1] - numbers[2]
    assert 10 * MIB <= numbers[5] < 11 * MIB
    assert view[-1] == 0


def test_freed_memory_is_there_at_once(ray: ModuleType) -> None:
    for _ in range(10):
        kept = ray.put(zeros(50 * MIB))
        assert ray.get(kept)[0] == 0
        del kept


def test_cycles_are_collected_when_the_store_is_full(ray: ModuleType) -> None:
    gc.disable()
    try:
        for _ in range(5):
            cycle: list[Any] = [ray.put(zeros(40 * MIB))]
            cycle.append(cycle)
            del cycle
    finally:
        gc.enable()


def test_result_and_arguments_too_large(ray: ModuleType) -> None:
    task = ray.remote(max_retries=0)(zeros)
    with pytest.raises(exceptions.ObjectStoreFullError):
        ray.get(task.remote(70 * MIB), timeout=DEADLINE_S)
    with pytest.raises(exceptions.ObjectStoreFullError):
        task.remote(zeros(70 * MIB))
    two = ray.remote(max_retries=0, num_returns=2)(lambda: (zeros(40 * MIB), zeros(40 * MIB)))
    for ref in two.remote():
        with pytest.raises(exceptions.ObjectStoreFullError):
            ray.get(ref, timeout=DEADLINE_S)
    assert ray.get(task.remote(50 * MIB), timeout=DEADLINE_S).size == 50 * MIB


@pytest.mark.parametrize("results", [1, 2, 20])
def test_no_room_even_for_the_error(ray: ModuleType, results: int) -> None:
    tasks = [
        ray.remote(max_retries=0, num_returns=results)(function) for function in (zeros, fails)
    ]
    for task in tasks:  # the functions get into the store
        refs = task.remote(10)
        ray.wait(refs if results > 1 else [refs], num_returns=results, timeout=DEADLINE_S)
    kept = fill(ray)
    for task in tasks:
        refs = task.remote(100_000)
        for ref in refs if results > 1 else [refs]:  # an error may find a last gap: it is as good
            with pytest.raises((*FULL, exceptions.RayTaskError)):
                ray.get(ref, timeout=DEADLINE_S)
    kept.clear()
    del task, refs
    with pytest.raises(exceptions.RayTaskError):
        ray.get(ray.remote(max_retries=0)(fails).remote("x"), timeout=DEADLINE_S)


def test_small_objects_until_full_and_empty_again(ray: ModuleType) -> None:
    before = testing.store_accounts()
    kept: list[Any] = []
    with pytest.raises(exceptions.OutOfDiskError):
        kept.extend(ray.put(bytes(2_000)) for _ in itertools.count())
    assert len(kept) > 25_000
    assert ray.get(kept[-1]) == bytes(2_000)
    kept.clear()
    settled(testing.store_accounts, before)
