"""cloudpickle under the name that Ray gives it: `ray.cloudpickle.dumps`."""

from __future__ import annotations

from typing import Any

import cloudpickle as _cloudpickle
from cloudpickle import (
    CloudPickler,
    Pickler,
    dump,
    dumps,
    load,
    loads,
    register_pickle_by_value,
    unregister_pickle_by_value,
)

__version__ = _cloudpickle.__version__

__all__ = [
    "CloudPickler",
    "Pickler",
    "dump",
    "dumps",
    "load",
    "loads",
    "register_pickle_by_value",
    "unregister_pickle_by_value",
]


def __getattr__(name: str) -> Any:
    """Return what else cloudpickle has."""
    return getattr(_cloudpickle, name)
