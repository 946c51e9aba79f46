"""`pyray memory`: every object, and who keeps it."""

from __future__ import annotations

import dataclasses
import sys

import click

from pyray.cli import formats
from pyray.cli.sessions import address_option, opened, quiet_pipe
from pyray.observability.memory import (
    GROUPS,
    SORTS,
    UNITS,
    MemoryOptions,
    memory_text,
    object_reports,
)


def _choice(names: tuple[str, ...]) -> click.Choice[str]:
    return click.Choice(names, case_sensitive=False)


@click.command()
@click.option(
    "--group-by",
    type=_choice(GROUPS),
    default="NODE_ADDRESS",
    help="STACK_TRACE: by where objects were made.",
)
@click.option("--sort-by", type=_choice(SORTS), default="OBJECT_SIZE")
@click.option("--units", type=_choice(tuple(UNITS)), default="B")
@click.option(
    "-n",
    "--num-entries",
    "--n",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="So many objects of each group.",
)
@click.option("--stats-only", is_flag=True, help="Only the totals.")
@click.option("--no-format", is_flag=True, help="Accepted: lines fit 80 columns.")
@click.option("--format", "layout", type=click.Choice(("default", "json")), default="default")
@address_option
@quiet_pipe
def memory(
    group_by: str,
    sort_by: str,
    units: str,
    num_entries: int,
    stats_only: bool,  # noqa: FBT001  (click calls it by name)
    no_format: bool,  # noqa: FBT001
    layout: str,
    address: str | None,
) -> None:
    """Print each object with its size, age and holders: processes, tasks, other objects."""
    del no_format
    session = opened(address)
    if layout == "json":
        text = formats.as_json([dataclasses.asdict(one) for one in object_reports(session)])
    else:
        options = MemoryOptions(group_by, sort_by, units, num_entries, stats_only)
        text = memory_text(session, options)
    sys.stdout.write(text + "\n")
