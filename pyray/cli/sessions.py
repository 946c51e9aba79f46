"""Which session a command is about."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from pyray import settings
from pyray.observability.stacks import Session as Processes
from pyray.observability.stacks import sessions

if TYPE_CHECKING:
    from pyray.observability.records import Session


def chosen(session_id: str | None) -> list[Processes]:
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


def address_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option --address, by which a command is told its session."""
    return click.option(
        "--address",
        metavar="ID",
        envvar=[settings.ADDRESS.variable, settings.RAY_ADDRESS.variable],
        help="The session: its folder or the start of its id; else the youngest of this user.",
    )(function)


def timeout_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add Ray's option --timeout."""
    return click.option(
        "--timeout",
        type=click.IntRange(min=1),
        default=30,
        help="Accepted: nothing that is asked here waits for anybody.",
    )(function)


def opened(address: str | None) -> Session:
    """Return the session to look at.

    Raises:
        click.ClickException: If there is none.
    """
    from pyray.observability.observed import own_or_other

    try:
        return own_or_other(address)
    except ConnectionError as error:
        raise click.ClickException(str(error)) from None


def quiet_pipe(function: Callable[..., Any]) -> Callable[..., Any]:
    """End without a word when the reader of the output has gone, as `head` does."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            result = function(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is flushed at exit
            raise click.exceptions.Exit(141) from None  # 128 + SIGPIPE
        return result

    return run
