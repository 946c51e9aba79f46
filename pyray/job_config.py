"""What a program is told that runs as a job: the runtime_env that it was submitted with."""

from __future__ import annotations

import json
from typing import Any

from pyray import settings
from pyray.runtime_env import merged


def within_job(runtime_env: dict[str, Any]) -> dict[str, Any]:
    """Return a program's own runtime_env within that of the job that it is part of, if it is.

    Raises:
        ValueError: If what the job says cannot be read.
    """
    text = settings.JOB_CONFIG.text()
    if not text:
        return runtime_env
    try:
        config = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{settings.JOB_CONFIG.variable}: no JSON: {error}") from error
    return merged(config.get("runtime_env") or {}, runtime_env)
