"""The server as a program of its session: joined when it is needed for the first time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyray as ray
from pyray.util.placement_group import placement_group, remove_placement_group

NAMESPACE = "_ray_internal_dashboard"


class SessionLink:
    """The way to a session's resources and state.

    Args:
        address: The session's folder.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def join(self) -> None:
        """Be one of the session's programs."""
        if not ray.is_initialized():
            ray.init(
                self.address,
                namespace=NAMESPACE,
                log_to_driver=False,
                configure_logging=False,
            )

    async def reserve(self, demand: Mapping[str, float]) -> Callable[[], object]:
        """Take resources, waiting for them; return what gives them back.

        Raises:
            ValueError: If the session will never have so much.
        """
        self.join()
        totals = ray.cluster_resources()
        missing = [name for name, amount in demand.items() if amount > totals.get(name, 0.0)]
        if missing:
            raise ValueError(
                f"The session has no such resources: {', '.join(missing)} of {dict(demand)}"
            )
        group = placement_group([dict(demand)])
        try:
            await group.ready()
        except BaseException:  # cancelled, too: the job was stopped while it waited
            remove_placement_group(group)
            raise
        return lambda: remove_placement_group(group)
