"""Tools on top of the API: pools of actors and of processes, backends of other libraries."""

import importlib as _importlib
from typing import Any as _Any

from pyray.absent import reason as _reason
from pyray.actors import list_named_actors as list_named_actors
from pyray.errors.serializability import deregister_serializer as deregister_serializer
from pyray.errors.serializability import inspect_serializability as inspect_serializability
from pyray.errors.serializability import register_serializer as register_serializer
from pyray.util.actor_group import ActorGroup as ActorGroup
from pyray.util.actor_pool import ActorPool as ActorPool
from pyray.util.debug import disable_log_once_globally as disable_log_once_globally
from pyray.util.debug import enable_periodic_logging as enable_periodic_logging
from pyray.util.debug import log_once as log_once
from pyray.util.node import get_node_instance_id as get_node_instance_id
from pyray.util.node import get_node_ip_address as get_node_ip_address
from pyray.util.placement_group import get_current_placement_group as get_current_placement_group
from pyray.util.placement_group import get_placement_group as get_placement_group
from pyray.util.placement_group import placement_group as placement_group
from pyray.util.placement_group import placement_group_table as placement_group_table
from pyray.util.placement_group import remove_placement_group as remove_placement_group
from pyray.util.waiting import as_completed as as_completed
from pyray.util.waiting import map_unordered as map_unordered

__all__ = [
    "ActorGroup",
    "ActorPool",
    "as_completed",
    "deregister_serializer",
    "disable_log_once_globally",
    "enable_periodic_logging",
    "get_current_placement_group",
    "get_node_instance_id",
    "get_node_ip_address",
    "get_placement_group",
    "inspect_serializability",
    "list_named_actors",
    "log_once",
    "map_unordered",
    "placement_group",
    "placement_group_table",
    "register_serializer",
    "remove_placement_group",
]

_MODULES = {
    "accelerators",
    "annotations",
    "debug",
    "iter",
    "metrics",
    "multiprocessing",
    "pdb",
    "queue",
    "rpdb",
    "scheduling_strategies",
    "serialization",
    "state",
}
"""What `ray.util.x` finds without having been imported."""


def __getattr__(name: str) -> _Any:
    """Import a module when it is asked for first; say why there is no such name."""
    if name in _MODULES:
        return _importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(_reason(f"util.{name}"))
