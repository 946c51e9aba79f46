"""Names of Ray's that pyray does not have, and what to do instead."""

from __future__ import annotations

from typing import Final

ABSENT: Final = {
    "data": "use Arrow, Polars or pandas inside of tasks",
    "train": "call the training library inside of an actor",
    "tune": "submit one task for each trial",
    "serve": "use a web server with actors behind it",
    "rllib": "run the environments as actors",
    "workflow": "it has been removed from Ray as well",
    "autoscaler": "there is one machine",
    "llm": "run the model inside of an actor",
    "show_in_dashboard": "it has been removed from Ray as well; use `pyray.util.metrics`",
    "experimental.internal_kv": "keep the values in a named actor",
    "experimental.get_object_locations": "all objects are on this machine",
    "experimental.get_local_object_locations": "all objects are on this machine",
    "experimental.set_resource": "it has been removed from Ray as well; give `init` the resources",
    "util.client": "pyray.init(address=...) joins a session of this machine",
    "util.connect": "pyray.init(address=...) joins a session of this machine",
    "util.disconnect": "pyray.shutdown() leaves a session",
    "util.spark": "there is one machine",
    "util.tpu": "there is one machine",
    "util.sgd": "it has been removed from Ray as well",
    "util.tracing": "pyray.timeline() has the spans of tasks",
    "util.check_open_ports": "pyray opens no port unless asked to",
}
"""The names without "ray." before them."""


def reason(name: str) -> str:
    """Return what to tell somebody who asks for `ray.<name>`.

    Example:
        >>> reason("tune")
        'pyray has no tune: submit one task for each trial.'
        >>> reason("nothing")
        "module 'pyray' has no attribute 'nothing'"
    """
    package, _, last = name.rpartition(".")
    module = f"pyray.{package}" if package else "pyray"
    if name in ABSENT:
        return f"{module} has no {last}: {ABSENT[name]}."
    return f"module {module!r} has no attribute {last!r}"
