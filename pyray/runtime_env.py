"""`runtime_env`: what a worker is set up with before it runs a task."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Self

__all__ = ["RuntimeEnv", "RuntimeEnvConfig"]

INSTEAD: Final = {
    "conda": "'pip' or 'uv'",
    "container": "'pip' or 'uv'",
    "image_uri": "'pip' or 'uv'",
    "java_jars": "'py_modules'",
    "nsight": "'env_vars' and 'worker_process_setup_hook'",
    "rocprof_sys": "'env_vars' and 'worker_process_setup_hook'",
    "py_executable": "'pip' or 'uv'",
    "mpi": "tasks that start it",
}
"""Fields of Ray's that are not offered, and what to use."""


def _text_pairs(name: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"runtime_env['{name}'] must be of type Dict[str, str], got {type(value)}")
    for key, text in value.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(
                f"runtime_env['{name}'] must be of type Dict[str, str], but has {key!r}: {text!r} "
                f"of type {type(text)}"
            )


def _no_uri(name: str, path: str) -> None:
    scheme, found, _ = path.partition("://")
    if found and scheme.isalnum():
        raise ValueError(
            f"runtime_env['{name}']: {path!r} is on another machine; name a folder or a .zip file "
            "of this one."
        )


def _working_dir(name: str, value: Any) -> None:
    if not isinstance(value, str | Path):
        raise TypeError(
            f"`{name}` must be a string (either a local path or URI), got {type(value)}"
        )
    _no_uri(name, str(value))
    if not (Path(value).is_dir() or (Path(value).is_file() and Path(value).suffix == ".zip")):
        raise ValueError(
            f"runtime_env['{name}']: directory {str(value)!r} must be an existing "
            "directory or a .zip file"
        )


def _modules(name: str, value: Any) -> None:
    if not isinstance(value, list):
        raise TypeError(
            f"`{name}` must be a list of strings, local paths or modules, got {type(value)}"
        )
    for module in value:
        if isinstance(module, ModuleType):
            continue
        if not isinstance(module, str | Path):
            raise TypeError(
                f"`{name}` must be a list of file paths, URIs, or imported modules, "
                f"got {type(module)}"
            )
        _no_uri(name, str(module))
        if not Path(module).exists():
            raise ValueError(f"runtime_env['{name}']: {str(module)!r} does not exist")


def _texts(name: str, value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TypeError(f"runtime_env['{name}'] must be a list of strings, got {value!r}")


PACKAGE_FIELDS: Final = {
    "pip": {"packages", "pip_check", "pip_version", "pip_install_options"},
    "uv": {"packages", "uv_check", "uv_version", "uv_pip_install_options"},
}


def _packages(name: str, value: Any) -> None:
    if isinstance(value, str | Path):
        if not Path(value).is_file():
            raise ValueError(
                f"{value} is not a valid file: runtime_env['{name}'] is a list of "
                "requirements, or the name of a file of them"
            )
        return
    if isinstance(value, Mapping):
        if unknown := set(value) - PACKAGE_FIELDS[name]:
            raise ValueError(
                f"runtime_env['{name}'] can only have {sorted(PACKAGE_FIELDS[name])}, "
                f"got {sorted(unknown)}"
            )
        if "packages" not in value:
            raise ValueError(f"runtime_env['{name}'] must include 'packages', got {dict(value)!r}")
        if isinstance(value["packages"], str):
            _packages(name, value["packages"])
            return
        value = value["packages"]
    _texts(name, value)


def _hook(name: str, value: Any) -> None:
    if not callable(value) and not isinstance(value, str):
        raise TypeError(
            f"runtime_env['{name}'] must be a function or the name of one, got {type(value)}"
        )


def _config(name: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"runtime_env['{name}'] must be a dictionary, got {type(value)}")
    timeout = value.get("setup_timeout_seconds", 1)
    if not isinstance(timeout, int):
        raise TypeError(f"setup_timeout_seconds must be of type int, got: {type(timeout)}")
    if timeout <= 0 and timeout != -1:
        raise ValueError(
            f"setup_timeout_seconds must be greater than zero or equal to -1, got: {timeout!r}"
        )


FIELDS: Final[dict[str, Callable[[str, Any], None]]] = {
    "env_vars": _text_pairs,
    "working_dir": _working_dir,
    "py_modules": _modules,
    "excludes": _texts,
    "pip": _packages,
    "uv": _packages,
    "config": _config,
    "worker_process_setup_hook": _hook,
}
"""What a runtime_env can have; each function complains about a wrong value."""


def validated(env: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a runtime_env after checking each field; fields that are None are left out.

    Raises:
        ValueError: If a field is unknown or not offered, or names what is not there.
        TypeError: If a field has the wrong type.

    Example:
        >>> validated({"env_vars": {"A": "1"}, "pip": None})
        {'env_vars': {'A': '1'}}
    """
    if not isinstance(env, Mapping):
        raise TypeError(f"runtime_env must be a dictionary or a RuntimeEnv, got {type(env)}")
    given = {name: value for name, value in env.items() if value is not None}
    for name, value in given.items():
        if name in INSTEAD:
            raise ValueError(
                f"runtime_env: '{name}' is not available in this version of pyray; use "
                f"{INSTEAD[name]}."
            )
        if name not in FIELDS:
            raise ValueError(f"runtime_env: unknown field {name!r}; there are {list(FIELDS)}.")
        FIELDS[name](name, value)
    if "pip" in given and "uv" in given:
        raise ValueError(
            "The 'pip' field and 'uv' field of runtime_env cannot be specified at the same time."
        )
    return given


def merged(parent: Mapping[str, Any], child: Mapping[str, Any]) -> dict[str, Any]:
    """Return a child's environment within its parent's: variables add up, the rest is replaced.

    Example:
        >>> merged({"env_vars": {"A": "1"}, "pip": ["x"]}, {"env_vars": {"B": "2"}, "uv": ["y"]})
        {'env_vars': {'A': '1', 'B': '2'}, 'uv': ['y']}
    """
    packages = {"pip", "uv"}
    kept = {
        name: value
        for name, value in parent.items()
        if name not in packages or not packages & set(child)
    }
    result = kept | dict(child)
    if variables := {**parent.get("env_vars", {}), **child.get("env_vars", {})}:
        result["env_vars"] = variables
    return result


class RuntimeEnvConfig(dict[str, Any]):
    """The field `config` of a runtime_env.

    Args:
        setup_timeout_seconds: How long setting up may take; -1: for ever.
        eager_install: Accepted; an environment is made ready with its first worker.
    """

    def __init__(self, setup_timeout_seconds: int = 600, *, eager_install: bool = True) -> None:
        super().__init__(setup_timeout_seconds=setup_timeout_seconds, eager_install=eager_install)
        _config("config", self)


class RuntimeEnv(dict[str, Any]):
    """A runtime_env whose fields are checked when it is made; a dictionary does as well.

    Args:
        **fields: See `docs/runtime-env.md`.

    Raises:
        ValueError: If a field is unknown or not offered, or names what is not there.
        TypeError: If a field has the wrong type.

    Example:
        >>> RuntimeEnv(env_vars={"A": "1"})["env_vars"]
        {'A': '1'}
    """

    def __init__(self, **fields: Any) -> None:
        super().__init__(validated(fields))

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary of the fields."""
        return dict(self)

    def serialize(self) -> str:
        """Return the fields in JSON; what JSON does not have is shown."""
        return json.dumps(self, sort_keys=True, default=repr)

    @classmethod
    def deserialize(cls, serialized_runtime_env: str) -> Self:
        """Return the environment that `serialize` described."""
        return cls(**json.loads(serialized_runtime_env))

    def env_vars(self) -> dict[str, str]:
        """Return the environment variables."""
        return dict(self.get("env_vars", {}))

    def working_dir(self) -> str:
        """Return the working directory, "" if there is none."""
        return str(self.get("working_dir", ""))

    def py_modules(self) -> list[str]:
        """Return the modules of one's own, as texts."""
        return [str(module) for module in self.get("py_modules", [])]

    def has_working_dir(self) -> bool:
        """Return whether there is a working directory."""
        return bool(self.get("working_dir"))

    def has_pip(self) -> bool:
        """Return whether packages are asked for by `pip`."""
        return bool(self.get("pip"))

    def has_uv(self) -> bool:
        """Return whether packages are asked for by `uv`."""
        return bool(self.get("uv"))
