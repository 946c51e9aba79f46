"""What options ask for, as amounts of resources by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACCELERATOR_AMOUNT = 0.001
"""A task that names an accelerator takes so much of its resource (Ray's value)."""


def demand_of(options: Mapping[str, Any], *, default_cpus: float) -> dict[str, float]:
    """Return the resources that options ask for, by name.

    Example:
        >>> demand_of({"num_gpus": 0.5, "accelerator_type": "T4"}, default_cpus=1)
        {'CPU': 1, 'GPU': 0.5, 'accelerator_type:T4': 0.001}
    """
    cpus = options.get("num_cpus")
    demand = {
        "CPU": default_cpus if cpus is None else cpus,
        "GPU": options.get("num_gpus") or 0,
        "memory": options.get("memory") or 0,
        **(options.get("resources") or {}),
    }
    if accelerator := options.get("accelerator_type"):
        demand[f"accelerator_type:{accelerator}"] = ACCELERATOR_AMOUNT
    return {name: amount for name, amount in demand.items() if amount}


def labels_match(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Return whether a machine's labels are what a selector asks for.

    A condition is a value, ``!value``, ``in(a,b)`` or ``!in(a,b)``; Ray's syntax.

    Example:
        >>> labels_match({"zone": "in(a,b)", "disk": "!slow"}, {"zone": "b"})
        True
    """
    return all(_matches(labels.get(name), wanted) for name, wanted in selector.items())


def _matches(value: str | None, wanted: str) -> bool:
    text = wanted.strip()
    negated = text.startswith("!")
    text = text.removeprefix("!")
    if text.startswith("in(") and text.endswith(")"):
        found = value in {choice.strip() for choice in text[3:-1].split(",")}
    else:
        found = value == text
    return found != negated
