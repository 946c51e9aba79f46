"""The command `pyray`. Each command is in a module here, and imported when it is used."""

from __future__ import annotations

import importlib
from typing import Any

import click

COMMANDS = {
    "debug": ("debug", "debug"),
    "doctor": ("doctor", "doctor"),
    "get": ("states", "get"),
    "job": ("job", "job"),
    "list": ("states", "list_"),
    "logs": ("logs", "logs"),
    "memory": ("memory", "memory"),
    "microbenchmark": ("microbenchmark", "microbenchmark"),
    "run": ("run", "run"),
    "stack": ("stack", "stack"),
    "start": ("start", "start"),
    "status": ("status", "status"),
    "stop": ("stop", "stop"),
    "summary": ("summary", "summary"),
    "timeline": ("timeline", "timeline"),
}
"""Command -> its module and its name in there."""


class Commands(click.Group):
    """Commands that are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, in order."""
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name, None if there is none."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, name = COMMANDS[cmd_name]
        command: Any = getattr(importlib.import_module(f"pyray.cli.{module}"), name)
        return command if isinstance(command, click.Command) else None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pyray")
def main() -> None:
    """Start sessions, run programs, and look at the sessions of this user on this machine."""
