"""Defaults of compiled graphs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pyray import settings


def _number(setting: settings.Number) -> float:
    made: float = field(default_factory=setting.value)
    return made


def _integer(setting: settings.Number) -> int:
    made: int = field(default_factory=setting.integer)
    return made


@dataclass(slots=True)
class DAGContext:
    """Settings of compiled graphs, from the environment or set here.

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

    submit_timeout: float = _number(settings.GRAPH_SUBMIT_TIMEOUT)
    get_timeout: float = _number(settings.GRAPH_GET_TIMEOUT)
    teardown_timeout: float = _number(settings.GRAPH_TEARDOWN_TIMEOUT)
    read_iteration_timeout: float = _number(settings.GRAPH_READ_ITERATION_TIMEOUT)
    buffer_size_bytes: int = _integer(settings.GRAPH_BUFFER_SIZE)
    max_inflight_executions: int = _integer(settings.GRAPH_MAX_INFLIGHT_EXECUTIONS)
    max_buffered_results: int = _integer(settings.GRAPH_MAX_BUFFERED_RESULTS)
    overlap_gpu_communication: bool = False

    _current: ClassVar[list[DAGContext]] = []

    def __post_init__(self) -> None:
        if self.read_iteration_timeout > self.get_timeout:
            raise ValueError(
                f"{settings.GRAPH_READ_ITERATION_TIMEOUT.variable} ({self.read_iteration_timeout}) "
                "must be less than or equal to "
                f"{settings.GRAPH_GET_TIMEOUT.variable} ({self.get_timeout})"
            )

    @staticmethod
    def get_current() -> DAGContext:
        """Return the settings of this process."""
        if not DAGContext._current:
            DAGContext._current.append(DAGContext())
        return DAGContext._current[0]
