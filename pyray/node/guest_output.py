"""How the workers of a driver print: as it has said when it started or joined the session."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pyray import settings
from pyray.logging_config import LoggingConfig
from pyray.worker.repeats import Repeats
from pyray.worker.repeats import Settings as RepeatSettings

FOLDING = (
    settings.DEDUP_LOGS,
    settings.DEDUP_LOGS_AGG_WINDOW_S,
    settings.DEDUP_LOGS_ALLOW_REGEX,
    settings.DEDUP_LOGS_SKIP_REGEX,
)
PIPES = 2


def described(*, log_to_driver: bool, logging: dict[str, Any] | None) -> dict[str, Any]:
    """Return what a driver says of its workers' output, in plain values."""
    return {
        "log_to_driver": log_to_driver,
        "logging_config": logging,
        "folding": {one.variable: text for one in FOLDING if (text := one.text())},
    }


@dataclass(slots=True)
class GuestOutput:
    """Where and how the workers of a driver print.

    Args:
        is_shown: Whether the driver's terminal gets it; else only the log files do.
        logging: Arguments of the `LoggingConfig` of workers; None: it is left alone.
        folding: How equal lines are folded; None: they stay.
        pipes: Descriptors for stdout and stderr, or none: there is nobody who reads.
        repeats: Folds equal lines while the pipes are open.
    """

    is_shown: bool = True
    logging: dict[str, Any] | None = None
    folding: RepeatSettings | None = None
    pipes: list[int] = field(default_factory=list)
    repeats: Repeats | None = None

    @property
    def is_marked(self) -> bool:
        """Whether lines say who has printed them: a mark would break an object in JSON."""
        return self.is_shown and (self.logging or {}).get("encoding") != "JSON"

    @classmethod
    def of_request(cls, request: Mapping[str, Any]) -> Self:
        """Return what a request describes.

        Raises:
            TypeError: If a value has the wrong type.
            ValueError: If a value is impossible.
        """
        logging, folding = request.get("logging_config"), request.get("folding", {})
        if not isinstance(logging, dict | None) or not isinstance(folding, dict):
            raise TypeError("logging_config and folding are objects")
        if logging is not None:
            LoggingConfig(**logging)
        texts = {str(name): str(text) for name, text in folding.items()}
        chosen = RepeatSettings.from_environment(texts)
        output = cls(bool(request.get("log_to_driver", True)), logging)
        output.folding = chosen if output.is_marked and chosen.enabled else None
        return output

    def open(self, pipes: list[int]) -> None:
        """Have workers print into these from now on.

        Raises:
            OSError: If no table of lines can be made; the pipes are not taken over then.
        """
        self.repeats = Repeats(self.folding) if self.folding is not None else None
        self.pipes = pipes

    def end(self) -> None:
        """Print what was counted and not told, if that does not block, and close the pipes."""
        for descriptor, line in self.repeats.rest() if self.repeats is not None else []:
            _offer(self.pipes[descriptor - 1], f"{line}\n")
        self.close()

    def close(self) -> None:
        """Close the pipes and the table of lines."""
        if self.repeats is not None:
            self.repeats.close()
            self.repeats = None
        for descriptor in self.pipes:
            os.close(descriptor)
        self.pipes = []

    def enter(self) -> Self:
        """In a forked worker: print there from now on; return what it needs for that."""
        for number, descriptor in enumerate(self.pipes, 1):
            os.dup2(descriptor, number)
        if not self.pipes:
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            for number in range(1, PIPES + 1):
                os.dup2(nowhere, number)
            os.close(nowhere)
        own = replace(self, pipes=[])
        self.repeats = None  # what is closed here is not what the worker has
        return own


def _offer(descriptor: int, text: str) -> None:
    """Write to a pipe if it has room: so little is then written at once."""
    data = text.encode("utf-8", "backslashreplace")[: select.PIPE_BUF]
    poller = select.poll()
    poller.register(descriptor, select.POLLOUT)
    if poller.poll(0):
        with contextlib.suppress(OSError):  # the driver has gone
            os.write(descriptor, data)
