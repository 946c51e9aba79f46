"""Dask's collections on the workers of a session.

    dask.compute(collection, scheduler=ray_dask_get)
    with enable_dask_on_ray(): ...

Each task of the graph is a task here, whose arguments are references: what is computed on the way
stays in the store, and only the results that were asked for come back.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import dask
from dask import order as dask_order
from dask._task_spec import Alias, DataNode, convert_legacy_graph

from pyray.calls import get, put
from pyray.exceptions import RayTaskError
from pyray.remote_function import RemoteFunction
from pyray.util.multiprocessing.results import own_error

__all__ = ["disable_dask_on_ray", "enable_dask_on_ray", "ray_dask_get"]


def enable_dask_on_ray(shuffle: str | None = "tasks") -> Any:
    """Make this the scheduler of Dask, for good or as a context manager."""
    return dask.config.set({"scheduler": ray_dask_get, "dataframe.shuffle.method": shuffle})


def disable_dask_on_ray() -> Any:
    """Have Dask use its own schedulers again."""
    return dask.config.set({"scheduler": None, "dataframe.shuffle.method": None})


def ray_dask_get(dsk: Any, keys: Any, *, ray_remote_args: Any = None, **_: Any) -> Any:
    """Compute keys of a graph: a scheduler, as `dask.compute(..., scheduler=ray_dask_get)` wants.

    Args:
        dsk: The graph.
        keys: A key, or nested lists of keys.
        ray_remote_args: Options of the tasks, as for `@ray.remote`.

    Returns:
        Their values, in lists as `keys` has them.
    """
    if not isinstance(dsk, dict) and hasattr(dsk, "__dask_graph__"):
        dsk = dsk.__dask_graph__()
    graph = convert_legacy_graph(dsk)
    wanted = set(_flat(keys))
    uses = Counter(key for node in graph.values() for key in node.dependencies)
    run = _run if not ray_remote_args else _run.options(**ray_remote_args)
    refs: dict[Any, Any] = {}
    for key in sorted(graph, key=dask_order.order(graph).__getitem__):
        node = graph[key]
        needs = list(node.dependencies)
        if isinstance(node, Alias):
            refs[key] = refs[node.target]
        elif isinstance(node, DataNode):
            refs[key] = put(node.value)
        else:
            refs[key] = run.remote(node, needs, *[refs[needed] for needed in needs])
        for needed in needs:  # an intermediate result goes with its last user
            uses[needed] -= 1
            if uses[needed] == 0 and needed not in wanted:
                del refs[needed]
    return _fetch(keys, refs)


def _fetch(keys: Any, refs: dict[Any, Any]) -> Any:
    flat = _flat(keys)
    try:
        values = dict(zip(flat, get([refs[key] for key in flat]), strict=True))
    except RayTaskError as error:
        raise own_error(error) from None
    return _pack(keys, values)


def _flat(keys: Any) -> list[Any]:
    return [one for key in keys for one in _flat(key)] if isinstance(keys, list) else [keys]


def _pack(keys: Any, values: dict[Any, Any]) -> Any:
    if isinstance(keys, list):
        return [_pack(key, values) for key in keys]
    return values[keys]


def _run_node(node: Any, names: list[Any], *values: Any) -> Any:
    """Run as a task: one node of the graph."""
    return node(dict(zip(names, values, strict=True)))


_run = RemoteFunction(_run_node, {})
