"""Where this process counts: in its file in the session that it belongs to now."""

from __future__ import annotations

import logging
import os
import threading
import time
from bisect import bisect_left
from typing import TYPE_CHECKING

from pyray import runtime
from pyray.metrics import files
from pyray.metrics.cells import Cells, Key

if TYPE_CHECKING:
    from pyray.engine import Engine

logger = logging.getLogger("pyray")


class Recorder:
    """Adds to the numbers of this process; does nothing without a session or its directory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._cells: Cells | None = None
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """In a forked child: the parent's file is not ours."""
        self._lock = threading.Lock()
        self._engine = self._cells = None

    def _present(self) -> Cells | None:
        engine = runtime.present()
        if engine is not self._engine:
            with self._lock:
                self._bind(engine)
        return self._cells

    def _bind(self, engine: Engine | None) -> None:
        if engine is self._engine:
            return
        old, self._cells, self._engine = self._cells, None, engine
        if old is not None:
            old.close()
        if engine is None or not runtime.is_ours() or not (folder := engine.session_folder()):
            return
        try:
            files.fold_if_many(folder)
            self._cells = Cells(folder)
        except OSError as error:
            logger.warning("Metrics of this process are not counted: %s", error)

    def leave_session(self) -> None:
        """Let go of the file of a session that this process has left."""
        self._present()

    def add(self, key: Key, value: float) -> None:
        """Add to a counter."""
        if (cells := self._present()) is not None:
            with cells.lock:
                if (place := cells.place(key)) >= 0:
                    cells.numbers[place] += value

    def set(self, key: Key, value: float) -> None:
        """Set a gauge."""
        if (cells := self._present()) is not None:
            with cells.lock:
                if (place := cells.place(key)) >= 0:
                    cells.numbers[place] = value
                    cells.numbers[place + 1] = time.time()

    def observe(self, key: Key, value: float) -> None:
        """Count a value in a histogram."""
        if (cells := self._present()) is not None:
            with cells.lock:
                if (place := cells.place(key)) >= 0:
                    cells.numbers[place + bisect_left(key.boundaries, value)] += 1
                    cells.numbers[place + len(key.boundaries) + 1] += value


recorder = Recorder()
