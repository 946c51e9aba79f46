"""What `ps` shows of workers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import pyray as ray
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("ray_session")


def title_of(pid: int) -> str:
    """Return the command line of a process, as `ps` shows it."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


def own() -> tuple[str, int]:
    """Return title and process id of the process that runs this."""
    return title_of(os.getpid()), os.getpid()


class Plain:
    """An actor that looks at itself."""

    def __init__(self) -> None:
        self.first = own()[0]

    def look(self) -> tuple[str, int]:
        return own()

    def made(self) -> str:
        return self.first


class Async(Plain):
    """The same, on an event loop."""

    async def look(self) -> tuple[str, int]:  # type: ignore[override]
        return own()


def test_title_is_the_task_while_it_runs_and_idle_afterwards() -> None:
    look = ray.remote(own)
    title, pid = ray.get(look.remote())
    assert title == "ray::own"
    wait_until(lambda: title_of(pid) == "ray::IDLE", 5, "an idle worker's title")
    assert ray.get(look.options(name="other").remote())[0] == "ray::other"


def test_title_of_a_task_that_waits_for_another_is_its_own_again() -> None:
    @ray.remote
    def outer() -> tuple[str, str]:
        inner, _ = ray.get(ray.remote(own).options(name="inner").remote())
        return inner, own()[0]

    assert ray.get(outer.remote()) == ("ray::inner", "ray::outer")


@pytest.mark.parametrize("kind", ["plain", "threads", "async"])
def test_title_is_the_method_while_it_runs_and_the_class_afterwards(kind: str) -> None:
    cls: Any = Async if kind == "async" else Plain
    limit = {} if kind == "plain" else {"max_concurrency": 4}
    actor = ray.remote(cls).options(**limit).remote()
    assert ray.get(actor.made.remote()) == f"ray::{cls.__name__}.__init__"
    title, pid = ray.get(actor.look.remote())
    assert title == f"ray::{cls.__name__}.look"
    wait_until(lambda: title_of(pid) == f"ray::{cls.__name__}", 5, "an idle actor's title")


def test_long_name_is_cut_and_leaves_no_rest_behind() -> None:
    look = ray.remote(own)
    name = "a_name_that_is_far_longer_than_what_there_is_room_for"
    title, _ = ray.get(look.options(name=name).remote())
    assert name.startswith(title.removeprefix("ray::"))
    assert ray.get(look.options(name="x").remote())[0] == "ray::x"
