"""ray.put: what it takes, and what it says about the rest."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import pyray as ray

pytestmark = pytest.mark.usefixtures("ray_session")


def test_put_returns_a_reference_to_the_value() -> None:
    ref = ray.put({"a": [1, 2]})
    assert isinstance(ref, ray.ObjectRef)
    assert ray.get(ref) == {"a": [1, 2]}


def test_put_takes_the_value_as_it_is_now() -> None:
    value = [1, 2]
    array = np.arange(100_000)
    refs = [ray.put(value), ray.put(array)]
    value.append(3)
    array[:] = 0
    assert ray.get(refs[0]) == [1, 2]
    assert ray.get(refs[1])[-1] == 99_999


def test_put_twice_gives_two_objects() -> None:
    first, second = ray.put(1), ray.put(1)
    assert first != second


def test_put_of_a_reference_is_refused() -> None:
    ref = ray.put(1)
    with pytest.raises(TypeError, match="Calling 'put' on an ray.ObjectRef is not allowed"):
        ray.put(ref)


def test_put_of_a_reference_in_a_list_keeps_the_object_alive() -> None:
    inner = ray.put("inner")
    outer = ray.put([inner])
    del inner
    assert ray.get(ray.get(outer)[0]) == "inner"


class _Holder:
    def __init__(self) -> None:
        self.lock = threading.Lock()


@pytest.mark.parametrize("value", [threading.Lock(), _Holder(), (i for i in range(3))])
def test_put_of_what_cannot_be_pickled_names_the_value_and_the_cause(value: object) -> None:
    with pytest.raises(
        TypeError, match="Could not serialize the put value .*cannot pickle"
    ) as info:
        ray.put(value)
    assert type(value).__name__ in str(info.value)
    assert ray.get(ray.put(1)) == 1


def test_put_when_pickling_raises_passes_the_error_on() -> None:
    class Grumpy:
        def __reduce__(self) -> str:
            raise ZeroDivisionError("not me")

    with pytest.raises(ZeroDivisionError, match="not me"):
        ray.put(Grumpy())


def test_put_of_deep_nesting_says_so() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(Exception, match="nested too deeply"):
        ray.put(value)
    while value:  # a destructor that recurses so deep is a problem of its own
        value = value.pop()  # type: ignore[assignment]


def test_put_takes_one_argument() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        ray.put(1, 2)  # type: ignore[misc]
