"""The end of a graph with several results."""

from __future__ import annotations

from typing import Any

from pyray.dag.dag_node import DAGNode


class MultiOutputNode(DAGNode):
    """Several nodes as the end of a graph: its results are a list."""

    def __init__(
        self,
        args: list[Any] | tuple[Any, ...],
        other_args_to_resolve: dict[str, Any] | None = None,
    ) -> None:
        if isinstance(args, tuple):
            args = list(args)
        if not isinstance(args, list):
            raise ValueError(f"Invalid input type for `args`, {type(args)}.")  # noqa: TRY004
        super().__init__(args, {}, {}, other_args_to_resolve)

    def _execute_impl(self, *args: Any, **kwargs: Any) -> Any:
        del args, kwargs
        return self._bound_args

    def _body_text(self) -> str:
        return "__MultiOutputNode__"
