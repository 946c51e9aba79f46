"""Nodes that stand for what a graph is executed with."""

from __future__ import annotations

from typing import Any, Final, Self

from pyray.dag.dag_node import DAGNode

IN_CONTEXT_MANAGER: Final = "__in_context_manager__"


class InputNode(DAGNode):
    """The input of a graph: what `execute` is called with. A graph has at most one.

    It is used as a context manager. `inp[0]` and `inp.name` are nodes for one positional argument
    and one keyword argument; or, if `execute` is called with a single value, for its items and
    attributes.

    Example:
        >>> import pyray as ray
        >>> from pyray.dag import InputNode
        >>> @ray.remote
        ... def add(a, b):
        ...     return a + b
        >>> with InputNode() as inp:
        ...     node = add.bind(inp[0], inp.y)
        >>> ray.get(node.execute(1, y=2))
        3
    """

    _is_input = True

    def __init__(self, *args: Any, input_type: Any = None, **kwargs: Any) -> None:
        if args or kwargs:
            raise ValueError("InputNode should not take any args or kwargs.")
        self.input_attribute_nodes: dict[int | str, InputAttributeNode] = {}
        self.input_type = input_type
        super().__init__([], {}, {}, {})

    def _execute_impl(self, *args: Any, **kwargs: Any) -> Any:
        if not self._bound_other_args_to_resolve.get(IN_CONTEXT_MANAGER):
            raise AssertionError(
                "InputNode is a singleton instance that should be only used in context manager for "
                "dag building and execution. See the docstring of class InputNode for examples."
            )
        return args[0] if len(args) == 1 and not kwargs else DAGInputData(*args, **kwargs)

    def __enter__(self) -> Self:
        self._bound_other_args_to_resolve[IN_CONTEXT_MANAGER] = True
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        """Return the node of an attribute, or of the keyword argument of that name."""
        if name.startswith("__") or "input_attribute_nodes" not in self.__dict__:
            raise AttributeError(name)
        return self._attribute(name, "__getattr__")

    def __getitem__(self, key: int | str) -> InputAttributeNode:
        if not isinstance(key, int | str):
            raise AssertionError(  # noqa: TRY004  (as in Ray)
                "Please only use int index or str as first-level key to access fields of dag input."
            )
        return self._attribute(key, "__getitem__")

    def _attribute(self, key: int | str, accessor: str) -> InputAttributeNode:
        nodes = self.input_attribute_nodes
        if key not in nodes:
            nodes[key] = InputAttributeNode(self, key, accessor)
        return nodes[key]

    def _body_text(self) -> str:
        return "__InputNode__"


class InputAttributeNode(DAGNode):
    """One argument of the input, or an item or attribute of the only one."""

    def __init__(
        self,
        dag_input_node: InputNode,
        key: int | str,
        accessor_method: str,
        input_type: Any = None,
    ) -> None:
        self._key = key
        self._accessor_method = accessor_method
        other = {
            "dag_input_node": dag_input_node,
            "key": key,
            "accessor_method": accessor_method,
            "result_type_string": input_type,
        }
        super().__init__([], {}, {}, other)

    def _execute_impl(self, *args: Any, **kwargs: Any) -> Any:
        del args, kwargs
        given = self._bound_other_args_to_resolve["dag_input_node"]
        if isinstance(given, DAGInputData) or self._accessor_method == "__getitem__":
            return given[self._key]
        return getattr(given, str(self._key))

    @property
    def key(self) -> int | str:
        """The number, name or key."""
        return self._key

    def _body_text(self) -> str:
        return f'["{self._key}"]'


class DAGInputData:
    """The arguments of an execution with several: positional ones by number, others by name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._args = list(args)
        self._kwargs = kwargs

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, int):
            return self._args[key]
        if isinstance(key, str):
            return self._kwargs[key]
        raise ValueError(
            "Please only use int index or str as first-level key to access fields of dag input."
        )
