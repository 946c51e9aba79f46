"""One session for the tests of a file that kill workers, and the check that it took no harm."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

from pyray import testing
from tests.death.ways import settled


@pytest.fixture(scope="module")
def deadly_session() -> Iterator[ModuleType]:
    """The module `pyray`, with one session of 2 CPUs and 64 MiB for all deaths of a file."""
    import pyray

    pyray.init(num_cpus=2, object_store_memory=64 << 20)
    yield pyray
    pyray.shutdown()


@pytest.fixture
def ray(deadly_session: ModuleType) -> Iterator[ModuleType]:
    """The session of the file; afterwards it must work, with exact accounts and all CPUs free."""
    before = testing.store_accounts()
    yield deadly_session

    @deadly_session.remote(max_retries=0)
    def add(a: int, b: int) -> int:
        return a + b

    assert deadly_session.get([add.remote(n, 1) for n in range(20)], timeout=20) == [*range(1, 21)]
    del add
    settled(testing.store_accounts, before)
    assert deadly_session.available_resources()["CPU"] == 2
