"""max_retries and retry_exceptions: how often a task runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import pyray as ray

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture
def tries(tmp_path: Path) -> Path:
    """A file to which each attempt appends a byte."""
    path = tmp_path / "tries"
    path.touch()
    return path


def attempt(path: str, good_from: int, error: Any) -> int:
    """Note the attempt; before number `good_from` raise, or end the process when error is None."""
    with open(path, "ab") as file:
        file.write(b".")
    number = os.path.getsize(path)
    if number < good_from:
        if error is None:
            os._exit(1)
        raise error("attempt", number)
    return number


def run(tries: Path, good_from: int, error: Any, **options: Any) -> int:
    return ray.get(ray.remote(attempt).options(**options).remote(str(tries), good_from, error))


def count(tries: Path) -> int:
    return tries.stat().st_size


def test_exception_is_not_retried_by_default(tries: Path) -> None:
    with pytest.raises(KeyError):
        run(tries, 3, KeyError)
    assert count(tries) == 1


@pytest.mark.parametrize(("retries", "good_from"), [(3, 4), (1, 2), (-1, 10)])
def test_exception_is_retried_until_it_works(tries: Path, retries: int, good_from: int) -> None:
    assert run(tries, good_from, KeyError, retry_exceptions=True, max_retries=retries) == good_from


def test_exception_is_retried_three_times_by_default(tries: Path) -> None:
    with pytest.raises(KeyError) as info:
        run(tries, 99, KeyError, retry_exceptions=True)
    assert count(tries) == 4
    assert info.value.args == ("attempt", 4)


def test_no_retries_means_one_attempt(tries: Path) -> None:
    with pytest.raises(KeyError):
        run(tries, 3, KeyError, retry_exceptions=True, max_retries=0)
    assert count(tries) == 1


@pytest.mark.parametrize("kinds", [[KeyError], (ValueError, LookupError)])
def test_only_listed_exceptions_are_retried(tries: Path, kinds: Any) -> None:
    assert run(tries, 3, KeyError, retry_exceptions=kinds) == 3
    with pytest.raises(TypeError):
        run(tries, 99, TypeError, retry_exceptions=kinds)
    assert count(tries) == 4


def test_error_text_of_the_last_attempt_has_no_frames_of_ours(tries: Path) -> None:
    with pytest.raises(KeyError) as info:
        run(tries, 99, KeyError, retry_exceptions=True, max_retries=1)
    assert "execution.py" not in str(info.value)
    assert str(info.value).startswith("ray::attempt() (pid=")


def test_options_after_a_first_call_take_effect(tries: Path) -> None:
    f = ray.remote(attempt)
    assert ray.get(f.remote(str(tries), 0, KeyError)) == 1
    assert ray.get(f.options(retry_exceptions=True).remote(str(tries), 4, KeyError)) == 4
    with pytest.raises(KeyError):
        ray.get(f.remote(str(tries), 99, KeyError))
    assert count(tries) == 5


@pytest.mark.parametrize(
    ("options", "attempts"), [({"max_retries": 0}, 1), ({"max_retries": 2}, 3), ({}, 4)]
)
def test_death_of_the_worker_is_retried(
    tries: Path, options: dict[str, Any], attempts: int
) -> None:
    with pytest.raises(ray.exceptions.WorkerCrashedError):
        run(tries, 99, None, **options)
    assert count(tries) == attempts


def test_task_whose_worker_died_finishes_in_another(tries: Path) -> None:
    assert run(tries, 3, None) == 3


def test_death_and_exception_together(tries: Path) -> None:
    @ray.remote(max_retries=3, retry_exceptions=True)
    def f(path: str) -> int:
        with open(path, "ab") as file:
            file.write(b".")
        number = os.path.getsize(path)
        if number == 1:
            os._exit(1)
        if number == 2:
            raise KeyError
        return number

    assert ray.get(f.remote(str(tries))) == 3


def test_dependents_of_a_retried_task_get_its_value(tries: Path) -> None:
    first = ray.remote(attempt).remote(str(tries), 2, None)
    assert ray.get(ray.remote(lambda x: x + 100).remote(first)) == 102
