"""`pyray debug`: talk to a task that waits at a breakpoint."""

from __future__ import annotations

import os
import selectors
import socket
import sys
from pathlib import Path

import click

from pyray.observability.stacks import sessions
from pyray.settings import SESSION_FOLDER
from pyray.worker import debugger


@click.command()
@click.argument("pid", type=int, required=False)
def debug(pid: int | None) -> None:
    """Talk to a task that waits at a breakpoint, or list those that do.

    With the number of its process, or if only one waits: a session of pdb begins. When it ends, by
    `c`, Ctrl-D or Ctrl-C, the task goes on; `q` has it fail.
    """
    found = [one for place in _folders() for one in debugger.waiting_in(place)]
    chosen = [one for one in found if pid in {None, one[1].pid}]
    if not found:
        raise click.ClickException("No task of this user waits at a breakpoint.")
    if not chosen:
        raise click.ClickException(f"Process {pid} does not wait at a breakpoint.")
    if len(chosen) > 1 and pid is None:
        for _, about in chosen:
            click.echo(_line(about))
        return
    address, about = chosen[0]
    click.echo(_line(about))
    try:
        connection = debugger.connect(address)
    except OSError as error:
        raise click.ClickException(f"It does not wait any more: {error}") from error
    with connection:
        _talk(connection)


def _folders() -> set[Path]:
    """Return the folders that the sessions of this user have for it."""
    found = set()
    for session in sessions():
        for _, pid in session.processes()[:2]:
            found |= _folder_of(pid)
    if not SESSION_FOLDER.text():
        found.add(debugger.fallback_folder())
    return found


def _folder_of(pid: int) -> set[Path]:
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone
        return set()
    mark = f"{SESSION_FOLDER.variable}=".encode()
    values = [word.removeprefix(mark) for word in words if word.startswith(mark)]
    return {Path(os.fsdecode(value)) / "debug" for value in values if value}


def _line(about: debugger.Waiting) -> str:
    return f"{about.task}  pid {about.pid}  {about.place}  ({about.reason})"


def _talk(connection: socket.socket) -> None:
    """Pass lines on in both directions until either side has enough."""
    with selectors.PollSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        try:
            while True:
                for key, _ in selector.select():
                    if key.fileobj is connection:
                        data = connection.recv(65536)
                        if not data:
                            return
                        sys.stdout.buffer.write(data)
                        sys.stdout.buffer.flush()
                    elif typed := os.read(sys.stdin.fileno(), 65536):
                        connection.sendall(typed)
                    else:
                        selector.unregister(sys.stdin.fileno())
                        connection.shutdown(socket.SHUT_WR)
        except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
            return
