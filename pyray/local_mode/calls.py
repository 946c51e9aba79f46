"""One call in local mode: run, and its results stored. See `pyray.local_mode.engine`."""

from __future__ import annotations

import bdb
import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pyray import _core
from pyray.errors.failures import Cause, exception_of
from pyray.streams import ObjectRefGenerator
from pyray.worker.execution import task_error

if TYPE_CHECKING:
    from pyray._core import Call, ObjectRef
    from pyray.local_mode.engine import InlineEngine

INTERRUPTS = (KeyboardInterrupt, bdb.BdbQuit)
"""What the user does to the whole program, not to the task."""


def exit_status(error: SystemExit) -> int:
    """Return the wait status of a process that would have ended with this."""
    code = error.code
    return (0 if code is None else code & 0xFF if isinstance(code, int) else 1) << 8


class Run:
    """A task that this process has taken.

    Args:
        engine: Whose task it is.
        call: The task.
        result: Its first result.
        generator: What its caller has, if it is a stream.
    """

    def __init__(
        self,
        engine: InlineEngine,
        call: Call,
        result: ObjectRef,
        generator: InlineGenerator | None,
    ) -> None:
        self.engine, self.call, self.generator = engine, call, generator
        self.key = _core.ref_key(result)

    def call_function(self, function: Callable[..., Any]) -> None:
        """Run a function, with the task's arguments, and end the task."""

        def prepare() -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
            return (function, *self.call.arguments())

        self.perform(prepare, self.translate)

    def perform(
        self,
        prepare: Callable[[], tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]],
        translate: Callable[[BaseException, str], Exception],
    ) -> None:
        """Run what `prepare` returns; end the task, unless it yields."""
        call = self.call
        token = _core.current_call.set(call)
        try:
            function, args, kwargs = prepare()
            if self.generator is not None:
                items = _items(function(*args, **kwargs), call.task_name)
                self.generator.producer = Producer(call, items, translate)
                return
            call.store(function(*args, **kwargs))
        except INTERRUPTS:
            call.cancel()
            _core.finish_here(call)
            raise
        except BaseException as error:  # noqa: BLE001  (the caller gets it)
            self.engine.note_origin(self.key, error)
            call.fail(translate(error, call.task_name))
        finally:
            _core.current_call.reset(token)
        _core.finish_here(call)

    @staticmethod
    def translate(error: BaseException, task_name: str) -> Exception:
        """Return the exception to store as a task's result."""
        if isinstance(error, SystemExit):
            status = exit_status(error)
            return exception_of(Cause.WORKER_DIED, os.getpid(), status, 0, task_name, None)
        return task_error(error, task_name)


def _items(value: Any, name: str) -> Iterator[Any]:
    if not hasattr(value, "__next__"):
        raise ValueError(
            f"{name} should have returned a generator or another iterator, because of its "
            f"num_returns; it returned an object of type {type(value).__name__}."
        )
    items: Iterator[Any] = value
    return items


class Producer:
    """Runs a generator one item at a time."""

    def __init__(
        self,
        call: Call,
        items: Iterator[Any],
        translate: Callable[[BaseException, str], Exception],
    ) -> None:
        self.call, self.items, self.translate = call, items, translate

    def step(self) -> bool:
        """Publish the next item; False: there are no more."""
        call = self.call
        token = _core.current_call.set(call)
        try:
            with contextlib.suppress(StopIteration):
                if call.publish(next(self.items)):
                    return True
            call.leave_if_asked()
        except INTERRUPTS:
            self.finish()
            raise
        except BaseException as error:  # noqa: BLE001  (the consumer gets it)
            call.publish(self.translate(error, call.task_name), is_error=True)
        finally:
            _core.current_call.reset(token)
        self.finish()
        return False

    def finish(self) -> None:
        """End the task."""
        close = getattr(self.items, "close", None)
        if close is not None:
            close()
        self.call.end_stream()
        _core.finish_here(self.call)


class InlineGenerator(ObjectRefGenerator):
    """A stream whose producer runs when somebody asks for an item."""

    producer: Producer | None = None

    def _advance(self) -> None:
        """Have the next item made, if it is not there."""
        if self.producer is None or super().peek()[1]:
            return
        producer, self.producer = self.producer, None  # also when it asks for its own items
        if producer.step():
            self.producer = producer

    def take(self, timeout: Any) -> Any:
        """See `pyray._core.Stream`."""
        self._advance()
        return super().take(timeout)

    def peek(self) -> tuple[ObjectRef, bool]:
        """See `pyray._core.Stream`."""
        self._advance()
        return super().peek()

    def completed(self) -> ObjectRef:
        """Run the task to its end."""
        while self.producer is not None:
            producer, self.producer = self.producer, None
            if producer.step():
                self.producer = producer
        return self.completion

    def __del__(self) -> None:
        """Nobody wants more: the task ends, and its `finally` blocks run."""
        producer, self.producer = self.producer, None
        if producer is not None and _core.is_session_open():
            producer.finish()
