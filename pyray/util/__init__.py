"""Tools on top of the API: pools of actors and of processes, backends of other libraries."""

from pyray.util.actor_pool import ActorPool as ActorPool

__all__ = ["ActorPool"]
