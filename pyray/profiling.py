"""Spans: stretches of time that a program names, for `ray.timeline`."""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pyray import _core, settings

LIMIT_BYTES = 480
"""Of what is kept of `extra_data`."""


@contextlib.contextmanager
def profile(event_type: str, extra_data: Mapping[str, str] | None = None) -> Iterator[None]:
    """Show what happens in this block as a slice of the timeline.

    Where the program has imported `opentelemetry.trace`, the block is a span there, too.

    Args:
        event_type: Name of the slice.
        extra_data: What to show with it; strings by name.

    Example:
        >>> import pyray as ray
        >>> from pyray.profiling import profile
        >>> context = ray.init(num_cpus=1)
        >>> with profile("load", {"file": "a.csv"}):
        ...     data = [1, 2]
        >>> [event["name"] for event in ray.timeline() if event.get("cat") == "span"]
        ['load']
        >>> ray.shutdown()
    """
    more = json.dumps(dict(extra_data)) if extra_data else ""
    if len(more) > LIMIT_BYTES:
        more = json.dumps({"extra_data": more[: LIMIT_BYTES - 40]})
    with _open_telemetry(event_type, extra_data):
        begun_ns = _core.monotonic_ns()
        try:
            yield
        finally:
            thread = threading.get_native_id()
            _core.add_span(event_type, begun_ns, _core.monotonic_ns(), more, thread)


def _open_telemetry(name: str, attributes: Mapping[str, str] | None) -> Any:
    """Return a span of OpenTelemetry if the program uses it."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return contextlib.nullcontext()
    tracer = trace.get_tracer("pyray")
    return tracer.start_as_current_span(name, attributes=dict(attributes or {}))


def is_on() -> bool:
    """Return whether `get`, `put` and `wait` are shown as well."""
    return settings.TIMELINE_SPANS.value() == "1"


def noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, each call of which is a span."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with profile(name):
            return function(*args, **kwargs)

    return call
