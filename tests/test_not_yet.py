"""What once went wrong: actors that outlived their handles, times that were copied."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import pyray
from pyray import testing
from tests.support import wait_until


@pyray.remote
def identity(value: Any) -> Any:
    return value


@pyray.remote
class Actor:
    @pyray.method(num_returns=2)
    def two(self) -> Iterator[int]:
        yield 1
        yield 2

    def fail(self) -> None:
        raise KeyError


@pytest.fixture(scope="module", autouse=True)
def exported(ray_session: ModuleType) -> None:
    """The code of both above is in the store before the first test is counted."""
    ray_session.get([identity.remote(1), Actor.remote().two.remote()[0]])
    wait_until(lambda: testing.store_accounts()["actors"] == 0, 5, "the end of the actor")


def test_generator_method_with_a_number_of_returns_gives_as_many(ray_session: ModuleType) -> None:
    assert ray_session.get(Actor.remote().two.remote()) == [1, 2]


def test_error_of_an_actor_names_it(ray_session: ModuleType) -> None:
    with pytest.raises(KeyError) as caught:
        ray_session.get(Actor.remote().fail.remote())
    assert "actor_id=" in str(caught.value)


@pytest.mark.parametrize("kind", ["datetime64[ns]", "timedelta64[s]"])
def test_get_of_times_is_a_read_only_view(ray_session: ModuleType, kind: str) -> None:
    times = np.arange(100_000).astype(kind)
    ref = ray_session.put(times)
    first, second = ray_session.get([ref, ref])
    assert first.dtype == times.dtype
    assert np.array_equal(first, times)
    assert np.shares_memory(first, second)
    assert not first.flags.writeable


def test_get_of_times_keeps_their_shape_and_order(ray_session: ModuleType) -> None:
    times = np.arange(600).astype("datetime64[D]").reshape(20, 30)
    for array in (times.T, times[::2, ::3], times[:0], times[0, 0:1].reshape(())):
        stored = ray_session.get(ray_session.put(array))
        assert stored.shape == array.shape
        assert np.array_equal(stored, array)


def test_actor_ends_with_its_last_handle_without_garbage_collection(
    ray_session: ModuleType,
) -> None:
    gc.collect()
    gc.disable()
    try:
        actor = Actor.remote()
        method = actor.two
        del actor
        assert ray_session.get(method.remote()) == [1, 2]
        del method
        wait_until(lambda: testing.store_accounts()["actors"] == 0, 5, "the end of the actor")
    finally:
        gc.enable()
