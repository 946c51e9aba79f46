"""`pyray stack`: where all processes of a session are in their Python code."""

from __future__ import annotations

import click

from pyray.cli.sessions import chosen
from pyray.observability.stacks import command, stack_of


@click.command()
@click.option("--session", "session_id", metavar="ID", help="Only this session.")
@click.option("--pid", "pids", type=int, multiple=True, help="Only this process; may be repeated.")
def stack(session_id: str | None, pids: tuple[int, ...]) -> None:
    """Print the Python stacks of all processes of the sessions of this user.

    Needs no rights beyond being the same user, and works while a process holds the GIL or sleeps in
    C code.
    """
    for session in chosen(session_id):
        click.echo(f"session {session.id}")
        for role, pid in session.processes():
            if pids and pid not in pids:
                continue
            click.echo(f"\n{role}, pid {pid} ({command(pid) or 'gone'})")
            click.echo("\n".join(f"  {line}" for line in stack_of(pid).splitlines()))
        click.echo()
