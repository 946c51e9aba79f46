"""`pyray summary`: counts of tasks, actors and objects."""

from __future__ import annotations

import sys
from typing import Any

import click

from pyray.cli import formats
from pyray.cli.sessions import address_option, opened, quiet_pipe, timeout_option


@click.command()
@click.argument("resource", type=click.Choice(("tasks", "actors", "objects")))
@click.option("--format", "layout", type=click.Choice(formats.FORMATS), default="default")
@timeout_option
@address_option
@quiet_pipe
def summary(resource: str, layout: str, timeout: int, address: str | None) -> None:
    """Count tasks by name, actors by class, objects by where they were made.

    Tasks are counted exactly, however many the session has run.
    """
    del timeout
    from pyray.observability.queries import SUMMARIES

    found = SUMMARIES[resource](opened(address))
    if layout in {"json", "yaml"}:
        text = formats.as_json(found) if layout == "json" else formats.as_yaml(found)
        sys.stdout.write(text + "\n")
        return
    groups = found.pop("summary")
    for name, value in found.items():
        click.echo(f"{name}: {round(value, 3) if isinstance(value, float) else value}")
    rows = [_flat(key, group) for key, group in groups.items()]
    if resource == "objects":
        for row in rows:
            click.echo("")
            for name, value in row.items():
                click.echo(f"{name}: {round(value, 3) if isinstance(value, float) else value}")
    elif rows:
        columns = list(dict.fromkeys(column for row in rows for column in row))
        rows.sort(key=lambda row: -sum(v for v in row.values() if isinstance(v, int)))
        sys.stdout.write("\n" + formats.as_table(columns, rows) + "\n")


def _flat(key: str, group: dict[str, Any]) -> dict[str, Any]:
    """Return a group as one row: counts by state become columns."""
    row: dict[str, Any] = {}
    if "func_or_class_name" not in group and "class_name" not in group:
        row["call_site"] = key
    for name, value in group.items():
        if name == "task_attempt_number_counts":
            continue
        if isinstance(value, dict):
            row |= value
        else:
            row[name] = value
    return row
