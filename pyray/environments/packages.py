"""Packages of a runtime_env: installed once into a folder of their own, by uv or pip."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyray.environments.cache import file_digest, folder_digest, made_once
from pyray.exceptions import RuntimeEnvSetupError

LAST_LINES = 15
NOT_SOURCE = ["build", "dist", "*.egg-info"]
"""What installing a folder leaves in it: no reason to install it anew."""


def requirements_of(field: Any) -> tuple[list[str], list[str]]:
    """Return the requirements and the installer's options of the field `pip` or `uv`."""
    options: list[str] = []
    if isinstance(field, Mapping):
        options = list(
            field.get("pip_install_options") or field.get("uv_pip_install_options") or []
        )
        field = field["packages"]
    if isinstance(field, str | Path):
        lines = [line.strip() for line in Path(field).read_text().splitlines()]
        field = [line for line in lines if line and not line.startswith("#")]
    return list(field), options


def _uv() -> str | None:
    """Return the program uv, of the package or of the system."""
    if importlib.util.find_spec("uv") is not None:
        import uv

        try:
            return str(uv.find_uv_bin())
        except FileNotFoundError:
            pass
    return shutil.which("uv")


def installer(tool: str) -> list[str]:
    """Return the command that installs packages.

    Raises:
        RuntimeEnvSetupError: If there is none.
    """
    if program := _uv():
        return [program, "pip", "install", "--python", sys.executable]
    if tool == "pip" and importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    raise RuntimeEnvSetupError(
        f"runtime_env['{tool}'] needs the program uv, which is neither in this environment nor on "
        "PATH. Install the package 'uv' (pip install 'pyray[env]')."
    )


def local_path(requirement: str) -> Path | None:
    """Return the file or folder that a requirement names: a path, one with extras, or a URL.

    Example:
        >>> local_path("numpy>=2"), local_path("/[extra]"), local_path("tool @ file:///")
        (None, PosixPath('/'), PosixPath('/'))
    """
    text = requirement.partition(" @ ")[2] or requirement
    text = text.removeprefix("-e ").removeprefix("file://").strip()
    for path in (Path(text), Path(text.partition("[")[0] or text)):
        if path.exists() and (path.is_file() or path.is_dir()):
            return path
    return None


def installed(
    tool: str, requirements: list[str], options: list[str], timeout_s: float | None
) -> Path:
    """Return a folder in which these packages are installed.

    Args:
        tool: Which field asked for them, "pip" or "uv".
        requirements: As in a requirements file.
        options: Further arguments of the installer.
        timeout_s: How long it may take.

    Raises:
        RuntimeEnvSetupError: With the last lines of the installer if it failed.
    """
    key = json.dumps([sys.version, sys.platform, sorted(requirements), options])
    for requirement in requirements:
        path = local_path(requirement)
        if path is not None and path.is_dir():
            key += folder_digest(path, NOT_SOURCE).hexdigest()
        elif path is not None:
            key += file_digest(path).hexdigest()
    digest = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    return made_once(
        "packages",
        digest,
        lambda folder: _install(tool, requirements, options, folder, timeout_s),
    )


def _install(
    tool: str, requirements: list[str], options: list[str], folder: Path, timeout_s: float | None
) -> None:
    command = [*installer(tool), *options, "--target", str(folder), *requirements]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeEnvSetupError(
            f"Installing {requirements} took more than {timeout_s:g} s "
            "(runtime_env['config']['setup_timeout_seconds'])."
        ) from error
    if done.returncode != 0:
        last = "\n".join(done.stdout.strip().splitlines()[-LAST_LINES:])
        raise RuntimeEnvSetupError(
            f"Failed to install {requirements}, exit code {done.returncode}:\n{last}"
        )
