"""`python -m pyray` does the same as the command `pyray`."""

from pyray.cli import main

if __name__ == "__main__":
    main(prog_name="pyray")
