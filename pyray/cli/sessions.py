"""Which session a command is about."""

from __future__ import annotations

import click

from pyray.stacks import Session, sessions


def chosen(session_id: str | None) -> list[Session]:
    """Return the sessions that a command is about: the one named, or all of this user.

    Args:
        session_id: The beginning of an id, or None.

    Raises:
        click.ClickException: If there is none.
    """
    found = [one for one in sessions() if one.id.startswith(session_id or "")]
    if found:
        return found
    named = f" whose id begins with {session_id}" if session_id else ""
    raise click.ClickException(f"There is no running session of this user{named}.")
