"""Modules that Ray has beside its main names."""

from __future__ import annotations

import pytest

import pyray
from pyray.job_config import JobConfig


def test_modules_are_found_without_an_import() -> None:
    assert pyray.cloudpickle.loads(pyray.cloudpickle.dumps(lambda: 5))() == 5
    assert pyray.job_config.JobConfig is JobConfig
    assert pyray.util.ActorPool
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pyray.nothing


def test_job_config_gives_namespace_and_environment(ray_alone: None) -> None:
    del ray_alone
    pyray.shutdown()
    config = JobConfig(ray_namespace="mine", runtime_env={"env_vars": {"FROM_JOB": "yes"}})
    pyray.init(num_cpus=1, job_config=config)

    @pyray.remote
    def look() -> tuple[str | None, str]:
        import os

        return os.environ.get("FROM_JOB"), pyray.get_runtime_context().namespace

    assert pyray.get(look.remote()) == ("yes", "mine")


def test_job_config_refuses_what_ray_refuses() -> None:
    with pytest.raises(TypeError, match="code search path"):
        JobConfig(code_search_path="here")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="non_detached"):
        JobConfig(default_actor_lifetime="long")
    config = JobConfig(metadata={"a": "1"})
    config.set_metadata("b", "2")
    assert config.metadata == {"a": "1", "b": "2"}
