"""Fixtures that start pyray."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def ray_session() -> Iterator[ModuleType]:
    """The module `pyray`, with one session of 2 CPUs for all tests of a file.

    For tests that use pyray as users do. Who kills, fills or shuts down takes `ray_alone`.
    """
    import pyray

    pyray.init(num_cpus=2)
    yield pyray
    pyray.shutdown()


@pytest.fixture
def ray_alone() -> Iterator[ModuleType]:
    """The module `pyray`, with a fresh session of 2 CPUs for one test."""
    import pyray

    pyray.init(num_cpus=2)
    yield pyray
    pyray.shutdown()
