"""`ray.util.pdb.set_trace()`: a breakpoint that works in tasks as well."""

from __future__ import annotations

import pdb as _pdb  # noqa: T100  (its purpose)
import sys

from pyray import runtime
from pyray.worker import debugger

__all__ = ["post_mortem", "set_trace"]


def set_trace(breakpoint_uuid: str | None = None) -> None:
    """Stop here: in a worker for `pyray debug`, elsewhere in this terminal."""
    del breakpoint_uuid
    frame = sys._getframe(1)  # noqa: SLF001  (as pdb does)
    if runtime.is_worker_process():
        debugger.set_trace(frame)
    else:
        _pdb.Pdb().set_trace(frame)


def post_mortem() -> None:
    """Stop where the exception that is being handled was raised."""
    error = sys.exception()
    if error is None:
        raise ValueError("post_mortem: no exception is being handled.")
    if runtime.is_worker_process():
        debugger.post_mortem(error)
    else:
        _pdb.post_mortem(error.__traceback__)
