"""The Dask scheduler."""

from __future__ import annotations

from types import ModuleType

import pytest

pytest.importorskip("dask")

import dask

from pyray.util.dask import disable_dask_on_ray, enable_dask_on_ray, ray_dask_get


def add(a: int, b: int) -> int:
    return a + b


@pytest.fixture(scope="module", autouse=True)
def exported(ray_session: ModuleType) -> None:
    """The code that runs nodes is in the store before the first test is counted."""
    assert ray_dask_get({"a": (add, 1, 2)}, "a") == 3


def test_delayed_graphs(ray_session: ModuleType) -> None:
    parts = [dask.delayed(add)(n, 1) for n in range(10)]
    total = dask.delayed(sum)(parts)
    assert dask.compute(total, parts, scheduler=ray_dask_get) == (55, list(range(1, 11)))
    assert dask.delayed(5).compute(scheduler=ray_dask_get) == 5


def test_graphs_written_by_hand(ray_session: ModuleType) -> None:
    graph = {"a": 1, "b": (add, "a", 2), "c": (sum, ["a", "b"]), "d": "c"}
    assert ray_dask_get(graph, "d") == 4
    assert ray_dask_get(graph, [["a", "b"], ["d"]]) == [[1, 3], [4]]


def test_errors_are_the_tasks_own(ray_session: ModuleType) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        dask.compute(dask.delayed(divmod)(1, 0), scheduler=ray_dask_get)
    assert type(caught.value) is ZeroDivisionError


def test_arrays(ray_session: ModuleType) -> None:
    array = pytest.importorskip("dask.array")
    ones = array.ones((400, 400), chunks=(100, 100))
    with enable_dask_on_ray():
        assert (ones + ones.T).sum().compute() == 2 * 400 * 400
    disable_dask_on_ray()
    assert dask.config.get("scheduler") is None
