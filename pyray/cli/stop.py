"""`pyray stop`: the end of sessions, by handle and never by name."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyray.node import joining, private_folders, session_folder
from pyray.observability.stacks import SUPERVISOR_NAME, command, session_id_of

if TYPE_CHECKING:
    from pyray.node.session_folder import FoundSession

GRACE_S = 5.0


@click.command()
@click.option("--address", metavar="SESSION", help="Only this one: its folder, or its id's start.")
@click.option("--force", is_flag=True, help="Kill at once what does not end by itself.")
def stop(address: str | None, force: bool) -> None:  # noqa: FBT001  (click's way)
    """Stop the sessions of this user that `pyray start` has started.

    Sessions of programs end with their programs; with --address they can be stopped, too.
    """
    if address is None:
        sessions = [one for one in session_folder.find() if one.about.head]
    else:
        try:
            sessions = [joining.session_at(address)]
        except ConnectionError as error:
            raise click.ClickException(str(error)) from error
    if not sessions:
        click.echo("No session of `pyray start` runs.", err=True)
        return
    failed = [one for one in sessions if not _stopped(one, force=force)]
    for one in sessions:
        if one not in failed:
            click.echo(f"Stopped {Path(one.path).name}.")
    for one in failed:
        click.echo(f"{one.path} does not end. Try `pyray stop --force`.", err=True)
    if failed:
        sys.exit(1)


def _stopped(session: FoundSession, *, force: bool) -> bool:
    """End one session; return whether it has ended."""
    handle = _handle(session, force=force)
    if handle is None:
        return False
    try:
        if force:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        ended = joining.wait_for_end(handle, GRACE_S)
    finally:
        os.close(handle)
    if ended:
        with contextlib.suppress(OSError):  # what a killed one has left
            private_folders.living(Path(session.path).parent, session_folder.PREFIX)
    return ended


def _handle(session: FoundSession, *, force: bool) -> int | None:
    """Return a pidfd of the supervisor: from itself, asked to stop, or found by its description."""
    if not force:
        try:
            answer = joining.ask(session.path, {"wants": "stop"})
        except ConnectionError as error:
            click.echo(str(error), err=True)
            return None
        answer.line.close()
        return answer.descriptors[0]
    pid = session.about.supervisor_pid
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return None
    if command(pid) == SUPERVISOR_NAME and session_id_of(pid) == session.about.session_id:
        return handle
    os.close(handle)  # another process has its id by now
    return None
