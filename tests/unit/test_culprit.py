"""What is to blame for a value that cannot be pickled is named with path and line."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

import pyray as ray
from pyray.errors.culprit import in_words, path_to_culprit

LOCK = threading.Lock()


@dataclass
class Box:
    """Has something that cannot be pickled."""

    inner: Any = field(default_factory=threading.Lock)


class Slotted:
    """Has no dictionary."""

    __slots__ = ("lock",)

    def __init__(self) -> None:
        self.lock = threading.Lock()


class Refuses:
    """Cannot be pickled for a reason of its own."""

    def __reduce__(self) -> Any:
        raise ValueError("never")

    def method(self) -> None:
        """Do nothing."""


loop: list[Any] = [threading.Lock()]
loop.insert(0, loop)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, threading.Lock()]}, "['a'][1]"),
        ((0, {"k": Box([Slotted()])}), "[1]['k'].inner[0].lock"),
        (Refuses().method, ".__self__"),
        (functools.partial(print, Box()), ".args[0].inner"),
        (loop, "[1]"),
        (threading.Lock(), ""),
        (Refuses(), ""),
    ],
)
def test_path(value: Any, path: str) -> None:
    assert path_to_culprit(value)[0] == path
    assert (f"To blame is it{path}, of type" in in_words(value, "it")) == (path != "")


def capturing() -> Callable[..., Any]:
    """Return a function that captures, by way of another one."""
    box = Box([Slotted()])

    def inside() -> Any:
        return 1, [
            box,
        ]

    return lambda: inside()


def first_line() -> int:
    return capturing.__code__.co_firstlineno


def test_variable_is_named_with_function_and_line() -> None:
    words = in_words(capturing(), "f")
    path = re.escape(__file__)
    assert re.search(rf"f -> inside \(.*<lambda>, used in {path}:{first_line() + 9}\)", words)
    assert re.search(rf"box \(.*inside, used in {path}:{first_line() + 6}\)", words)
    assert "inner[0].lock, of type _thread.lock" in words


def test_errors_of_tasks_and_actors_say_it(ray_session: Any) -> None:
    lock = threading.Lock()

    @ray.remote
    def task() -> bool:
        return lock.locked()

    @ray.remote
    class Actor:
        def method(self) -> bool:
            return lock.locked()

    @ray.remote
    def take(value: Any) -> Any:
        return value

    for call in (task.remote, Actor.remote):
        with pytest.raises(TypeError, match=rf"lock \(a variable.*used in {re.escape(__file__)}:"):
            call()
    with pytest.raises(TypeError, match=r"the value\.inner, of type _thread\.lock"):
        take.remote(Box())
    with pytest.raises(TypeError, match=r"the value\['k'\]\.inner"):
        ray.put({"k": Box()})


def test_search_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyray.errors.culprit.PATIENCE_S", -1.0)
    assert path_to_culprit([[threading.Lock()]])[0] == ""
    deep: Any = threading.Lock()
    for _ in range(40):
        deep = [deep]
    monkeypatch.setattr("pyray.errors.culprit.PATIENCE_S", 5.0)
    assert path_to_culprit(deep)[0] == "[0]" * 12
