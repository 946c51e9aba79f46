"""Several actors of one class that are called together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from pyray.calls import get, kill, wait
from pyray.decorator import remote

if TYPE_CHECKING:
    from collections.abc import Collection

    from pyray.actor_handle import ActorHandle


@dataclass
class ActorWrapper:
    """A member.

    Args:
        actor: Its handle.
        metadata: What its method `get_actor_metadata` returned, if it has one.
    """

    actor: ActorHandle
    metadata: Any


class ActorGroupMethod:
    """A method of all members."""

    def __init__(self, group: ActorGroup, name: str) -> None:
        self._group = group
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: methods are called with `.remote()`.

        Raises:
            TypeError: Always.
        """
        del args, kwargs
        raise TypeError(
            "ActorGroup methods cannot be called directly. Instead of running "
            f"'object.{self._name}()', try 'object.{self._name}.remote()'."
        )

    def remote(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Call the method of every member with these arguments; return all references."""
        return [
            getattr(one.actor, self._name).remote(*args, **kwargs) for one in self._group.actors
        ]


class ActorGroup:
    """Start actors of one class; `group.method.remote(...)` calls all of them.

    `group[i].actor` is the handle of one, `group[i].metadata` what its method
    `get_actor_metadata` returned, if it has such a method.

    Args:
        actor_cls: The class, not decorated.
        num_actors: How many.
        num_cpus_per_actor: CPUs that each keeps.
        num_gpus_per_actor: GPUs that each keeps.
        resources_per_actor: Further resources that each keeps.
        init_args: Arguments of the constructor.
        init_kwargs: Its keyword arguments.

    Raises:
        ValueError: If `num_actors` is no positive number, or another one is negative.

    Example:
        >>> import pyray as ray
        >>> from pyray.util import ActorGroup
        >>> class Doubler:
        ...     def double(self, value):
        ...         return 2 * value
        >>> group = ActorGroup(Doubler, num_actors=2)
        >>> ray.get(group.double.remote(4))
        [8, 8]
        >>> group.shutdown()
    """

    def __init__(  # noqa: PLR0913, PLR0917  (Ray's signature)
        self,
        actor_cls: type,
        num_actors: int = 1,
        num_cpus_per_actor: float = 1,
        num_gpus_per_actor: float = 0,
        resources_per_actor: dict[str, float] | None = None,
        init_args: tuple[Any, ...] | None = None,
        init_kwargs: dict[str, Any] | None = None,
    ) -> None:
        if num_actors <= 0:
            raise ValueError(f"num_actors: expected a number greater than 0, got {num_actors}")
        if num_cpus_per_actor < 0 or num_gpus_per_actor < 0:
            raise ValueError(
                "num_cpus_per_actor and num_gpus_per_actor must not be negative, got "
                f"{num_cpus_per_actor} and {num_gpus_per_actor}"
            )
        self.actors: list[ActorWrapper] = []
        self.num_actors = num_actors
        self._arguments = init_args or (), init_kwargs or {}
        self._class = remote(
            num_cpus=num_cpus_per_actor,
            num_gpus=num_gpus_per_actor,
            resources=resources_per_actor,
        )(actor_cls)
        self.start()

    def __getattr__(self, name: str) -> ActorGroupMethod:
        """Return the method of that name, of all members.

        Raises:
            RuntimeError: After `shutdown`.
        """
        if name.startswith("__") or "actors" not in self.__dict__:  # a copy that is being made
            raise AttributeError(name)
        if not self.actors:
            raise RuntimeError("This ActorGroup has been shut down. Please start it again.")
        return ActorGroupMethod(self, name)

    def __len__(self) -> int:
        return len(self.actors)

    def __getitem__(self, index: int) -> ActorWrapper:
        """Return one member."""
        return self.actors[index]

    def start(self) -> None:
        """Start the actors again after `shutdown`.

        Raises:
            RuntimeError: If they have been started.
        """
        if self.actors:
            raise RuntimeError(
                "The actors have already been started. Please call `shutdown` first if you want "
                "to restart them."
            )
        self.add_actors(self.num_actors)

    def shutdown(self, patience_s: float = 5) -> None:
        """End all actors, after the calls made before.

        Args:
            patience_s: After so many seconds they are killed; at once if it is 0.
        """
        handles = [one.actor for one in self.actors]
        waiting = handles
        if patience_s > 0:
            ends = [handle.__ray_terminate__.remote() for handle in handles]
            _, late = wait(ends, num_returns=len(ends), timeout=patience_s) if ends else ([], [])
            waiting = [handle for handle, end in zip(handles, ends, strict=True) if end in late]
        for handle in waiting:
            kill(handle)
        self.actors = []

    def remove_actors(self, actor_indexes: Collection[int]) -> None:
        """Let go of the members with these numbers; an actor ends with its last handle."""
        self.actors = [one for i, one in enumerate(self.actors) if i not in actor_indexes]

    def add_actors(self, num_actors: int) -> None:
        """Start so many more."""
        args, kwargs = self._arguments
        handles = [self._class.remote(*args, **kwargs) for _ in range(num_actors)]
        metadata: list[Any] = [None] * len(handles)
        if handles and hasattr(handles[0], "get_actor_metadata"):
            metadata = get([handle.get_actor_metadata.remote() for handle in handles])
        self.actors += map(ActorWrapper, handles, metadata)

    @property
    def actor_metadata(self) -> list[Any]:
        """What all members told about themselves."""
        return [one.metadata for one in self.actors]
