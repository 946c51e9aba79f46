"""What a job's runtime_env becomes on this machine: folders of its own, and installed packages."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyray import runtime_env, settings
from pyray.dashboard.packages import Packages, unpack
from pyray.environments import cache
from pyray.environments import packages as env_packages

WORKING_DIR, MODULES = "working_dir", "modules"


@dataclass(slots=True)
class Localized:
    """A runtime_env whose folders are in the job's own.

    Args:
        env: The runtime_env for the job's driver, with paths of this machine.
        python_path: Folders that its programs import from.
        cwd: Where the command starts.
    """

    env: dict[str, Any]
    cwd: str
    python_path: list[str] = field(default_factory=list)


def _start_folder() -> str:
    """Return where the session was started, as in Ray; the home of the user if that is gone."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return str(Path.home())


def localize(env: Mapping[str, Any], folder: Path, packages: Packages) -> Localized:
    """Copy or unpack what a runtime_env names into the job's folder, and check the rest.

    Args:
        env: As the client sent it.
        folder: The job's.
        packages: What clients have uploaded.

    Raises:
        ValueError: If it names what is not there, or is wrong.
        TypeError: If a field has the wrong type.
    """
    local = {name: value for name, value in env.items() if name != "_ray_commit"}
    excludes = [str(one) for one in local.get("excludes", [])]
    result = Localized(local, _start_folder())
    if local.get("working_dir"):
        target = folder / WORKING_DIR
        _bring(str(local["working_dir"]), target, excludes, packages)
        local["working_dir"] = result.cwd = str(target)
        result.python_path.append(str(target))
    if local.get("py_modules"):
        (folder / MODULES).mkdir(mode=0o700)
        local["py_modules"] = [
            _module(str(one), folder / MODULES / str(number), excludes, packages)
            for number, one in enumerate(local["py_modules"])
        ]
        result.python_path += [str(path) for path in sorted((folder / MODULES).iterdir())]
    runtime_env.validated(local)
    return result


def _bring(source: str, target: Path, excludes: list[str], packages: Packages) -> None:
    path = packages.local(source)
    if path.is_dir():
        target.mkdir(mode=0o700)
        for relative in cache.files_of(path, excludes):
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path / relative, target / relative)
    elif path.is_file():
        unpack(path, target)
    else:
        raise ValueError(
            f"runtime_env['working_dir']: {source!r} must be an existing directory or a .zip file"
        )


def _module(source: str, target: Path, excludes: list[str], packages: Packages) -> str:
    """Bring one of `py_modules`; return what names it for `ray.init`."""
    path = packages.local(source)
    if path.suffix == ".whl":
        return str(path)
    if path.is_dir():
        target.mkdir(mode=0o700)
        _bring(source, target / path.name, excludes, packages)
        return str(target / path.name)
    if path.suffix == ".zip":
        unpack(path, target)
        inside = list(target.iterdir())
        return str(inside[0] if len(inside) == 1 else target)
    if not path.is_file():
        raise ValueError(f"runtime_env['py_modules']: {source!r} does not exist")
    target.mkdir(mode=0o700)
    return str(shutil.copy2(path, target / path.name))


def install(env: Mapping[str, Any]) -> list[str]:
    """Install the packages of a runtime_env for the command itself; return their folders.

    Raises:
        RuntimeEnvSetupError: If that fails.
    """
    wheels = [str(one) for one in env.get("py_modules", []) if str(one).endswith(".whl")]
    wanted = [
        (tool, *env_packages.requirements_of(env[tool])) for tool in ("pip", "uv") if env.get(tool)
    ]
    if wheels:
        wanted.append(("pip", wheels, ["--no-deps"]))
    timeout = env.get("config", {}).get("setup_timeout_seconds", 600)
    return [str(env_packages.installed(*one, None if timeout == -1 else timeout)) for one in wanted]


def variables(
    job: Mapping[str, Any], local: Localized, address: str, folder: Path
) -> dict[str, str]:
    """Return the environment of a job's command.

    Args:
        job: Its record.
        local: Its runtime_env.
        address: The session's.
        folder: The job's, which marks all processes of the job.
    """
    environment = dict(os.environ)
    own_programs = str(Path(sys.executable).parent)
    old = environment.get("PATH", os.defpath).split(os.pathsep)
    environment["PATH"] = os.pathsep.join(dict.fromkeys([own_programs, *old]))
    environment["PYTHONUNBUFFERED"] = "1"  # logs are followed
    before = filter(None, [environment.get("PYTHONPATH")])
    environment["PYTHONPATH"] = os.pathsep.join([*local.python_path, *before])
    environment |= local.env.get("env_vars", {})
    for setting in (settings.ADDRESS, settings.RAY_ADDRESS):
        environment[setting.variable] = address
    environment[settings.JOB_FOLDER.variable] = str(folder)
    metadata = {**(job["metadata"] or {}), "job_submission_id": job["submission_id"]}
    config = {"runtime_env": local.env, "metadata": metadata}
    environment[settings.JOB_CONFIG.variable] = json.dumps(config)
    return environment
