"""`pyray list` and `pyray get`."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from pyray.cli import formats
from pyray.cli.sessions import address_option, opened, quiet_pipe, timeout_option

RESOURCES = (
    "actors",
    "jobs",
    "nodes",
    "objects",
    "placement-groups",
    "runtime-envs",
    "tasks",
    "workers",
)
SINGLE = tuple(name for name in RESOURCES if name != "runtime-envs")


def parsed_filter(text: str) -> tuple[str, str, str]:
    """Return (column, predicate, value) of `column=value` or `column!=value`.

    Raises:
        click.BadParameter: If it is neither.
    """
    for predicate in ("!=", "="):
        column, found, value = text.partition(predicate)
        if found and column.strip() and value.strip():
            return column.strip(), predicate, value.strip()
    raise click.BadParameter(
        f"{text!r}: expected 'column=value' or 'column!=value'", param_hint="--filter"
    )


@click.command("list")
@click.argument("resource", type=click.Choice(RESOURCES))
@click.option("--format", "layout", type=click.Choice(formats.FORMATS), default="default")
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    metavar="COLUMN=VALUE",
    help="Only rows that pass, also COLUMN!=VALUE; several are all to be passed.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=100,
    show_default=True,
    help="At most so many rows, after filtering.",
)
@click.option("--detail", is_flag=True, help="All columns, as YAML unless --format says otherwise.")
@timeout_option
@address_option
@quiet_pipe
def list_(
    resource: str,
    layout: str,
    filters: tuple[str, ...],
    limit: int,
    detail: bool,  # noqa: FBT001  (click calls it by name)
    timeout: int,
    address: str | None,
) -> None:
    """List actors, tasks, objects and others of a session.

    Living and running things come first, then those that ended, the last ones first.
    """
    del timeout
    from pyray.observability import queries
    from pyray.observability.schemas import RayStateApiException

    session = opened(address)
    name = resource.replace("-", "_")
    wanted = [parsed_filter(text) for text in filters]
    try:
        answer = queries.query(session, name, wanted, limit, detail=detail)
    except RayStateApiException as error:
        raise click.ClickException(str(error)) from None
    for text in answer.warnings:
        click.echo(text, err=True)
    columns = queries.SCHEMAS[name].list_columns(detail)
    rows = [{column: row.get(column) for column in columns} for row in answer.rows]
    if layout == "default":
        layout = "yaml" if detail else "table"
    if layout == "table":
        _print_table(resource, columns, rows, answer.total)
    else:
        _print(rows, layout)


def _print(rows: Any, layout: str) -> None:
    sys.stdout.write((formats.as_json(rows) if layout == "json" else formats.as_yaml(rows)) + "\n")


def _print_table(resource: str, columns: list[str], rows: list[dict[str, Any]], total: int) -> None:
    if not rows:
        click.echo(f"No {resource}." if total == 0 else f"No {resource} pass the filters.")
        return
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    click.echo(f"======== List: {now} ========\nTotal: {total}, shown: {len(rows)}\n")
    sys.stdout.write(formats.as_table(columns, rows) + "\n")


@click.command()
@click.argument("resource", type=click.Choice(SINGLE))
@click.argument("id_", metavar="ID")
@click.option("--format", "layout", type=click.Choice(("yaml", "json")), default="yaml")
@timeout_option
@address_option
@quiet_pipe
def get(resource: str, id_: str, layout: str, timeout: int, address: str | None) -> None:
    """Show all that is known about the one thing with this ID."""
    del timeout
    from pyray.observability import queries

    found = queries.one_of(opened(address), resource.replace("-", "_"), id_)
    if not found:
        raise click.ClickException(f"Resource with id={id_} not found in the session.")
    _print([one.asdict() for one in found], layout)
