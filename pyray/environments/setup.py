"""The two ends of a runtime_env: described where a task is submitted, entered by its worker."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pyray.environments import cache, packages
from pyray.exceptions import RuntimeEnvSetupError

DEFAULT_TIMEOUT_S = 600


def _module_folder(module: str | Path | ModuleType, excludes: list[str]) -> str:
    """Return a folder that, on sys.path, makes a module of `py_modules` importable."""
    if isinstance(module, ModuleType):
        file = getattr(module, "__file__", None)
        path = Path(file) if file else Path(next(iter(module.__path__)))
        path = path.parent if path.name == "__init__.py" else path
    else:
        path = Path(module).resolve()
    if path.is_dir():
        return str(cache.folder_copy(path, excludes, path.name))
    if path.suffix == ".zip":
        return str(cache.unpacked(path))
    return str(cache.file_copy(path))


def _working_folder(path: Path, excludes: list[str]) -> str:
    if path.is_file():
        return str(cache.unpacked(path))
    return str(cache.folder_copy(path, excludes))


def describe(env: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a worker needs to know: texts, numbers and bytes only; copies are made here.

    Args:
        env: A validated runtime_env.
    """
    excludes = list(env.get("excludes", []))
    modules = list(env.get("py_modules", []))
    wheels = [str(Path(one).resolve()) for one in modules if str(one).endswith(".whl")]
    described: dict[str, Any] = {
        "env_vars": dict(env.get("env_vars", {})),
        "modules": [
            _module_folder(one, excludes) for one in modules if not str(one).endswith(".whl")
        ],
        "timeout": env.get("config", {}).get("setup_timeout_seconds", DEFAULT_TIMEOUT_S),
        "installs": [],
    }
    if "working_dir" in env:
        described["working_dir"] = _working_folder(Path(env["working_dir"]).resolve(), excludes)
    for tool in ("pip", "uv"):
        if tool in env:
            described["installs"].append((tool, *packages.requirements_of(env[tool])))
    if wheels:
        described["installs"].append(("pip", wheels, ["--no-deps"]))
    hook = env.get("worker_process_setup_hook")
    if hook is not None:
        described["hook"] = hook if isinstance(hook, str) else _pickled(hook)
    return described


def _pickled(hook: Any) -> bytes:
    import cloudpickle

    return bytes(cloudpickle.dumps(hook))


def digest_of(described: Mapping[str, Any]) -> bytes:
    """Return 16 bytes that name an environment by its content."""
    text = json.dumps(described, sort_keys=True, default=bytes.hex)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def enter(described: Mapping[str, Any]) -> None:
    """Make this process one of the environment.

    Raises:
        RuntimeEnvSetupError: If that fails; it says why.
    """
    try:
        _enter(described)
    except RuntimeEnvSetupError:
        raise
    except Exception as error:
        raise RuntimeEnvSetupError(f"{type(error).__name__}: {error}") from error


def _enter(described: Mapping[str, Any]) -> None:
    for name, text in described["env_vars"].items():
        os.environ[name] = _expanded(text)
    timeout = described["timeout"]
    folders = [
        str(packages.installed(tool, requirements, options, None if timeout == -1 else timeout))
        for tool, requirements, options in described["installs"]
    ]
    _refuse_other_versions(described["installs"], folders)
    folders = [*described["modules"], *folders]
    if "working_dir" in described:
        os.chdir(described["working_dir"])
        folders.insert(0, described["working_dir"])
    sys.path[:0] = folders
    importlib.invalidate_caches()
    if "hook" in described:
        _call(described["hook"])


def _refuse_other_versions(installs: list[Any], folders: list[str]) -> None:
    """A worker starts with numpy loaded where the driver uses it: no other version can follow."""
    numpy = sys.modules.get("numpy")
    asked = [one for _, requirements, _ in installs for one in requirements]
    if numpy is None or not any(re.match(r"numpy\b", one) for one in asked):
        return
    for folder in folders:
        for found in Path(folder).glob("numpy-*.dist-info"):
            version = found.name.removeprefix("numpy-").removesuffix(".dist-info")
            if version != numpy.__version__:
                raise RuntimeEnvSetupError(
                    f"runtime_env asks for numpy {version}, but the driver uses numpy "
                    f"{numpy.__version__}, and its workers begin with that."
                )


def _expanded(text: str) -> str:
    """Return a text with ${NAME} replaced by that variable."""
    return re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], ""), text)


def _call(hook: str | bytes) -> None:
    if isinstance(hook, bytes):
        import cloudpickle

        function = cloudpickle.loads(hook)
    else:
        module, _, name = hook.rpartition(".")
        function = getattr(importlib.import_module(module), name)
    try:
        function()
    except BaseException as error:
        raise RuntimeEnvSetupError(
            f"The worker_process_setup_hook raised {type(error).__name__}: {error}"
        ) from error
