"""What the examples print: a table, a progress bar where somebody watches, sizes and times."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

T = TypeVar("T")
CONSOLE = Console(width=None if Console().is_terminal else 100)


def say(text: str) -> None:
    """Print a line or a paragraph."""
    CONSOLE.print(text, highlight=False)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; the first column holds names, the others numbers."""
    CONSOLE.print(f"\n[bold]{title}[/bold]", highlight=False)
    table = Table()
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    for row in rows:
        table.add_row(*row)
    CONSOLE.print(table)


def progress(items: Iterable[T], total: int, title: str) -> Iterator[T]:
    """Pass items on while a bar shows how many have come; without a terminal, only pass them on."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # Drawn when something comes, not by a thread: the pools fork this process.
    hidden = not CONSOLE.is_terminal
    with Progress(
        *columns, console=CONSOLE, auto_refresh=False, transient=True, disable=hidden
    ) as bar:
        task = bar.add_task(title, total=total)
        bar.refresh()
        for item in items:
            yield item
            bar.advance(task)
            bar.refresh()


def seconds(value: float) -> str:
    """Time, to a hundredth of a second."""
    return f"{value:.2f} s"


def megabytes(value: float) -> str:
    """Size, in millions of bytes."""
    return f"{value / 1e6:,.0f} MB"
