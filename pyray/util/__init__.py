"""Tools on top of the API: pools of actors and of processes, backends of other libraries."""

from pyray.actors import list_named_actors as list_named_actors
from pyray.errors.serializability import deregister_serializer as deregister_serializer
from pyray.errors.serializability import inspect_serializability as inspect_serializability
from pyray.errors.serializability import register_serializer as register_serializer
from pyray.util.actor_group import ActorGroup as ActorGroup
from pyray.util.actor_pool import ActorPool as ActorPool
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
    "get_current_placement_group",
    "get_placement_group",
    "inspect_serializability",
    "list_named_actors",
    "map_unordered",
    "placement_group",
    "placement_group_table",
    "register_serializer",
    "remove_placement_group",
]
