"""What all nodes of a graph have in common."""

from __future__ import annotations

import asyncio
import itertools
import uuid
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pyray.dag.scan import find_nodes, replace_nodes

if TYPE_CHECKING:
    from pyray.dag.compiled_dag import CompiledDAG

PARENT_CLASS_NODE_KEY: Final = "parent_class_node"
PREV_CLASS_METHOD_CALL_KEY: Final = "prev_class_method_call"
BIND_INDEX_KEY: Final = "bind_index"
IS_CLASS_METHOD_OUTPUT_KEY: Final = "is_class_method_output"

_numbers = itertools.count(1)


class DAGNode:
    """A node of a graph: what is to run, and with which arguments.

    Nodes are made by `bind`, not by hand. A node that several others have as an argument, also
    inside of lists, dictionaries or other objects, runs once.
    """

    _is_input: ClassVar[bool] = False

    def __init__(
        self,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        options: dict[str, Any],
        other_args_to_resolve: dict[str, Any] | None = None,
    ) -> None:
        self._bound_args: Any = args or []
        self._bound_kwargs = kwargs or {}
        self._bound_options = options or {}
        self._bound_other_args_to_resolve = other_args_to_resolve or {}
        self._stable_uuid = uuid.uuid4().hex
        self._number = next(_numbers)  # arguments exist before: an order to run in
        self._downstream: list[weakref.ref[DAGNode]] = []
        self._upstream_nodes = find_nodes(
            [self._bound_args, self._bound_kwargs, self._bound_other_args_to_resolve]
        )
        self.cache_from_last_execute: dict[str, Any] = {}
        self.is_cgraph_output_node = False
        for node in self._upstream_nodes:
            node._downstream.append(weakref.ref(self))

    # ---- what it consists of

    def get_args(self) -> Any:
        """Return the positional arguments."""
        return self._bound_args

    def get_kwargs(self) -> dict[str, Any]:
        """Return the keyword arguments."""
        return self._bound_kwargs.copy()

    def get_options(self) -> dict[str, Any]:
        """Return the options of the function, class or method."""
        return self._bound_options.copy()

    def get_other_args_to_resolve(self) -> dict[str, Any]:
        """Return what else it depends on, by name: an actor, say."""
        return self._bound_other_args_to_resolve.copy()

    def get_stable_uuid(self) -> str:
        """Return the node's id, which its copies share."""
        return self._stable_uuid

    def with_tensor_transport(
        self,
        transport: str = "auto",
        device: str = "default",
        _static_shape: bool = False,  # noqa: FBT001, FBT002  (Ray's)
        _direct_return: bool = False,  # noqa: FBT001, FBT002
    ) -> DAGNode:
        """Accept what Ray's programs say about tensors: here they pass through shared memory.

        Raises:
            ValueError: If it asks for a transport or a device that there is not.
        """
        del _static_shape, _direct_return
        if device not in {"default", "cpu"}:
            raise ValueError(f"Invalid device '{device}'. Valid options here are: default, cpu.")
        if transport not in {"auto", "shm"}:
            raise ValueError(
                f"Invalid transport type: {transport}. Transport must be one of 'auto' and 'shm': "
                "on one machine tensors pass through shared memory."
            )
        return self

    # ---- running it

    def execute(self, *args: Any, _ray_cache_refs: bool = False, **kwargs: Any) -> Any:
        """Submit the tasks of the graph that ends here; nodes that are shared run once.

        Args:
            *args: Input of the graph's `InputNode`.
            _ray_cache_refs: Keep what each node has returned, for
                `get_object_refs_from_last_execute`.
            **kwargs: Input by name.

        Returns:
            What `remote` would return: a reference, or an actor's handle; a list of them for a
            `MultiOutputNode`.
        """
        results: dict[str, Any] = {}
        result = self.apply_recursive(lambda node: node._execute_impl(*args, **kwargs), results)
        if _ray_cache_refs:
            self.cache_from_last_execute = results
        return result

    async def get_object_refs_from_last_execute(self) -> dict[str, Any]:
        """Return what each node has returned, by the node's id."""
        kept = self.cache_from_last_execute
        return {
            key: await value if isinstance(value, asyncio.Task) else value
            for key, value in kept.items()
        }

    def clear_cache(self) -> None:
        """Forget what the nodes have returned."""
        self.cache_from_last_execute = {}

    def experimental_compile(
        self,
        _submit_timeout: float | None = None,
        _buffer_size_bytes: int | None = None,
        enable_asyncio: bool = False,  # noqa: FBT001, FBT002  (Ray's)
        _max_inflight_executions: int | None = None,
        _max_buffered_results: int | None = None,
        _overlap_gpu_communication: bool | None = None,  # noqa: FBT001
        _default_communicator: Any = "create",
    ) -> CompiledDAG:
        """Prepare a graph of actors' methods so that it runs without tasks.

        Args:
            _submit_timeout: Seconds that `execute` waits at most for room; -1: no limit; None: as
                `DAGContext` says, as with the others.
            _buffer_size_bytes: Accepted; a value takes the room that it needs.
            enable_asyncio: Use `await compiled.execute_async(...)`, not `execute`.
            _max_inflight_executions: So many executions may be under way.
            _max_buffered_results: So many results may be there that nobody has fetched.
            _overlap_gpu_communication: Accepted.
            _default_communicator: Accepted.

        Raises:
            ValueError: If an option or the graph cannot be used.
            NotImplementedError: If a node is not a method of an existing actor, or there is no
                `InputNode`.
            ActorDiedError: If an actor has died.
        """
        from pyray.dag.compiled_dag import compile_graph

        del _overlap_gpu_communication, _default_communicator
        if self.is_cgraph_output_node:
            raise ValueError(
                "It is not allowed to call `experimental_compile` on the same DAG object multiple "
                "times no matter whether `teardown` is called or not. Please reuse the existing "
                "compiled DAG or create a new one."
            )
        self.is_cgraph_output_node = True
        return compile_graph(
            self,
            submit_timeout=_submit_timeout,
            buffer_size_bytes=_buffer_size_bytes,
            enable_asyncio=enable_asyncio,
            max_inflight_executions=_max_inflight_executions,
            max_buffered_results=_max_buffered_results,
        )

    def _execute_impl(self, *args: Any, **kwargs: Any) -> Any:
        """Run this node, whose arguments have been replaced by results."""
        raise NotImplementedError

    # ---- walking the graph

    def apply_recursive(self, fn: Callable[[Any], Any], cache: dict[str, Any] | None = None) -> Any:
        """Apply a function to every node that this one depends on, and to itself.

        Args:
            fn: Is given a copy of each node in which the nodes among its arguments are replaced by
                what it has returned for them.
            cache: Where to keep that, by the nodes' ids.

        Returns:
            What `fn` has returned for this node.
        """
        results = {} if cache is None else cache
        nodes = list(self._in_order())
        if sum(node._is_input for node in nodes) > 1:
            raise AssertionError("Each DAG should only have one unique InputNode.")
        for node in nodes:
            results[node._stable_uuid] = fn(node._with_results(results))
        return results[self._stable_uuid]

    def _in_order(self) -> Iterator[DAGNode]:
        """Yield what this node depends on, and then itself; what a node needs comes before it."""
        seen = {self}
        queue = [self]
        while queue:
            for node in queue.pop()._upstream_nodes:
                if node not in seen:
                    seen.add(node)
                    queue.append(node)
        yield from sorted(seen, key=lambda node: node._number)

    def _with_results(self, results: dict[str, Any]) -> DAGNode:
        def result(node: DAGNode) -> Any:
            return results[node._stable_uuid]

        copy: DAGNode = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        bound = [self._bound_args, self._bound_kwargs, self._bound_other_args_to_resolve]
        copy.__dict__["_bound_args"] = replace_nodes(bound[0], result)
        copy.__dict__["_bound_kwargs"] = replace_nodes(bound[1], result)
        copy.__dict__["_bound_other_args_to_resolve"] = replace_nodes(bound[2], result)
        return copy

    # ---- text and attributes

    def _body_text(self) -> str:
        return ""

    def __str__(self) -> str:
        other = self._bound_other_args_to_resolve
        return (
            f"({type(self).__name__}, {self._stable_uuid})(\n"
            f"    body={self._body_text()}\n"
            f"    args={_text_of_list(self._bound_args)}\n"
            f"    kwargs={_text_of_dict(self._bound_kwargs)}\n"
            f"    options={_text_of_dict({k: v for k, v in self._bound_options.items() if v})}\n"
            f"    other_args_to_resolve={_text_of_dict(other)}\n"
            ")"
        )

    def __repr__(self) -> str:
        return str(self)

    def __getattr__(self, name: str) -> Any:
        """Say what to do instead of what nodes do not have."""
        if name == "bind":
            raise AttributeError(f".bind() cannot be used again on {type(self)} ")
        if name == "remote":
            raise AttributeError(
                f".remote() cannot be used on {type(self)}. To execute the task graph for this "
                "node, use .execute()."
            )
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __getstate__(self) -> dict[str, Any]:
        """A pickled node does not know who depends on it."""
        return {name: value for name, value in self.__dict__.items() if name != "_downstream"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Nodes know each other in both directions: the others may not have their state yet."""
        self.__dict__.update(state)
        for node in [self, *self._upstream_nodes]:
            below = node.__dict__.setdefault("_downstream", [])
            if node is not self:
                below.append(weakref.ref(self))


def _indented(text: str) -> list[str]:
    return ["        " + line for line in text.split("\n")]


def _text_of_list(values: Any) -> str:
    if not values:
        return "[]"
    lines: list[str] = []
    for value in values:
        parts = value if isinstance(value, list) else [value]
        for part in value.values() if isinstance(value, dict) else parts:
            lines += _indented(f"{part}" if isinstance(part, DAGNode) else f"{part}, ")
    return "\n".join(["[", *lines, "    ]"])


def _text_of_dict(values: dict[str, Any]) -> str:
    if not values:
        return "{}"
    lines: list[str] = []
    for key, value in values.items():
        lines += _indented(f"{key}: {value}")
    return "\n".join(["{", *lines, "    }"])
