"""References as futures: `ref.future()`, `await ref`. One thread serves all that wait."""

from __future__ import annotations

import concurrent.futures
import os
import threading
from typing import TYPE_CHECKING

from pyray import _core, runtime

if TYPE_CHECKING:
    from pyray._core import ObjectRef


class _Dispatcher:
    """Waits for all references that somebody made a future of, and completes the futures."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        """Start afresh: in a forked child neither the thread nor the lock's holder exists."""
        self._lock = threading.Lock()
        self._waiting: dict[ObjectRef, list[concurrent.futures.Future[object]]] = {}
        self._thread: threading.Thread | None = None

    def future_of(self, ref: ObjectRef) -> concurrent.futures.Future[object]:
        future: concurrent.futures.Future[object] = concurrent.futures.Future()
        with self._lock:
            self._waiting.setdefault(ref, []).append(future)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._serve, name="pyray-futures", daemon=True
                )
                self._thread.start()
        _core.poke()
        return future

    def _serve(self) -> None:
        while True:
            with self._lock:
                refs = list(self._waiting)
                if not refs:
                    self._thread = None
                    return
            try:
                ready = _core.wait_until_poked(refs)
            except Exception as error:  # noqa: BLE001  (the session is gone: all are told)
                self._fail_lost(error)
                continue
            for ref in ready:
                with self._lock:
                    futures = self._waiting.pop(ref)
                _complete(ref, futures)

    def _fail_lost(self, error: Exception) -> None:
        """Fail the futures of a session that is gone; another one may have begun meanwhile."""
        with self._lock:
            lost = [ref for ref in self._waiting if _is_lost(ref)] or list(self._waiting)
            futures = [future for ref in lost for future in self._waiting.pop(ref)]
        for future in futures:
            if future.set_running_or_notify_cancel():
                future.set_exception(error)


def _is_lost(ref: ObjectRef) -> bool:
    try:
        _core.check_ref(ref)
    except Exception:  # noqa: BLE001  (why is said by the error at hand)
        return True
    return False


def _complete(ref: ObjectRef, futures: list[concurrent.futures.Future[object]]) -> None:
    value, error = None, None
    try:
        value = runtime.engine().get(ref, None)
    except Exception as raised:  # noqa: BLE001  (whatever the task raised goes to the future)
        error = raised
    for future in futures:
        if not future.set_running_or_notify_cancel():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


_dispatcher = _Dispatcher()


def future_of(ref: ObjectRef) -> concurrent.futures.Future[object]:
    """Return a future of the object's value; raise what `get` would for a reference of no use."""
    runtime.engine()
    _core.check_ref(ref)  # before it is among the others: they must not fail with it
    return _dispatcher.future_of(ref)
