"""GPUs of a process: which it may use, and how libraries are told."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

VARIABLE = "CUDA_VISIBLE_DEVICES"
MOST = 64
"""So many GPUs can be declared."""
_DRIVER_LISTS = "/proc/driver/nvidia/gpus"


def visible() -> list[str] | None:
    """Return the ids that CUDA_VISIBLE_DEVICES names, as given; None if it is not set.

    Example:
        >>> os.environ["CUDA_VISIBLE_DEVICES"] = "2,3"
        >>> visible()
        ['2', '3']
        >>> del os.environ["CUDA_VISIBLE_DEVICES"]
    """
    text = os.environ.get(VARIABLE)
    if text is None:
        return None
    return [name.strip() for name in text.split(",") if name.strip() not in {"", "NoDevFiles"}]


def count() -> int:
    """Return how many GPUs there are for this process."""
    names = visible()
    if names is not None:
        return len(names)
    try:
        return len(list(Path(_DRIVER_LISTS).iterdir()))
    except OSError:
        return 0


class Assignment:
    """The GPUs that the current task may use, shown to libraries by CUDA_VISIBLE_DEVICES."""

    def __init__(self) -> None:
        self.names = visible()
        self.assigned: list[str] = []

    def show(self, numbers: Sequence[int]) -> None:
        """Let the code that runs next see the GPUs with these numbers, counted from 0, only."""
        self.assigned = [self._name(number) for number in numbers]
        os.environ[VARIABLE] = ",".join(self.assigned)

    def _name(self, number: int) -> str:
        if self.names is None or number >= len(self.names):
            return str(number)
        return self.names[number]


_assignment: Assignment | None = None


def assign(numbers: Sequence[int]) -> None:
    """Show a task its GPUs; the worker's first call notes what was visible before."""
    global _assignment  # noqa: PLW0603  (a process has one environment)
    if _assignment is None:
        _assignment = Assignment()
    _assignment.show(numbers)


def assigned() -> list[str]:
    """Return the ids of the GPUs that the current task or actor has."""
    return list(_assignment.assigned) if _assignment is not None else []
