"""Results of compiled graphs for asyncio: a thread takes them out of the channels, in order."""

from __future__ import annotations

import concurrent.futures
import queue
import threading
from typing import TYPE_CHECKING, Any

from pyray.exceptions import RayChannelError

if TYPE_CHECKING:
    from pyray.dag.compiled_dag import Deaths
    from pyray.engine import Receiver

type_of_future = concurrent.futures.Future


class AsyncResults:
    """Futures of the executions under way.

    Args:
        receivers: The channels of the results.
        deaths: Tells why the graph is closed.
    """

    def __init__(self, receivers: list[Receiver], deaths: Deaths) -> None:
        self.receivers = receivers
        self.deaths = deaths
        self.expected: queue.SimpleQueue[type_of_future[list[Any]] | None] = queue.SimpleQueue()
        self.finished = -1
        threading.Thread(target=self._run, name="pyray-graph-results", daemon=True).start()

    def expect(self) -> concurrent.futures.Future[list[Any]]:
        """Return the future of the execution that has just been started."""
        future: concurrent.futures.Future[list[Any]] = concurrent.futures.Future()
        self.expected.put(future)
        return future

    def stop(self) -> None:
        """Have the thread end."""
        self.expected.put(None)

    def _run(self) -> None:
        while (future := self.expected.get()) is not None:
            try:
                results = [self._receive(receiver) for receiver in self.receivers]
            except RayChannelError as closed:
                self._fail(future, self.deaths.error(closed))
            except Exception as error:  # noqa: BLE001  (the session has ended)
                self._fail(future, error)
            else:
                self.finished += 1
                if future.set_running_or_notify_cancel():
                    future.set_result(results)
            future = results = None  # type: ignore[assignment]

    @staticmethod
    def _fail(future: concurrent.futures.Future[list[Any]], error: Exception) -> None:
        if future.set_running_or_notify_cancel():
            future.set_exception(error)

    @staticmethod
    def _receive(receiver: Receiver) -> tuple[bool, Any]:
        try:
            value = receiver.receive()
        except RayChannelError:
            raise
        except Exception as error:  # noqa: BLE001  (it cannot be loaded)
            return True, error
        return receiver.is_error, value
