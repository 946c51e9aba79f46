"""What an actor does for a compiled graph: a thread of its process runs its steps again and again.

The actor's other calls run as ever, in its own thread. An error of a step takes the place of its
value: steps that need the value pass the error on.
"""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any

from pyray import runtime
from pyray.exceptions import RayChannelError
from pyray.serialization import not_serializable

if TYPE_CHECKING:
    from pyray.dag.plan import Output, Step
    from pyray.engine import GraphKey, Sender


class Failure:
    """Stands for a value that could not be made."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def start(
    instance: Any, graph: GraphKey, steps: list[Step], channels: list[GraphKey], values: int
) -> None:
    """Begin with an actor's steps; it runs as a call of that actor."""
    for step in steps:
        if inspect.iscoroutinefunction(getattr(instance, step.method)):
            raise ValueError(
                f"{step.title} is asynchronous: a compiled graph can only have other methods."
            )
    loop = Loop(instance, graph, steps, channels, values)
    threading.Thread(target=loop.run, name="pyray-graph", daemon=True).start()


class Loop:
    """The steps of one actor in one graph."""

    def __init__(
        self,
        instance: Any,
        graph: GraphKey,
        steps: list[Step],
        channels: list[GraphKey],
        values: int,
    ) -> None:
        self.engine = runtime.engine()
        self.graph = graph
        self.values: list[Any] = [None] * values
        receivers = [self.engine.receiver(channels[n]) for step in steps for _, n in step.receives]
        self.receivers = receivers
        left = iter(receivers)
        self.steps = [
            PreparedStep(
                self, instance, step, [(v, next(left)) for v, _ in step.receives], channels
            )
            for step in steps
        ]

    def run(self) -> None:
        """Run until the graph is closed."""
        try:
            while True:
                for step in self.steps:
                    step.run()
        except (RayChannelError, SystemExit):  # it is closed; the actor leaves
            pass
        finally:
            self.engine.poison_graph(self.graph)
            self.values.clear()
            for receiver in self.receivers:
                receiver.leave()


class PreparedStep:
    """A step with its method and its channels."""

    def __init__(
        self,
        loop: Loop,
        instance: Any,
        step: Step,
        receivers: list[tuple[int, Any]],
        channels: list[GraphKey],
    ) -> None:
        self.values = loop.values
        self.method = getattr(instance, step.method)
        self.title = step.title
        self.args = step.args
        self.kwargs = step.kwargs
        self.receivers = receivers
        self.returns_many = step.returns_many
        self.outputs: list[tuple[Output, Sender | None]] = [
            (
                output,
                loop.engine.sender([channels[number] for number in output.channels])
                if output.channels
                else None,
            )
            for output in step.outputs
        ]

    def run(self) -> None:
        """Receive, call, and send."""
        values = self.values
        for number, receiver in self.receivers:
            values[number] = self._receive(receiver)
        args = [values[arg] if is_value else arg for is_value, arg in self.args]
        for arg in args:
            if type(arg) is Failure:
                self._put_all(arg)
                return
        try:
            result = self.method(*args, **self.kwargs)
            results = self._split(result) if self.returns_many else [result]
        except BaseException as error:  # noqa: BLE001  (whoever gets the result gets it)
            self._put_all(self._failure(error))
        else:
            self._put_each(results)

    def _receive(self, receiver: Any) -> Any:
        try:
            value = receiver.receive()
        except RayChannelError:
            raise
        except Exception as error:  # noqa: BLE001  (it cannot be loaded here)
            return self._failure(error)
        return Failure(value) if receiver.is_error else value

    def _failure(self, error: BaseException) -> Failure:
        from pyray.worker.execution import translate_error

        return Failure(translate_error(error, self.title))

    def _split(self, result: Any) -> list[Any]:
        parts = list(result)
        if len(parts) != len(self.outputs):
            raise ValueError(
                f"{self.title} returned {len(parts)} values, but num_returns={len(self.outputs)}."
            )
        return parts

    def _put_all(self, failure: Failure) -> None:
        self._put_each([failure] * len(self.outputs))

    def _put_each(self, results: list[Any]) -> None:
        for target, result in zip(self.outputs, results, strict=True):
            self._put(target, result)

    def _put(self, target: tuple[Output, Sender | None], value: Any) -> None:
        output, sender = target
        if output.value >= 0:
            self.values[output.value] = value
        if sender is None:
            return
        if type(value) is Failure:
            sender.send(value.error, is_error=True)
            return
        try:
            sender.send(value)
        except RayChannelError:
            raise
        except Exception as error:  # noqa: BLE001  (it cannot be pickled, or there is no room)
            if isinstance(error, TypeError):
                error = not_serializable(f"the result of {self.title},", value, error)
            sender.send(self._failure(error).error, is_error=True)
