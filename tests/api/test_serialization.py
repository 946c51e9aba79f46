"""Values of all kinds come back as they went, through put and through tasks."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import math
import pathlib
import re
import types
import uuid
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyray as ray
from tests.support import run_script

pytestmark = pytest.mark.usefixtures("ray_session")


def through_put(value: Any) -> Any:
    return ray.get(ray.put(value))


def through_task(value: Any) -> Any:
    return ray.get(ray.remote(lambda x: x).remote(value))


WAYS = pytest.mark.parametrize("way", [through_put, through_task])


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: list[int] = dataclasses.field(default_factory=list, compare=False)


class Colour(enum.Enum):
    RED = 1


class Flags(enum.IntFlag):
    A = 1
    B = 2


class Pair(NamedTuple):
    a: int
    b: str


class Slotted:
    __slots__ = ("a",)

    def __init__(self, a: int) -> None:
        self.a = a

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slotted) and other.a == self.a

    __hash__ = None  # type: ignore[assignment]


VALUES: list[Any] = [
    *(None, True, False, 0, -1, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 10**400),
    *(0.0, -0.0, 1.5, float("inf"), -float("inf"), 5e-324, 1 + 2j),
    *("", "a", "ü", "x" * 63, "x" * 64, "日本" * 5000, "\0", "\ud800 alone", "a\udcffb"),
    *(b"", b"\0", b"x" * 63, b"x" * 64, b"x" * 1_000_000, bytearray(b"abc"), bytearray(200_000)),
    *([], [1, [2, [3]]], (), (1,), {}, {"a": {"b": [1]}}, set(), {1, 2}, frozenset({1})),
    *(range(10), slice(1, 2, 3), Ellipsis, NotImplemented, int, dict[str, int], math.sin),
    *(Point(1, [2]), Colour.RED, Flags.A | Flags.B, Pair(1, "b"), Slotted(3)),
    *(collections.OrderedDict(a=1), collections.Counter("abca"), collections.deque([1], 3)),
    *(collections.defaultdict(list, a=[1]), collections.ChainMap({"a": 1})),
    *(dt.datetime(2020, 1, 2, tzinfo=dt.UTC), dt.timedelta(1), dt.date.min),
    *(decimal.Decimal("1.10"), fractions.Fraction(1, 3), uuid.UUID(int=5), pathlib.Path("/a/b")),
    *(re.compile("a+"), array.array("d", [1.0, 2.0]), types.SimpleNamespace(a=1)),
    *(ValueError("x"), {(1, 2): {3: frozenset({4})}}, [None] * 10_000, list(range(10_000))),
]


@WAYS
@pytest.mark.parametrize("index", range(len(VALUES)))
def test_value_comes_back(way: Any, index: int) -> None:
    value = VALUES[index]
    back = way(value)
    assert type(back) is type(value)
    if isinstance(value, BaseException):
        assert back.args == value.args
    else:
        assert back == value
        assert repr(back) == repr(value) or isinstance(value, Slotted | set)


@WAYS
def test_nan_comes_back(way: Any) -> None:
    assert math.isnan(way(float("nan")))


@WAYS
@pytest.mark.parametrize("size", [10, 100_000])
def test_memoryview_comes_back_as_one(way: Any, size: int) -> None:
    # cloudpickle takes it, as bytes.
    back = way(memoryview(b"x" * size))
    assert bytes(back) == b"x" * size


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=[]))
    | st.binary(max_size=200),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(value=JSON)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_nested_value_comes_back(value: Any) -> None:
    assert through_put(value) == value


@given(
    args=st.lists(JSON, max_size=15), kwargs=st.dictionaries(st.text(min_size=1), JSON, max_size=5)
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_arguments_come_back(args: list[Any], kwargs: dict[str, Any]) -> None:
    f = ray.remote(lambda *args, **kwargs: (args, kwargs))
    assert ray.get(f.remote(*args, **kwargs)) == (tuple(args), kwargs)


def test_same_object_twice_stays_one_object() -> None:
    inner = [1]
    numbers = np.arange(10_000)
    back = through_put([inner, inner, numbers, numbers])
    assert back[0] is back[1]
    assert back[2] is back[3]


def test_cyclic_structures_come_back() -> None:
    items: list[Any] = [1]
    items.append(items)
    table: dict[str, Any] = {"items": items}
    table["self"] = table
    back = through_put(table)
    assert back["self"] is back
    assert back["items"][1] is back["items"]
    for one in (items, table, back["items"], back):
        one.clear()


def test_two_arguments_that_are_one_object_arrive_as_one() -> None:
    shared = [1]
    f = ray.remote(lambda a, b: a is b)
    assert ray.get(f.remote(shared, shared))


def test_code_comes_back_by_value() -> None:
    offset = 5
    assert through_put(lambda x: x + offset)(1) == 6
    assert through_task(functools.partial(lambda a, b: a + b, 1))(2) == 3

    class Local:
        def value(self) -> int:
            return offset

    assert through_put(Local)().value() == 5
    assert through_put(Local()).value() == 5


def test_generator_cannot_be_pickled_and_the_session_goes_on() -> None:
    with pytest.raises(TypeError, match="generator"):
        ray.put(i for i in range(3))
    assert through_put(1) == 1


def test_pickling_inside_of_pickling_works() -> None:
    class Nested:
        def __reduce__(self) -> Any:
            return ray.get, (ray.put([1, 2]),)

    assert through_put(Nested()) == [1, 2]


def test_classes_of_main_come_back_as_their_own() -> None:
    run_script(
        """
        import dataclasses, enum
        import pyray as ray

        class Colour(enum.Enum):
            RED = 1

        @dataclasses.dataclass
        class Point:
            x: int
            colour: Colour

        class Plain:
            count = 0

        @ray.remote
        def same(*values):
            assert all(type(v).__module__ == "__main__" for v in values)
            return values

        ray.init(num_cpus=1)
        point, colour, plain = ray.get(same.remote(Point(1, Colour.RED), Colour.RED, Plain()))
        assert point == Point(1, Colour.RED) and type(point) is Point
        assert colour is Colour.RED and point.colour is Colour.RED
        assert type(plain) is Plain
        ray.shutdown()
        """,
        check=True,
    )


# ---- numpy.

DTYPES = [
    *("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"),
    *(">i4", ">f8", "S5", "U3", "M8[ns]", "M8[D]", "m8[s]", "V4", "g"),
]


def same_array(back: Any, value: Any) -> None:
    assert type(back) is type(value)
    assert back.dtype == value.dtype
    assert back.shape == value.shape
    np.testing.assert_array_equal(back, value)


@WAYS
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [0, 1, 3, 1000, 20_000])
def test_array_of_any_dtype_and_size_comes_back(way: Any, dtype: str, count: int) -> None:
    raw = np.arange(count * np.dtype(dtype).itemsize, dtype="u1") % 2
    value = raw.view(dtype)
    same_array(way(value), value)


@WAYS
@pytest.mark.parametrize("scale", [2, 50])
@pytest.mark.parametrize(
    "change",
    [
        lambda a: a,
        lambda a: np.asfortranarray(a),
        lambda a: a.T,
        lambda a: a[::2],
        lambda a: a[::-1, ::-1],
        lambda a: a[:, 1],
        lambda a: a.transpose(1, 2, 0),
        lambda a: np.broadcast_to(a[0], (3, *a[0].shape)),
        lambda a: a[None, ..., None],
        lambda a: a.reshape(-1)[5:][::3],
        lambda a: np.lib.stride_tricks.sliding_window_view(a[0, 0], 2),
    ],
)
def test_array_of_any_layout_comes_back(way: Any, scale: int, change: Any) -> None:
    value = change(np.arange(scale**3, dtype="f8").reshape(scale, scale, scale))
    same_array(way(value), value)


@pytest.mark.parametrize("order", ["C", "F"])
def test_array_keeps_its_memory_order(order: Any) -> None:
    back = through_put(np.ones((300, 200), order=order))
    assert back.flags.c_contiguous is (order == "C")
    assert back.flags.f_contiguous is (order == "F")


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,) * 20, (1,) * 33, (1,) * 64])
def test_array_of_any_shape_comes_back(shape: tuple[int, ...]) -> None:
    value = np.zeros(shape)
    same_array(through_put(value), value)


@WAYS
@pytest.mark.parametrize("count", [2, 50_000])
def test_special_arrays_come_back(way: Any, count: int) -> None:
    structured = np.zeros(count, dtype=[("a", "i4"), ("b", "f8", (2,)), ("c", "U3")])
    structured["a"] = np.arange(count)
    objects = np.array([{"i": i} for i in range(count)], dtype=object)
    for value in (structured, objects, structured["b"], np.rec.array(structured)):
        same_array(way(value), value)
    masked = np.ma.masked_array(np.arange(count), mask=np.arange(count) % 2 == 0)
    back = way(masked)
    assert isinstance(back, np.ma.MaskedArray)
    assert back.sum() == masked.sum()
    assert (back.mask == masked.mask).all()


class Subclass(np.ndarray):
    pass


@pytest.mark.parametrize("count", [2, 50_000])
def test_subclass_of_an_array_comes_back(count: int) -> None:
    value = np.arange(count).view(Subclass)
    back = through_put(value)
    assert type(back) is Subclass
    np.testing.assert_array_equal(back, value)


@pytest.mark.parametrize(
    "value", [np.float64(1.5), np.int8(3), np.bool_(1), np.str_("x"), np.datetime64("2020")]
)
def test_numpy_scalars_come_back(value: Any) -> None:
    back = through_put(value)
    assert type(back) is type(value)
    assert back == value


@WAYS
@pytest.mark.parametrize("count", [1, 7, 8, 100, 8191, 8192, 1_000_000])
def test_arrays_are_read_only_at_every_size(way: Any, count: int) -> None:
    for value in (np.arange(count), [np.arange(count)], {"a": np.arange(count)}):
        back = way(value)
        back = (
            back
            if isinstance(back, np.ndarray)
            else next(iter(back.values() if isinstance(back, dict) else back))
        )
        assert back.flags.writeable is False
        with pytest.raises(ValueError, match="assignment destination is read-only"):
            back[0] = 1
        assert back.flags.owndata is False
        copy = back.copy()
        copy[0] = 5


# ---- Arrow, pandas, torch.


def arrow_values() -> list[Any]:
    pa = pytest.importorskip("pyarrow")
    table = pa.table(
        {"a": range(50_000), "b": [str(i) for i in range(50_000)], "c": [None, 1.5] * 25_000}
    )
    return [
        table,
        table.slice(100, 10),
        table.to_batches()[0],
        table.to_batches()[0].slice(5, 3),
        table.column("b"),
        table.column("b").slice(7, 9),
        table.column("b").chunk(0),
        table.column("b").chunk(0).slice(3, 4),
        table.column("b").dictionary_encode(),
        pa.chunked_array([[1, 2], [3]]),
        pa.chunked_array([], type=pa.int64()),
        pa.array([[1], [2, 3], None]),
        pa.array([{"x": 1}, None]),
        pa.array([], type=pa.string()),
        pa.table({}),
        table.slice(0, 0),
        pa.concat_tables([table, table]),
        pa.schema([("a", pa.int32())]),
        pa.scalar(3),
    ]


@WAYS
@pytest.mark.parametrize("index", range(19))
def test_arrow_value_comes_back(way: Any, index: int) -> None:
    value = arrow_values()[index]
    back = way(value)
    assert type(back) is type(value)
    assert back.equals(value)


@pytest.mark.parametrize("part", [1, 3, 5, 7])
def test_slice_of_an_arrow_value_does_not_carry_its_parent(part: int) -> None:
    value = arrow_values()[part]
    before = ray.available_resources()["object_store_memory"]
    ref = ray.put(value)
    assert before - ray.available_resources()["object_store_memory"] < 20_000
    assert ray.get(ref).equals(value)


@WAYS
def test_pandas_values_come_back(way: Any) -> None:
    pd = pytest.importorskip("pandas")
    count = 5_000
    frame = pd.DataFrame(
        {
            "int": np.arange(count),
            "float": np.linspace(0, 1, count),
            "object": [{"i": i} for i in range(count)],
            "string": pd.array([str(i) for i in range(count)], dtype="string"),
            "category": pd.Categorical(["a", "b"] * (count // 2)),
            "nullable": pd.array([1, None] * (count // 2), dtype="Int64"),
        },
        index=pd.date_range("2020", periods=count, freq="h", tz="UTC"),
    )
    back = way(frame)
    pd.testing.assert_frame_equal(back, frame)
    pd.testing.assert_series_equal(way(frame["float"]), frame["float"])
    pd.testing.assert_index_equal(way(frame.index), frame.index)
    empty = frame.iloc[:0]
    pd.testing.assert_frame_equal(way(empty), empty)
    back["new"] = 1  # the frame is the reader's own, its columns are the store's


def test_torch_tensors_come_back() -> None:
    torch = pytest.importorskip("torch")
    for value in (torch.arange(100_000), torch.ones(3, 4).T, torch.zeros(0), torch.tensor(5.0)):
        back = through_put(value)
        assert torch.equal(back, value)
        assert back.dtype == value.dtype
