"""`pdb` at the other end of a connection: see `pyray.worker.debugger`."""

from __future__ import annotations

import contextlib
import pdb  # noqa: T100  (its purpose)
import socket
from typing import IO, Any


class Remote(pdb.Pdb):
    """A debugger at the other end of a connection, until the task goes on."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        # Two files: one for both directions forgets what it has read when it writes.
        self._in: IO[str] = connection.makefile("r", encoding="utf-8", errors="replace")
        self._out: IO[str] = connection.makefile("w", encoding="utf-8", errors="replace")
        super().__init__(stdin=self._in, stdout=self._out, nosigint=True, readrc=False)
        self.prompt = "(Pdb) "

    def do_EOF(self, arg: str) -> Any:  # noqa: N802  (pdb's name)
        """Whoever was there has gone: go on."""
        return self.do_continue(arg)

    def set_continue(self) -> None:
        """Go on, and hang up."""
        super().set_continue()
        self.hang_up()

    def set_quit(self) -> None:
        """Raise BdbQuit in the task, and hang up."""
        super().set_quit()
        self.hang_up()

    def cmdloop(self, intro: Any = None) -> None:
        """Talk; who hangs up in the middle of a word has gone as well."""
        try:
            super().cmdloop(intro)
        except (OSError, ValueError):  # a broken pipe, or our own end is closed
            super().set_continue()
            self.hang_up()

    def hang_up(self) -> None:
        """Close the connection."""
        for end in (self._out, self._in, self._connection):
            with contextlib.suppress(OSError, ValueError):
                end.close()

    def message(self, msg: str) -> None:
        """Print, to whom there is."""
        with contextlib.suppress(OSError, ValueError):
            super().message(msg)
            self._out.flush()
