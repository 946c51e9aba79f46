"""One server for the tests of a module that do not harm it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.jobs.served import Served, served

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on a folder that is no session's."""
    with served(tmp_path_factory.mktemp("session")) as one:
        yield one
