"""The other side of a session's door: finding a session, and asking it for something."""

from __future__ import annotations

import array
import json
import os
import select
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyray.node import session_folder
from pyray.node.session_folder import DOOR, FoundSession
from pyray.settings import ADDRESS, RAY_ADDRESS

ANSWER_S = 10
LARGEST_ANSWER = 1 << 18
MOST_DESCRIPTORS = 8
_TIMEVAL = struct.Struct("ll")
NOTHING_RUNS = (
    "Could not find any running session of this user. Start one with `pyray start --head`, or call "
    "ray.init() without an address to have a session of its own."
)


@dataclass(slots=True)
class Answer:
    """What the supervisor answered.

    Args:
        words: The answer.
        descriptors: What came with it; the caller closes them.
        line: The connection, which the caller closes.
    """

    words: dict[str, Any]
    descriptors: list[int]
    line: socket.socket

    def close(self) -> None:
        """Close everything."""
        self.line.close()
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []


def address_from_environment() -> str | None:
    """Return what the environment says which session to join; None: nothing."""
    return ADDRESS.text() or RAY_ADDRESS.text() or None


def session_at(address: str) -> FoundSession:
    """Return the session that an address names: "auto", a folder, or the beginning of an id.

    Raises:
        ConnectionError: If there is none.
    """
    if address == "auto":
        named = address_from_environment()
        if named is not None and named != "auto":
            return session_at(named)
        found = session_folder.find()
        heads = [one for one in found if one.about.head]
        if not found:
            raise ConnectionError(NOTHING_RUNS)
        return (heads or found)[0]
    if "/" in address and "://" not in address:
        about = session_folder.read(address)
        if about is None:
            raise ConnectionError(f"There is no session at {address!r}.")
        return FoundSession(str(Path(address).absolute()), about)
    for one in session_folder.find():
        if one.about.session_id.startswith(address) or Path(one.path).name == address:
            return one
    raise ConnectionError(
        f"address={address!r} names no session of this user on this machine: expected 'auto', "
        "'local', the folder of a session, or the beginning of its id. pyray has no clusters."
    )


def ask(path: str, request: dict[str, Any], descriptors: Sequence[int] = ()) -> Answer:
    """Send a request to the supervisor of the session in this folder, and return its answer.

    Raises:
        ConnectionError: If nobody answers, or the answer is no.
    """
    try:
        line = _connect(path)
    except OSError as error:
        raise ConnectionError(f"The session at {path} does not answer: {_words(error)}.") from error
    received: list[int] = []
    try:
        socket.send_fds(line, [json.dumps(request).encode()], list(descriptors))
        words = _receive(line, received)
        if not words.get("ok"):
            refusal = f"The session at {path} refuses: {words.get('error')}."
            raise ConnectionError(refusal)  # noqa: TRY301  (closes what came, below)
    except BaseException as error:
        Answer({}, received, line).close()
        if isinstance(error, (OSError, ValueError)) and not isinstance(error, ConnectionError):
            text = f"The session at {path} does not answer: {_words(error)}."
            raise ConnectionError(text) from error
        raise
    return Answer(words, received, line)


def _words(error: Exception) -> str:
    if isinstance(error, BlockingIOError):
        return f"nothing has come within {ANSWER_S} s"
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


def _connect(path: str) -> socket.socket:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):  # also while it is connected
            line.setsockopt(socket.SOL_SOCKET, option, _TIMEVAL.pack(ANSWER_S, 0))
        line.connect(f"/proc/self/fd/{folder}/{DOOR}")
    except BaseException:
        line.close()
        raise
    finally:
        os.close(folder)
    return line


def _receive(line: socket.socket, received: list[int]) -> dict[str, Any]:
    size = array.array("i").itemsize * MOST_DESCRIPTORS
    data, ancillary, _, _ = line.recvmsg(
        LARGEST_ANSWER, socket.CMSG_LEN(size), socket.MSG_CMSG_CLOEXEC
    )
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received.extend(array.array("i", content))
    if not data:
        raise ConnectionError("The session ended before it answered.")
    words = json.loads(data)
    return words if isinstance(words, dict) else {}


def wait_for_end(handle: int, seconds: float | None) -> bool:
    """Wait until the process of this pidfd has ended; return whether it has."""
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    return bool(poller.poll(None if seconds is None else seconds * 1000))
