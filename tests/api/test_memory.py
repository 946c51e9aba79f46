"""Values are in memory once, and gone when nobody refers to them."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import pyray as ray
from pyray import testing
from tests.support import run_script, wait_until

SIZE = 32 << 20


def heap_ranges() -> list[tuple[int, int]]:
    """Return the addresses at which this process maps the store's heap."""
    ranges = []
    with open("/proc/self/maps", encoding="ascii") as file:
        for line in file:
            if "memfd:pyray-" in line:
                low, _, high = line.split()[0].partition("-")
                ranges.append((int(low, 16), int(high, 16)))
    return ranges


def anonymous_bytes() -> int:
    """Return how much memory this process has that is no file's and nobody else's."""
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("Anonymous:"))


def is_in_heap(array: Any) -> bool:
    """Return whether the bytes of an array are in the store."""
    address = array.__array_interface__["data"][0]
    return any(low <= address and address + array.nbytes <= high for low, high in heap_ranges())


@pytest.mark.usefixtures("ray_alone")
def test_array_of_the_driver_is_a_view_on_the_store() -> None:
    back = ray.get(ray.put(np.arange(1_000_000)))
    assert is_in_heap(back)
    assert back.ctypes.data % 64 == 0
    for part in ray.get(ray.put({"a": np.ones(100_000), "b": [np.zeros(100_000)]})).values():
        assert is_in_heap(part[0] if isinstance(part, list) else part)


@pytest.mark.usefixtures("ray_alone")
def test_array_in_a_task_takes_no_memory_of_its_own() -> None:
    @ray.remote
    def look(array: Any) -> tuple[int, float]:
        before = anonymous_bytes()
        total = float(array.sum())
        return anonymous_bytes() - before, total

    ref = ray.put(np.ones(SIZE // 8))
    grown, total = ray.get(look.remote(ref))
    assert total == SIZE // 8
    assert grown < SIZE // 8


@pytest.mark.usefixtures("ray_alone")
def test_get_gives_the_same_memory_each_time() -> None:
    ref = ray.put(np.ones(SIZE // 8))
    arrays = [ray.get(ref) for _ in range(10)]
    assert len({array.ctypes.data for array in arrays}) == 1
    assert arrays[0] is not arrays[1]


@pytest.mark.usefixtures("ray_alone")
def test_arrow_and_pandas_columns_are_views_too() -> None:
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pandas")
    table = ray.get(ray.put(pa.table({"x": np.arange(1_000_000)})))
    assert is_in_heap(table.column("x").chunk(0).to_numpy())
    frame = ray.get(ray.put(table.to_pandas()))
    assert is_in_heap(frame["x"].to_numpy())


@pytest.mark.usefixtures("ray_alone")
def test_view_outlives_its_reference() -> None:
    array = ray.get(ray.put(np.arange(1_000_000)))
    gc.collect()
    others = [ray.put(np.zeros(1_000_000)) for _ in range(5)]
    assert array[-1] == 999_999
    del others


def test_view_outlives_the_session() -> None:
    with ray.init(num_cpus=1):
        array = ray.get(ray.put(np.arange(1_000_000)))
    assert array[-1] == 999_999


def test_full_store_says_what_it_has_and_goes_on() -> None:
    with ray.init(num_cpus=1, object_store_memory=16 << 20):
        held = ray.put(np.zeros(1 << 20, np.uint8))
        with pytest.raises(ray.exceptions.ObjectStoreFullError, match="Capacity .*used .*free "):
            ray.put(np.zeros(32 << 20, np.uint8))
        assert ray.get(held).nbytes == 1 << 20
        for _ in range(20):
            ray.put(np.zeros(8 << 20, np.uint8))

        @ray.remote
        def too_much() -> Any:
            return np.zeros(32 << 20, np.uint8)

        with pytest.raises(ray.exceptions.ObjectStoreFullError):
            ray.get(too_much.remote())


def test_accounts_return_to_zero_after_work_of_every_kind() -> None:
    with ray.init(num_cpus=2):
        start = testing.store_accounts()
        work_of_every_kind()
        gc.collect()
        wait_until(lambda: testing.store_accounts() == start, 5, "the accounts")


def work_of_every_kind() -> None:
    """Use values, tasks, errors and actors of all sizes, and drop them."""

    @ray.remote
    def same(x: Any, *_: Any) -> Any:
        return x

    @ray.remote(num_returns=3)
    def three() -> Any:
        return 1, np.zeros(100_000), [ray.put(5)]

    @ray.remote
    def fail() -> None:
        raise ValueError("x" * 1000)

    @ray.remote
    class Keeper:
        def __init__(self) -> None:
            self.kept: list[Any] = []

        def keep(self, refs: Any) -> int:
            self.kept.append(refs)
            return len(self.kept)

    array = ray.put(np.arange(200_000))
    ray.get([same.remote(array, i) for i in range(50)])
    ray.get(three.remote())
    ray.wait([fail.remote(), same.remote(fail.remote())], num_returns=2)
    keeper = Keeper.remote()
    assert ray.get(keeper.keep.remote([array, ray.put("x")])) == 1


def test_memory_is_recycled() -> None:
    run_script(
        """
        import numpy as np
        import pyray as ray
        ray.init(num_cpus=1, object_store_memory=64 << 20)
        same = ray.remote(lambda x: x + 1)
        for i in range(100):
            ref = same.remote(ray.put(np.full(1_000_000, i)))
            assert ray.get(ref)[-1] == i + 1
        ray.shutdown()
        """,
        check=True,
    )
