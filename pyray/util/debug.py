"""`log_once`: whether a message should be logged that would come again and again.

The state is this process's: another worker logs the message once as well.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Final

__all__ = ["disable_log_once_globally", "enable_periodic_logging", "log_once", "reset_log_once"]

PERIOD_S: Final = 60.0


@dataclasses.dataclass
class _Said:
    keys: set[str] = dataclasses.field(default_factory=set)
    is_disabled: bool = False
    is_periodic: bool = False
    since: float = 0.0


_said: Final = _Said()


def log_once(key: str) -> bool:
    """Return whether this is the first call with this key in this process.

    Example:
        >>> [log_once("careful"), log_once("careful")]
        [True, False]
    """
    if _said.is_disabled:
        return False
    now = time.monotonic()
    if _said.is_periodic and now - _said.since > PERIOD_S:
        _said.keys.clear()
        _said.since = now
    is_first = key not in _said.keys
    _said.keys.add(key)
    return is_first


def disable_log_once_globally() -> None:
    """Have `log_once` return False in this process from now on."""
    _said.is_disabled = True


def enable_periodic_logging() -> None:
    """Have `log_once` return True again for each key, about every 60 seconds."""
    _said.is_disabled, _said.is_periodic = False, True


def reset_log_once(key: str | None = None) -> None:
    """Forget that a key was seen; without a key, all of them."""
    if key is None:
        _said.keys.clear()
    else:
        _said.keys.discard(key)
