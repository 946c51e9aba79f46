"""Sessions of this user, looked at from outside.

A session has no name. Its supervisor's descriptors are in /proc, where the kernel lets processes of
the same user open them: that is all that reading a session takes, and the session need not answer.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pyray import _core, runtime
from pyray.exceptions import RaySystemError
from pyray.node import session_folder
from pyray.observability import stacks
from pyray.observability.records import Session

CONTROL, HEAP = "memfd:pyray-control", "memfd:pyray-heap"


def own_or_other(address: str | None = None) -> Session:
    """Return this process's session, or the one that `address` names.

    Args:
        address: None or "auto": this process's session, else the youngest of this user; or the
            folder of a session, or the beginning of its id.

    Raises:
        ConnectionError: If there is none.
    """
    if address in {None, "", "auto", "local"}:
        if runtime.is_ours() or runtime.is_worker():
            return Session()
        address = ""
    return other(address or "")


def other(prefix: str) -> Session:
    """Return the youngest session of this user whose id begins so.

    Raises:
        ConnectionError: If there is none, or it ends just now.
    """
    about = session_folder.read(prefix) if "/" in prefix else None
    wanted = about.session_id if about is not None else prefix
    found = [one for one in stacks.sessions() if one.id.startswith(wanted)]
    unreadable: RaySystemError | None = None  # of another version of pyray
    for session in reversed(found):
        try:
            with contextlib.suppress(OSError):
                return _observe(session.supervisor)
        except RaySystemError as error:
            unreadable = error
    if unreadable is not None:
        raise ConnectionError(str(unreadable))
    named = f" whose id begins with {prefix}" if prefix else ""
    raise ConnectionError(f"There is no running session of this user{named}.")


def _observe(supervisor: int) -> Session:
    control = heap = -1
    try:
        for entry in Path(f"/proc/{supervisor}/fd").iterdir():
            target = str(entry.readlink())
            if CONTROL in target and control < 0:
                control = os.open(entry, os.O_RDWR | os.O_CLOEXEC)
            elif HEAP in target and heap < 0:
                heap = os.open(entry, os.O_RDWR | os.O_CLOEXEC)
        reader = _core.Reader(control, heap) if control >= 0 and heap >= 0 else None
    except BaseException:
        for descriptor in (control, heap):
            if descriptor >= 0:
                os.close(descriptor)
        raise
    if reader is None:
        raise FileNotFoundError(f"process {supervisor} has no session")
    return Session(reader)
