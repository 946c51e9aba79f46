"""Single operations of pyray under pytest-benchmark: `pytest benchmarks --benchmark-only`.

For comparing two revisions of pyray; for comparing with others see compare.py. Each benchmark
checks its result. Sizes in the names are of the data: a float64 array of 1 KB has 125 numbers.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pyray as ray

pytest.importorskip("pytest_benchmark")
pytestmark = pytest.mark.benchmark(min_rounds=5, max_time=0.2, warmup=True, disable_gc=True)
Benchmark = Callable[..., Any]
BATCH = 1000

SMALL_VALUES = {
    "none": None,
    "int": 12345,
    "float": 0.5,
    "str_10": "0123456789",
    "bytes_10": b"0123456789",
    "list_3": [1, "two", 3.0],
    "dict_3": {"a": 1, "b": "two", "c": 3.0},
}
ARRAY_BYTES = {"1KB": 10**3, "100KB": 10**5, "10MB": 10**7, "100MB": 10**8}


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[None]:
    ray.init(num_cpus=2)
    yield
    ray.shutdown()


@ray.remote
def noop() -> None:
    """Do nothing."""


@ray.remote
def echo(value: Any) -> Any:
    return value


@ray.remote
def first(values: Any) -> float:
    return float(values[0])


@ray.remote
def run_nested(count: int) -> list[int]:
    return ray.get([echo.remote(i) for i in range(count)])


@ray.remote
class Counter:
    def __init__(self) -> None:
        self.value = 0

    def increment(self) -> int:
        self.value += 1
        return self.value


def new_array(size_bytes: int) -> Any:
    return np.arange(size_bytes // 8, dtype=np.float64)


# --- objects -------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SMALL_VALUES)
def test_put_small(benchmark: Benchmark, name: str) -> None:
    assert ray.get(benchmark(ray.put, SMALL_VALUES[name])) == SMALL_VALUES[name]


@pytest.mark.parametrize("name", SMALL_VALUES)
def test_get_small(benchmark: Benchmark, name: str) -> None:
    assert benchmark(ray.get, ray.put(SMALL_VALUES[name])) == SMALL_VALUES[name]


@pytest.mark.parametrize("size", ARRAY_BYTES)
def test_put_array(benchmark: Benchmark, size: str) -> None:
    values = new_array(ARRAY_BYTES[size])
    assert np.array_equal(ray.get(benchmark(ray.put, values)), values)


@pytest.mark.parametrize("size", ARRAY_BYTES)
def test_get_array(benchmark: Benchmark, size: str) -> None:
    values = new_array(ARRAY_BYTES[size])
    assert np.array_equal(benchmark(ray.get, ray.put(values)), values)


def test_put_dict_of_1000_arrays(benchmark: Benchmark) -> None:
    value = {f"array-{i}": np.full(125, float(i)) for i in range(1000)}
    loaded = ray.get(benchmark(ray.put, value))
    assert all(np.array_equal(loaded[key], value[key]) for key in value)


def test_get_dict_of_1000_arrays(benchmark: Benchmark) -> None:
    value = {f"array-{i}": np.full(125, float(i)) for i in range(1000)}
    loaded = benchmark(ray.get, ray.put(value))
    assert all(np.array_equal(loaded[key], value[key]) for key in value)


def test_put_arrow_table_10mb(benchmark: Benchmark) -> None:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({name: new_array(10**6) for name in "abcdefghij"})
    assert ray.get(benchmark(ray.put, table)).equals(table)


def test_get_arrow_table_10mb(benchmark: Benchmark) -> None:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({name: new_array(10**6) for name in "abcdefghij"})
    assert benchmark(ray.get, ray.put(table)).equals(table)


def test_get_1000_ints_in_one_call(benchmark: Benchmark) -> None:
    references = [ray.put(i) for i in range(BATCH)]
    assert benchmark(ray.get, references) == list(range(BATCH))


def test_put_list_of_1000_refs(benchmark: Benchmark) -> None:
    references = [ray.put(i) for i in range(BATCH)]
    assert ray.get(benchmark(ray.put, references)) == references


# --- tasks ---------------------------------------------------------------------------------------
def test_task_sync(benchmark: Benchmark) -> None:
    assert benchmark(lambda: ray.get(noop.remote())) is None


@pytest.mark.parametrize("name", SMALL_VALUES)
def test_task_sync_with_small_argument(benchmark: Benchmark, name: str) -> None:
    value = SMALL_VALUES[name]
    assert benchmark(lambda: ray.get(echo.remote(value))) == value


@pytest.mark.parametrize("size", ["1KB", "100KB", "10MB"])
def test_task_sync_with_array_argument(benchmark: Benchmark, size: str) -> None:
    values = new_array(ARRAY_BYTES[size])
    assert benchmark(lambda: ray.get(first.remote(values))) == values[0]


def test_task_sync_with_ref_of_100mb(benchmark: Benchmark) -> None:
    reference = ray.put(new_array(10**8))
    assert benchmark(lambda: ray.get(first.remote(reference))) == 0


@pytest.mark.parametrize("size", ["1KB", "100KB", "10MB"])
def test_task_sync_returning_array(benchmark: Benchmark, size: str) -> None:
    reference = ray.put(new_array(ARRAY_BYTES[size]))
    assert len(benchmark(lambda: ray.get(echo.remote(reference)))) == ARRAY_BYTES[size] // 8


def test_submit_1000_noops_and_gather(benchmark: Benchmark) -> None:
    results = benchmark(lambda: ray.get([noop.remote() for _ in range(BATCH)]))
    assert results == [None] * BATCH


def test_submit_1000_with_argument_and_gather(benchmark: Benchmark) -> None:
    results = benchmark(lambda: ray.get([echo.remote(i) for i in range(BATCH)]))
    assert results == list(range(BATCH))


def test_chain_of_100(benchmark: Benchmark) -> None:
    def chain() -> Any:
        link: Any = 7
        for _ in range(100):
            link = echo.remote(link)
        return ray.get(link)

    assert benchmark(chain) == 7


def test_nested_100(benchmark: Benchmark) -> None:
    assert benchmark(lambda: ray.get(run_nested.remote(100))) == list(range(100))


def test_wait_one_by_one_over_1000(benchmark: Benchmark) -> None:
    def take_all() -> int:
        taken, pending = 0, [noop.remote() for _ in range(BATCH)]
        while pending:
            ready, pending = ray.wait(pending)
            taken += len(ready)
        return taken

    assert benchmark(take_all) == BATCH


def test_wait_on_1000_ready(benchmark: Benchmark) -> None:
    references = [ray.put(i) for i in range(BATCH)]
    ready, pending = benchmark(lambda: ray.wait(references, num_returns=BATCH))
    assert (len(ready), pending) == (BATCH, [])


def test_task_with_100_returns(benchmark: Benchmark) -> None:
    many = ray.remote(num_returns=100)(lambda: list(range(100)))
    assert benchmark(lambda: ray.get(many.remote())) == list(range(100))


# --- actors --------------------------------------------------------------------------------------
def test_actor_call_sync(benchmark: Benchmark) -> None:
    counter = Counter.remote()
    assert benchmark(lambda: ray.get(counter.increment.remote())) > 0


def test_1000_actor_calls_and_gather(benchmark: Benchmark) -> None:
    counter = Counter.remote()
    counts = benchmark(lambda: ray.get([counter.increment.remote() for _ in range(BATCH)]))
    assert counts == list(range(counts[0], counts[0] + BATCH))


def test_create_actor_and_first_call(benchmark: Benchmark) -> None:
    assert (
        benchmark.pedantic(  # type: ignore[attr-defined]
            lambda: ray.get(Counter.remote().increment.remote()), rounds=5
        )
        == 1
    )
