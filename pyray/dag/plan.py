"""What has to happen for a compiled graph: who does what, and which values go from whom to whom.

Each value that another process needs goes through one channel for each such process. Every actor
runs its steps in the order in which their nodes were bound: what a step needs is made by earlier
ones, so nobody waits in a circle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from pyray.dag.class_node import ClassMethodNode
from pyray.dag.dag_node import DAGNode
from pyray.dag.function_node import FunctionNode
from pyray.dag.input_node import InputAttributeNode, InputNode
from pyray.dag.output_node import MultiOutputNode
from pyray.dag.scan import find_nodes

if TYPE_CHECKING:
    from pyray.actor_handle import ActorHandle


@dataclass(slots=True)
class Output:
    """One value that a step, or the driver, makes.

    Args:
        value: Its number, or -1 if no later step of the same actor needs it.
        channels: Numbers of the channels that it goes into.
    """

    value: int = -1
    channels: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Step:
    """One call of a method.

    Args:
        method: Its name.
        title: For errors.
        args: (True, number of a value) or (False, constant), each.
        kwargs: Constants.
        receives: (number of the value, number of the channel) that have to be received before.
        outputs: What becomes of what it returns; several if it returns several values.
        returns_many: Whether it does.
    """

    method: str
    title: str
    args: list[tuple[bool, Any]]
    kwargs: dict[str, Any]
    receives: list[tuple[int, int]]
    outputs: list[Output]
    returns_many: bool = False


@dataclass(slots=True)
class Plan:
    """A compiled graph.

    Args:
        actors: Handles of the actors.
        steps: What each of them does, in the same order.
        inputs: What the driver sends: (key of the input, None for all of it; the channels).
        outputs: Channels from which the driver takes the results, in order.
        returns_list: Whether the result is a list.
        channel_count: How many channels there are.
        value_count: How many values there are.
    """

    actors: list[ActorHandle]
    steps: list[list[Step]]
    inputs: list[tuple[int | str | None, list[int]]]
    outputs: list[int]
    returns_list: bool
    channel_count: int
    value_count: int

    @property
    def positional_count(self) -> int:
        """How many positional arguments an execution has."""
        keys = [key for key, _ in self.inputs]
        return (
            1 if None in keys else max((key + 1 for key in keys if isinstance(key, int)), default=0)
        )

    @property
    def keywords(self) -> list[str]:
        """Names of the keyword arguments that an execution must have."""
        return [key for key, _ in self.inputs if isinstance(key, str)]


def make_plan(end: DAGNode) -> Plan:
    """Return the plan of the graph that ends at a node.

    Raises:
        ValueError: If the graph cannot be compiled.
        NotImplementedError: If a node is a task, or there is no input.
    """
    nodes = _component(end)
    _check(end, nodes)
    return _Planner(end).plan()


def _component(end: DAGNode) -> list[DAGNode]:
    """Return all nodes that are connected with this one, in the order in which they were made."""
    seen = {end}
    queue = [end]
    while queue:
        node = queue.pop()
        below = [found for ref in node._downstream if (found := ref()) is not None]
        for other in [*node._upstream_nodes, *below]:
            if other not in seen:
                seen.add(other)
                queue.append(other)
    return sorted(seen, key=lambda node: node._number)


# ---- what cannot be compiled


def _check(end: DAGNode, nodes: list[DAGNode]) -> None:
    for node in sorted(nodes, key=lambda node: not isinstance(node, ClassMethodNode)):
        _check_node(node)
        if node is not end and node.is_cgraph_output_node:
            raise ValueError(
                "The DAG was compiled more than once. The following two nodes call "
                f"`experimental_compile`: (1) {node}, (2) {end}"
            )
    inputs = [node for node in nodes if isinstance(node, InputNode)]
    if len(inputs) != 1:
        raise NotImplementedError("Compiled DAGs currently require exactly one InputNode")
    needed = set(end._in_order())
    _check_input(inputs[0], [node for node in nodes if node in needed])
    leaves = [
        node
        for node in nodes
        if isinstance(node, ClassMethodNode)
        and node not in needed
        and not node.is_class_method_output
    ]
    if leaves:
        raise ValueError(
            "Compiled DAG doesn't support leaf nodes, i.e., nodes that don't have downstream nodes "
            f"and are not output nodes. There are {len(leaves)} leaf nodes in the DAG. Please add "
            f"the outputs of {[leaf.get_method_name() for leaf in leaves]} to the the "
            "MultiOutputNode."
        )


def _check_node(node: DAGNode) -> None:
    if isinstance(node, FunctionNode):
        raise NotImplementedError("Compiled DAGs currently only support actor method nodes")
    if isinstance(node, InputNode | InputAttributeNode | MultiOutputNode):
        return
    if not isinstance(node, ClassMethodNode):
        raise ValueError(f"Found unsupported node of type {type(node)}")  # noqa: TRY004  (Ray's)
    if node._get_actor_handle() is None:
        raise ValueError(
            "Compiled DAGs can only bind methods to an actor that is already created with "
            "Actor.remote()"
        )
    if find_nodes(node._bound_kwargs):
        raise ValueError(
            "Compiled DAG currently does not support binding to other DAG nodes as kwargs"
        )
    for arg in node._bound_args:
        found = [] if isinstance(arg, DAGNode) else find_nodes(arg)
        if found:
            raise ValueError(
                f"Found {len(found)} DAGNodes from the arg {arg} in {node}. Please ensure that the "
                "argument is a single DAGNode and that a DAGNode is not allowed to be placed "
                "inside any type of container."
            )
    if not any(isinstance(arg, DAGNode) for arg in node._bound_args):
        raise ValueError(
            "Compiled DAGs require each task to take a ray.dag.InputNode or at least one other "
            f"DAGNode as an input. Invalid task node:\n{node}\n"
            "Please bind the task to proper DAG nodes."
        )


def _check_input(node: InputNode, needed: list[DAGNode]) -> None:
    wanted = [
        arg
        for user in needed
        if isinstance(user, ClassMethodNode | MultiOutputNode)
        for arg in user._bound_args
    ]
    attributes = {arg.key for arg in wanted if isinstance(arg, InputAttributeNode)}
    if attributes and node in wanted:
        raise ValueError(
            "All tasks must either use InputNode() directly, or they must index to specific args "
            "or kwargs."
        )
    all_keys = list(node.input_attribute_nodes)
    unused = [key for key in all_keys if key not in attributes]
    if unused:
        raise ValueError(
            "Compiled Graph expects input to be accessed using all of attributes "
            f"{', '.join(map(str, all_keys))}, but {', '.join(map(str, unused))} "
            f"{'is' if len(unused) == 1 else 'are'} unused. Ensure all input attributes are used "
            "and contribute to the computation of the Compiled Graph output."
        )


# ---- the plan


class _Planner:
    def __init__(self, end: DAGNode) -> None:
        self.end = end
        self.returns_list = isinstance(end, MultiOutputNode)
        self.results: list[DAGNode] = list(end._bound_args) if self.returns_list else [end]
        self.nodes = sorted(end._in_order(), key=lambda node: node._number)
        self.numbers = {node: number for number, node in enumerate(self.nodes)}
        self.outputs = {node: Output() for node in self.nodes}
        self.received: dict[tuple[DAGNode, bytes], int] = {}
        self.channel_count = 0
        self.handles: dict[bytes, ActorHandle] = {}
        self.steps: dict[bytes, list[Step]] = {}

    def plan(self) -> Plan:
        for node in self.nodes:
            if isinstance(node, ClassMethodNode) and node.is_class_method_call:
                self._add_step(node, cast("ActorHandle", node._get_actor_handle()))
        results = [self._channel(node, b"")[0] for node in self.results]
        inputs = [
            (node.key if isinstance(node, InputAttributeNode) else None, output.channels)
            for node, output in self.outputs.items()
            if isinstance(node, InputNode | InputAttributeNode) and output.channels
        ]
        return Plan(
            list(self.handles.values()),
            list(self.steps.values()),
            inputs,
            results,
            self.returns_list,
            self.channel_count,
            len(self.nodes),
        )

    def _add_step(self, node: ClassMethodNode, handle: ActorHandle) -> None:
        actor = handle._target.id
        self.handles.setdefault(actor, handle)
        receives: list[tuple[int, int]] = []
        args: list[tuple[bool, Any]] = []
        for arg in node._bound_args:
            args.append((isinstance(arg, DAGNode), arg))
            if isinstance(arg, DAGNode):
                args[-1] = (True, self.numbers[arg])
                receives += self._receive(arg, actor)
        outputs = [self.outputs[node]]
        if node.num_returns > 1:
            values = {
                other.output_idx: other
                for other in self.nodes
                if isinstance(other, ClassMethodNode) and other.class_method_call is node
            }
            outputs = [
                self.outputs[values[index]] if index in values else Output()
                for index in range(node.num_returns)
            ]
        title = f"{handle._info.class_name}.{node.get_method_name()}"
        step = Step(
            node.get_method_name(),
            title,
            args,
            node.get_kwargs(),
            receives,
            outputs,
            returns_many=node.num_returns > 1,
        )
        self.steps.setdefault(actor, []).append(step)

    def _receive(self, node: DAGNode, actor: bytes) -> list[tuple[int, int]]:
        """Return what an actor has to receive to have this value."""
        handle = _maker(node)._get_actor_handle() if isinstance(node, ClassMethodNode) else None
        if handle is not None and handle._target.id == actor:
            self.outputs[node].value = self.numbers[node]
            return []
        channel, is_new = self._channel(node, actor)
        return [(self.numbers[node], channel)] if is_new else []

    def _channel(self, node: DAGNode, reader: bytes) -> tuple[int, bool]:
        key = (node, reader)
        if key in self.received:
            return self.received[key], False
        self.received[key] = self.channel_count
        self.outputs[node].channels.append(self.channel_count)
        self.channel_count += 1
        return self.received[key], True


def _maker(node: ClassMethodNode) -> ClassMethodNode:
    return node.class_method_call or node
