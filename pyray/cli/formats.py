"""How rows are printed: as a table, JSON or YAML."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import click

FORMATS = ("default", "table", "json", "yaml")
LINE = 80
ID_DIGITS = 16
"""Of an id, in a table that would be too wide; they name a thing within its session."""
LEAST_TELLING = (
    *("node_id", "func_or_class_name", "worker_id", "parent_task_id", "job_id", "ip", "labels"),
    *("task_status", "attempt_number", "is_head_node", "state_message", "call_site", "actor_id"),
    *("submission_id", "type", "creator_job_id"),
)
"""Columns that a narrow terminal can do without, the first ones first."""


def library(name: str, package: str) -> Any:
    """Import a library of the extra `cli`.

    Raises:
        click.ClickException: If it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise click.ClickException(
            f"This needs {package}: pip install 'pyray[cli]', or use --format json."
        ) from None


def as_json(rows: Any) -> str:
    """Return JSON."""
    return json.dumps(rows, default=str)


def as_yaml(rows: Any) -> str:
    """Return a YAML document."""
    yaml = library("yaml", "PyYAML")
    plain = json.loads(json.dumps(rows, default=str))
    text: str = yaml.safe_dump(plain, sort_keys=False, explicit_start=True, allow_unicode=True)
    return text.rstrip()


def width_of_output() -> int:
    """Return how wide lines may be: as the terminal, or any length for programs that read them."""
    if "COLUMNS" in os.environ or sys.stdout.isatty():
        return shutil.get_terminal_size((LINE, 24)).columns
    return 10_000


def as_table(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    """Return a table that fits the terminal.

    If it would be too wide, what all rows have in common goes above it, ids are cut, and the least
    telling columns are left out. Other programs get all of it, however wide.
    """
    width = width_of_output()
    texts = {column: [_cell(row.get(column)) for row in rows] for column in columns}
    if _wide(texts) <= width:
        return "\n".join(_aligned(texts))
    above = []
    for column in columns:
        if len(rows) > 1 and len(set(texts[column])) == 1:
            text = texts.pop(column)[0]
            above += [f"{column}: {text}"] if text != "-" else []
    texts = {column: [_short(column, text) for text in cells] for column, cells in texts.items()}
    gone = []
    for column in LEAST_TELLING:
        if _wide(texts) > width and column in texts and len(texts) > 1:
            gone.append(column)
            del texts[column]
    words = f"Left out: {', '.join(gone)} (--detail or --format json)"
    below = textwrap.wrap(words, width) if gone else []
    fits = _wide(texts) <= width
    return "\n".join([*above, *(_aligned(texts) if fits else _folded(texts, width)), *below])


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, dict | list):
        return json.dumps(value, default=str)
    if isinstance(value, float):
        return f"{value:.3f}"
    return str(value)


def _short(column: str, text: str) -> str:
    return text[:ID_DIGITS] if column.endswith("_id") and len(text) > ID_DIGITS else text


def _sizes(texts: dict[str, list[str]]) -> list[int]:
    return [max(len(text) for text in (column, *cells)) for column, cells in texts.items()]


def _wide(texts: dict[str, list[str]]) -> int:
    return sum(size + 2 for size in _sizes(texts)) - 2


def _lines(texts: dict[str, list[str]]) -> list[tuple[str, ...]]:
    return [tuple(column.upper() for column in texts), *zip(*texts.values(), strict=True)]


def _aligned(texts: dict[str, list[str]]) -> list[str]:
    sizes = _sizes(texts)
    return [
        "  ".join(text.ljust(size) for text, size in zip(line, sizes, strict=True)).rstrip()
        for line in _lines(texts)
    ]


def _folded(texts: dict[str, list[str]], width: int) -> list[str]:
    """Lay out with rich, which breaks cells into lines."""
    rich_table = library("rich.table", "rich")
    rich_text = library("rich.text", "rich")
    console = library("rich.console", "rich").Console(width=width, color_system=None)
    table = rich_table.Table(box=None, pad_edge=False, padding=(0, 1))
    heads, *body = _lines(texts)
    for head in heads:
        table.add_column(head, overflow="fold")
    for line in body:
        table.add_row(*(rich_text.Text(text) for text in line))
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().rstrip().splitlines()]
