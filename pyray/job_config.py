"""Jobs: what a program is told that runs as one, and `init(job_config=...)`."""

from __future__ import annotations

import json
from typing import Any

from pyray import settings
from pyray.runtime_env import merged, validated

LIFETIMES = ("detached", "non_detached")


class JobConfig:
    """Settings of a job. Of use here are `runtime_env` and `ray_namespace`.

    Arguments of `init` itself come before them. The others are kept and have no effect.

    Args:
        jvm_options: Kept.
        code_search_path: Kept.
        runtime_env: As `init(runtime_env=...)`.
        metadata: Kept.
        ray_namespace: As `init(namespace=...)`.
        default_actor_lifetime: Kept.

    Raises:
        TypeError: If `code_search_path` is no list.
        ValueError: If `default_actor_lifetime` is neither "detached" nor "non_detached".

    Example:
        >>> import pyray as ray
        >>> from pyray.job_config import JobConfig
        >>> with ray.init(num_cpus=1, job_config=JobConfig(ray_namespace="mine")):
        ...     ray.get_runtime_context().namespace
        'mine'
    """

    def __init__(  # noqa: PLR0913, PLR0917  (Ray's parameters)
        self,
        jvm_options: list[str] | None = None,
        code_search_path: list[str] | None = None,
        runtime_env: dict[str, Any] | None = None,
        _client_job: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
        metadata: dict[str, str] | None = None,
        ray_namespace: str | None = None,
        default_actor_lifetime: str = "non_detached",
        **private: Any,
    ) -> None:
        unknown = [name for name in private if not name.startswith("_")]
        if unknown:
            raise TypeError(f"JobConfig: unknown argument {unknown[0]!r}")
        if not isinstance(code_search_path, list | tuple | None):
            raise TypeError(f"The type of code search path is incorrect: {type(code_search_path)}")
        self.jvm_options = jvm_options or []
        self.code_search_path = list(code_search_path or [])
        self.metadata = dict(metadata or {})
        self.ray_namespace = ray_namespace
        self.set_runtime_env(runtime_env)
        self.set_default_actor_lifetime(default_actor_lifetime)

    def set_metadata(self, key: str, value: str) -> None:
        """Keep a value with the job."""
        self.metadata[key] = value

    def set_runtime_env(self, runtime_env: dict[str, Any] | None, validate: bool = False) -> None:  # noqa: FBT001, FBT002  (as in Ray)
        """Change what workers are set up with; `init` validates it anyhow."""
        if validate and runtime_env:
            validated(runtime_env)
        self.runtime_env = dict(runtime_env or {})

    def set_ray_namespace(self, ray_namespace: str) -> None:
        """Change the name space of named actors."""
        self.ray_namespace = ray_namespace

    def set_default_actor_lifetime(self, default_actor_lifetime: str) -> None:
        """Change the default lifetime of actors, which is kept only."""
        if default_actor_lifetime not in LIFETIMES:
            raise ValueError(
                "Default actor lifetime must be one of `detached`, `non_detached`, "
                f"got {default_actor_lifetime!r}"
            )
        self.default_actor_lifetime = default_actor_lifetime


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
