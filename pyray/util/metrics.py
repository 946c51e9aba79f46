"""Metrics of programs: `Counter`, `Gauge` and `Histogram`, in drivers, tasks and actors.

All processes of a session add to them; `ray.init(_metrics_export_port=...)` shows them. What a
process has counted stays when it ends. Before `ray.init()` nothing is counted.
"""

from __future__ import annotations

import re
import warnings
from typing import Any, Self

from pyray.metrics.cells import Key
from pyray.metrics.recorder import recorder

__all__ = ["Counter", "Gauge", "Histogram"]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class Metric:
    """What all metrics have.

    Args:
        name: Letters, digits and underscores; it is shown with `ray_` before it.
        description: What it means.
        tag_keys: Names of tags, for each of which every record needs a value.

    Raises:
        ValueError: If the name is empty.
        TypeError: If `tag_keys` is no tuple of strings.
    """

    _kind = ""

    def __init__(
        self, name: str, description: str = "", tag_keys: tuple[str, ...] | None = None
    ) -> None:
        if not name:
            raise ValueError("Empty name is not allowed. Please provide a metric name.")
        self._is_discarded = _NAME.fullmatch(name) is None
        if self._is_discarded:
            warnings.warn(
                f"Invalid metric name: {name}. Metric will be discarded and data will not be "
                "collected or published. Metric names can only contain letters, numbers, _, and :. "
                "Metric names cannot start with numbers.",
                UserWarning,
                stacklevel=3,
            )
        self._name, self._description = name, description
        self._tag_keys = tag_keys or ()
        if not isinstance(self._tag_keys, tuple):
            raise TypeError(f"tag_keys should be a tuple type, got: {type(self._tag_keys)}")
        for key in self._tag_keys:
            if not isinstance(key, str):
                raise TypeError(f"Tag keys must be str, got {type(key)}.")
        self._default_tags: dict[str, str] = {}
        self._keys: dict[tuple[tuple[str, str], ...], Key] = {}

    def set_default_tags(self, default_tags: dict[str, str]) -> Self:
        """Set tags that records have which do not say otherwise; return the metric.

        Raises:
            ValueError: If a tag is none of `tag_keys`.
            TypeError: If a value is no string.
        """
        for key, value in default_tags.items():
            if key not in self._tag_keys:
                raise ValueError(f"Unrecognized tag key {key}.")
            if not isinstance(value, str):
                raise TypeError(f"Tag values must be str, got {type(value)}.")
        self._default_tags = default_tags
        return self

    @property
    def info(self) -> dict[str, Any]:
        """Return name, description and tags."""
        return {
            "name": self._name,
            "description": self._description,
            "tag_keys": self._tag_keys,
            "default_tags": self._default_tags,
        }

    def _boundaries(self) -> tuple[float, ...]:
        return ()

    def _key(self, tags: dict[str, str] | None) -> Key:
        """Return what a record with these tags is counted under."""
        final = self._default_tags
        if tags:
            for value in tags.values():
                if not isinstance(value, str):
                    raise TypeError(f"Tag values must be str, got {type(value)}.")
            final = {**final, **tags}
        pairs = tuple(final.items())
        if (key := self._keys.get(pairs)) is None:
            if missing := [name for name in self._tag_keys if name not in final]:
                raise ValueError(f"Missing value for tag key(s): {','.join(missing)}.")
            known = tuple(sorted((name, final[name]) for name in self._tag_keys))
            key = Key(self._kind, self._name, known, self._boundaries(), self._description)
            if len(self._keys) < 10_000:
                self._keys[pairs] = key
        return key

    def __reduce__(self) -> tuple[Any, ...]:
        """Send it to another process: what was counted stays."""
        arguments = (self._name, self._description, self._tag_keys)
        return _remade, (type(self), arguments, self._default_tags)


def _remade(kind: type[Metric], arguments: tuple[Any, ...], tags: dict[str, str]) -> Metric:
    return kind(*arguments).set_default_tags(tags)


def _check_number(value: object) -> None:
    if not isinstance(value, (int, float)):
        raise TypeError(f"value must be int or float, got {type(value)}.")


class Counter(Metric):
    """A number that only grows: it is shown as `ray_NAME_total`, added up over all processes."""

    _kind = "counter"

    def inc(self, value: float = 1.0, tags: dict[str, str] | None = None) -> None:
        """Add `value`, which must be more than 0.

        Raises:
            TypeError: If it is no number.
            ValueError: If it is not more than 0, or a tag has no value.
        """
        _check_number(value)
        if not value > 0:
            raise ValueError(f"value must be >0, got {value}")
        key = self._key(tags)
        if not self._is_discarded:
            recorder.add(key, value)


class Gauge(Metric):
    """A number that goes up and down: the value that was set last counts, by whichever process."""

    _kind = "gauge"

    def set(self, value: float | None, tags: dict[str, str] | None = None) -> None:
        """Set it; None changes nothing.

        Raises:
            TypeError: If it is no number.
            ValueError: If a tag has no value.
        """
        if value is None:
            return
        _check_number(value)
        key = self._key(tags)
        if not self._is_discarded:
            recorder.set(key, value)


class Histogram(Metric):
    """How many values fell into which range, and their sum, over all processes.

    Args:
        name: As for all metrics.
        description: What it means.
        boundaries: Upper ends of the ranges, more than 0, growing.
        tag_keys: As for all metrics.

    Raises:
        ValueError: If there are no boundaries, or they are wrong.
    """

    _kind = "histogram"

    def __init__(
        self,
        name: str,
        description: str = "",
        boundaries: list[float] | None = None,
        tag_keys: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(name, description, tag_keys)
        if not boundaries:
            raise ValueError(
                "boundaries argument should be provided when using the Histogram class. e.g., "
                'Histogram("name", boundaries=[1.0, 2.0])'
            )
        for index, boundary in enumerate(boundaries):
            if not boundary > 0:
                raise ValueError(
                    f"Invalid `boundaries` argument at index {index}, {boundaries}. Use positive "
                    "values for the arguments."
                )
        if list(boundaries) != sorted(set(boundaries)):
            raise ValueError(f"Invalid `boundaries` argument {boundaries}: they must grow.")
        self.boundaries = boundaries
        self._limits = tuple(float(one) for one in boundaries)

    def _boundaries(self) -> tuple[float, ...]:
        return self._limits

    @property
    def info(self) -> dict[str, Any]:
        """Return name, description, tags and boundaries."""
        return {**super().info, "boundaries": self.boundaries}

    def observe(self, value: float, tags: dict[str, str] | None = None) -> None:
        """Count a value.

        Raises:
            TypeError: If it is no number.
            ValueError: If a tag has no value.
        """
        _check_number(value)
        key = self._key(tags)
        if not self._is_discarded:
            recorder.observe(key, value)

    def __reduce__(self) -> tuple[Any, ...]:
        """Send it to another process: what was counted stays."""
        arguments = (self._name, self._description, self.boundaries, self._tag_keys)
        return _remade, (type(self), arguments, self._default_tags)
