"""Heads of `pyray start`, and programs that join them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

Command = Callable[..., subprocess.CompletedProcess[str]]


def pyray(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command `pyray`."""
    return subprocess.run(
        [sys.executable, "-m", "pyray", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env=os.environ | env,
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root for sessions that only this test has."""
    monkeypatch.setenv("PYRAY_TMPDIR", str(tmp_path))
    return tmp_path / f"pyray-{os.geteuid()}"


@pytest.fixture
def head(place: Path) -> Iterator[str]:
    """The folder of a head with 2 CPUs, which is stopped at the end."""
    done = pyray("start", "--head", "--num-cpus=2", "--object-store-memory=100000000")
    assert done.returncode == 0, done.stderr
    [folder] = place.glob("session_*")
    yield str(folder)
    done = pyray("stop", "--address", str(folder)) if folder.exists() else done
    if done.returncode:
        pyray("stop", "--force")
    assert done.returncode == 0, done.stderr
    assert not list(place.glob("*"))
