"""ray.wait: who is ready, in which order, and what is refused."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import pyray as ray
from tests.api.conftest import Gate

pytestmark = pytest.mark.usefixtures("ray_session")

LIST_TEXT = r"wait\(\) expected a list of ray.ObjectRef or ray.ObjectRefGenerator, got"


def test_wait_for_nothing_is_nothing() -> None:
    assert ray.wait([]) == ([], [])
    assert ray.wait([], num_returns=2, timeout=0) == ([], [])


def test_wait_returns_one_ready_by_default() -> None:
    refs = [ray.put(i) for i in range(3)]
    assert ray.wait(refs) == (refs[:1], refs[1:])


@pytest.mark.parametrize("count", [1, 2, 5])
def test_wait_returns_at_most_num_returns_though_more_are_ready(count: int) -> None:
    refs = [ray.put(i) for i in range(5)]
    assert ray.wait(refs, num_returns=count) == (refs[:count], refs[count:])


def test_wait_keeps_the_order_of_the_input(gate: Gate) -> None:
    a, never, b, c = ray.put(1), gate.task(), ray.put(2), ray.put(3)
    assert ray.wait([c, never, a, b], num_returns=3, timeout=5) == ([c, a, b], [never])


def test_wait_returns_the_same_reference_objects() -> None:
    ref = ray.put(1)
    assert ray.wait([ref])[0][0] is ref


def test_wait_does_not_wait_longer_than_the_timeout(gate: Gate) -> None:
    never, done = gate.task(), ray.put(1)
    start = time.perf_counter()
    assert ray.wait([never, done], num_returns=2, timeout=0.1) == ([done], [never])
    assert 0.1 <= time.perf_counter() - start < 2
    assert ray.wait([never], timeout=0) == ([], [never])


def test_wait_takes_a_failed_object_for_ready() -> None:
    @ray.remote
    def fail() -> None:
        raise ValueError

    ref = fail.remote()
    assert ray.wait([ref], timeout=20) == ([ref], [])


def test_wait_for_what_gets_ready_meanwhile() -> None:
    @ray.remote
    def after(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    slow, quick = after.remote(0.2), after.remote(0)
    assert ray.wait([slow, quick], timeout=20) == ([quick], [slow])
    assert ray.wait([slow, quick], num_returns=2) == ([slow, quick], [])


def test_wait_one_by_one_yields_each_once() -> None:
    @ray.remote
    def same(x: int) -> int:
        return x

    pending, seen = [same.remote(i) for i in range(200)], []
    while pending:
        ready, pending = ray.wait(pending)
        seen += ray.get(ready)
    assert sorted(seen) == list(range(200))


def test_wait_with_fetch_local_false_is_the_same() -> None:
    ref = ray.put(1)
    assert ray.wait([ref], fetch_local=False) == ([ref], [])


def test_wait_accepts_any_integer_type_for_num_returns() -> None:
    refs = [ray.put(1), ray.put(2)]
    assert ray.wait(refs, num_returns=np.int64(2)) == (refs, [])  # type: ignore[arg-type]


# ---- Wrong use.


def test_wait_for_a_bare_reference_is_refused() -> None:
    with pytest.raises(TypeError, match=f"{LIST_TEXT} a single ray.ObjectRef"):
        ray.wait(ray.put(1))  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [tuple, set, iter, dict.fromkeys])
def test_wait_for_another_container_is_refused(make: Any) -> None:
    refs = make([ray.put(1)])
    with pytest.raises(TypeError, match=LIST_TEXT) as info:
        ray.wait(refs)
    assert str(type(refs)) in str(info.value)


@pytest.mark.parametrize("wrong", [1, None, "x"])
def test_wait_for_what_is_no_reference_names_its_type(wrong: Any) -> None:
    with pytest.raises(TypeError, match=f"{LIST_TEXT} list containing {type(wrong)}"):
        ray.wait([ray.put(1), wrong])


def test_wait_for_duplicates_is_refused() -> None:
    ref = ray.put(1)
    with pytest.raises(ValueError, match="Wait requires a list of unique ray_waitables"):
        ray.wait([ref, ray.put(2), ref], num_returns=2)
    assert ray.wait([ref]) == ([ref], [])


@pytest.mark.parametrize("count", [0, -1])
def test_wait_for_less_than_one_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"Invalid number of objects to return {count}"):
        ray.wait([ray.put(1)], num_returns=count)


def test_wait_for_more_than_there_are_is_refused() -> None:
    text = "num_returns cannot be greater than the number of ray_waitables provided to ray.wait"
    with pytest.raises(ValueError, match=text):
        ray.wait([ray.put(1)], num_returns=2)


@pytest.mark.parametrize("count", ["1", None, 1.0, 1.5, [1]])
def test_wait_with_num_returns_that_is_no_integer_is_refused(count: Any) -> None:
    # Ray accepts 1.0, and compares with 1.5.
    with pytest.raises(TypeError, match="integer"):
        ray.wait([ray.put(1)], num_returns=count)


def test_wait_with_a_negative_timeout_is_refused() -> None:
    for refs in ([ray.put(1)], []):
        with pytest.raises(ValueError, match="The 'timeout' argument must be nonnegative"):
            ray.wait(refs, timeout=-1)


def test_wait_with_a_timeout_that_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError):
        ray.wait([ray.put(1)], timeout="1")  # type: ignore[arg-type]


def test_wait_takes_options_by_name_only() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        ray.wait([ray.put(1)], 1)  # type: ignore[misc]
