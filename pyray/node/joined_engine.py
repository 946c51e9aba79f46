"""The engine of a driver that joins a session which another program has started."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pyray import _core, journal
from pyray.core_engine import CoreEngine, Home
from pyray.node import joining
from pyray.node.guest_output import described
from pyray.node.printing import Printer
from pyray.observability.unread import MOST_AT_END

if TYPE_CHECKING:
    from pyray.node.joining import Answer
    from pyray.node.session_folder import FoundSession

PRELOADABLE = ("cloudpickle", "numpy")


@dataclass(slots=True)
class JoinConfig:
    """What a joining driver says.

    Args:
        session: Which session.
        namespace: Where its named actors are.
        runtime_env: What its workers are set up with, validated.
        log_to_driver: Whether its workers' output is shown.
        logging: Arguments of the `LoggingConfig` of its workers; None: none.
        observes: Only look: it has no job, and no workers.
    """

    session: FoundSession
    namespace: str = ""
    runtime_env: dict[str, Any] = field(default_factory=dict)
    log_to_driver: bool = True
    logging: dict[str, Any] | None = None
    observes: bool = False


class JoinedEngine(CoreEngine):
    """See `pyray.engine.Engine`.

    Raises:
        ConnectionError: If the session does not answer, or refuses.
        RaySystemError: If its memory cannot be used.
    """

    def __init__(self, config: JoinConfig) -> None:
        with contextlib.ExitStack() as undo:
            self._join(config, undo)
            undo.pop_all()  # all is well

    def _join(self, config: JoinConfig, undo: contextlib.ExitStack) -> None:
        self._journal = journal.open_own()
        undo.callback(self._close_journal)
        prints = config.log_to_driver and not config.observes
        self._printer = Printer() if prints else None
        if self._printer is not None:
            undo.callback(self._printer.close)
        answer = self._ask(config)
        undo.callback(answer.close)
        control, heap, self._doorbell, *spill, self._pidfd = answer.descriptors
        line = answer.line.detach()
        answer.descriptors = []
        self._spill_fd = spill[0] if spill else -1
        undo.callback(self._close_descriptors)
        self._line = socket.socket(fileno=os.dup(line))
        self._line.setblocking(False)  # noqa: FBT003  (socket's)
        undo.callback(self._line.close)
        _core.join_session(control, heap, self._doorbell, answer.words["slot"], line)
        undo.callback(_core.close_session)
        super().__init__()
        self.session = config.session
        self._labels = answer.words["labels"]
        _core.set_spill_directory(self._spill_fd, *answer.words["spill"])
        self._files: str = answer.words["spill"][0]
        _core.watch_supervisor(self._pidfd)
        if not config.observes:
            self._settle(config)

    def _ask(self, config: JoinConfig) -> Answer:
        from pyray import __version__

        request = {
            "wants": "join",
            "observes": config.observes,
            "version": __version__,
            "python_version": sys.version.split()[0],
            **described(log_to_driver=config.log_to_driver, logging=config.logging),
            "namespace": config.namespace,
            "entrypoint": " ".join(sys.orig_argv),
            "preload": [name for name in PRELOADABLE if name in sys.modules],
        }
        outputs = self._printer.inputs() if self._printer is not None else []
        try:
            return joining.ask(config.session.path, request, outputs)
        finally:
            if self._printer is not None:
                self._printer.release_inputs()

    def _settle(self, config: JoinConfig) -> None:
        """Have workers of its own, which are set up as this program is."""
        here = str(Path.cwd())
        path = [entry for entry in cast("list[object]", sys.path) if isinstance(entry, str)]
        self._home = Home([entry or here for entry in path], here, config.namespace)
        self.runtime_env = config.runtime_env
        self._own_environment = self._environment_of(config.runtime_env)
        if self._printer is not None:
            self._printer.start()

    def _notes_folder(self) -> str:
        return self.session.path

    def session_folder(self) -> str:
        """Return the directory of the session's files."""
        return self._files

    def shutdown(self) -> None:
        """Leave the session; its other drivers do not notice."""
        _core.report_all_unread(MOST_AT_END)
        with contextlib.suppress(OSError):  # the session has ended
            self._line.send(b"bye")
        self._line.close()
        _core.close_session()
        self._close_descriptors()
        if self._printer is not None:
            self._printer.close()
        self._close_journal()

    def forget(self) -> None:
        """In a forked child: let go of what was inherited, without ending anything."""
        _core.close_session()
        with contextlib.suppress(OSError):
            self._line.close()
        self._close_descriptors()
        if self._printer is not None:
            self._printer.forget()
        with contextlib.suppress(OSError):
            self._close_journal()

    def _close_descriptors(self) -> None:
        for descriptor in (self._doorbell, self._pidfd, self._spill_fd):
            with contextlib.suppress(OSError):  # closed already, as daemons do with all; or none
                os.close(descriptor)

    def _close_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()
