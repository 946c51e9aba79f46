"""What a client may send to submit a job, checked field by field."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from pyray.dashboard.jobs import ID

MOST_ENTRYPOINT_BYTES = 100_000
"""The kernel takes one argument of at most 128 KiB."""


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {type(value)}")


def _entrypoint(name: str, value: Any) -> None:
    _text(name, value)
    if not value.strip() or "\0" in value:
        raise ValueError(f"{name} must be a command")
    if len(value.encode("utf-8", "replace")) > MOST_ENTRYPOINT_BYTES:
        raise ValueError(f"{name} must have at most {MOST_ENTRYPOINT_BYTES} bytes")


def _id(name: str, value: Any) -> None:
    _text(name, value)
    if not ID.fullmatch(value) or ".." in value:
        raise ValueError(
            f"{name} must consist of at most 128 letters, digits and _.- and not begin with a "
            f"sign, got {value!r}"
        )


def _mapping(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a dict, got {type(value)}")


def _texts(name: str, value: Any) -> None:
    _mapping(name, value)
    for key, text in value.items():
        if not isinstance(text, str):
            raise TypeError(f"{name} values must be strings, got {key!r}: {type(text)}")


def _amount(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {type(value)}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must not be negative, got {value}")


def _amounts(name: str, value: Any) -> None:
    _mapping(name, value)
    for key, amount in value.items():
        _amount(f"{name}[{key!r}]", amount)


FIELDS: Final[dict[str, Callable[[str, Any], None]]] = {
    "entrypoint": _entrypoint,
    "submission_id": _id,
    "job_id": _id,
    "runtime_env": _mapping,
    "metadata": _texts,
    "entrypoint_num_cpus": _amount,
    "entrypoint_num_gpus": _amount,
    "entrypoint_memory": _amount,
    "entrypoint_resources": _amounts,
    "entrypoint_label_selector": _texts,
}


def submission(content: Any) -> dict[str, Any]:
    """Return what a client wants to have run.

    Raises:
        TypeError: If a field has the wrong type.
        ValueError: If a field is wrong, unknown or missing.
    """
    _mapping("The body", content)
    if unknown := set(content) - set(FIELDS):
        raise ValueError(f"Unknown fields: {', '.join(sorted(unknown))}")
    if "entrypoint" not in content:
        raise TypeError("entrypoint is missing")
    given = {name: value for name, value in content.items() if value is not None}
    for name, value in given.items():
        FIELDS[name](name, value)
    given["submission_id"] = given.get("submission_id") or given.pop("job_id", None)
    return given
