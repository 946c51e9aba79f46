"""An actor that dies again and again restarts so often within a while, and no more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyray as ray
from pyray.exceptions import ActorDiedError


@pytest.fixture
def three_restarts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A session in which an actor may restart three times an hour."""
    monkeypatch.setenv("PYRAY_actor_restart_limit", "3")
    monkeypatch.setenv("PYRAY_actor_restart_window_s", "3600")
    ray.init(num_cpus=2)
    yield
    ray.shutdown()


class Fragile:
    def __init__(self, log: str, *, is_stillborn: bool = False) -> None:
        with Path(log).open("a") as file:
            file.write("x")
        if is_stillborn:
            os._exit(4)

    def die(self) -> None:
        os._exit(5)


@pytest.mark.parametrize("is_stillborn", [True, False])
def test_more_restarts_than_the_limit_are_the_end(
    three_restarts: None, tmp_path: Path, *, is_stillborn: bool
) -> None:
    log = tmp_path / "log"
    fragile = ray.remote(max_restarts=-1, max_task_retries=-1)(Fragile)
    actor = fragile.remote(str(log), is_stillborn=is_stillborn)
    with pytest.raises(ActorDiedError) as caught:
        ray.get(actor.die.remote())
    assert f"exit code {4 if is_stillborn else 5}" in str(caught.value)
    assert "as often as PYRAY_actor_restart_limit allows" in str(caught.value)
    assert log.read_text() == "xxxx"
    with pytest.raises(ActorDiedError, match="PYRAY_actor_restart_limit"):
        ray.get(actor.die.remote())


@pytest.mark.parametrize(
    ("name", "value"),
    [("PYRAY_actor_restart_limit", "many"), ("PYRAY_actor_restart_window_s", "-1")],
)
def test_impossible_limits_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"{name}: expected a .*number from 0 to"):
        ray.init(num_cpus=2)
