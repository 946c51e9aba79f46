"""The engine of this process: set by `session` in a driver and by `worker_main` in a worker."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyray import _core
from pyray.exceptions import RaySystemError

if TYPE_CHECKING:
    from pyray.engine import Engine


@dataclass(slots=True)
class _Current:
    engine: Engine | None = None
    process_id: int = 0
    namespace: str = ""
    is_worker: bool = False
    start: Callable[[], object] | None = None  # how to make an engine when none is there


_current = _Current()


def engine() -> Engine:
    """Return the engine; a driver without a session gets one with default settings, as in Ray.

    Raises:
        RaySystemError: If there is none and none could be made.
    """
    if _current.engine is None and _current.start is not None:
        _current.start()
    if _current.engine is None:
        raise RaySystemError("pyray has not been started: call ray.init() first.")
    return _current.engine


def present() -> Engine | None:
    """Return the engine if there is one, also an inherited one of a parent process."""
    return _current.engine


def is_ours() -> bool:
    """Return whether there is an engine and it was not inherited through a fork."""
    return _current.engine is not None and _current.process_id == os.getpid()


def is_worker() -> bool:
    """Return whether this code runs in a worker, or in local mode in a task."""
    return _current.is_worker or _core.current_call.get() is not None


def is_worker_process() -> bool:
    """Return whether this process is a worker."""
    return _current.is_worker


def namespace() -> str:
    """Return the name space for named actors."""
    return _current.namespace


def set_namespace(namespace: str) -> None:
    """Make this the name space for named actors."""
    _current.namespace = namespace


def set_engine(engine_: Engine | None, *, namespace: str = "", is_worker: bool = False) -> None:
    """Make this the engine of the process, or none."""
    _current.engine = engine_
    _current.process_id = os.getpid()
    _current.namespace = namespace
    _current.is_worker = is_worker


def start_with(function: Callable[[], object]) -> None:
    """Have `function` called when an engine is needed and none is there."""
    _current.start = function
