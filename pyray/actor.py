"""Actors, as `ray.actor` has them."""

from pyray.actor_handle import ActorHandle, ActorMethod
from pyray.actor_methods import method
from pyray.actors import ActorClass, ActorClassInheritanceException
from pyray.worker.actor_life import exit_actor

__all__ = [
    "ActorClass",
    "ActorClassInheritanceException",
    "ActorHandle",
    "ActorMethod",
    "exit_actor",
    "method",
]
