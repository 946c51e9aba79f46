"""The systems that are compared, by the name that the command line uses.

Modules are loaded only when asked for: a child that measures one system imports no other.
"""

import importlib
from dataclasses import dataclass

from systems.adapter import Adapter


@dataclass(frozen=True)
class System:
    """Where an adapter lives and how it is built."""

    title: str
    module: str
    class_name: str
    arguments: tuple[str, ...] = ()
    is_peer: bool = True
    """Counts when the best peer is looked for; the limit, the plain loop and pyray do not."""


SYSTEMS: dict[str, System] = {
    "pyray": System("pyray", "systems.raylike", "RayLike", ("pyray",), is_peer=False),
    "ray": System("Ray", "systems.raylike", "RayLike", ("ray",)),
    "ppe": System("ProcessPoolExecutor", "systems.executor", "ProcessPool"),
    "pool": System("mp.Pool", "systems.pool", "MultiprocessingPool"),
    "joblib": System("joblib/loky", "systems.joblib_loky", "JoblibLoky"),
    "gloo": System("torch gloo", "systems.gloo", "Gloo"),
    "serial": System("plain loop", "systems.serial", "Serial", is_peer=False),
    "limit": System("limit", "systems.limit", "Limit", is_peer=False),
}


def load(name: str) -> Adapter:
    """Build the adapter of one system; it is not started yet."""
    system = SYSTEMS[name]
    adapter: Adapter = getattr(importlib.import_module(system.module), system.class_name)(
        *system.arguments
    )
    return adapter
