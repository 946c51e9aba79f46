"""Worker output: each line goes to a log file, and to the driver's stdout or stderr, marked.

A worker inherits the driver's descriptors, so a line arrives in the order of things: before the
result of the task that printed it. Lines are written whole, in one write, so that those of several
workers do not mix. Where lines are marked, equal ones of several workers are folded (`repeats`),
and of text that a carriage return overwrites, such as a progress bar, the last state is shown: once
a second, and at its end. What is not marked passes unchanged.
"""

from __future__ import annotations

import codecs
import io
import os
import select
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO, cast

from pyray import _core

if TYPE_CHECKING:
    from pyray.worker.log_files import LogFile
    from pyray.worker.repeats import Repeats

BAR_S = 1.0
"""How often text that overwrites itself is shown."""


class PrefixedStream(io.TextIOBase):
    """A text stream that writes whole lines as `(name pid=123) line` to a descriptor.

    Args:
        descriptor: Where to write.
        shown: False writes it to the file only.
        prefixed: False passes the text on unchanged.
        note: Is told of whole lines, too, without prefix.
        repeats: Folds equal lines of several workers; None: they are not folded.
        file: Gets the text, too, without prefix.
    """

    def __init__(  # noqa: PLR0913  (all that text can be done with)
        self,
        descriptor: int,
        *,
        prefixed: bool,
        shown: bool = True,
        note: Callable[[str], None] | None = None,
        repeats: Repeats | None = None,
        file: LogFile | None = None,
    ) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._note = note
        self._repeats = repeats
        self._file = file
        self._bar_s = 0.0
        self._prefixed = prefixed
        self._shown = shown
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
            if self._prefixed and "\r" in self._partial:
                self._partial = "\r" + _overwritten(self._partial)
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Take text in UTF-8; a character may come in several pieces."""
        with self._lock:
            self.write(self._decoder.decode(data))

    def flush(self) -> None:
        """Send out an unfinished line as well, as a line of its own."""
        with self._lock:
            if not self._partial or (self._partial[0] == "\r" and not self._is_time_for_bar()):
                return
            text, self._partial = self._partial, ""
            self._emit(text if not self._prefixed else text + "\n")

    def _is_time_for_bar(self) -> bool:
        if not self._prefixed:
            return True
        is_time = time.monotonic() - self._bar_s >= BAR_S
        if is_time:
            self._bar_s = time.monotonic()
        return is_time

    def _emit(self, text: str) -> None:
        if self._prefixed:
            lines = text.removesuffix("\n").split("\n")
            if "\r" in text:
                lines = [_overwritten(line) for line in lines]
                text = "\n".join(lines) + "\n"
            self._write_marked(lines)
        elif self._shown:
            _write(self._descriptor, text)
        if self._note is not None:
            self._note(text)
        if self._file is not None:
            self._file.write(text.encode("utf-8", "backslashreplace"))

    def _write_marked(self, lines: list[str]) -> None:
        mark = f"({_name_of_actor() or self._writer.split('.')[0]} pid={os.getpid()}) "
        if self._repeats is None:
            _write(self._descriptor, "".join(f"{mark}{line}\n" for line in lines))
            return
        chosen = self._repeats.choose(lines, mark, self._descriptor)
        for descriptor in {one for one, _ in chosen}:
            mine = [line for one, line in chosen if one == descriptor]
            _write(descriptor, "".join(f"{line}\n" for line in mine))


def _overwritten(line: str) -> str:
    """Return what a terminal shows of a line in which carriage returns go back to its begin."""
    return line.rstrip("\r").rpartition("\r")[2]


class _Named:
    """The actor of this process, and what it calls itself."""

    instance: Any = None
    name = ""


def _name_of_actor() -> str:
    """Return the actor's own repr, taken once after its construction; "" if it has none."""
    instance = _core.current_instance()
    if instance is None or getattr(type(instance), "__repr__", None) is object.__repr__:
        return ""
    if instance is not _Named.instance:
        _Named.instance, _Named.name = instance, ""  # what its repr prints is marked as before
        _Named.name = _core.actor_repr().partition("\n")[0]
    return _Named.name


def _write(descriptor: int, text: str) -> None:
    data = text.encode("utf-8", "backslashreplace")
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # a full pipe that somebody made non-blocking
            poller = select.poll()
            poller.register(descriptor, select.POLLOUT)
            poller.poll()
        except BrokenPipeError:  # the driver has gone; what writes here by itself need not know
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
            return
        except OSError:  # it is closed: nobody wants to read it
            return


def write_lines(chosen: list[tuple[int, str]]) -> None:
    """Write lines, each to its descriptor."""
    for descriptor, line in chosen:
        _write(descriptor, f"{line}\n")


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


def redirect(
    *,
    prefixed: bool,
    shown: bool = True,
    note: Callable[[str], None] | None = None,
    repeats: Repeats | None = None,
    files: tuple[LogFile, LogFile] | None = None,
) -> tuple[TextIO, TextIO]:
    """Return new (stdout, stderr) for a worker; `note` is told of what goes to stderr."""
    out_file, err_file = files or (None, None)
    how: dict[str, Any] = {"prefixed": prefixed, "shown": shown, "repeats": repeats}
    out = PrefixedStream(1, file=out_file, **how)
    err = PrefixedStream(2, file=err_file, note=note, **how)
    for stream in (out, err):
        os.register_at_fork(after_in_child=stream.renew)
    return cast("TextIO", out), cast("TextIO", err)  # in typing, io's classes are no TextIO
