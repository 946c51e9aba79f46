"""Sessions of a test run are at a place of their own: no test meets another program's session."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from pyray.node import session_folder

ROOT = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    for name in ("PYRAY_ADDRESS", "RAY_ADDRESS"):
        os.environ.pop(name, None)
    config.stash[ROOT] = os.environ["PYRAY_TMPDIR"] = tempfile.mkdtemp(prefix="pyray-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[ROOT], ignore_errors=True)


def session_folders() -> frozenset[str]:
    """Return the names of all folders of sessions of this run.

    But those that a session has left which was killed as a whole: the next one removes them.
    """
    session_folder.find()
    root = Path(os.environ.get("PYRAY_TMPDIR", "/nonexistent"))
    names: set[str] = set()
    for folder in root.glob("pyray-*"):
        with contextlib.suppress(FileNotFoundError):  # its last session has ended just now
            names.update(path.name for path in folder.glob("session_*"))
    return frozenset(names)
