"""Worker output: each line goes to the driver's stdout or stderr, marked with who wrote it.

A worker inherits the driver's descriptors, so a line arrives in the order of things: before the
result of the task that printed it. Lines are written whole, in one write, so that those of several
workers do not mix.
"""

from __future__ import annotations

import codecs
import io
import os
import select
import threading
from collections.abc import Callable
from typing import TextIO, cast

from pyray import _core


class PrefixedStream(io.TextIOBase):
    """A text stream that writes whole lines as `(name pid=123) line` to a descriptor.

    Args:
        descriptor: Where to write.
        prefixed: False passes the text on unchanged.
        note: Is told of whole lines, too, without prefix.
    """

    def __init__(
        self, descriptor: int, *, prefixed: bool, note: Callable[[str], None] | None = None
    ) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._note = note
        self._prefixed = prefixed
        self._partial = ""
        self._writer = "worker"
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self.renew()
        self.buffer = _BinarySide(self)

    def renew(self) -> None:
        """Make a lock that nobody holds: in a forked child the holder may not exist.

        Reentrant, because a finaliser may print while its thread is printing.
        """
        self._lock = threading.RLock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Always UTF-8."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What happens to text that cannot be encoded."""
        return "backslashreplace"

    def fileno(self) -> int:
        """Return the descriptor below, for code that writes there by itself."""
        return self._descriptor

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return False: progress bars should not draw here."""
        return False

    def write(self, text: str) -> int:
        """Take text; what ends in a newline goes out."""
        with self._lock:
            self._writer = _core.current_task()[0] or self._writer
            whole, newline, rest = (self._partial + text).rpartition("\n")
            self._partial = rest
            if newline:
                self._emit(whole + "\n")
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Take text in UTF-8; a character may come in several pieces."""
        with self._lock:
            self.write(self._decoder.decode(data))

    def flush(self) -> None:
        """Send out an unfinished line as well, as a line of its own."""
        with self._lock:
            if self._partial:
                text, self._partial = self._partial, ""
                self._emit(text if not self._prefixed else text + "\n")

    def _emit(self, text: str) -> None:
        if self._note is not None:
            self._note(text)
        if self._prefixed:
            mark = f"({self._writer.split('.')[0]} pid={os.getpid()}) "
            text = "".join(f"{mark}{line}\n" for line in text.removesuffix("\n").split("\n"))
        data = text.encode("utf-8", "backslashreplace")
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # a full pipe that somebody made non-blocking
                self._wait_for_room()
            except OSError:  # the driver's end is closed: nobody wants to read it
                return

    def _wait_for_room(self) -> None:
        poller = select.poll()
        poller.register(self._descriptor, select.POLLOUT)
        poller.poll()


class _BinarySide(io.RawIOBase):
    """`sys.stdout.buffer`: bytes go through the same lines."""

    def __init__(self, stream: PrefixedStream) -> None:
        super().__init__()
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        whole = bytes(data)
        self._stream.write_bytes(whole)
        return len(whole)


def redirect(*, prefixed: bool, note: Callable[[str], None] | None = None) -> tuple[TextIO, TextIO]:
    """Return new (stdout, stderr) for a worker; `note` is told of what goes to stderr."""
    out = PrefixedStream(1, prefixed=prefixed)
    err = PrefixedStream(2, prefixed=prefixed, note=note)
    for stream in (out, err):
        os.register_at_fork(after_in_child=stream.renew)
    return cast("TextIO", out), cast("TextIO", err)  # in typing, io's classes are no TextIO
