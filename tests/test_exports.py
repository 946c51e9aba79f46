"""The public names: complete, documented, and known as pyray's own wherever they were written."""

from __future__ import annotations

import inspect
import pickle
import types
from typing import Any

import pytest

import pyray
from pyray import exceptions

PUBLIC = {name: getattr(pyray, name) for name in pyray.__all__}
CALLABLE = {name: member for name, member in PUBLIC.items() if callable(member)}
EXCEPTIONS = {name: getattr(exceptions, name) for name in exceptions.__all__}
SIGNATURES = {
    "available_resources": "()",
    "cancel": "(ray_waitable, *, force=False, recursive=True)",
    "client": "(address=None, _deprecation_warn_enabled=True)",
    "cluster_resources": "()",
    "cpp_function": "(function_name)",
    "create_array": "(shape, dtype=<class 'float'>, order='C')",
    "seal": "(array)",
    "get": "(object_refs, *, timeout=None, _tensor_transport=None)",
    "get_actor": "(name, namespace=None)",
    "get_gpu_ids": "()",
    "get_runtime_context": "()",
    "install_as_ray": "()",
    "is_initialized": "()",
    "java_actor_class": "(class_name)",
    "java_function": "(class_name, function_name)",
    "kill": "(actor, *, no_restart=True)",
    "method": "(*args, **kwargs)",
    "nodes": "()",
    "put": "(value, *, _owner=None, _tensor_transport='object_store')",
    "remote": "(*args, **kwargs)",
    "shutdown": "(_exiting_interpreter=False)",
    "timeline": "(filename=None)",
    "wait": "(ray_waitables, *, num_returns=1, timeout=None, fetch_local=True)",
}
"""Ray's, so that calls by keyword work as they are; `init` is below."""

INIT = (
    *("address", "num_cpus", "num_gpus", "resources", "labels", "object_store_memory"),
    *("local_mode", "ignore_reinit_error", "include_dashboard", "dashboard_host"),
    *("dashboard_port", "job_config", "configure_logging", "logging_level", "logging_format"),
    *("logging_config", "log_to_driver", "namespace", "runtime_env", "enable_resource_isolation"),
    *("system_reserved_cpu", "system_reserved_memory", "kwargs"),
)


def without_types(function: Any) -> str:
    """Return the signature of a function, bare of annotations."""
    signature = inspect.signature(function)
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


@pytest.mark.parametrize("module", [pyray, exceptions], ids=lambda module: module.__name__)
def test_all_is_complete(module: types.ModuleType) -> None:
    assert len(set(module.__all__)) == len(module.__all__)
    own = {
        name
        for name, member in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(member) or inspect.isfunction(member))
        and member.__module__ == module.__name__
    }
    assert own <= set(module.__all__)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_name_is_documented(name: str) -> None:
    assert inspect.getdoc(PUBLIC[name])


@pytest.mark.parametrize("name", sorted(EXCEPTIONS))
def test_exception_is_known_under_its_public_name(name: str) -> None:
    kind = EXCEPTIONS[name]
    assert kind.__module__ == "pyray.exceptions"
    assert inspect.getdoc(kind)
    assert pickle.loads(pickle.dumps(kind)) is kind


@pytest.mark.parametrize("name", sorted(CALLABLE))
def test_class_or_function_is_known_under_its_public_name(name: str) -> None:
    member = CALLABLE[name]
    home = "pyray.actor" if name == "ActorHandle" else "pyray"  # as in Ray
    assert (member.__module__, member.__qualname__) == (home, name)
    assert pickle.loads(pickle.dumps(member)) is member


@pytest.mark.parametrize("name", sorted(CALLABLE))
def test_function_has_the_signature_that_programs_use(name: str) -> None:
    if inspect.isclass(CALLABLE[name]):
        return
    if name == "init":
        parameters = inspect.signature(pyray.init).parameters
        assert tuple(parameters) == INIT
        kinds = [parameter.kind for parameter in parameters.values()]
        assert kinds[0] is inspect.Parameter.POSITIONAL_OR_KEYWORD
        assert set(kinds[1:-1]) == {inspect.Parameter.KEYWORD_ONLY}
    else:
        assert without_types(CALLABLE[name]) == SIGNATURES[name]
