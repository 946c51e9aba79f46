"""The supervisor's side of a session's door: other programs of the same user join, look, or stop.

One message (SOCK_SEQPACKET) is one request, in JSON; so is its answer. Who joins gets descriptors
of the session's memory with it (SCM_RIGHTS), and a slot that was reserved for it; the connection
stays, and its end, like the end of the process, is the end of its job. Peers are not trusted to be
quick, or to speak the language; that they are the same user the kernel says (SO_PEERCRED).

    {"wants": "hello"}                                  -> {"ok": true, ...}
    {"wants": "join", "observes": false, "version": ...} -> {"ok": true, "slot": ...} + descriptors
    {"wants": "jobs"}                                   -> {"ok": true, "jobs": [...]}
    {"wants": "stop"}                                   -> {"ok": true} + the supervisor's pidfd
    anything else                                       -> {"ok": false, "error": "..."}
"""

from __future__ import annotations

import array
import json
import os
import select
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pyray import _core
from pyray.node.guest_output import PIPES, GuestOutput

LARGEST_REQUEST = 1 << 16
MOST_DESCRIPTORS = 4
PATIENCE_S = 5.0
"""How long a connection may stand without a request."""
MOST_WAITING = 32
"""Connections without a request; of more, the oldest is closed."""
FIRST_LOOK_S = 0.02
LAST_LOOK_S = 30.0
"""How soon, and how seldom at last, to look whether an ended job has left something."""
MOST_JOBS = 200
"""Ended jobs stay listed until there are so many."""
LONGEST_TEXT = 200
_CREDENTIALS = struct.Struct("3i")


@dataclass(slots=True)
class Guest:
    """A process that has joined.

    Args:
        pid: Its id.
        handle: A pidfd.
        slot: Its slot in the tables.
        job: Its job; 0 for an observer.
        line: Its connection; None for the maker of a head's session.
        output: Where and how its workers print.
    """

    pid: int
    handle: int
    slot: int
    job: int
    line: socket.socket | None = None
    output: GuestOutput = field(default_factory=GuestOutput)


class Refused(Exception):  # noqa: N818  (not an error of ours)
    """A request that cannot be granted; its text is the answer."""


class Door:
    """Answers at the door, and watches those who came in.

    Args:
        listening: The descriptor of the socket; -1: there is none.
        poller: Where descriptors are registered.
        about: What every answer to "join" says: plain values for JSON.
        descriptors: What goes with it.
    """

    def __init__(
        self, listening: int, poller: select.poll, about: dict[str, Any], descriptors: list[int]
    ) -> None:
        self.poller = poller
        self.about = about
        self.descriptors = descriptors
        self.own_handle = os.pidfd_open(os.getpid())
        self.listening = None
        self.waiting: dict[int, tuple[socket.socket, float]] = {}
        self.guests: dict[int, Guest] = {}  # by descriptor: handle, and line
        self.ended: dict[int, tuple[float, float]] = {}  # job -> when to look, pause after that
        self.jobs: dict[int, dict[str, Any]] = {}
        self.stop_requested = False
        self.preload: Callable[[list[str]], object] = lambda _names: None
        if listening >= 0:
            self.listening = socket.socket(fileno=listening)
            self.listening.setblocking(False)  # noqa: FBT003  (socket's)
            poller.register(listening, select.POLLIN)

    # ---- what the supervisor's loop calls

    def next_look_s(self) -> float | None:
        """Return when `look` has something to do at the latest; None: never."""
        times = [deadline for _, deadline in self.waiting.values()]
        times += [when for when, _ in self.ended.values()]
        return min(times, default=None)

    def answer(self, ready: list[int]) -> None:
        """Deal with the descriptors that are ready."""
        for descriptor in ready:
            if self.listening is not None and descriptor == self.listening.fileno():
                self._accept()
            elif descriptor in self.waiting:
                self._serve(descriptor)
            elif (guest := self.guests.get(descriptor)) is not None:
                self._hear(guest, descriptor)
        self._look()

    def hurry(self) -> None:
        """A worker has gone: perhaps it was the last of an ended job."""
        now = time.monotonic()
        for job in self.ended:
            self.ended[job] = now, FIRST_LOOK_S

    def admit(self, guest: Guest) -> None:
        """Watch somebody who has a slot."""
        self.guests[guest.handle] = guest
        self.poller.register(guest.handle, select.POLLIN)
        if guest.line is not None:
            self.guests[guest.line.fileno()] = guest
            self.poller.register(guest.line, select.POLLIN)

    def of_job(self, job: int) -> Guest | None:
        """Return the driver of a job while it is there."""
        return next((guest for guest in self.guests.values() if guest.job == job), None)

    def leave(self) -> None:
        """In a forked worker: close what is the supervisor's."""
        if self.listening is not None:
            self.listening.close()
        for connection, _ in self.waiting.values():
            connection.close()
        for guest in {guest.slot: guest for guest in self.guests.values()}.values():
            _close_guest(guest)
        os.close(self.own_handle)
        self.guests.clear()
        self.waiting.clear()

    # ---- connections

    def _accept(self) -> None:
        assert self.listening is not None  # noqa: S101  (the caller has looked)
        while True:
            try:
                connection, _ = self.listening.accept()
            except BlockingIOError:
                return
            except OSError as error:  # too many files: they wait, and so do we
                sys.stderr.write(f"pyray: cannot answer at the door: {error}\n")
                time.sleep(0.01)
                return
            connection.setblocking(False)  # noqa: FBT003  (socket's)
            if _peer(connection)[1] != os.geteuid():
                connection.close()  # the folder's mode keeps out all but root
                continue
            if len(self.waiting) >= MOST_WAITING:
                self._drop(next(iter(self.waiting)))
            self.waiting[connection.fileno()] = connection, time.monotonic() + PATIENCE_S
            self.poller.register(connection, select.POLLIN)

    def _drop(self, descriptor: int) -> None:
        connection, _ = self.waiting.pop(descriptor)
        self.poller.unregister(descriptor)
        connection.close()

    def _serve(self, descriptor: int) -> None:
        """Read one request and answer it. Only who joins stays connected."""
        connection, _ = self.waiting[descriptor]
        received: list[int] = []
        stays = False
        try:
            stays = self._answer(connection, received)
        except BlockingIOError:  # nothing is there yet
            return
        except OSError:  # it has gone, or does not read
            pass
        except Exception:  # noqa: BLE001  (a fault of ours ends this connection, not the session)
            traceback.print_exc()
            if (guest := self.guests.get(descriptor)) is not None:
                self._bury(guest)
                stays = True  # it waits no more
        finally:
            for fd in received:
                os.close(fd)
        if stays:
            del self.waiting[descriptor]
        else:
            self._drop(descriptor)

    def _answer(self, connection: socket.socket, received: list[int]) -> bool:
        """Return whether it has joined, and stays."""
        try:
            request = _receive(connection, received)
            return request is not None and self._grant(connection, request, received)
        except Refused as refusal:
            _send(connection, {"ok": False, "error": str(refusal)}, [])
            return False

    def _grant(
        self, connection: socket.socket, request: dict[str, Any], received: list[int]
    ) -> bool:
        wants = request.get("wants")
        if wants == "hello":
            _send(connection, {"ok": True, **self.about}, [])
        elif wants == "join":
            self._join(connection, request, received)
            return True
        elif wants == "jobs":
            _send(connection, {"ok": True, "jobs": list(self.jobs.values())}, [])
        elif wants == "stop":
            _send(connection, {"ok": True}, [self.own_handle])
            self.stop_requested = True
        else:
            raise Refused(f"wants={repr(wants)[:40]}: expected 'hello', 'join', 'jobs' or 'stop'")
        return False

    def _join(
        self, connection: socket.socket, request: dict[str, Any], received: list[int]
    ) -> None:
        self._check_versions(request)
        observes = bool(request.get("observes"))
        output = _output_of(request, [] if observes else received)
        try:
            guest = _guest_of(_peer(connection)[0], output, observes=observes)
        except Refused:
            output.close()
            raise
        guest.line = connection
        self.admit(guest)
        if guest.job:
            self._list_job(guest, request)
        names = request.get("preload")
        if isinstance(names, list):
            self.preload([name for name in names if isinstance(name, str)])
        answer = {"ok": True, "slot": guest.slot, "job": guest.job, **self.about}
        try:
            _send(connection, answer, [*self.descriptors, self.own_handle])
        except OSError:  # it has gone: its line's end says so, too
            self._bury(guest)

    def _list_job(self, guest: Guest, request: dict[str, Any]) -> None:
        texts = {
            name: str(request.get(name, ""))[:LONGEST_TEXT] for name in ("entrypoint", "namespace")
        }
        self.jobs[guest.job] = {
            "job": guest.job,
            "pid": guest.pid,
            "start_time": time.time(),
            "end_time": None,
            **texts,
        }
        while len(self.jobs) > MOST_JOBS:
            ended = (job for job, one in self.jobs.items() if one["end_time"] is not None)
            del self.jobs[next(ended, next(iter(self.jobs)))]

    def _check_versions(self, request: dict[str, Any]) -> None:
        for name, called in (("version", "pyray"), ("python_version", "Python")):
            if request.get(name) != self.about[name]:
                raise Refused(
                    f"the session runs {called} {self.about[name]}, this program "
                    f"{request.get(name)}: both must be the same"
                )

    # ---- guests

    def _hear(self, guest: Guest, descriptor: int) -> None:
        """Something is to be read: it leaves, or it has gone."""
        if descriptor == guest.handle or guest.line is None:
            self._bury(guest)
            return
        try:
            words = guest.line.recv(LARGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            words = b""
        if not words:
            self._bury(guest)
        elif guest.job:  # "bye": arrays of it may still lie in the store, so its slot stays
            self._end_job(guest)

    def _bury(self, guest: Guest) -> None:
        for descriptor in [fd for fd, one in self.guests.items() if one is guest]:
            del self.guests[descriptor]
            self.poller.unregister(descriptor)
        guest.output.end()
        _close_guest(guest)
        if guest.job:  # before its handles go: they would be the reason of its actors' end
            _core.end_job(guest.job)
        _core.sweep(guest.slot, 0)
        self._end_job(guest)

    def _end_job(self, guest: Guest) -> None:
        guest.output.end()
        if guest.job:
            if guest.job in self.jobs:
                self.jobs[guest.job]["end_time"] = time.time()
            self.ended[guest.job] = time.monotonic(), FIRST_LOOK_S
            guest.job = 0

    # ---- what goes on by itself

    def _look(self) -> None:
        """Drop who says nothing; end what ended jobs have left."""
        now = time.monotonic()
        for descriptor in [fd for fd, (_, deadline) in self.waiting.items() if deadline <= now]:
            self._drop(descriptor)
        for job, (when, pause) in list(self.ended.items()):
            if when > now:
                continue
            tasks, actors, workers, _ = _core.end_job(job)
            if tasks or actors or workers:
                self.ended[job] = time.monotonic() + pause, min(2 * pause, LAST_LOOK_S)
            else:
                del self.ended[job]


def _output_of(request: dict[str, Any], received: list[int]) -> GuestOutput:
    """Return how a driver's workers print; the pipes, if they were received, are taken over."""
    try:
        output = GuestOutput.of_request(request)
        if len(received) == PIPES:
            output.open(list(received))
            received.clear()
    except (OSError, TypeError, ValueError) as error:
        raise Refused(f"{type(error).__name__}: {error}") from error
    return output


def _guest_of(pid: int, output: GuestOutput, *, observes: bool) -> Guest:
    """Reserve a slot for a process, and a job unless it observes."""
    try:
        handle = os.pidfd_open(pid)
    except OSError as error:
        raise Refused(f"process {pid} cannot be watched from here: {error}") from error
    try:
        slot, job = _core.reserve_driver(pid, observes=observes)
    except Exception as error:
        os.close(handle)
        raise Refused(f"there is no room for another process: {error}") from error
    return Guest(pid, handle, slot, job, output=output)


def _close_guest(guest: Guest) -> None:
    guest.output.close()
    if guest.line is not None:
        guest.line.close()
    os.close(guest.handle)


def _peer(connection: socket.socket) -> tuple[int, int]:
    """Return process and user at the other end."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(packed)
    return pid, uid


def _receive(connection: socket.socket, received: list[int]) -> dict[str, Any] | None:
    """Read a request; descriptors that come with it are appended. None: nothing comes any more.

    Raises:
        Refused: If it is none.
    """
    size = array.array("i").itemsize * MOST_DESCRIPTORS
    data, ancillary, flags, _ = connection.recvmsg(
        LARGEST_REQUEST, socket.CMSG_LEN(size), socket.MSG_CMSG_CLOEXEC
    )
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            whole = len(content) - len(content) % array.array("i").itemsize
            received.extend(array.array("i", content[:whole]))
    if not data:
        return None
    if flags & socket.MSG_TRUNC:
        raise Refused(f"a request has at most {LARGEST_REQUEST} bytes")
    if flags & socket.MSG_CTRUNC:
        raise Refused(
            f"a request has at most {MOST_DESCRIPTORS} descriptors, and the session's supervisor "
            "must be allowed to open so many files (ulimit -n)"
        )
    try:
        request = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Refused("a request is an object in JSON") from error
    if not isinstance(request, dict):
        raise Refused("a request is an object in JSON")
    return request


def _send(connection: socket.socket, answer: dict[str, Any], descriptors: list[int]) -> None:
    socket.send_fds(connection, [json.dumps(answer).encode()], descriptors)
