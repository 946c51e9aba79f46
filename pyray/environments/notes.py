"""What the environments of a session's workers are, in JSON, for those who look at it from outside.

The tables know an environment by number; what it is lies pickled in the store, which an observer
must not load. Whoever makes one writes it down in the session's folder, in one rename: a process
that is killed leaves the old note, or none, and all notes go with the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = "runtime_envs"
FIRST = 0
"""Number of the environment that `init` gave the session's own driver."""


def write(session_folder: str, number: int, env: Mapping[str, Any]) -> None:
    """Note an environment; without a folder, or room on the disk, it is not noted.

    Args:
        session_folder: The session's; "": it has none.
        number: That of the environment.
        env: A validated runtime_env; what JSON has no word for, a function, is noted by name.
    """
    if not session_folder:
        return
    place = Path(session_folder) / FOLDER
    new = place / f"{number}.{os.getpid()}"
    with contextlib.suppress(OSError):
        place.mkdir(mode=0o700, exist_ok=True)
        new.write_text(json.dumps(env, default=_name_of), "utf-8")
        new.rename(_path(session_folder, number))


def read(session_folder: str | Path, number: int) -> dict[str, Any] | None:
    """Return an environment; None if it was not noted."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(_path(session_folder, number).read_text("utf-8"))
        return found if isinstance(found, dict) else None
    return None


def _path(session_folder: str | Path, number: int) -> Path:
    return Path(session_folder) / FOLDER / f"{number}.json"


def _name_of(value: object) -> str:
    return str(getattr(value, "__qualname__", value))
