"""What the asynchronous methods of a pool return, with the standard library's exceptions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from multiprocessing import TimeoutError as PoolTimeoutError
from multiprocessing.pool import RemoteTraceback  # type: ignore[attr-defined]  # undeclared
from typing import TYPE_CHECKING, Any, NoReturn

from pyray.calls import get, wait
from pyray.exceptions import GetTimeoutError, RayTaskError
from pyray.packed import PackedList, place_items
from pyray.worker.execution import waiting

if TYPE_CHECKING:
    from pyray._core import ObjectRef

Callback = Callable[[Any], object] | None


def own_error(error: BaseException) -> BaseException:
    """Return the exception that the function raised, with the worker's traceback as its cause."""
    if not isinstance(error, RayTaskError):
        return error
    cause = error.cause
    cause.__cause__ = RemoteTraceback(f'\n"""\n{error.traceback_str}"""')
    return cause


def raise_own(error: BaseException) -> NoReturn:
    """Raise the exception that the function raised."""
    own = own_error(error)
    raise own from own.__cause__


class AsyncResult:
    """The result of one call.

    Args:
        ref: Where it will be.
        callback: Called with the value when it is there.
        error_callback: Called with the exception instead.
        on_taken: Called with the reference when its value has been taken.
    """

    __slots__ = ("__weakref__", "_called", "_error", "_has_value", "_on_taken", "_ref", "_value")

    def __init__(
        self,
        ref: ObjectRef | None,
        callback: Callback = None,
        error_callback: Callback = None,
        on_taken: Callable[[Any], object] = id,
    ) -> None:
        self._ref = ref
        self._on_taken = on_taken
        self._has_value = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._called: threading.Event | None = None
        if ref is not None and (callback is not None or error_callback is not None):
            self._called = threading.Event()
            ref.future().add_done_callback(lambda _: self._call(callback, error_callback))

    @classmethod
    def failed(cls, error: BaseException, error_callback: Callback) -> AsyncResult:
        """Return the result of a call that could not be sent."""
        made = cls(None)
        made._error = error
        made._has_value = True
        if error_callback is not None:
            error_callback(error)
        return made

    def _call(self, callback: Callback, error_callback: Callback) -> None:
        try:
            self._fetch(None)
            if self._error is None and callback is not None:
                callback(self._value)
            elif self._error is not None and error_callback is not None:
                error_callback(self._error)
        finally:
            if self._called is not None:
                self._called.set()

    def _fetch(self, timeout: float | None) -> None:
        """Take the value or the error; raise only when the time is over."""
        if self._has_value:
            return
        try:
            self._value = get(self._ref, timeout=timeout)
        except GetTimeoutError:
            raise PoolTimeoutError from None
        except Exception as error:  # noqa: BLE001  (whatever the function raised)
            self._error = own_error(error)
        self._has_value = True
        self._on_taken(self._ref)
        self._ref = None

    def get(self, timeout: float | None = None) -> Any:
        """Wait for the value and return it, or raise the function's exception.

        Args:
            timeout: Seconds to wait at most; None: no limit.

        Raises:
            multiprocessing.TimeoutError: If the time is over.
        """
        if self._called is not None:
            with waiting():
                if not self._called.wait(timeout):
                    raise PoolTimeoutError
        self._fetch(None if timeout is None else max(0.0, timeout))
        if self._error is not None:
            raise self._error
        return self._value

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the call is over, or for `timeout` seconds."""
        if self._called is not None:
            with waiting():
                self._called.wait(timeout)
        elif (ref := self._ref) is not None:
            wait([ref], timeout=None if timeout is None else max(0.0, timeout))

    def ready(self) -> bool:
        """Return whether the call is over."""
        if self._called is not None:
            return self._called.is_set()
        ref = self._ref
        return ref is None or bool(wait([ref], timeout=0)[0])

    def successful(self) -> bool:
        """Return whether the call returned a value.

        Raises:
            ValueError: If it is not over.
        """
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        self._fetch(None)
        return self._error is None


class MapResult(AsyncResult):
    """The results of one `map`: a list.

    Args:
        refs: One reference for each chunk.
        count: How many items there are in all.
        callback: Called with the list when it is complete.
        error_callback: Called with the exception of the first chunk that failed instead.
        on_taken: Called with each reference when its value has been taken.
    """

    __slots__ = ("_lock", "_parts", "_place", "_refs", "_taken")

    def __init__(
        self,
        refs: list[ObjectRef],
        count: int,
        callback: Callback,
        error_callback: Callback,
        on_taken: Callable[[Any], object],
    ) -> None:
        super().__init__(None, on_taken=on_taken)
        self._refs: list[Any] = refs
        self._taken = 0
        self._place = 0
        self._value = [None] * count
        self._lock = threading.RLock()
        if callback is not None or error_callback is not None:
            self._called = threading.Event()
            left = [len(refs)]

            def count_down(_: object = None) -> None:
                left[0] -= 1
                if left[0] <= 0:
                    self._call(callback, error_callback)

            for ref in refs:
                ref.future().add_done_callback(count_down)
            if not refs:
                count_down()

    def _fetch(self, timeout: float | None) -> None:
        """Take the chunks in order, while later ones are still being worked on."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._lock:
            while self._taken < len(self._refs):
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                try:
                    self._take(get(self._refs[self._taken], timeout=left))
                except GetTimeoutError:
                    raise PoolTimeoutError from None
                except Exception as error:  # noqa: BLE001  (whatever the function raised)
                    if self._error is None:
                        self._error = own_error(error)
                self._on_taken(self._refs[self._taken])
                self._refs[self._taken] = None  # lets go of it
                self._taken += 1
            self._has_value = True

    def _take(self, part: PackedList | list[Any]) -> None:
        if self._error is None:
            self._place = place_items(self._value, self._place, part)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all is done, or for `timeout` seconds."""
        if self._called is not None:
            with waiting():
                self._called.wait(timeout)
        elif refs := self._left():
            wait(refs, num_returns=len(refs), timeout=None if timeout is None else max(0, timeout))

    def ready(self) -> bool:
        """Return whether all is done."""
        if self._called is not None:
            return self._called.is_set()
        refs = self._left()
        return not refs or not wait(refs, num_returns=len(refs), timeout=0)[1]

    def _left(self) -> list[ObjectRef]:
        return [ref for ref in self._refs[self._taken :] if ref is not None]
