"""ray.get: one reference or a list, timeouts, errors, wrong use."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

import pyray as ray
from tests.api.conftest import Gate

pytestmark = pytest.mark.usefixtures("ray_session")

TYPE_TEXT = "'object_refs' must either be an ObjectRef or a list of ObjectRefs"


def test_get_of_one_reference_returns_its_value() -> None:
    assert ray.get(ray.put("value")) == "value"


def test_get_of_a_list_returns_values_in_its_order() -> None:
    refs = [ray.put(i) for i in range(20)]
    assert ray.get(refs[::-1]) == list(range(19, -1, -1))


def test_get_of_an_empty_list_is_empty() -> None:
    assert ray.get([]) == []


def test_get_accepts_duplicates() -> None:
    ref = ray.put(1)
    assert ray.get([ref, ref, ref]) == [1, 1, 1]


def test_get_accepts_a_tuple() -> None:
    # Ray refuses tuples with a ValueError. There is nothing to gain from that.
    assert ray.get((ray.put(1), ray.put(2))) == [1, 2]


def test_get_again_gives_an_equal_value_of_its_own() -> None:
    ref = ray.put([1])
    first = ray.get(ref)
    first.append(2)
    assert ray.get(ref) == [1]


@pytest.mark.parametrize("wrong", [3, None, "ref", b"ref", {1}, {"a": 1}, 1.5, (i for i in ())])
def test_get_of_anything_else_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=TYPE_TEXT) as info:
        ray.get(wrong)
    assert str(type(wrong)) in str(info.value)


@pytest.mark.parametrize("wrong", [3, None, "ref", [1]])
def test_get_of_a_list_with_something_else_names_it(wrong: Any) -> None:
    text = "Attempting to call `get` on the value .*, which is not an ray.ObjectRef"
    with pytest.raises(TypeError, match=text) as info:
        ray.get([ray.put(1), wrong])
    assert repr(wrong) in str(info.value)


def test_get_takes_the_timeout_by_name_only() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        ray.get(ray.put(1), 1)  # type: ignore[misc]


@pytest.mark.parametrize("timeout", [0, 0.0, 10, 1e300, float("inf"), None])
def test_get_of_a_ready_object_never_times_out(timeout: float | None) -> None:
    ref = ray.put(1)
    assert ray.get(ref, timeout=timeout) == 1
    assert ray.get([ref], timeout=timeout) == [1]


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan")])
def test_get_with_an_impossible_timeout_is_refused_ready_or_not(timeout: float) -> None:
    # Ray takes a negative timeout for no limit.
    ref = ray.put(1)
    for asked in (ref, [ref]):
        with pytest.raises(ValueError, match="timeout"):
            ray.get(asked, timeout=timeout)


@pytest.mark.parametrize("timeout", ["1", [1], object()])
def test_get_with_a_timeout_that_is_no_number_is_refused(timeout: Any) -> None:
    with pytest.raises(TypeError):
        ray.get(ray.put(1), timeout=timeout)


def test_get_with_timeout_zero_raises_at_once(gate: Gate) -> None:
    ref = gate.task()
    start = time.perf_counter()
    with pytest.raises(ray.exceptions.GetTimeoutError):
        ray.get(ref, timeout=0)
    with pytest.raises(TimeoutError):
        ray.get([ray.put(1), ref], timeout=0)
    assert time.perf_counter() - start < 0.1
    gate.open()
    assert ray.get(ref) == "through"


def test_get_with_a_timeout_waits_as_long(gate: Gate) -> None:
    ref = gate.task()
    start = time.perf_counter()
    with pytest.raises(ray.exceptions.GetTimeoutError, match="timed out"):
        ray.get([ref], timeout=0.15)
    assert 0.15 <= time.perf_counter() - start < 1
    gate.open()
    assert ray.get(ref, timeout=10) == "through"


def test_get_of_a_list_with_an_error_raises_though_others_never_finish(gate: Gate) -> None:
    @ray.remote
    def fail() -> None:
        raise KeyError("at once")

    never = gate.task()
    start = time.perf_counter()
    with pytest.raises(KeyError, match="at once"):
        ray.get([never, fail.remote()], timeout=20)
    assert time.perf_counter() - start < 5
    gate.open()
    ray.get(never)


def test_get_of_a_list_with_several_errors_raises_the_first_of_the_list() -> None:
    @ray.remote
    def fail(text: str) -> None:
        raise ValueError(text)

    refs = [fail.remote(text) for text in "abc"]
    ray.wait(refs, num_returns=3)
    with pytest.raises(ValueError, match="a"):
        ray.get(refs)


def test_get_of_an_error_raises_each_time() -> None:
    @ray.remote
    def fail() -> None:
        raise ValueError("again")

    ref = fail.remote()
    for _ in range(3):
        with pytest.raises(ValueError, match="again"):
            ray.get(ref)


def test_get_in_another_thread_is_woken(gate: Gate) -> None:
    ref, values = gate.task(), []
    thread = threading.Thread(target=lambda: values.append(ray.get(ref)))
    thread.start()
    gate.open()
    thread.join(20)
    assert values == ["through"]


def test_get_of_many_objects() -> None:
    refs = [ray.put(i) for i in range(10_000)]
    assert sum(ray.get(refs)) == sum(range(10_000))
