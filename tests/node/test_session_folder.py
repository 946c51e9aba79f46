"""The folder of a session: where it is, whose it is, and that it goes."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from pathlib import Path

import pytest

import pyray as ray
from pyray.node import session_folder
from pyray.node.session_folder import Description
from tests.support import started_script, wait_until

ABOUT = Description("0123456789abcdef", 1, 2, 3.0, "v", "p")


def test_session_has_a_private_folder_while_it_lives(place: Path) -> None:
    with ray.init(num_cpus=1, namespace="mine") as context:
        [folder] = place.glob("*")
        for path in (place, folder, folder / "logs"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        [found] = session_folder.find()
        assert found.path == str(folder) == context.address_info["session_dir"]
        assert found.about.driver_pid == os.getpid()
        assert found.about.namespace == "mine"
        assert not found.about.head
        assert stat.S_ISSOCK((folder / "door").stat().st_mode)
    assert not list(place.glob("*"))


DRIVER = """
    import os, time
    import pyray as ray
    ray.init(num_cpus=1)
    print("supervisor", ray.get(ray.remote(os.getppid).remote()), flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("who", ["driver", "supervisor", "both"])
def test_folder_goes_with_the_session_however_it_ends(place: Path, who: str) -> None:
    with started_script(DRIVER) as script:
        script.wait_for_output("supervisor")
        supervisor = int(script.stdout().split()[1])
        assert len(list(place.glob("*"))) == 1
        if who != "driver":
            os.kill(supervisor, signal.SIGKILL)
        if who != "supervisor":
            script.process.kill()
        if who == "driver":
            wait_until(lambda: not list(place.glob("*")), 10, "the folder to go")
        else:
            wait_until(lambda: not session_folder.find(), 10, "the session to be gone")
            assert not list(place.glob("*"))


def test_newest_session_is_found_first_and_orphans_are_swept(place: Path) -> None:
    old, new, gone = (session_folder.make() for _ in range(3))
    old.describe(ABOUT)
    new.describe(Description("1", 1, 2, 4.0, "v", "p", head=True))
    gone.describe(ABOUT)
    gone.close()
    (place / "session_file").touch()
    (place / "session_link").symlink_to("/", target_is_directory=True)
    assert [one.path for one in session_folder.find()] == [new.path, old.path]
    assert not Path(gone.path).exists()
    (Path(old.path) / "session.json").write_text("[]")
    assert [one.path for one in session_folder.find()] == [new.path]
    for one in (old, new):
        one.remove()
        one.close()
    assert session_folder.find() == []
    assert sorted(path.name for path in place.glob("*")) == ["session_file", "session_link"]


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', json.dumps({"session_id": "1"}), "\0" * 99])
def test_description_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "session.json").write_text(text)
    assert session_folder.read(str(tmp_path)) is None


def test_root_of_others_or_open_to_them_is_not_used(place: Path) -> None:
    elsewhere = place.parent / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    place.symlink_to(elsewhere, target_is_directory=True)
    assert "not a directory" in session_folder.make().problem
    place.unlink()
    place.mkdir(mode=0o755)
    assert "0755" in session_folder.make().problem
    place.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(place, 12345, 12345)
        assert "user 12345" in session_folder.make().problem
    assert session_folder.find() == []
    assert list(elsewhere.iterdir()) == []


def test_session_works_without_a_folder(place: Path) -> None:
    place.mkdir(mode=0o755)  # as good as a full or read-only disk, for root too
    with ray.init(num_cpus=1) as context:
        assert ray.get(ray.remote(lambda: 7).remote()) == 7
        assert context.address_info["address"] == "local"
        assert list(place.glob("*")) == []


def test_folder_that_was_asked_for_must_be_usable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="_temp_dir"):
        session_folder.make(str(tmp_path / "file"))


def test_path_may_be_longer_than_a_socket_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    monkeypatch.setenv("PYRAY_TMPDIR", str(deep))
    with ray.init(num_cpus=1):
        [found] = session_folder.find()
        folder = os.open(found.path, os.O_RDONLY)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
            line.connect(f"/proc/self/fd/{folder}/door")
            line.send(b'{"wants": "hello"}')
            assert json.loads(line.recv(1 << 16))["ok"]
        os.close(folder)
