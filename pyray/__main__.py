"""`python -m pyray` does the same as the command `pyray`."""

from pyray.cli import main

main(prog_name="pyray")
