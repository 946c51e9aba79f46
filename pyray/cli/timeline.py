"""`pyray timeline`: a trace for Perfetto."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from pyray.cli.sessions import address_option, opened, quiet_pipe


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write; by default pyray-timeline-<time>.json in this directory.",
)
@address_option
@quiet_pipe
def timeline(output: Path | None, address: str | None) -> None:
    """Write what the tasks of a session did; open it in ui.perfetto.dev or chrome://tracing."""
    from pyray.observability.timeline import trace_of

    trace = trace_of(opened(address))
    path = output or Path(time.strftime("pyray-timeline-%Y-%m-%d_%H-%M-%S.json"))
    try:
        path.write_text(json.dumps(trace), "utf-8")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    click.echo(f"Trace of {len(trace)} events written to {path}")
