"""What Ray calls experimental."""

import importlib as _importlib
from typing import Any as _Any

from pyray.absent import reason as _reason


def __getattr__(name: str) -> _Any:
    """Import a module when it is asked for first; say why there is no such name."""
    if name == "tqdm_ray":
        return _importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(_reason(f"experimental.{name}"))
