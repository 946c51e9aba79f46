"""References as arguments: the value arrives, once it is there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyray as ray
from tests.api.conftest import Gate

pytestmark = pytest.mark.usefixtures("ray_session")


def same(*args: Any, **kwargs: Any) -> Any:
    return [*args, *kwargs.values()]


def test_reference_in_argument_position_is_replaced_by_its_value() -> None:
    f = ray.remote(same)
    assert ray.get(f.remote(ray.put(1), x=ray.put("two"))) == [1, "two"]


def test_reference_inside_a_value_stays_a_reference() -> None:
    f = ray.remote(same)
    ref = ray.put(1)
    assert ray.get(f.remote([ref], {"a": ref})) == [[ref], {"a": ref}]


def test_same_reference_twice() -> None:
    f = ray.remote(same)
    ref = ray.put(np.arange(100_000))
    first, second, named = ray.get(f.remote(ref, ref, x=ref))
    assert first.sum() == second.sum() == named.sum()


@pytest.mark.parametrize("count", [1, 10, 11, 12, 50, 500, 5_000])
def test_any_number_of_references_as_arguments(count: int) -> None:
    f = ray.remote(same)
    refs = [ray.put(i) for i in range(count)]
    assert ray.get(f.remote(*refs)) == list(range(count))


def test_many_references_as_keywords() -> None:
    f = ray.remote(same)
    named = {f"k{i}": ray.put(i) for i in range(100)}
    assert ray.get(f.remote("first", **named)) == ["first", *range(100)]


def test_chain_of_tasks() -> None:
    @ray.remote
    def add_one(x: int) -> int:
        return x + 1

    ref: Any = 0
    for _ in range(200):
        ref = add_one.remote(ref)
    assert ray.get(ref) == 200


def test_diamond() -> None:
    @ray.remote
    def add(a: int, b: int) -> int:
        return a + b

    top = add.remote(1, 1)
    left, right = add.remote(top, 1), add.remote(top, 2)
    assert ray.get(add.remote(left, right)) == 7


def test_tree_reduce() -> None:
    @ray.remote
    def add(a: int, b: int) -> int:
        return a + b

    refs: list[Any] = [ray.put(i) for i in range(64)]
    while len(refs) > 1:
        refs = [add.remote(a, b) for a, b in zip(refs[::2], refs[1::2], strict=True)]
    assert ray.get(refs[0]) == sum(range(64))


def test_task_waits_for_an_argument_without_taking_a_cpu(gate: Gate) -> None:
    f = ray.remote(same)
    blocked = [f.remote(gate.task()) for _ in range(10)]
    assert ray.get(f.remote("free"), timeout=20) == ["free"]
    gate.open()
    assert ray.get(blocked) == [["through"]] * 10


def test_argument_lives_until_the_task_has_run(gate: Gate) -> None:
    f = ray.remote(same)
    ref = ray.put(np.arange(100_000))
    result = f.remote(gate.task(), ref)
    del ref
    gate.open()
    assert ray.get(result)[1][-1] == 99_999


def test_small_and_large_results_pass_on() -> None:
    f = ray.remote(lambda x: x)
    for value in (None, 1, "s" * 10, "s" * 1_000_000, list(range(1000)), np.arange(1_000_000)):
        assert np.array_equal(ray.get(f.remote(f.remote(value))), value)


def test_array_argument_is_read_only() -> None:
    @ray.remote
    def write(array: Any) -> None:
        array[0] = 1

    for size in (1, 10, 1_000_000):
        with pytest.raises(ValueError, match="assignment destination is read-only"):
            ray.get(write.remote(ray.put(np.zeros(size))))


def test_one_result_feeds_many_tasks() -> None:
    f = ray.remote(lambda x, i: x + i)
    base = f.remote(100, 0)
    assert ray.get([f.remote(base, i) for i in range(300)]) == [100 + i for i in range(300)]


def test_tasks_run_in_the_order_submitted_when_nothing_holds_them() -> None:
    @ray.remote(num_cpus=2)
    def stamp() -> int:
        import time

        return time.monotonic_ns()

    stamps = ray.get([stamp.remote() for _ in range(50)])
    assert stamps == sorted(stamps)
