"""Defaults of compiled graphs."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import ClassVar


def _from_environment(name: str, default: float) -> float:
    """Return a number of the environment: `RAY_CGRAPH_<name>`."""
    return type(default)(os.environ.get(f"RAY_CGRAPH_{name}", default))


def _setting(name: str, default: float) -> float:
    made: float = field(default_factory=lambda: _from_environment(name, default))
    return made


@dataclass(slots=True)
class DAGContext:
    """Settings of compiled graphs, from the environment (`RAY_CGRAPH_<name>`) or set here.

    Args:
        submit_timeout: Seconds that `execute` waits at most for room.
        get_timeout: Seconds that `ray.get` of a result waits at most, if it is not told.
        teardown_timeout: Seconds that `teardown` waits at most for what still runs.
        read_iteration_timeout: Accepted; readers are woken, they do not look again and again.
        buffer_size_bytes: Accepted; a value takes the room that it needs.
        max_inflight_executions: So many executions may be under way.
        max_buffered_results: So many results may be there that nobody has fetched.
        overlap_gpu_communication: Accepted; there is no communication between GPUs.

    Example:
        >>> from pyray.dag import DAGContext
        >>> DAGContext.get_current().max_inflight_executions
        10
    """

    submit_timeout: float = _setting("submit_timeout", 10)
    get_timeout: float = _setting("get_timeout", 10)
    teardown_timeout: float = _setting("teardown_timeout", 30)
    read_iteration_timeout: float = _setting("read_iteration_timeout_s", 0.1)
    buffer_size_bytes: int = _setting("buffer_size_bytes", 1_000_000)  # type: ignore[assignment]
    max_inflight_executions: int = _setting("max_inflight_executions", 10)  # type: ignore[assignment]
    max_buffered_results: int = _setting("max_buffered_results", 1000)  # type: ignore[assignment]
    overlap_gpu_communication: bool = False

    _current: ClassVar[list[DAGContext]] = []

    def __post_init__(self) -> None:
        if self.read_iteration_timeout > self.get_timeout:
            raise ValueError(
                f"RAY_CGRAPH_read_iteration_timeout_s ({self.read_iteration_timeout}) must be less "
                f"than or equal to RAY_CGRAPH_get_timeout ({self.get_timeout})"
            )

    @staticmethod
    def get_current() -> DAGContext:
        """Return the settings of this process."""
        if not DAGContext._current:
            DAGContext._current.append(DAGContext())
        return DAGContext._current[0]
