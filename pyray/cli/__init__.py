"""The command `pyray`. Each command is a module here, added to `main` below."""

from __future__ import annotations

import click

from pyray.cli.doctor import doctor
from pyray.cli.stack import stack


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pyray")
def main() -> None:
    """Look at the pyray sessions of this user on this machine."""


main.add_command(doctor)
main.add_command(stack)
