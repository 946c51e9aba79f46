"""`LoggingConfig`: how `logging` writes in the driver and in all workers of a session."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import Any

from pyray import runtime

STANDARD = (
    *("args", "asctime", "created", "exc_info", "exc_text", "filename", "funcName", "levelname"),
    *("levelno", "lineno", "message", "module", "msecs", "msg", "name", "pathname", "process"),
    *("processName", "relativeCreated", "stack_info", "taskName", "thread", "threadName"),
)
"""Attributes that every record of `logging` has."""
TEXT_FORMAT = "%(asctime)s\t%(levelname)s %(filename)s:%(lineno)s -- %(message)s"


@dataclass
class LoggingConfig:
    """For `ray.init(logging_config=...)`: the root logger's level and form, in all processes.

    Each record says job, worker and node, in a task also its id and name, in an actor its id.

    Args:
        encoding: "TEXT", or "JSON": one object a line; workers' lines are not marked then.
        log_level: Name or number of the least level that is written.
        additional_log_standard_attrs: Attributes of `logging.LogRecord` to be written as well.

    Raises:
        ValueError: If the encoding, the level or an attribute is unknown.

    Example:
        >>> import pyray as ray
        >>> ray.LoggingConfig(encoding="JSON", additional_log_standard_attrs=["name"]).log_level
        'INFO'
    """

    encoding: str = "TEXT"
    log_level: str | int = "INFO"
    additional_log_standard_attrs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check them."""
        if self.encoding not in {"TEXT", "JSON"}:
            raise ValueError(
                f"Invalid encoding type: {self.encoding}. Valid encoding types are: "
                "['TEXT', 'JSON']"
            )
        if isinstance(self.log_level, str) and self.log_level not in logging.getLevelNamesMapping():
            raise ValueError(f"log_level: unknown level {self.log_level!r}")
        for name in self.additional_log_standard_attrs:
            if name not in STANDARD:
                raise ValueError(
                    f"Unknown python logging standard attribute: {name}. The valid attributes "
                    f"are: {set(STANDARD)}"
                )

    def apply(self) -> None:
        """Set up this process's logging."""
        handler = logging.StreamHandler()
        handler.setLevel(self.log_level)
        handler.setFormatter(_Formatter(self))
        root = logging.getLogger()
        for old in [one for one in root.handlers if isinstance(one.formatter, _Formatter)]:
            root.removeHandler(old)  # of an earlier session
        root.setLevel(self.log_level)
        root.addHandler(handler)


def context() -> dict[str, Any]:
    """Return where this code runs: ids of job, worker, node, task and actor."""
    if not runtime.is_ours():
        return {}
    from pyray.runtime_context import RuntimeContext

    here = RuntimeContext()
    found: dict[str, Any] = {
        "job_id": here.get_job_id(),
        "worker_id": here.get_worker_id(),
        "node_id": here.get_node_id(),
    }
    if runtime.is_worker():
        found |= {
            "actor_id": here.get_actor_id(),
            "task_id": here.get_task_id(),
            "task_name": here.get_task_name(),
            "task_func_name": here.get_task_function_name(),
        }
    return {name: value for name, value in found.items() if value}


class _Formatter(logging.Formatter):
    def __init__(self, config: LoggingConfig) -> None:
        super().__init__(TEXT_FORMAT)
        self.config = config

    def format(self, record: logging.LogRecord) -> str:
        also = {name: getattr(record, name, None) for name in self._additional()}
        own = {name: value for name, value in vars(record).items() if name not in STANDARD}
        extra = {**also, **own, **context(), "timestamp_ns": int(record.created * 1e9)}
        if self.config.encoding == "TEXT":
            words = " ".join(f"{name}={value}" for name, value in extra.items())
            first, newline, rest = super().format(record).partition("\n")
            return f"{first} {words}{newline}{rest}"
        standard = {
            "asctime": self.formatTime(record),
            "levelname": record.levelname,
            "message": record.getMessage(),
            "filename": record.filename,
            "lineno": record.lineno,
            "process": record.process,
        }
        if record.exc_info:
            standard["exc_text"] = self.formatException(record.exc_info)
        return json.dumps({**standard, **extra}, default=str)

    def _additional(self) -> list[str]:
        return self.config.additional_log_standard_attrs
