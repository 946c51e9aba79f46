"""Serializers of users, and finding what cannot be pickled."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest

import pyray as ray
from pyray.util import deregister_serializer, inspect_serializability, register_serializer

pytestmark = pytest.mark.usefixtures("ray_session")


class Locked:
    """Cannot be pickled."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = threading.Lock()


def test_registered_class_can_be_stored_passed_and_returned() -> None:
    @ray.remote
    def number(given: Any) -> int:
        return given.number

    with pytest.raises(TypeError):
        ray.put(Locked(1))
    register_serializer(Locked, serializer=lambda one: one.number, deserializer=Locked)
    try:
        assert ray.get(number.remote(Locked(5))) == 5
        assert [one.number for one in ray.get(ray.put([Locked(6), Locked(7)]))] == [6, 7]
    finally:
        deregister_serializer(Locked)
    with pytest.raises(TypeError):
        ray.put(Locked(1))
    deregister_serializer(Locked)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="expected a class"):
        register_serializer(3, serializer=repr, deserializer=repr)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="deserializer cannot be called"):
        register_serializer(Locked, serializer=repr, deserializer=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (1, []),
        ({"a": [threading.Lock()]}, ["[0]"]),
        (Locked(1), ["lock"]),
        (threading.Lock(), ["it"]),
    ],
)
def test_what_cannot_be_pickled_is_found(value: Any, names: list[str]) -> None:
    output = io.StringIO()
    good, culprits = inspect_serializability(value, "it", print_file=output)
    assert good == (not names)
    assert sorted(culprit.name for culprit in culprits) == names
    assert all(name in output.getvalue() for name in names)


def test_depth_limits_how_far_it_looks() -> None:
    value = {"a": {"b": {"c": threading.Lock()}}}
    _, culprits = inspect_serializability(value, depth=1, print_file=io.StringIO())
    assert [culprit.name for culprit in culprits] == ["a"]
