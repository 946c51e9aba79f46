"""Graphs that have been compiled: executed over and over, through channels in shared memory."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from pyray import runtime
from pyray.calls import get, kill
from pyray.dag import loop
from pyray.dag.async_results import AsyncResults
from pyray.dag.compiled_dag_ref import CompiledDAGFuture, CompiledDAGRef
from pyray.dag.context import DAGContext
from pyray.dag.plan import Plan, make_plan
from pyray.exceptions import (
    GetTimeoutError,
    RayCgraphCapacityExceeded,
    RayChannelError,
    RayChannelTimeoutError,
)

if TYPE_CHECKING:
    from pyray.actor_handle import ActorHandle
    from pyray.dag.dag_node import DAGNode
    from pyray.engine import Graph, Receiver

logger = logging.getLogger("pyray")
DEATH_S = 10.0
"""How long to wait at most until it is known how an actor died."""


def compile_graph(  # noqa: PLR0913  (Ray's options)
    end: DAGNode,
    *,
    submit_timeout: float | None,
    buffer_size_bytes: int | None,
    enable_asyncio: bool,
    max_inflight_executions: int | None,
    max_buffered_results: int | None,
) -> CompiledDAG:
    """Compile the graph that ends at a node; see `DAGNode.experimental_compile`."""
    context = DAGContext.get_current()
    size = context.buffer_size_bytes if buffer_size_bytes is None else buffer_size_bytes
    if not isinstance(cast("object", size), int) or size <= 0:
        raise ValueError(f"`buffer_size_bytes` must be a positive integer, found {size}")
    return CompiledDAG(
        make_plan(end),
        context.submit_timeout if submit_timeout is None else submit_timeout,
        context.max_inflight_executions
        if max_inflight_executions is None
        else max_inflight_executions,
        context.max_buffered_results if max_buffered_results is None else max_buffered_results,
        enable_asyncio=enable_asyncio,
    )


class Deaths:
    """Finds out why a graph is closed.

    Args:
        graph: The graph.
        actors: Those that take part in it.
    """

    def __init__(self, graph: Graph, actors: list[ActorHandle]) -> None:
        self.graph = graph
        self.actors = {handle._target.key: handle for handle in actors}
        self.is_torn_down = False

    def error(self, closed: RayChannelError) -> Exception:
        """Return the error of the actor that has died, else the one that was met."""
        key = self.graph.failed()
        if key in self.actors:
            return _death(self.actors[key], DEATH_S) or closed
        if self.is_torn_down:
            return closed
        # One that was killed or has left was dead to its callers before its process was gone.
        deaths = (_death(handle, 0.0) for handle in self.actors.values())
        return next(filter(None, deaths), closed)


def _death(handle: ActorHandle, timeout: float) -> Exception | None:
    """Return the error of calls to an actor; None: it lives, or this is not known in time."""
    try:
        get(handle.__ray_ready__.remote(), timeout=timeout)
    except GetTimeoutError:
        return None
    except Exception as error:  # noqa: BLE001  (this is what is asked for)
        return error
    return None


class CompiledDAG:
    """A compiled graph: what `node.experimental_compile()` returns.

    It belongs to the process that made it. Until `teardown`, or until it is deleted, its actors
    run their part of the graph in a thread of their own, beside their other calls.
    """

    def __init__(
        self,
        plan: Plan,
        submit_timeout: float,
        max_inflight: int,
        max_buffered: int,
        *,
        enable_asyncio: bool,
    ) -> None:
        self._id = uuid.uuid4().hex
        self._plan = plan
        self._submit_timeout = submit_timeout
        self._max_inflight = max_inflight
        self._max_buffered = max_buffered
        self._is_teardown = False
        self._submitted = self._finished = -1  # numbers of executions
        self._results: dict[int, list[Any]] = {}
        self._partial: list[tuple[bool, Any]] = []
        self._wanted: dict[int, set[int]] = {}  # results that somebody has a reference to
        self._forgotten: deque[tuple[int, int | None]] = deque()
        self._lock = threading.RLock()
        self._graph = runtime.engine().graph(plan.channel_count)
        self._deaths = Deaths(self._graph, plan.actors)
        self._start()
        self._async = AsyncResults(self._receivers, self._deaths) if enable_asyncio else None

    def _start(self) -> None:
        engine, plan, channels = runtime.engine(), self._plan, self._graph.channels
        started = [
            handle.__ray_call__.remote(
                loop.start, self._graph.key, steps, channels, plan.value_count
            )
            for handle, steps in zip(plan.actors, plan.steps, strict=True)
        ]
        distinct = list(dict.fromkeys(plan.outputs))
        self._receivers: list[Receiver] = [engine.receiver(channels[n]) for n in distinct]
        self._places = [distinct.index(number) for number in plan.outputs]
        self._inputs = [
            (key, engine.sender([channels[number] for number in numbers]))
            for key, numbers in plan.inputs
        ]
        try:
            get(started)
        except BaseException:
            self._graph.close(0.0, force=True)
            raise

    # ---- executions

    def execute(self, *args: Any, **kwargs: Any) -> CompiledDAGRef | list[CompiledDAGRef]:
        """Start an execution; `ray.get` of what it returns waits for the result.

        Raises:
            ValueError: If it is not given the arguments that the graph's input has.
            RayCgraphCapacityExceeded: If too many executions are under way.
            RayChannelError: If the graph has been torn down.
            ActorDiedError: If an actor of the graph has died.
        """
        if self._async is not None:
            raise ValueError("Use execute_async if enable_asyncio=True")
        self._check_inputs(args, kwargs)
        with self._lock:
            self._make_room()
            self._send(args, kwargs)
            index = self._submitted
            self._wanted[index] = set(range(len(self._places)))
        if self._plan.returns_list:
            return [CompiledDAGRef(self, index, place) for place in range(len(self._places))]
        return CompiledDAGRef(self, index, None)

    async def execute_async(
        self, *args: Any, **kwargs: Any
    ) -> CompiledDAGFuture | list[CompiledDAGFuture]:
        """Start an execution; await what it returns.

        Raises:
            ValueError: If it was not compiled with `enable_asyncio`, or the arguments do not fit.
            RayCgraphCapacityExceeded: If too many executions are under way.
        """
        if self._async is None:
            raise ValueError("Use execute if enable_asyncio=False")
        self._check_inputs(args, kwargs)
        with self._lock:
            self._finished = self._async.finished
            self._check_capacity()
            self._send(args, kwargs)
            index = self._submitted
            future: concurrent.futures.Future[list[Any]] = self._async.expect()
        if self._plan.returns_list:
            places = range(len(self._places))
            return [CompiledDAGFuture(self, index, future, place) for place in places]
        return CompiledDAGFuture(self, index, future)

    def _check_inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        wanted = self._plan.positional_count
        if len(args) != wanted:
            raise ValueError(
                f"dag.execute() or dag.execute_async() must be called with {wanted} positional "
                f"args, got {len(args)}"
            )
        for name in self._plan.keywords:
            if name not in kwargs:
                raise ValueError(
                    f"dag.execute() or dag.execute_async() must be called with kwarg `{name}`"
                )

    def _check_capacity(self) -> None:
        count = self._submitted - self._finished
        if count >= self._max_inflight:
            raise RayCgraphCapacityExceeded(
                f"The compiled graph can't have more than {self._max_inflight} in-flight "
                f"executions, and you currently have {count} in-flight executions. Retrieve an "
                "output using ray.get before submitting more requests or increase "
                "`_max_inflight_executions`. "
                "`dag.experimental_compile(_max_inflight_executions=...)`"
            )

    def _make_room(self) -> None:
        """Executions whose references are all gone may end and be forgotten."""
        if self._submitted - self._finished < self._max_inflight:
            return
        self._note_forgotten()
        deadline = _deadline(self._submit_timeout)
        while self._finished < self._submitted and not self._wanted.get(self._finished + 1):
            self._read_next(deadline)
        self._check_capacity()

    def _send(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        done = 0
        try:
            for key, sender in self._inputs:
                value = args[key or 0] if not isinstance(key, str) else kwargs[key]
                sender.send(value)
                done += 1
        except RayChannelError as closed:
            raise self._deaths.error(closed) from None
        except BaseException as error:
            if done > 0:  # the others got theirs: they get an error for this one as well
                for _, sender in self._inputs[done:]:
                    sender.send(RuntimeError(f"{type(error).__name__}: {error}"), is_error=True)
                self._submitted += 1
                if self._async is not None:
                    self._async.expect()
            raise
        self._submitted += 1

    # ---- results

    def _read_next(self, deadline: float | None) -> None:
        """Take the results of the next execution out of their channels."""
        while len(self._partial) < len(self._receivers):
            receiver = self._receivers[len(self._partial)]
            try:
                value = receiver.receive(_left(deadline))
            except RayChannelTimeoutError:
                raise RayChannelTimeoutError(
                    "If the execution is expected to take a long time, increase "
                    "RAY_CGRAPH_get_timeout which is currently "
                    f"{DAGContext.get_current().get_timeout} seconds. Otherwise, this may indicate "
                    "that the execution is hanging."
                ) from None
            except RayChannelError as closed:
                raise self._deaths.error(closed) from None
            except Exception as error:  # noqa: BLE001  (it cannot be loaded)
                self._partial.append((True, error))
            else:
                self._partial.append((receiver.is_error, value))
        self._finished += 1
        results, self._partial = self._partial, []
        self._note_forgotten()
        if self._wanted.get(self._finished):
            self._results[self._finished] = results

    def _fetch(self, index: int, place: int | None, timeout: float | None) -> Any:
        limit = DAGContext.get_current().get_timeout if timeout is None else timeout
        deadline = _deadline(limit)
        with self._lock:
            while self._finished < index:
                self._note_forgotten()
                if len(self._results) >= self._max_buffered:
                    self._forget(index, place)
                    raise RayCgraphCapacityExceeded(
                        f"The compiled graph can't have more than {self._max_buffered} buffered "
                        f"results, and you currently have {len(self._results)} buffered results. "
                        "Call `ray.get()` on CompiledDAGRef's (or await on CompiledDAGFuture's) to "
                        "retrieve results, or increase `_max_buffered_results` if buffering is "
                        "desired, note that this will increase driver memory usage."
                    )
                try:
                    self._read_next(deadline)
                except BaseException:
                    self._forget(index, place)
                    raise
            results = self._results[index]
            self._forget(index, place)
            self._note_forgotten()
        return self._value_of(results, place)

    def _value_of(self, results: list[tuple[bool, Any]], place: int | None) -> Any:
        is_error, value = results[self._places[place or 0]]
        if not is_error:
            return value
        as_cause = getattr(value, "as_instanceof_cause", None)
        raise value if as_cause is None else as_cause()

    def _forget(self, index: int, place: int | None) -> None:
        """Nobody wants this result any more; may be called anywhere."""
        self._forgotten.append((index, place))

    def _note_forgotten(self) -> None:
        while self._forgotten:
            index, place = self._forgotten.popleft()
            wanted = self._wanted.get(index)
            if wanted is None:
                continue
            wanted.discard(place or 0)
            if not wanted:
                del self._wanted[index]
                self._results.pop(index, None)

    # ---- the end

    @property
    def is_teardown(self) -> bool:
        """Whether it has been torn down."""
        return self._is_teardown

    def get_id(self) -> str:
        """Return the graph's id."""
        return self._id

    def __str__(self) -> str:
        return f"CompiledDAG({self._id})"

    def teardown(self, kill_actors: bool = False) -> None:  # noqa: FBT001, FBT002  (Ray's)
        """End it, and wait until its actors have left what they run for it.

        Args:
            kill_actors: Kill the actors first, whatever they are at.
        """
        if self._is_teardown:
            return
        self._is_teardown = self._deaths.is_torn_down = True
        if kill_actors:
            for actor in self._plan.actors:
                kill(actor)
        timeout = DAGContext.get_current().teardown_timeout
        if not self._graph.close(timeout):
            logger.warning(
                "An actor of a compiled graph is still running %s s after teardown(). Increase "
                "RAY_CGRAPH_teardown_timeout, or call it with kill_actors=True.",
                timeout,
            )
            self._graph.close(0.0, force=True)
        if self._async is not None:
            self._async.stop()

    def __del__(self) -> None:
        """Nobody waits: the actors leave by themselves."""
        if not self._is_teardown and hasattr(self, "_async"):  # else it was never complete
            self._graph.close(0.0, force=True)
            if self._async is not None:
                self._async.stop()


def _deadline(timeout: float) -> float | None:
    return None if timeout < 0 else time.monotonic() + timeout


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
