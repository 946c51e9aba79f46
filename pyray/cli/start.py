"""`pyray start`: a session that lives without a program."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import click

from pyray.exceptions import RayError
from pyray.node import joining, session, session_folder
from pyray.node.local_engine import LocalEngine

PATIENCE_S = 20.0


@click.command()
@click.option("--head", is_flag=True, help="Needed: pyray has one machine, which is the head.")
@click.option("--num-cpus", type=float, help="CPUs that tasks share.")
@click.option("--num-gpus", type=float, help="GPUs to declare.")
@click.option("--resources", metavar="JSON", help="Further resources: '{\"name\": 1.0}'.")
@click.option("--labels", metavar="K=V,...", help="Labels of this machine.")
@click.option("--object-store-memory", type=int, metavar="BYTES", help="Size of the object store.")
@click.option(
    "--object-spilling-directory", metavar="PATH", help="Where objects go when it is full."
)
@click.option("--temp-dir", metavar="PATH", help="Where the session's folder goes.")
@click.option("--dashboard-host", metavar="HOST", help="Where its server listens, if it has one.")
@click.option("--dashboard-port", type=int, metavar="PORT", help="And at which port.")
@click.option("--metrics-export-port", type=int, metavar="PORT", help="Show metrics there.")
@click.option("--block", is_flag=True, help="Stay until the session ends; Ctrl-C ends it.")
def start(head: bool, block: bool, **options: Any) -> None:  # noqa: FBT001  (click's way)
    """Start a session that lives until `pyray stop`; programs join it with ray.init()."""
    if not head:
        raise click.UsageError("Say --head: pyray works on one machine, and its session is a head.")
    for name in ("dashboard_host", "dashboard_port", "metrics_export_port"):
        if (value := options.pop(name)) is not None:
            os.environ[f"PYRAY_{name.upper()}"] = str(value)
    running = [one for one in session_folder.find() if one.about.head]
    if running and options["temp_dir"] is None:
        raise click.ClickException(
            f"A session runs already: {running[0].path}\nStop it first, with `pyray stop`."
        )
    engine = _started(options)
    path = engine.folder.path
    _say(engine, path)
    if block:
        _stay(engine)


def _started(options: dict[str, Any]) -> LocalEngine:
    others = {
        "object_spilling_directory": options.pop("object_spilling_directory"),
        "_temp_dir": options.pop("temp_dir"),
    }
    try:
        options["resources"] = _resources(options["resources"])
        options["labels"] = _labels(options["labels"])
        config = session.machine_config(options, others)
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    config.head = True
    config.preload = ["cloudpickle", "numpy"]
    try:
        engine = LocalEngine(config)
    except (RayError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    try:
        _wait_until_it_answers(engine)
    except BaseException:
        engine.shutdown()
        raise
    return engine


def _wait_until_it_answers(engine: LocalEngine) -> None:
    try:
        joining.ask(engine.folder.path, {"wants": "hello"}).close()
    except ConnectionError as error:
        raise click.ClickException(f"The session did not come up: {error}") from error


def _resources(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"--resources: expected JSON, got {text!r}: {error}") from error
    if not isinstance(found, dict):
        raise TypeError(f"--resources: expected an object in JSON, got {text!r}")
    return found


def _labels(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    if bad := [name for name, equals, _ in pairs if not equals or not name]:
        raise ValueError(f"--labels: expected NAME=VALUE, got {bad[0]!r}")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _say(engine: LocalEngine, path: str) -> None:
    resources = engine.resources()
    gigabytes = resources["object_store_memory"][0] / (1 << 30)
    click.echo(f"Session {Path(path).name} has started.")
    click.echo(f"  {resources['CPU'][0]:g} CPUs, {gigabytes:.2f} GiB of object store")
    click.echo(f"  folder: {path}")
    click.echo('Programs join it with ray.init() or ray.init(address="auto").')
    click.echo("`pyray status` shows it, `pyray stop` stops it.")


def _stay(engine: LocalEngine) -> None:
    """Wait until the session ends; end it when this program is told to end."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    started = time.monotonic()
    try:
        joining.wait_for_end(engine.supervisor_handle, None)
    except KeyboardInterrupt:
        click.echo("Stopping the session.", err=True)
        engine.shutdown()
        return
    raise click.ClickException(f"The session has ended after {time.monotonic() - started:.0f} s.")
