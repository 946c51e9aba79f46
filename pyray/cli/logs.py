"""`pyray logs`: what workers have printed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

from pyray.cli.sessions import address_option, opened, quiet_pipe


class FilesByDefault(click.Group):
    """`pyray logs PATTERN` is `pyray logs cluster PATTERN`, as in Ray."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take what is no command as a pattern."""
        if args[0] not in self.commands:
            args = ["cluster", *args]
        return super().resolve_command(ctx, args)


def reading_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --tail and --follow."""
    function = click.option("-f", "--follow", is_flag=True, help="Go on when more is printed.")(
        function
    )
    return click.option(
        "--tail", type=int, default=-1, help="Only so many lines at the end; -1: all."
    )(function)


def err_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --err."""
    return click.option("--err", is_flag=True, help="Standard error instead of output.")(function)


@click.group(cls=FilesByDefault, invoke_without_command=True)
@click.pass_context
def logs(ctx: click.Context) -> None:
    """List the log files of a session, or print one: by name, actor, task or worker."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(cluster, pattern="*", tail=-1, follow=False, address=None)


@logs.command()
@click.argument("pattern", default="*")
@reading_options
@address_option
@quiet_pipe
def cluster(pattern: str, tail: int, follow: bool, address: str | None) -> None:  # noqa: FBT001
    """List the files that match PATTERN; print the file if it is one."""
    from pyray.observability import logs as log_reading

    session = opened(address)
    found = log_reading.log_files(session, pattern)
    names = [name for group in found.values() for name in group]
    if len(names) == 1:
        _print(log_reading.read_log(session, names[0], tail=tail, follow=follow))
        return
    if not names and pattern != "*":
        raise click.ClickException(f"There is no log file {pattern!r}.")
    for category, group in found.items():
        click.echo(f"{category}:")
        for name in group:
            click.echo(f"  {name}")


@logs.command()
@click.option("--id", "id_", required=True, metavar="ACTOR_ID")
@err_option
@reading_options
@address_option
@quiet_pipe
def actor(id_: str, err: bool, tail: int, follow: bool, address: str | None) -> None:  # noqa: FBT001
    """Print what the process of an actor has printed."""
    _print_of(address, tail, err=err, follow=follow, actor_id=id_)


@logs.command()
@click.option("--id", "id_", required=True, metavar="TASK_ID")
@click.option("-a", "--attempt-number", type=int, default=0)
@err_option
@reading_options
@address_option
@quiet_pipe
def task(
    id_: str,
    attempt_number: int,
    err: bool,  # noqa: FBT001  (click calls it by name)
    tail: int,
    follow: bool,  # noqa: FBT001
    address: str | None,
) -> None:
    """Print what the worker of a task has printed."""
    _print_of(address, tail, err=err, follow=follow, task_id=id_, attempt=attempt_number)


@logs.command()
@click.option("--pid", type=int, required=True)
@err_option
@reading_options
@address_option
@quiet_pipe
def worker(pid: int, err: bool, tail: int, follow: bool, address: str | None) -> None:  # noqa: FBT001
    """Print what a worker has printed."""
    _print_of(address, tail, err=err, follow=follow, pid=pid)


def _print_of(
    address: str | None,
    tail: int,
    *,
    err: bool,
    follow: bool,
    actor_id: str | None = None,
    task_id: str | None = None,
    attempt: int = 0,
    pid: int | None = None,
) -> None:
    from pyray.observability import logs as log_reading
    from pyray.observability import queries
    from pyray.observability.schemas import RayStateApiException

    session = opened(address)
    try:
        process = pid or queries.process_of(session, actor_id, task_id, attempt)
        name = log_reading.file_of_process(session, process, "err" if err else "out")
        _print(log_reading.read_log(session, name, tail=tail, follow=follow))
    except RayStateApiException as error:
        raise click.ClickException(str(error)) from None


def _print(pieces: Iterator[bytes]) -> None:
    for piece in pieces:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
