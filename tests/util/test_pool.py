"""`pyray.util.multiprocessing.Pool` does what the standard library's documentation says."""

from __future__ import annotations

import functools
import multiprocessing
import operator
import os
import threading
import time
from collections.abc import Iterator
from multiprocessing.pool import RemoteTraceback
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import pyray
from pyray.util.multiprocessing import Pool
from tests.api.conftest import Gate


def square(x: Any, wait_s: float = 0.0) -> Any:
    time.sleep(wait_s)
    return x * x


def add(a: int, b: int) -> int:
    return a + b


def raising() -> None:
    raise KeyError("key")


def fail_at_three(x: int) -> int:
    if x == 3:
        raise ValueError("three")
    return x


@pytest.fixture
def pool(ray_session: ModuleType) -> Iterator[Pool]:
    with Pool(2) as made:
        yield made


def test_apply_with_arguments_of_all_kinds(pool: Pool) -> None:
    assert pool.apply(square, (5,)) == 25
    assert pool.apply(square, (), {"x": 3}) == 9
    assert pool.apply(square, (2,), {"wait_s": 0.001}) == 4
    assert pool.apply(os.getpid) != os.getpid()
    assert pool.apply(functools.partial(add, 1), (2,)) == 3
    assert pool.apply("a-b".split, ("-",)) == ["a", "b"]
    assert pool.apply(operator.itemgetter(1), ([1, 2],)) == 2


def test_apply_async_gives_the_value_once_it_is_there(pool: Pool, gate: Gate) -> None:
    late = pool.apply_async(lambda refs: pyray.get(refs), ([gate.task()],))
    assert not late.ready()
    late.wait(0.001)
    with pytest.raises(ValueError, match="not ready"):
        late.successful()
    with pytest.raises(multiprocessing.TimeoutError):
        late.get(timeout=0.001)
    gate.open()
    assert late.get(timeout=30) == ["through"]
    assert late.ready()
    assert late.successful()
    assert late.get() is late.get()


@pytest.mark.parametrize("count", [0, 1, 2, 31, 1000])
@pytest.mark.parametrize("chunk_size", [None, 1, 7, 10_000])
def test_map_is_the_list_comprehension(pool: Pool, count: int, chunk_size: int | None) -> None:
    for items in (range(count), [n / 3 for n in range(count)], [str(n) * 2 for n in range(count)]):
        expected = [operator.mul(2, item) for item in items]
        assert pool.map(functools.partial(operator.mul, 2), items, chunk_size) == expected
    assert pool.map(abs, iter([-1] * count), chunk_size) == [1] * count
    assert pool.map_async(abs, {n: n for n in range(count)}, chunk_size).get() == [*range(count)]


def test_map_keeps_types_and_values_exactly(pool: Pool) -> None:
    nan = float("nan")
    values = [0.0, -0.0, nan, float("inf"), 5e-324, 1, True, 2**63 - 1, -(2**63), 2**63, None, "x"]
    for items in (values, values[:5], [1, 2, 2**64], [1, True], [1.5, 2], [np.float64(1), 2.0]):
        results = pool.map(lambda x: x, items, 100)
        assert [repr(one) for one in results] == [repr(one) for one in items]
        assert [type(one) for one in results] == [type(one) for one in items]


def test_map_over_a_numpy_array_gives_its_items(pool: Pool) -> None:
    array = np.arange(12.0).reshape(6, 2)
    assert pool.map(np.sum, array) == [1.0, 5.0, 9.0, 13.0, 17.0, 21.0]
    assert pool.map(type, array[:, 0]) == [np.float64] * 6


def test_starmap(pool: Pool) -> None:
    pairs = [(n, n + 1) for n in range(100)]
    assert pool.starmap(add, pairs) == [a + b for a, b in pairs]
    assert pool.starmap(add, zip(range(5), range(5), strict=True), 2) == [0, 2, 4, 6, 8]
    assert pool.starmap_async(add, pairs).get(30) == [a + b for a, b in pairs]


@pytest.mark.parametrize("chunk_size", [1, 3, 1000])
def test_imap_reads_its_items_as_results_are_taken(pool: Pool, chunk_size: int) -> None:
    numbers = iter(range(1000))
    results = pool.imap(square, numbers, chunk_size)
    assert [next(results) for _ in range(10)] == [n * n for n in range(10)]
    if chunk_size == 1:
        assert next(numbers) < 500  # some way ahead, not all
        results = pool.imap(square, range(10, 20))
        assert list(results) == [n * n for n in range(10, 20)]
    else:
        assert list(results) == [n * n for n in range(10, 1000)]
    with pytest.raises(StopIteration):
        next(results)
    assert sorted(pool.imap_unordered(square, range(300), chunk_size)) == [
        n * n for n in range(300)
    ]


def test_imap_unordered_gives_what_is_ready(pool: Pool, gate: Gate) -> None:
    items = [[gate.task()], [], []]
    results = pool.imap_unordered(lambda refs: len(pyray.get(refs)), items)
    assert [next(results), next(results)] == [0, 0]
    with pytest.raises(multiprocessing.TimeoutError):
        results.next(timeout=0.001)  # type: ignore[attr-defined]
    gate.open()
    assert list(results) == [1]


def test_imap_raises_in_the_place_of_the_error_and_goes_on(pool: Pool) -> None:
    results = pool.imap(fail_at_three, range(6))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert list(results) == [4, 5]

    def broken() -> Iterator[int]:
        yield 1
        raise OSError("the items")

    results = pool.imap(square, broken())
    assert next(results) == 1
    with pytest.raises(OSError, match="the items"):
        next(results)
    with pytest.raises(ValueError, match="Chunksize must be 1"):
        pool.imap(square, [], 0)


def test_an_exception_is_the_functions_own_with_the_workers_traceback(pool: Pool) -> None:
    for call in (pool.apply_async(raising), pool.map_async(lambda _: raising(), range(5))):
        with pytest.raises(KeyError) as caught:
            call.get()
        assert type(caught.value) is KeyError
        assert caught.value.args == ("key",)
        assert isinstance(caught.value.__cause__, RemoteTraceback)
        assert 'raise KeyError("key")' in str(caught.value.__cause__)
        assert not call.successful()


def test_map_waits_for_all_chunks_before_it_raises(pool: Pool) -> None:
    result = pool.map_async(fail_at_three, range(8), 1)
    with pytest.raises(ValueError, match="three"):
        result.get()
    assert result.ready()


def test_callbacks_run_once_before_get_returns(pool: Pool) -> None:
    called: list[Any] = []
    assert pool.apply_async(square, (3,), callback=called.append).get() == 9
    assert pool.map_async(square, range(4), callback=called.append).get() == [0, 1, 4, 9]
    assert pool.map_async(square, [], callback=called.append).get() == []
    assert called == [9, [0, 1, 4, 9], []]
    errors: list[BaseException] = []
    results = [
        pool.apply_async(raising, error_callback=errors.append),
        pool.map_async(fail_at_three, range(6), error_callback=errors.append),
        pool.apply_async(square, (threading.Lock(),), error_callback=errors.append),
    ]
    for result in results:
        result.wait()
        assert not result.successful()
    assert {type(error) for error in errors} == {KeyError, ValueError, TypeError}
    assert len(errors) == 3


def test_what_cannot_be_pickled_fails_at_get(pool: Pool) -> None:
    result = pool.map_async(square, [threading.Lock()])
    with pytest.raises(TypeError, match="lock"):
        result.get()
    with pytest.raises(TypeError, match="lock"):
        pool.apply(threading.Lock)


def test_an_array_given_to_many_calls_is_stored_once(pool: Pool) -> None:
    array = np.zeros(1_000_000)
    used = pyray.cluster_resources()["object_store_memory"]
    before = used - pyray.available_resources()["object_store_memory"]
    results = [pool.apply_async(add_item, (array, n)) for n in range(20)]
    assert [result.get() for result in results] == list(range(20))
    assert pool.starmap(add_item, [({"deep": array}, n) for n in range(20)]) == [*range(20)]
    peak = pyray.cluster_resources()["object_store_memory"]
    stored = peak - pyray.available_resources()["object_store_memory"] - before
    assert stored < 2 * array.nbytes
    array[0] = 100.0  # a call gets what the array holds when it is made
    results = [pool.apply_async(add_item, (array, 0))]
    array[0] = 200.0
    results.append(pool.apply_async(add_item, (array, 0)))
    assert [result.get() for result in results] == [100, 200]


def add_item(array: Any, number: int) -> int:
    array = array["deep"] if isinstance(array, dict) else array
    return int(array[0]) + number


def test_arrays_are_told_apart_by_shape_type_and_order(pool: Pool) -> None:
    array = np.arange(250_000.0).reshape(500, 500)
    for other in (array, array.T, array.view(np.int64), array.copy(order="F"), array[:, 1:]):
        dtype, shape, total = pool.apply(lambda a: (a.dtype, a.shape, a.sum()), (other,))
        assert (dtype, shape) == (other.dtype, other.shape)
        assert total == pytest.approx(other.sum())


def test_close_and_join_finish_what_was_given(ray_session: ModuleType) -> None:
    pool = Pool(2)
    with pytest.raises(ValueError, match="still running"):
        pool.join()
    results = [pool.apply_async(square, (n, 0.001)) for n in range(20)]
    rest = pool.imap(square, range(300))
    pool.close()
    pool.join()
    assert all(result.ready() for result in results)
    assert list(rest) == [n * n for n in range(300)]
    for call in (pool.apply, pool.map, pool.imap, pool.starmap):
        with pytest.raises(ValueError, match="Pool not running"):
            call(square, [1])
    with pytest.raises(ValueError, match="Pool not running"):
        pool.__enter__()


def test_a_pool_inside_of_a_task_of_a_pool(pool: Pool) -> None:
    def outer(n: int) -> int:
        with Pool(2) as inner:
            return sum(inner.map(square, range(n)))

    assert pool.map(outer, [3, 4]) == [5, 14]


def test_wrong_arguments_are_refused(ray_session: ModuleType) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Pool(0)
    with pytest.raises(TypeError, match="initializer must be a callable"):
        Pool(1, initializer=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="maxtasksperchild"):
        Pool(1, maxtasksperchild=0)
    with Pool(1) as pool, pytest.raises(NotImplementedError, match="cannot be passed"):
        pool.apply(square, (pool,))
