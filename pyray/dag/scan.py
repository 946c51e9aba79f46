"""Nodes inside of values: found, and replaced by something else."""

from __future__ import annotations

import io
import pickle
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cloudpickle

from pyray._core import ObjectRef
from pyray.actor_handle import ActorHandle
from pyray.remote_call import RemoteCallable

if TYPE_CHECKING:
    from pyray.dag.dag_node import DAGNode

SCALARS = (type(None), bool, int, float, complex, str, bytes, bytearray)
OPAQUE = (
    *(ObjectRef, ActorHandle, RemoteCallable, type),
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType),
)
"""What has no nodes inside and is passed on as it is."""


def _is_opaque(value: object) -> bool:
    numpy = sys.modules.get("numpy")
    is_array = numpy is not None and isinstance(value, numpy.ndarray) and value.dtype != object
    return is_array or isinstance(value, OPAQUE)


def find_nodes(value: Any) -> list[DAGNode]:
    """Return the nodes inside of a value, in order, each as often as it is there."""
    found: list[DAGNode] = []

    def note(node: DAGNode) -> DAGNode:
        found.append(node)
        return node

    replace_nodes(value, note)
    return found


def replace_nodes(value: Any, replacement: Callable[[DAGNode], Any]) -> Any:
    """Return the value with every node inside of it replaced; itself, if there is none."""
    from pyray.dag.dag_node import DAGNode

    if isinstance(value, DAGNode):
        return replacement(value)
    kind = type(value)
    if kind in SCALARS or _is_opaque(value):
        return value
    if kind in {list, tuple, set}:
        parts = [replace_nodes(part, replacement) for part in value]
        is_same = all(new is old for new, old in zip(parts, value, strict=True))
        return value if is_same else kind(parts)
    if kind is dict:
        pairs = {
            replace_nodes(key, replacement): replace_nodes(part, replacement)
            for key, part in value.items()
        }
        old = [*value, *value.values()]
        new = [*pairs, *pairs.values()]
        is_same = len(old) == len(new) and all(a is b for a, b in zip(new, old, strict=True))
        return value if is_same else pairs
    return _replace_inside(value, replacement)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Leaves out nodes, and what is passed on as it is."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.left_out: list[Any] = []

    def persistent_id(self, value: Any) -> int | None:
        from pyray.dag.dag_node import DAGNode

        if not isinstance(value, DAGNode) and not _is_opaque(value):
            return None
        self.left_out.append(value)
        return len(self.left_out) - 1


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, replaced: list[Any]) -> None:
        super().__init__(file)
        self.replaced = replaced

    def persistent_load(self, number: int) -> Any:
        return self.replaced[number]


def _replace_inside(value: Any, replacement: Callable[[DAGNode], Any]) -> Any:
    """An object of any class: a copy of it by way of a pickle, if there are nodes inside."""
    from pyray.dag.dag_node import DAGNode

    file = io.BytesIO()
    pickler = _Pickler(file)
    try:
        pickler.dump(value)
    except Exception:  # noqa: BLE001  (what cannot be pickled says so when it is used)
        return value
    if not any(isinstance(part, DAGNode) for part in pickler.left_out):
        return value
    replaced = [
        replacement(part) if isinstance(part, DAGNode) else part for part in pickler.left_out
    ]
    file.seek(0)
    return _Unpickler(file, replaced).load()
