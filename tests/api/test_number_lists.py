"""Lists of numbers are stored packed: every value, type and bit comes back."""

from __future__ import annotations

import math
import pickle
import struct
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyray
from pyray.packed import PackedList, place_items

NUMBERS = st.one_of(
    st.floats(),
    st.integers(),
    st.integers(-(2**63) - 2, 2**63 + 1),
    st.booleans(),
    st.sampled_from([2**63, 2**63 - 1, -(2**63), -(2**63) - 1, 0, -0.0, math.nan]),
    st.none(),
    st.text(max_size=3),
)
LISTS = st.one_of(st.lists(st.floats()), st.lists(st.integers()), st.lists(NUMBERS))
RELAXED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def bits(value: Any) -> Any:
    """Return something that differs whenever two values differ in any way."""
    packed = struct.pack("<d", value) if type(value) is float else value
    return type(value), packed


class Own(float):
    pass


class OwnList(list[Any]):
    pass


@RELAXED
@given(LISTS)
def test_any_list_comes_back_as_it_was(ray_session: ModuleType, values: list[Any]) -> None:
    stored = pyray.get(pyray.put(values))
    assert type(stored) is list
    assert [bits(value) for value in stored] == [bits(value) for value in values]


@RELAXED
@given(LISTS, st.integers(0, 5), st.integers(0, 5))
def test_packing_is_exact_or_refused(values: list[Any], first: int, left: int) -> None:
    last = max(first, len(values) - left)
    part = values[first:last]
    if first > len(values):
        with pytest.raises(ValueError, match="first"):
            PackedList.pack(values, first, last)
        return
    packed = PackedList.pack(values, first, last)
    kinds = {type(value) for value in part}
    fits = kinds in ({float}, {int}) and all(
        type(value) is float or -(2**63) <= value < 2**63 for value in part
    )
    assert (packed is not None) == fits
    if packed is not None:
        assert [bits(value) for value in packed.unpack()] == [bits(value) for value in part]
        assert [bits(value) for value in pickle.loads(pickle.dumps(packed)).unpack()] == [
            bits(value) for value in part
        ]


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1.5] * 3,
        list(range(7)),
        list(range(8)),
        [float(n) for n in range(100_000)],
        list(range(-50_000, 50_000)),
        [*range(100_000), True],
        [*range(100_000), 2**64],
        [1.0, Own(2.0)],
        OwnList([1.0, 2.0]),
        [[1.0], [2.0]],
        (1.0, 2.0),
    ],
    ids=lambda values: f"{type(values).__name__}{len(values)}",
)
def test_sizes_and_neighbours_of_packed_lists(ray_session: ModuleType, values: Any) -> None:
    stored = pyray.get(pyray.put(values))
    assert type(stored) is type(values)
    assert stored == values
    assert [type(value) for value in stored] == [type(value) for value in values]


def test_payloads_of_nan_and_the_sign_of_zero_stay(ray_session: ModuleType) -> None:
    patterns = [0x7FF8000000000001, 0xFFF8123456789ABC, 0x8000000000000000, 0x0000000000000001]
    values = [struct.unpack("<d", struct.pack("<Q", pattern))[0] for pattern in patterns]
    stored = pyray.get(pyray.put(values * 10))
    assert [struct.unpack("<Q", struct.pack("<d", value))[0] for value in stored] == patterns * 10


def test_a_list_is_a_new_one_each_time(ray_session: ModuleType) -> None:
    ref = pyray.put([1.0] * 20_000)
    first, second = pyray.get(ref), pyray.get(ref)
    first[0] = "changed"
    assert second[0] == 1.0
    assert pyray.get(ref)[0] == 1.0


@pytest.mark.parametrize("count", [5, 100_000])
def test_a_packed_list_is_stored_as_it_is(ray_session: ModuleType, count: int) -> None:
    values = [n / 7 for n in range(count)]
    packed = pyray.get(pyray.put(PackedList.pack(values)))
    assert type(packed) is PackedList
    assert len(packed) == count
    assert packed.unpack() == values
    ref = pyray.put([PackedList.pack(values)])  # inside of a pickle
    assert pyray.get(ref)[0].unpack() == values


def test_map_packs_results_of_one_type_only() -> None:
    floats = PackedList.pack([1.0, 2.0, 3.0])
    integers = PackedList.pack([1, 2, 3])
    assert floats is not None
    assert integers is not None
    for packed, function, expected in [
        (floats, lambda x: x * 2, [2.0, 4.0, 6.0]),
        (floats, int, [1, 2, 3]),
        (integers, lambda x: x / 2, [0.5, 1.0, 1.5]),
        (integers, lambda x: 2**62 * x, [2**62, 2**63, 3 * 2**62]),
        (integers, lambda x: x if x < 3 else float(x), [1, 2, 3.0]),
        (integers, lambda x: x > 1, [False, True, True]),
        (floats, str, ["1.0", "2.0", "3.0"]),
    ]:
        results = packed.map(function)
        if isinstance(results, PackedList):
            results = results.unpack()
        assert [bits(one) for one in results] == [bits(one) for one in expected]
    with pytest.raises(ZeroDivisionError):
        integers.map(lambda x: 1 / (x - 2))


def test_items_are_placed_within_their_list_only() -> None:
    packed = PackedList.pack([1.0, 2.0])
    assert packed is not None
    target: list[Any] = [None] * 4
    assert place_items(target, 1, packed) == 3
    assert place_items(target, 3, ["end"]) == 4
    assert target == [None, 1.0, 2.0, "end"]
    for first in (-1, 3):
        with pytest.raises(ValueError, match="too short"):
            place_items(target, first, packed)
