"""`pyray status`: what a session has, and what waits for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from pyray import _core
from pyray.core_engine import UNIT
from pyray.exceptions import RayError
from pyray.node import joining, session_folder
from pyray.node.joined_engine import JoinConfig, JoinedEngine

if TYPE_CHECKING:
    from pyray.node.session_folder import FoundSession

RULE = "-" * 62


@click.command()
@click.option("--address", metavar="SESSION", help="Only this one: its folder, or its id's start.")
def status(address: str | None) -> None:
    """Show the resources, workers and object store of sessions, and what waits for them."""
    try:
        found = session_folder.find() if address is None else [joining.session_at(address)]
    except ConnectionError as error:
        raise click.ClickException(str(error)) from error
    if not found:
        raise click.ClickException("There is no running session of this user.")
    for one in found:
        try:
            engine = JoinedEngine(JoinConfig(one, observes=True))
        except (ConnectionError, RayError) as error:
            raise click.ClickException(str(error)) from error
        try:
            click.echo("\n".join(_lines(one, engine)))
        finally:
            engine.shutdown()


def _lines(session: FoundSession, engine: JoinedEngine) -> list[str]:
    about = session.about
    kind = "head" if about.head else f"of the program with pid {about.driver_pid}"
    minutes = (time.time() - about.start_time) / 60
    return [
        f"======== {time.strftime('%Y-%m-%d %H:%M:%S')}: session {about.session_id} ========",
        f"{kind}, up {minutes:.1f} min, pyray {about.version}, Python {about.python_version}",
        session.path,
        RULE,
        *_workers(engine.engine_stats()),
        "",
        "Total Usage:",
        *(f" {line}" for line in _usage(engine)),
        "",
        "Pending Demands:",
        *(f" {line}" for line in _demands() or ["(no resource demands)"]),
        "",
    ]


def _workers(stats: dict[str, int]) -> list[str]:
    return [
        f"Workers: {stats['workers']} ({stats['idle']} idle, {stats['starting']} starting)",
        (
            f"Tasks: {stats['pending']} not finished, {stats['ready']} of them ready to run, "
            f"{stats['finished']} finished, {stats['failed']} failed"
        ),
    ]


def _usage(engine: JoinedEngine) -> list[str]:
    lines = []
    for name, (total, free) in sorted(engine.resources().items()):
        if name.startswith("node:"):
            continue
        if name in {"memory", "object_store_memory"}:
            lines.append(f"{_bytes(total - free)}/{_bytes(total)} {name}")
        else:
            lines.append(f"{total - free:g}/{total:g} {name}")
    return lines


def _bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f}{unit}" if unit == "B" else f"{size:.2f}{unit}"
        size /= 1024
    return f"{size:.2f}GiB"


def _demands() -> list[str]:
    texts: dict[str, Any] = {}
    for demand, count in _core.waiting_demands():
        text = str({name: amount / UNIT for name, amount in demand.items()})
        texts[text] = texts.get(text, 0) + count
    return [f"{text}: {count}+ pending tasks/actors" for text, count in texts.items()]
