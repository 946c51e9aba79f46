"""`pyray doctor`: whether this machine has what pyray needs."""

from __future__ import annotations

import dataclasses
import json
import textwrap

import click

from pyray.observability.doctor import Finding, examine

MARKS = {"fine": "ok", "note": "note", "problem": "PROBLEM"}
WIDTH = 80


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    help="For people, or for programs.",
)
def doctor(form: str) -> None:
    """Check memory, limits, kernel, folders and settings, and say what to do.

    Exits with 1 if something keeps pyray from working, else with 0.
    """
    findings = examine()
    if form == "json":
        click.echo(json.dumps([dataclasses.asdict(one) for one in findings], indent=2))
    else:
        click.echo("\n".join(line for one in findings for line in lines_of(one)))
    if any(one.level == "problem" for one in findings):
        raise SystemExit(1)


def lines_of(finding: Finding) -> list[str]:
    """Return a finding as lines of at most 80 columns."""
    first = textwrap.wrap(
        f"{MARKS[finding.level]:<8}{finding.name}: {finding.found}",
        WIDTH,
        subsequent_indent=" " * 8,
        break_on_hyphens=False,
    )
    advice = textwrap.wrap(finding.advice, WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return [*first, *advice]
