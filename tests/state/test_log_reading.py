"""Log files of workers: `list_logs`, `get_log`, `pyray logs`, over a folder of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pyray import _core
from pyray.observability import logs as log_reading
from pyray.util import state
from pyray.util.state.exception import RayStateApiException
from tests.support import ROOT

WORKER = "worker-" + "0" * 56 + "-01000000-4711"


@pytest.fixture
def folder(
    ray_session: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / f"{WORKER}.out").write_text("one\ntwo\n\x1b[31mthree\x1b[0m\n")
    (logs / f"{WORKER}.err").write_bytes("gr\u00fcn".encode() * 40_000)
    monkeypatch.setattr(log_reading, "folder_of", lambda _session: logs)
    return logs


def test_files_are_listed_by_category(folder: Path) -> None:
    assert state.list_logs() == {"worker_out": [f"{WORKER}.out"], "worker_err": [f"{WORKER}.err"]}
    assert state.list_logs(glob_filter="*.err") == {"worker_err": [f"{WORKER}.err"]}


def test_a_file_is_read_by_name_or_process(folder: Path) -> None:
    text = "one\ntwo\n\x1b[31mthree\x1b[0m\n"
    assert "".join(state.get_log(filename=f"{WORKER}.out")) == text  # type: ignore[arg-type]
    lines = state.get_log(pid=4711, tail=1, filter_ansi_code=True)
    assert "".join(lines) == "three\n"  # type: ignore[arg-type]
    green = "".join(state.get_log(pid=4711, suffix="err"))  # type: ignore[arg-type]
    assert green == "gr\u00fcn" * 40_000  # in pieces that end inside of characters
    assert b"".join(state.get_log(pid=4711, encoding=None))[:3] == b"one"  # type: ignore[arg-type]


def test_following_ends_with_the_file(folder: Path) -> None:
    texts = state.get_log(filename=f"{WORKER}.out", follow=True)
    assert "three" in str(next(texts))
    with (folder / f"{WORKER}.out").open("a") as file:
        file.write("four\n")
    assert next(texts) == "four\n"
    (folder / f"{WORKER}.out").unlink()
    assert list(texts) == []


def test_what_is_not_there_is_named(folder: Path) -> None:
    for question, words in (
        ({"filename": "../secret"}, "no log file"),
        ({"filename": "nothing.out"}, "no log file"),
        ({"pid": 1}, "Process 1 has no log file"),
        ({"task_id": "00"}, "has no process"),
        ({}, "Name a file"),
    ):
        with pytest.raises(RayStateApiException, match=words):
            list(state.get_log(**question))  # type: ignore[arg-type]


def test_the_command_names_what_is_not_there(ray_session: ModuleType) -> None:
    ray = ray_session

    @ray.remote
    def begins() -> None:  # so that the supervisor has begun, too
        pass

    ray.get(begins.remote())
    result = subprocess.run(
        [sys.executable, "-m", "pyray", "logs", "nothing"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYRAY_ADDRESS": f"{_core.nonce():016x}"},
    )
    assert (result.returncode, result.stderr) == (1, "Error: There is no log file 'nothing'.\n")
