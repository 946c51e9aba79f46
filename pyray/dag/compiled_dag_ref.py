"""Results of compiled graphs that are not there yet."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NoReturn

from pyray.calls import GraphResult

if TYPE_CHECKING:
    from pyray.dag.compiled_dag import CompiledDAG


class _Result:
    """What references and futures have in common."""

    def __init__(self, dag: CompiledDAG, execution_index: int, channel_index: int | None) -> None:
        self._dag = dag
        self._execution_index = execution_index
        self._channel_index = channel_index
        self._is_taken = False

    def __str__(self) -> str:
        return (
            f"{type(self).__name__}({self._dag.get_id()}, execution_index={self._execution_index}, "
            f"channel_index={self._channel_index})"
        )

    def __copy__(self) -> NoReturn:
        raise ValueError(f"{type(self).__name__} cannot be copied.")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise ValueError(f"{type(self).__name__} cannot be deep copied.")

    def __reduce__(self) -> NoReturn:
        raise ValueError(f"{type(self).__name__} cannot be pickled.")

    def __del__(self) -> None:
        """A result that nobody has fetched is not kept."""
        if not self._is_taken:
            self._dag._forget(self._execution_index, self._channel_index)


class CompiledDAGRef(_Result, GraphResult):
    """A result of a compiled graph: `ray.get` fetches it, once.

    It cannot be copied, pickled, passed to a task, or given to `ray.wait`.
    """

    def get(self, timeout: float | None = None) -> Any:
        """Wait for the result and return it; what `ray.get` does.

        Args:
            timeout: Seconds to wait at most; None: as `DAGContext.get_timeout` says; -1: no limit.

        Raises:
            ValueError: If it has been fetched already.
            RayChannelTimeoutError: If the time is over; it cannot be fetched any more then.
            RayTaskError: If a method raised: an instance of its exception's class as well.
            ActorDiedError: If an actor of the graph has died.
            RayChannelError: If the graph has been torn down.
            RayCgraphCapacityExceeded: If too many earlier results have not been fetched.
        """
        if self._is_taken:
            raise ValueError(
                "ray.get() can only be called once on a CompiledDAGRef, and it was already called."
            )
        self._is_taken = True
        return self._dag._fetch(self._execution_index, self._channel_index, timeout)


class CompiledDAGFuture(_Result):
    """A result of a compiled graph that is awaited, once."""

    def __init__(
        self,
        dag: CompiledDAG,
        execution_index: int,
        future: concurrent.futures.Future[list[Any]],
        channel_index: int | None = None,
    ) -> None:
        super().__init__(dag, execution_index, channel_index)
        self._future = future

    def __await__(self) -> Generator[Any, None, Any]:
        if self._is_taken:
            raise ValueError(
                "CompiledDAGFuture can only be awaited upon once, and it has already been awaited "
                "upon."
            )
        self._is_taken = True
        results = yield from asyncio.wrap_future(self._future).__await__()
        return self._dag._value_of(results, self._channel_index)
