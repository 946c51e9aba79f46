"""An error that passes through several tasks.

In a session of its own: idle workers keep the code of the inner tasks until the session ends.
"""

from __future__ import annotations

from types import ModuleType

import pytest


class Mine(Exception):
    def __init__(self, code: int, *, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


def test_nested_tasks_keep_the_innermost_class_and_show_the_way(ray_alone: ModuleType) -> None:
    ray = ray_alone

    @ray.remote
    def inner() -> None:
        raise Mine(3, detail="deep")

    @ray.remote
    def middle() -> None:
        ray.get(inner.remote())

    @ray.remote
    def outer() -> None:
        ray.get(middle.remote())

    with pytest.raises(Mine) as caught:
        ray.get(outer.remote(), timeout=20)
    error = caught.value
    assert error.code == 3
    text = str(error)
    for name in ("outer", "middle", "inner"):
        assert f"ray::{name}() (pid=" in text
    assert "RayTaskError(Mine)" in text
