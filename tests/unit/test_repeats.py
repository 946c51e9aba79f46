"""Equal lines of several workers, and files of what they print."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyray.settings import SESSION_FOLDER
from pyray.worker.log_files import LogFile, files_of
from pyray.worker.repeats import HINT, Repeats, Settings


class Writers:
    """Several processes that print, played by one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
        self.monkeypatch, self.table = monkeypatch, Repeats(settings)

    def write(self, process: int, line: str, now_s: float, descriptor: int = 1) -> list[str]:
        """Return what is shown when this process prints a line."""
        self.monkeypatch.setattr(os, "getpid", lambda: process)
        chosen = self.table.choose([line], f"(f pid={process}) ", descriptor, now_s)
        return [text for _, text in chosen]


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Writers]:
    """Yield writers with the default settings."""
    made = Writers(monkeypatch, Settings.from_environment({}))
    yield made
    made.table.close()


def test_lines_of_one_process_are_all_shown(writers: Writers) -> None:
    for n in range(5):
        assert writers.write(7, f"step {n}", float(n)) == [f"(f pid=7) step {n}"]
    assert writers.table.rest() == []


def test_lines_of_others_are_counted_until_the_window_ends(writers: Writers) -> None:
    assert writers.write(1, "loading 1", 0.0) == ["(f pid=1) loading 1"]
    for n in range(2, 6):
        assert writers.write(n, f"loading {n}", 1.0) == []
    assert writers.write(9, "else", 5.5) == [
        "(f pid=9) else",
        f"(f pid=5) loading 5 [repeated 4x across cluster]{HINT}",
    ]
    assert writers.write(6, "loading 6", 6.0) == []
    assert writers.write(7, "loading 7", 6.0) == []
    assert writers.table.rest() == [(1, "(f pid=7) loading 7 [repeated 2x across cluster]")]


def test_single_repetition_is_shown_as_it_is(writers: Writers) -> None:
    writers.write(1, "word", 0.0)
    assert writers.write(2, "word", 1.0) == []
    assert writers.table.rest() == [(1, "(f pid=2) word")]


def test_lines_of_numbers_and_of_other_streams_are_not_equal(writers: Writers) -> None:
    for process in (1, 2):
        assert writers.write(process, "123 0x1f", 0.0) == [f"(f pid={process}) 123 0x1f"]
    writers.write(1, "word", 0.0)
    assert writers.write(2, "word", 0.0, descriptor=2) == ["(f pid=2) word"]


def test_settings_name_lines_to_keep_and_to_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"RAY_DEDUP_LOGS_ALLOW_REGEX": "keep", "RAY_DEDUP_LOGS_SKIP_REGEX": "drop"}
    writers = Writers(monkeypatch, Settings.from_environment(environment))
    assert [writers.write(n, "keep me", 0.0) for n in (1, 2)] == [
        ["(f pid=1) keep me"],
        ["(f pid=2) keep me"],
    ]
    assert writers.write(1, "drop me", 0.0) == []
    with pytest.raises(ValueError, match="RAY_DEDUP_LOGS_SKIP_REGEX"):
        Settings.from_environment({"RAY_DEDUP_LOGS_SKIP_REGEX": "("})
    assert not Settings.from_environment({"RAY_DEDUP_LOGS": "0"}).enabled
    writers.table.close()


def test_long_line_is_cut_only_where_it_is_folded(writers: Writers) -> None:
    line = "word " * 1000
    assert writers.write(1, line, 0.0) == ["(f pid=1) " + line]
    writers.write(2, line, 0.0)
    ((descriptor, text),) = writers.table.rest()
    assert descriptor == 1
    assert text.startswith("(f pid=2) word word")


def test_log_file_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "worker.out"
    file = LogFile(str(path), 1000)
    for n in range(100):
        file.write(f"line {n:4}\n".encode() * 10)
    file.close()
    names = sorted(one.name for one in tmp_path.iterdir())
    assert names == ["worker.out", "worker.out.1"]
    assert all(one.stat().st_size <= 1100 for one in tmp_path.iterdir())
    assert b"line   99" in path.read_bytes()


def test_log_file_that_has_taken_a_descriptor_gets_what_others_write_there(tmp_path: Path) -> None:
    path = tmp_path / "worker.out"
    file = LogFile(str(path), 100)
    number = os.open(os.devnull, os.O_WRONLY)
    try:
        file.take(number)
        os.write(number, b"raw " * 25)
        file.write(b"line\n")
        os.write(number, b"more\n")
    finally:
        os.close(number)
        file.close()
    assert (tmp_path / "worker.out.1").read_bytes() == b"raw " * 25
    assert path.read_bytes() == b"line\nmore\n"


def test_log_files_are_in_the_session_s_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SESSION_FOLDER.variable, raising=False)
    assert files_of(0xABC, 2, 7) is None
    monkeypatch.setenv(SESSION_FOLDER.variable, str(tmp_path))
    assert files_of(0xABC, 2, 7) is None
    (tmp_path / "logs").mkdir()
    files = files_of(0xABC, 2, 7)
    assert files is not None
    assert [Path(file.path).name for file in files] == [
        f"worker-{7:016x}{0xABC:040x}-02000000-7.{kind}" for kind in ("out", "err")
    ]
    for file in files:
        file.write(b"")
        Path(file.path).unlink()
        file.write(b"a folder that is gone costs nothing")
        file.close()
