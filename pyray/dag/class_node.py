"""Nodes of actors, and of calls of their methods."""

from __future__ import annotations

from typing import Any

from pyray.actor_handle import ActorHandle
from pyray.dag.dag_node import (
    IS_CLASS_METHOD_OUTPUT_KEY,
    PARENT_CLASS_NODE_KEY,
    PREV_CLASS_METHOD_CALL_KEY,
    DAGNode,
)
from pyray.dag.input_node import InputAttributeNode, InputNode


class ClassNode(DAGNode):
    """An actor that each execution creates: what `Class.bind(...)` returns.

    Calls of its methods are bound to it: `node.method.bind(...)`. They run in the order in which
    they were bound.
    """

    def __init__(
        self,
        cls: Any,
        cls_args: tuple[Any, ...],
        cls_kwargs: dict[str, Any],
        cls_options: dict[str, Any],
        other_args_to_resolve: dict[str, Any] | None = None,
    ) -> None:
        self._actor_class = cls
        self._body = getattr(cls, "_cls", cls)
        self._last_call: ClassMethodNode | None = None
        super().__init__(cls_args, cls_kwargs, cls_options, other_args_to_resolve)
        if any(isinstance(node, InputNode | InputAttributeNode) for node in self._upstream_nodes):
            raise ValueError(
                "InputNode handles user dynamic input the DAG, and cannot be used as args, kwargs, "
                "or other_args_to_resolve in ClassNode constructor because it is not available at "
                "class construction or binding time."
            )

    def _execute_impl(self, *args: Any, **kwargs: Any) -> Any:
        del args, kwargs
        return self._actor_class.remote(*self._bound_args, **self._bound_kwargs)

    def __getattr__(self, name: str) -> Any:
        """Return the method of that name, to be bound."""
        if name in {"_body", "bind", "remote"} or (name.startswith("__") and name.endswith("__")):
            return super().__getattr__(name)
        getattr(self._body, name)  # AttributeError, if there is none
        return UnboundClassMethod(self, name, {})

    def _body_text(self) -> str:
        return str(self._body)


class UnboundClassMethod:
    """A method of a `ClassNode`."""

    def __init__(self, actor: ClassNode, name: str, options: dict[str, Any]) -> None:
        self._actor = actor
        self._name = name
        self._options = options

    def bind(self, *args: Any, **kwargs: Any) -> ClassMethodNode:
        """Return the node of a call."""
        other = {
            PARENT_CLASS_NODE_KEY: self._actor,
            PREV_CLASS_METHOD_CALL_KEY: self._actor._last_call,
        }
        node = ClassMethodNode(self._name, args, kwargs, self._options, other)
        self._actor._last_call = node
        return node

    def options(self, **options: Any) -> UnboundClassMethod:
        """Return the same method with other options."""
        return UnboundClassMethod(self._actor, self._name, {**self._options, **options})

    def __getattr__(self, name: str) -> Any:
        """Say what to do instead of calling it."""
        if name == "remote":
            raise AttributeError(
                ".remote() cannot be used on ClassMethodNodes. Use .bind() instead to express an "
                "symbolic actor call."
            )
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


class ClassMethodNode(DAGNode):
    """A call of an actor's method, or one of the values that a call returns."""

    def __init__(
        self,
        method_name: str,
        method_args: tuple[Any, ...],
        method_kwargs: dict[str, Any],
        method_options: dict[str, Any],
        other_args_to_resolve: dict[str, Any],
    ) -> None:
        self._method_name = method_name
        self._is_class_method_output: bool = other_args_to_resolve.get(
            IS_CLASS_METHOD_OUTPUT_KEY, False
        )
        # As they were bound: in the copies that are executed, results stand in their place.
        self._call: ClassMethodNode | None = None
        self._index: int | None = None
        if self._is_class_method_output:
            self._call, self._index = method_args
        super().__init__(method_args, method_kwargs, method_options, other_args_to_resolve)

    def _execute_impl(self, *args: Any, **kwargs: Any) -> Any:
        del args, kwargs
        if self._is_class_method_output:
            return self._bound_args[0][self._bound_args[1]]
        method = getattr(
            self._bound_other_args_to_resolve[PARENT_CLASS_NODE_KEY], self._method_name
        )
        if self._bound_options:
            method = method.options(**self._bound_options)
        return method.remote(*self._bound_args, **self._bound_kwargs)

    def get_method_name(self) -> str:
        """Return the method's name."""
        return self._method_name

    def _get_actor_handle(self) -> ActorHandle | None:
        parent = self._bound_other_args_to_resolve.get(PARENT_CLASS_NODE_KEY)
        return parent if isinstance(parent, ActorHandle) else None

    @property
    def num_returns(self) -> int:
        """How many values the call returns."""
        if self._call is not None:
            count: int = self._call.num_returns
            return count
        wanted = self._bound_options.get("num_returns")
        handle = self._get_actor_handle()
        if wanted is None and handle is not None:
            method = handle._info.method(self._method_name)
            wanted = method.num_returns if method is not None else 1
        return wanted if isinstance(wanted, int) else 1

    @property
    def is_class_method_call(self) -> bool:
        """Whether it is the call itself."""
        return not self._is_class_method_output

    @property
    def is_class_method_output(self) -> bool:
        """Whether it is one of the values of a call that returns several."""
        return self._is_class_method_output

    @property
    def class_method_call(self) -> ClassMethodNode | None:
        """The call whose value it is, or None."""
        return self._call

    @property
    def output_idx(self) -> int | None:
        """Which of the values it is, or None."""
        return self._index

    def _body_text(self) -> str:
        return f"{self._method_name}()"


def bind_method(
    handle: ActorHandle,
    name: str,
    options: dict[str, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> ClassMethodNode | tuple[ClassMethodNode, ...]:
    """Return the node of a call of an existing actor, or those of the several values it returns."""
    other = {PARENT_CLASS_NODE_KEY: handle, PREV_CLASS_METHOD_CALL_KEY: None}
    node = ClassMethodNode(name, args, kwargs, options, other)
    if node.num_returns <= 1:
        return node
    is_output = {**other, IS_CLASS_METHOD_OUTPUT_KEY: True}
    return tuple(
        ClassMethodNode(f"return_idx_{index}", (node, index), {}, {}, is_output)
        for index in range(node.num_returns)
    )
