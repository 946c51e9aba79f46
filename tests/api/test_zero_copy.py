"""Values of other libraries: a `get` gives views on the store, and takes no memory of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import pyray as ray
from tests.api.test_memory import anonymous_bytes, heap_ranges

ROWS = 500_000
NUMBERS = np.arange(ROWS, dtype=np.float64)
SMALL_BYTES = 1 << 20
"""What a `get` may take beside the value: pickles, objects, a page here and there."""

Addresses = list[tuple[int, int]]
"""Where buffers begin, and how long they are."""


def of_array(array: Any) -> Addresses:
    return [(array.__array_interface__["data"][0], array.nbytes)]


def of_arrow(columns: Any) -> Addresses:
    chunks = [chunk for column in columns for chunk in getattr(column, "chunks", [column])]
    return [(b.address, b.size) for chunk in chunks for b in chunk.buffers() if b is not None]


def arrow_table() -> tuple[Any, Callable[[Any], Addresses]]:
    pa = pytest.importorskip("pyarrow")
    texts = pa.array([f"text {i}" for i in range(1000)] * (ROWS // 1000))
    return pa.table({"n": NUMBERS, "t": texts}), lambda table: of_arrow(table.columns)


def record_batch() -> tuple[Any, Callable[[Any], Addresses]]:
    pa = pytest.importorskip("pyarrow")
    batch = pa.record_batch({"n": NUMBERS, "m": NUMBERS + 1})
    return batch, lambda found: of_arrow(found.columns)


def frame_of_numbers() -> tuple[Any, Callable[[Any], Addresses]]:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": NUMBERS, "b": NUMBERS + 1, "i": np.arange(ROWS)})
    return frame, lambda found: [a for name in found for a in of_array(found[name].to_numpy())]


def frame_of_arrow_texts() -> tuple[Any, Callable[[Any], Addresses]]:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    texts = [f"text number {i}" for i in range(1000)] * (ROWS // 1000)
    frame = pd.DataFrame({"n": NUMBERS, "t": pd.array(texts, dtype="string[pyarrow]")})

    def addresses(found: Any) -> Addresses:
        column = found["t"].array.__arrow_array__()
        return of_array(found["n"].to_numpy()) + of_arrow([column])

    return frame, addresses


def polars_frame() -> tuple[Any, Callable[[Any], Addresses]]:
    pl = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    texts = [f"a text that is too long for a view {i}" for i in range(1000)] * (ROWS // 1000)
    frame = pl.DataFrame({"n": NUMBERS, "t": texts})
    newest = pl.CompatLevel.newest()
    return frame, lambda found: of_arrow(found.to_arrow(compat_level=newest).columns)


def polars_series() -> tuple[Any, Callable[[Any], Addresses]]:
    pl = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    return pl.Series("n", NUMBERS), lambda found: of_array(found.to_numpy())


def sparse_matrix() -> tuple[Any, Callable[[Any], Addresses]]:
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_matrix((NUMBERS + 1, (np.arange(ROWS), np.arange(ROWS))))
    parts = ("data", "indices", "indptr")
    return matrix, lambda found: [a for part in parts for a in of_array(getattr(found, part))]


def nested_containers() -> tuple[Any, Callable[[Any], Addresses]]:
    value = {"a": [NUMBERS, (NUMBERS + 1, {"b": NUMBERS + 2})], "c": {"d": [[NUMBERS + 3]]}}

    def addresses(found: Any) -> Addresses:
        first, (second, third) = found["a"]
        arrays = (first, second, third["b"], found["c"]["d"][0][0])
        return [a for array in arrays for a in of_array(array)]

    return value, addresses


MAKERS = (
    arrow_table,
    record_batch,
    frame_of_numbers,
    frame_of_arrow_texts,
    polars_frame,
    polars_series,
    sparse_matrix,
    nested_containers,
)


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[None]:
    with ray.init(num_cpus=1):
        yield


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_buffers_are_in_the_store_and_private_memory_does_not_grow(make: Any) -> None:
    value, addresses = make()

    @ray.remote
    def look(refs: list[Any]) -> tuple[int, Addresses, Addresses]:
        ray.get(refs[0])  # the libraries are imported
        before = anonymous_bytes()
        found = ray.get(refs[0])
        grown = anonymous_bytes() - before
        return grown, addresses(found), heap_ranges()

    grown, buffers, heap = ray.get(look.remote([ray.put(value)]))
    large = [buffer for buffer in buffers if buffer[1] >= ROWS // 8]
    assert sum(size for _, size in large) >= NUMBERS.nbytes
    for address, size in large:
        assert any(low <= address and address + size <= high for low, high in heap)
    assert grown < SMALL_BYTES


def every_plain_type(pl: ModuleType) -> Any:
    import datetime as dt

    moment = dt.datetime(2020, 1, 2, 3, tzinfo=dt.UTC)
    numbers = {
        str(kind): pl.Series([1, None, 3], dtype=kind)
        for kind in (pl.Int8, pl.UInt64, pl.Float32, pl.Float64)
    }
    others = {
        "text": ["a", None, "a text that is too long for a view"],
        "bytes": [b"a", None, b""],
        "truth": [True, None, False],
        "date": [moment.date(), None, moment.date()],
        "moment": [moment, None, moment],
        "duration": [dt.timedelta(1), None, dt.timedelta(0)],
        "time": [dt.time(1, 2), None, dt.time(3)],
    }
    return pl.DataFrame({**numbers, **others})


def check_polars_values() -> None:
    import polars as pl

    frame = every_plain_type(pl)
    other_types = pl.DataFrame(
        {
            "list": [[1, 2], [], None],
            "struct": [{"x": 1}, {"x": 2}, None],
            "category": pl.Series(["a", "b", "a"], dtype=pl.Categorical),
            "enum": pl.Series(["a", "b", "a"], dtype=pl.Enum(["a", "b"])),
        }
    )
    odd_name = pl.DataFrame({"a\0b": ["x", None]})
    for one in (frame, frame[1:2], frame.clear(), other_types, odd_name, pl.DataFrame()):
        back = ray.get(ray.put(one))
        assert back.schema == one.schema
        assert back.equals(one)
    for name in frame.columns:
        back = ray.get(ray.put(frame[name]))
        assert back.name == name
        assert back.equals(frame[name], check_dtypes=True)


def test_polars_values_come_back() -> None:
    pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    ray.get(ray.remote(check_polars_values).remote())  # it leaves files open in its process


def texts(count: int) -> list[Any]:
    return [f"text {i}" for i in range(count)]


@pytest.mark.parametrize(
    "items",
    [
        texts(1000),
        [*texts(500), None, "", "ü", "😀" * 100],
        [*texts(500), "\udc80"],  # not in UTF-8
        [*texts(500), 3, 1.5, ["list"]],
        [*texts(500), type("Text", (str,), {})("of a class of its own")],
        [None] * 500,
        texts(10),
        [],
    ],
    ids=lambda items: f"{len(items)}-{items[-1] if items else ''}"[:20].encode("ascii", "replace"),
)
def test_arrays_of_objects_come_back(items: list[Any]) -> None:
    array = np.array([*items, None], dtype=object)[:-1]
    for one in (array, array[::3], array[: len(items) // 4 * 4].reshape(4, -1).T):
        back = ray.get(ray.put(one))
        assert (back.dtype, back.shape) == (one.dtype, one.shape)
        assert back.tolist() == one.tolist()
        assert [type(item).__name__ for item in back.flat] == [type(x).__name__ for x in one.flat]
        assert back.flags.writeable


def test_texts_that_an_array_has_often_stay_one_object() -> None:
    words = [f"word {i}" for i in range(3)]
    back = ray.get(ray.put(np.array(words * 1000, dtype=object)))
    assert len({id(text) for text in back}) == 3


def test_frame_of_object_texts_comes_back() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": pd.Series(texts(1000), dtype=object), "n": np.arange(1000)})
    back = ray.get(ray.put(frame))
    assert back["a"].dtype == object
    assert back.equals(frame)
