"""Nodes of tasks."""

from __future__ import annotations

from typing import Any

from pyray.dag.dag_node import DAGNode


class FunctionNode(DAGNode):
    """A task: what `f.bind(...)` of a remote function returns."""

    def __init__(
        self,
        func_body: Any,
        func_args: tuple[Any, ...],
        func_kwargs: dict[str, Any],
        func_options: dict[str, Any],
        other_args_to_resolve: dict[str, Any] | None = None,
    ) -> None:
        self._remote_function = func_body
        self._body = getattr(func_body, "_function", func_body)
        super().__init__(func_args, func_kwargs, func_options, other_args_to_resolve)

    def _execute_impl(self, *args: Any, **kwargs: Any) -> Any:
        del args, kwargs
        return self._remote_function.remote(*self._bound_args, **self._bound_kwargs)

    def _body_text(self) -> str:
        return str(self._body)
