"""The joblib backend, alone and under scikit-learn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import pyray
from pyray.util.joblib import register_ray

joblib = pytest.importorskip("joblib")


@pytest.fixture
def backend(ray_session: ModuleType) -> Iterator[None]:
    register_ray()
    with joblib.parallel_config("ray"):
        yield


def work(n: int) -> tuple[int, int]:
    return n * n, os.getpid()


def fail(n: int) -> int:
    if n == 5:
        raise KeyError("five")
    return n


def test_parallel_runs_in_workers(backend: None) -> None:
    results = joblib.Parallel(n_jobs=2)(joblib.delayed(work)(n) for n in range(100))
    assert [value for value, _ in results] == [n * n for n in range(100)]
    assert os.getpid() not in {pid for _, pid in results}
    assert joblib.effective_n_jobs(-1) == 2
    assert joblib.Parallel(n_jobs=1)([joblib.delayed(os.getpid)()]) == [os.getpid()]


def test_generators_and_errors(backend: None) -> None:
    ordered = joblib.Parallel(n_jobs=2, return_as="generator")(
        joblib.delayed(abs)(-n) for n in range(20)
    )
    assert list(ordered) == list(range(20))
    with pytest.raises(KeyError, match="five"):
        joblib.Parallel(n_jobs=2)(joblib.delayed(fail)(n) for n in range(10))
    assert joblib.Parallel(n_jobs=2)([joblib.delayed(fail)(1)]) == [1]


def test_parallel_inside_of_parallel(backend: None) -> None:
    def outer(n: int) -> list[int]:
        values: list[int] = joblib.Parallel(n_jobs=2)(
            joblib.delayed(pow)(n, power) for power in range(3)
        )
        return values

    results = joblib.Parallel(n_jobs=2)(joblib.delayed(outer)(n) for n in range(4))
    assert results == [[1, n, n * n] for n in range(4)]


def test_a_large_array_is_stored_once(backend: None) -> None:
    array = np.arange(1_000_000.0)

    def used(_: Any) -> float:
        total = pyray.cluster_resources()["object_store_memory"]
        return total - pyray.available_resources()["object_store_memory"]

    before = used(None)
    most = max(joblib.Parallel(n_jobs=2)(joblib.delayed(used)(array) for _ in range(30)))
    assert array.nbytes <= most - before < 2 * array.nbytes


def test_grid_search_of_scikit_learn(backend: None) -> None:
    pytest.importorskip("sklearn")
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    features, labels = make_classification(2000, 20, random_state=1)
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, n_jobs=2, cv=3)
    search.fit(features, labels)
    with joblib.parallel_config("sequential"):
        alone = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=3).fit(features, labels)
    assert search.best_params_ == alone.best_params_
    assert np.allclose(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
