"""What the workers of a driver that has joined print: it comes through pipes, and is printed here.

Workers of a session's own driver inherit its descriptors. Those of one that joins are forked from a
supervisor that has others; and some of them, detached actors, may outlive the driver, whose files
they must not keep open.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import sys
import threading
import time
from typing import TextIO

CHUNK = 1 << 16
LAST_WORDS_S = 0.2
"""How long to go on reading at the end, if workers do not close their side."""


class Printer:
    """A thread that prints what comes out of two pipes on stdout and stderr."""

    def __init__(self) -> None:
        self._pairs = [os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)]
        self._outputs = [pair[0] for pair in self._pairs]
        self._inputs = [pair[1] for pair in self._pairs]
        self._end = os.eventfd(0, os.EFD_CLOEXEC)
        self._decoders = [codecs.getincrementaldecoder("utf-8")("backslashreplace") for _ in "oe"]
        self._thread: threading.Thread | None = None

    def inputs(self) -> list[int]:
        """Return the descriptors that workers write to."""
        return self._inputs

    def release_inputs(self) -> None:
        """They belong to others from now on."""
        for descriptor in self._inputs:
            os.close(descriptor)
        self._inputs = []

    def start(self) -> None:
        """Begin to print."""
        self._thread = threading.Thread(target=self._run, name="pyray-printer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Print what is there yet, and end."""
        self.release_inputs()
        os.eventfd_write(self._end, 1)
        if self._thread is not None:
            self._thread.join()
        for descriptor in (*self._outputs, self._end):
            os.close(descriptor)

    def forget(self) -> None:
        """In a forked child, which has no thread that prints: let go of the pipes."""
        for descriptor in (*self._outputs, self._end):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _run(self) -> None:
        poller = select.poll()
        for descriptor in (*self._outputs, self._end):
            poller.register(descriptor, select.POLLIN)
        left = set(self._outputs)
        deadline: float | None = None
        while left and (deadline is None or time.monotonic() < deadline):
            ready = dict(poller.poll(None if deadline is None else LAST_WORDS_S * 1000))
            if self._end in ready:
                poller.unregister(self._end)
                deadline = time.monotonic() + LAST_WORDS_S
            for which, descriptor in enumerate(self._outputs):
                if descriptor in ready and not self._copy(which, descriptor):
                    poller.unregister(descriptor)
                    left.discard(descriptor)

    def _copy(self, which: int, descriptor: int) -> bool:
        """Print what is there; return whether more may come."""
        data = os.read(descriptor, CHUNK)
        target: TextIO | None = (sys.stdout, sys.stderr)[which]
        text = self._decoders[which].decode(data, final=not data)
        with contextlib.suppress(OSError, ValueError):  # closed: nobody wants to read it
            if text and target is not None:
                target.write(text)
                target.flush()
        return bool(data)
