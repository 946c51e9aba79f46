"""One session for the tests of a file that kill workers, and the check that it took no harm."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

from pyray import testing
from tests.death.ways import settled
from tests.support import wait_until


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


@pytest.fixture
def group() -> Iterator[Path]:
    """A memory control group with a limit of 512 MiB, where one can be made."""
    places = [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")]
    path = None
    for place in places:
        path = place / f"pyray-test-{os.getpid()}"
        limit = "memory.limit_in_bytes" if place.name == "memory" else "memory.max"
        try:
            path.mkdir()
            (path / limit).write_text(str(512 << 20))
        except OSError:
            with suppress(OSError):
                path.rmdir()
            path = None
            continue
        break
    if path is None:
        pytest.skip("no memory control group can be made here")
    yield path

    def emptied() -> bool:
        with suppress(OSError):
            path.rmdir()
        return not path.exists()

    with suppress(OSError):
        for pid in (path / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    wait_until(emptied, 10, "the end of the control group")
