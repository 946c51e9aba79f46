"""What does not fit into the store goes to files, and comes back without the program noticing."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyray as ray
from pyray import exceptions, testing
from tests.support import wait_until

MIB = 1 << 20
STORE = 64 * MIB


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Where a session with a store of 64 MiB spills; afterwards nothing may be left there."""
    base = tmp_path / "disk"
    ray.init(num_cpus=2, object_store_memory=STORE, object_spilling_directory=base)
    yield base
    ray.shutdown()
    assert list(base.iterdir()) == []


def block(number: int, size: int = MIB) -> Any:
    """An array whose every element depends on its number."""
    return np.arange(number, number + size // 8, dtype=np.int64)


def is_block(value: Any, number: int, size: int = MIB) -> bool:
    """Is it that array?"""
    return bool(np.array_equal(value, block(number, size)))


def files(base: Path) -> list[Path]:
    """The files of the one session that spills to this directory."""
    (own,) = base.iterdir()
    return list(own.iterdir())


make = ray.remote(block)
check = ray.remote(is_block)


def test_a_gigabyte_of_live_data_in_a_store_of_64_mib(directory: Path) -> None:
    count = 1024
    refs = [ray.put(block(n)) for n in range(count // 2)]
    refs += [make.remote(n) for n in range(count // 2, count)]
    assert ray.wait(refs, num_returns=count)[1] == []
    order = list(range(count))
    random.shuffle(order)
    assert all(is_block(ray.get(refs[n]), n) for n in order[:700])
    assert all(ray.get([check.remote(refs[n], n) for n in order]))
    stats = testing.store_stats()
    assert stats["spilled_bytes"] > count * MIB - STORE
    assert stats["used_bytes"] <= STORE
    assert files(directory)
    testing.store_accounts()
    del refs
    wait_until(lambda: len(files(directory)) <= 2, 10, "the files to be deleted")
    assert testing.store_stats()["spilled_objects"] <= 2  # the two functions


def test_values_of_all_kinds_and_sizes_come_back(directory: Path) -> None:
    values: list[Any] = []
    for size in (57, 100, 1_000, 63 << 10, 65 << 10, 300_000):
        values += [bytes(size), "ü" * size, [size, {"a": "b" * size}], np.full(size, 7, np.uint8)]
    nested = ray.put("inside " * 100)
    refs = [ray.put(value) for value in values]
    refs.append(ray.put([nested, b"x" * 1_000]))
    del nested
    fillers = [ray.put(block(n)) for n in range(128)]
    assert testing.store_stats()["spilled_objects"] > len(refs)
    for value, found in zip(values, ray.get(refs), strict=False):
        assert type(found) is type(value)
        assert np.array_equal(found, value) if isinstance(value, np.ndarray) else found == value
    inner = ray.get(refs[-1])[0]
    assert ray.get(inner) == "inside " * 100
    assert is_block(ray.get(fillers[0]), 0)


def test_small_objects_share_files(directory: Path) -> None:
    refs = [ray.put(n.to_bytes(1_000, "big")) for n in range(100_000)]
    assert len(files(directory)) < 100
    for n in random.sample(range(len(refs)), 300):
        assert ray.get(refs[n]) == n.to_bytes(1_000, "big")


def test_what_was_read_lately_stays(directory: Path) -> None:
    favourite = ray.put(block(1))
    for n in range(300):
        ray.put(block(n))
        kept = ray.put(block(n))  # noqa: F841  (so that something is alive)
        assert is_block(ray.get(favourite), 1)
    others = [ray.put(block(n)) for n in range(30)]
    before = testing.store_stats()["total_restored_bytes"]
    for n in range(200):
        others.append(ray.put(block(n)))
        ray.get(favourite)
    assert testing.store_stats()["total_restored_bytes"] - before <= 4 * MIB


def test_views_stay_where_they_are(directory: Path) -> None:
    refs = [ray.put(block(n, 4 * MIB)) for n in range(8)]
    views = [ray.get(ref) for ref in refs]
    others = [ray.put(block(n)) for n in range(200)]
    assert all(is_block(views[n], n, 4 * MIB) for n in range(8))
    assert is_block(ray.get(others[0]), 0)
    with pytest.raises(exceptions.ObjectStoreFullError, match=rf"driver, pid {os.getpid()}: 33,"):
        ray.put(block(0, 40 * MIB))
    views.clear()
    assert ray.get(ray.put(block(0, 40 * MIB))).nbytes == 40 * MIB


def test_more_views_than_the_store_has_room_for(directory: Path) -> None:
    refs = [ray.put(block(n, 4 * MIB)) for n in range(40)]
    values = ray.get(refs)  # 160 MiB of views: the later ones are private copies
    assert all(is_block(value, n, 4 * MIB) for n, value in enumerate(values))
    assert not any(value.flags.writeable for value in values)
    del values


def test_arguments_and_results_are_spilled_under_running_tasks(directory: Path) -> None:
    @ray.remote
    def add(a: Any, b: Any) -> Any:
        return a + b

    layer = [ray.put(block(n)) for n in range(64)]
    for _ in range(4):
        layer = [add.remote(layer[n], layer[n - 1]) for n in range(len(layer))]
    sums = [int(value[0]) for value in ray.get(layer)]
    numbers = list(range(64))
    for _ in range(4):
        numbers = [numbers[n] + numbers[n - 1] for n in range(64)]
    assert sums == numbers


def test_larger_than_the_store_says_so(directory: Path) -> None:
    with pytest.raises(exceptions.ObjectStoreFullError, match="larger than the whole store"):
        ray.put(block(0, 80 * MIB))
    assert files(directory) == []


def test_directory_is_private(directory: Path) -> None:
    kept = [ray.put(block(n)) for n in range(80)]
    (own,) = directory.iterdir()
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in files(directory)} == {0o600}
    assert is_block(ray.get(kept[0]), 0)


def test_directory_can_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYRAY_OBJECT_SPILLING_DIRECTORY", str(tmp_path))
    with ray.init(num_cpus=1):
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_directory_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="object_spilling_directory: cannot use"):
        ray.init(object_spilling_directory=str(tmp_path / "file"))
    with pytest.raises(TypeError, match="object_spilling_directory: expected the path"):
        ray.init(object_spilling_directory=3)
    assert not ray.is_initialized()
