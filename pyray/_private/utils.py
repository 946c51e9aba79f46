"""`ray._private.utils`."""

from __future__ import annotations

from pyray.machine import cpu_count, memory_total

__all__ = ["get_num_cpus", "get_system_memory"]


def get_num_cpus() -> int:
    """Return how many CPUs this process may use, as `init` counts them."""
    return cpu_count()


def get_system_memory() -> int:
    """Return the bytes of memory that this machine, or the container, has."""
    return memory_total()
