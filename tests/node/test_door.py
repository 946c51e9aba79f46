"""The door of a session: who speaks nonsense, or nothing, or is somebody else, harms nobody."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import re
import resource
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyray as ray
from pyray import _core, testing
from pyray.node import joining, session_folder
from tests.support import ROOT, run_script, wait_until


@pytest.fixture(scope="module")
def path() -> Iterator[str]:
    """The folder of a session, which must be in order afterwards."""
    with ray.init(num_cpus=1) as context:
        yield str(context.address_info["session_dir"])


def open_for_others() -> Counter[str]:
    """Return what the supervisor has open, but for what it has of each worker."""
    folder = Path(f"/proc/{testing.supervisor_pid()}/fd")
    targets = [str(entry.readlink()) for entry in folder.iterdir() if entry.is_symlink()]
    return Counter(one for one in targets if "pyray-journal" not in one and "pidfd" not in one)


@pytest.fixture(autouse=True)
def works(path: str) -> Iterator[None]:
    """Afterwards the session answers, its accounts are right and no descriptor is left open."""
    assert ask(path, {"wants": "hello"})["ok"]
    before = open_for_others()
    yield
    assert ask(path, {"wants": "hello"})["ok"]
    assert ray.get(ray.remote(lambda: 1).remote(), timeout=20) == 1
    testing.store_accounts()
    try:
        wait_until(lambda: open_for_others() <= before, 20, "descriptors to be closed")
    except AssertionError as error:
        error.add_note(f"still open: {open_for_others() - before}")
        raise


def connected(path: str) -> socket.socket:
    """Return a connection to the door."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.connect(f"{path}/door")  # waits if many do; the test has a limit of time
    return line


def answer_to(path: str, data: bytes) -> bytes:
    """Return what the door says to these bytes."""
    with connected(path) as line:
        line.send(data)
        return line.recv(1 << 18)


def ask(path: str, request: object) -> dict[str, object]:
    """Return the answer to a request."""
    found = json.loads(answer_to(path, json.dumps(request).encode()))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xfe\x00", "JSON"),
        (b"[]", "JSON"),
        (b"[" * 60_000, "JSON"),
        (b"x" * (1 << 16) + b"y", "at most"),
        (b"{}", "wants=None"),
        (b'{"wants": {"a": 1}}', "wants="),
        (b'{"wants": "join"}', "pyray"),
        (b'{"wants": "join", "version": ["x"]}', "pyray"),
        (b'{"wants": "\\ud800"}', "wants="),
    ],
    ids=range(9),
)
def test_nonsense_is_refused_in_words(path: str, data: bytes, words: str) -> None:
    answer = json.loads(answer_to(path, data))
    assert answer["ok"] is False
    assert words in answer["error"]


def test_random_bytes_are_refused(path: str) -> None:
    choose = random.Random(1)
    for _ in range(300):
        data = choose.randbytes(choose.randrange(1, 2000))
        assert json.loads(answer_to(path, data))["ok"] is False


def test_silent_and_many_connections_do_not_stop_others(path: str) -> None:
    silent = [connected(path) for _ in range(40)]
    try:
        assert ask(path, {"wants": "hello"})["ok"]
        assert silent[0].recv(10) == b""  # of too many, the oldest goes
    finally:
        for line in silent:
            line.close()


def test_silent_connection_is_closed_after_a_while(path: str) -> None:
    with connected(path) as line:
        assert line.recv(10) == b""


def test_hangup_in_the_middle_is_no_matter(path: str) -> None:
    for number in range(100):
        with connected(path) as line:
            if number % 2:
                line.send(b'{"wants": "join"')


def test_descriptors_that_nobody_asked_for_are_closed(path: str) -> None:
    for count in (1, 2, 3, 20):
        ends = os.pipe()
        with connected(path) as line:
            socket.send_fds(line, [b'{"wants": "hello"}'], [ends[1]] * count)
            line.recv(1 << 16)
        os.close(ends[1])
        assert os.read(ends[0], 1) == b""  # nobody has it any more
        os.close(ends[0])


def test_joining_and_leaving_without_more_leaves_nothing(path: str) -> None:
    request = {
        "wants": "join",
        "version": ray.__version__,
        "python_version": sys.version.split()[0],
    }
    slots = _core.audit()["slots"]
    for observes in (False, True) * 5:
        joining.ask(path, request | {"observes": observes}).close()
    wait_until(lambda: _core.audit()["slots"] == slots, 10, "slots to be given back")


ENOUGH = 12


@contextlib.contextmanager
def few_files(pid: int, room: int) -> Iterator[None]:
    """Let a process open no more than `room` further files."""
    used = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    unused = (number for number in itertools.count() if number not in used)
    limit = next(itertools.islice(unused, room, None))
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("room", [1, 2, 3, 4, ENOUGH])
def test_join_while_few_files_may_be_opened_is_granted_or_refused(path: str, room: int) -> None:
    """The supervisor needs 5: the connection, two pipes, a pidfd and the table of lines.

    A worker that starts meanwhile takes some, so ENOUGH is a few more.
    """
    request = {name: JOIN[name] for name in ("wants", "version", "python_version")}
    ends = os.pipe()
    with few_files(testing.supervisor_pid(), room), connected(path) as line:
        socket.send_fds(line, [json.dumps(request).encode()], [ends[1]] * 2)
        answer = json.loads(line.recv(1 << 16))
    os.close(ends[1])
    assert os.read(ends[0], 1) == b""  # nobody has it any more
    os.close(ends[0])
    assert answer["ok"] == (room == ENOUGH), answer
    if not answer["ok"]:
        assert re.search("files|descriptors", answer["error"]), answer["error"]


FAULT = """
import pyray as ray
from pyray.node import joining, local_engine

fault = "from pyray.node.door import Door; Door.%s = None; "
local_engine.START = fault % "_list_job" + local_engine.START
with ray.init(num_cpus=1) as context:
    path = context.address_info["session_dir"]
    request = {"wants": "join", "version": ray.__version__, "python_version": PYTHON}
    for observes in (False, True, False):
        try:
            joining.ask(path, request | {"observes": observes}).close()
            print("granted")
        except ConnectionError:
            print("dropped")
    print(ray.get(ray.remote(lambda: "alive").remote()))
"""


def test_fault_in_the_door_ends_the_connection_and_not_the_session() -> None:
    done = run_script(FAULT.replace("PYTHON", repr(JOIN["python_version"])), check=True)
    assert done.stdout.split() == ["dropped", "granted", "dropped", "alive"]
    assert "TypeError" in done.stderr


JOIN = {
    "wants": "join",
    "version": ray.__version__,
    "python_version": sys.version.split()[0],
    "observes": False,
    "entrypoint": "program.py",
    "namespace": "",
    "log_to_driver": True,
    "logging_config": {"encoding": "TEXT", "log_level": "INFO"},
    "folding": {"RAY_DEDUP_LOGS": "1", "RAY_DEDUP_LOGS_SKIP_REGEX": "x"},
    "preload": ["numpy"],
}
ODD_VALUES = (None, True, -1, 1 << 70, 1e308, "", "\ud800", "x" * 30_000, [], {}, [[{"a": 1}]])


def mutated(choose: random.Random) -> bytes:
    """Return a request with some fields or bytes changed."""
    request: dict[str, object] = dict(JOIN)
    for _ in range(choose.randrange(4)):
        request[choose.choice([*JOIN, "else"])] = choose.choice(ODD_VALUES)
    if choose.random() < 0.3:
        request["wants"] = choose.choice(["hello", "jobs", "join"])
    data = bytearray(json.dumps(request).encode())
    for _ in range(choose.randrange(3)):
        data[choose.randrange(len(data))] = choose.randrange(256)
    return bytes(data[: choose.randrange(1, len(data))] if choose.random() < 0.2 else data)


def test_mutated_requests_with_odd_descriptors(path: str, rng: random.Random) -> None:
    """Of many connections that send them, some wait for the answer, some have more to say."""
    supervisor = testing.supervisor_pid()
    pair = socket.socketpair()
    odd = [os.open("/", os.O_RDONLY), os.open(os.devnull, os.O_RDONLY), *os.pipe()]
    odd += [os.memfd_create("odd"), pair[0].fileno(), pair[1].fileno()]
    lines: list[socket.socket] = []
    try:
        for _ in range(300):
            lines.append(connected(path))
            with contextlib.suppress(BrokenPipeError):  # of too many, the oldest goes
                chosen = rng.choices(odd, k=rng.randrange(6))
                socket.send_fds(lines[-1], [mutated(rng)], chosen)
                if rng.random() < 0.3:
                    lines[-1].send(rng.randbytes(rng.randrange(1, 3000)))
            if rng.random() < 0.5:
                lines.pop(rng.randrange(len(lines))).close()
    finally:
        for line in lines:
            line.close()
        pair[0].close()
        pair[1].close()
        for fd in odd[:-2]:
            os.close(fd)
    assert testing.supervisor_pid() == supervisor
    wait_until(lambda: _core.audit()["slots"] <= 3, 20, "slots to be given back")


def test_requests_as_deep_as_the_stack_are_answered(path: str) -> None:
    """What can be read, but no longer be turned into text."""
    for name in ("wants", "entrypoint", "version"):
        whole = json.dumps(JOIN | {name: "deep"})
        for depth in range(900, 1000):
            data = whole.replace('"deep"', "[" * depth + "]" * depth).encode()
            with connected(path) as line:
                line.send(data)
                assert json.loads(line.recv(1 << 16))["ok"] in {True, False}


STRANGER = """
import os, socket, sys
folder = os.open(sys.argv[1], os.O_RDONLY)
os.setgid(54321); os.setuid(54321)
line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
line.settimeout(10)
try:
    line.connect(f"/proc/self/fd/{folder}/door")
    line.send(b'{"wants": "hello"}')
    print(line.recv(1000))
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("is_open", [False, True])
def test_another_user_is_not_let_in(path: str, *, is_open: bool) -> None:
    """Also if the folder's mode did not keep him out."""
    door = Path(path) / "door"
    if is_open:
        Path(path).chmod(0o755)
        door.chmod(0o777)
    try:
        done = subprocess.run(
            [sys.executable, "-c", STRANGER, path],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            cwd=ROOT,
        )
    finally:
        Path(path).chmod(0o700)
    assert done.stdout.strip() in (
        {"b''", "BrokenPipeError", "ConnectionResetError"} if is_open else {"PermissionError"}
    )


def test_session_that_is_gone_is_said_so(path: str, place: Path) -> None:
    del path
    folder = session_folder.make()
    os.close(folder.door)
    folder.door = -1
    with pytest.raises(ConnectionError, match="does not answer: Connection refused"):
        joining.ask(folder.path, {"wants": "hello"})
    folder.remove()
    folder.close()
    with pytest.raises(ConnectionError, match="does not answer: No such file"):
        joining.ask(folder.path, {"wants": "hello"})
    assert not list(place.glob("*"))
