"""Copies of folders for `runtime_env`: what they hold, and what happens while they are made."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from pyray import settings
from pyray.environments import cache as env_cache
from pyray.environments import packages as env_packages


@pytest.fixture(autouse=True)
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one file; copies go to a cache of the test's own."""
    monkeypatch.setenv(settings.CACHE_DIR.variable, str(tmp_path / "cache"))
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.txt").write_text("old")
    return folder


@pytest.mark.timeout(20)
def test_pipes_sockets_and_devices_are_left_out(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(source / "pipe")
    monkeypatch.chdir(source)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")
        (source / "null").symlink_to("/dev/null")
        (source / "nothing").symlink_to("/does/not/exist")
        copy = env_cache.folder_copy(source, [])
    assert [path.name for path in copy.iterdir()] == ["a.txt"]
    with pytest.raises(OSError, match="not a regular file"):
        env_cache.file_copy(source / "pipe")


def test_programs_stay_programs(source: Path) -> None:
    plain = env_cache.folder_copy(source, [])
    assert not os.access(plain / "a.txt", os.X_OK)
    (source / "a.txt").chmod(0o755)
    program = env_cache.folder_copy(source, [])
    assert program != plain
    assert os.access(program / "a.txt", os.X_OK)
    assert os.access(env_cache.file_copy(source / "a.txt") / "a.txt", os.X_OK)


def test_folder_without_files_is_one(source: Path) -> None:
    (source / "a.txt").unlink()
    assert (env_cache.folder_copy(source, [], "name") / "name").is_dir()


def changing(monkeypatch: pytest.MonkeyPatch, path: Path, times: int) -> None:
    """Have a file edited between the look at it and its copy, so many times."""
    copy, left = env_cache._copy, [times]

    def edit_and_copy(source: Path, target: Path) -> Any:
        if left[0]:
            left[0] -= 1
            path.write_text(f"new {left[0]}")
        copy(source, target)

    monkeypatch.setattr(env_cache, "_copy", edit_and_copy)


@pytest.mark.parametrize("single", [False, True])
def test_file_edited_meanwhile_is_not_kept_under_another_name(
    source: Path, monkeypatch: pytest.MonkeyPatch, *, single: bool
) -> None:
    def copy() -> Path:
        return (
            env_cache.file_copy(source / "a.txt") if single else env_cache.folder_copy(source, [])
        )

    changing(monkeypatch, source / "a.txt", 2)
    assert (copy() / "a.txt").read_text() == "new 0"
    (source / "a.txt").write_text("old")
    assert (copy() / "a.txt").read_text() == "old"
    changing(monkeypatch, source / "a.txt", env_cache.ATTEMPTS)
    (source / "a.txt").write_text("other")
    with pytest.raises(OSError, match="changed each time"):
        copy()


def test_local_folders_are_known_by_their_content(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setattr(env_packages, "_install", lambda *details: made.append(details))
    folders = [env_packages.installed("uv", [f"{source}[extra]"], [], None) for _ in range(2)]
    assert folders[0] == folders[1]
    (source / "build").mkdir()
    (source / "build" / "left").touch()  # what installing leaves
    assert env_packages.installed("uv", [f"{source}[extra]"], [], None) == folders[0]
    (source / "a.txt").write_text("new")
    assert env_packages.installed("uv", [f"{source}[extra]"], [], None) != folders[0]
    assert len(made) == 2


@pytest.mark.parametrize("form", ["{}", "{}[one,two]", "-e {}", "name @ file://{}"])
def test_path_in_a_requirement(source: Path, form: str) -> None:
    assert env_packages.local_path(form.format(source)) == source
    assert env_packages.local_path(form.format("/does/not/exist")) is None
