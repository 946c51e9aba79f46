"""Breakpoints in tasks, under Ray's older name; see `pyray.util.pdb`."""

from pyray.util.pdb import post_mortem, set_trace

__all__ = ["post_mortem", "set_trace"]
