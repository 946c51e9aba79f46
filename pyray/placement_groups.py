"""Placement groups: resources that are reserved together, in bundles, for tasks and actors."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from pyray import _core, runtime
from pyray.core_engine import STRATEGIES
from pyray.engine import Placement
from pyray.ids import PlacementGroupID

logger = logging.getLogger("pyray")

MOST_KINDS = 8


class PlacementGroup:
    """A handle of a placement group; equal handles are of one group.

    Example:
        >>> import pyray as ray
        >>> from pyray.util.placement_group import placement_group, remove_placement_group
        >>> group = placement_group([{"CPU": 1}])
        >>> group.wait(10), group.bundle_specs
        (True, [{'CPU': 1.0}])
        >>> remove_placement_group(group)
    """

    def __init__(
        self,
        id: PlacementGroupID,  # noqa: A002  (Ray's name)
        bundle_cache: list[dict[str, float]] | None = None,
    ) -> None:
        self.id = id
        self._bundles = bundle_cache or []

    @staticmethod
    def empty() -> PlacementGroup:
        """Return the handle that stands for no group."""
        return PlacementGroup(PlacementGroupID.nil())

    @property
    def is_empty(self) -> bool:
        """Whether this stands for no group."""
        return self.id.is_nil()

    @property
    def place(self) -> tuple[int, int]:
        """Index and generation in the engine's table."""
        own = self.id.binary()
        return int.from_bytes(own[:4], "big"), int.from_bytes(own[4:8], "big")

    def ready(self) -> Any:
        """Return a reference that is ready when the group is; its value is the group."""
        from pyray.remote_function import RemoteFunction
        from pyray.strategies import PlacementGroupSchedulingStrategy

        function = RemoteFunction(
            _itself, {"num_cpus": 0, "scheduling_strategy": PlacementGroupSchedulingStrategy(self)}
        )
        return function.remote(self)

    def wait(self, timeout_seconds: float = 30) -> bool:
        """Wait until the group has its resources; return whether it has.

        Args:
            timeout_seconds: How long to wait at most.
        """
        from pyray.calls import cancel, get, wait

        found = _present(self)
        if found is not None and found.state == "CREATED":
            return True
        ref = self.ready()
        ready, pending = wait([ref], timeout=timeout_seconds)
        if pending:
            cancel(ref)
            return False
        get(ready)
        return True

    @property
    def bundle_specs(self) -> list[dict[str, float]]:
        """The resources of each bundle, by name."""
        return [dict(bundle) for bundle in self._bundles]

    @property
    def bundle_count(self) -> int:
        """How many bundles there are."""
        return len(self._bundles)

    def __eq__(self, other: object) -> bool:
        """Return whether both are handles of one group."""
        return isinstance(other, PlacementGroup) and self.id == other.id

    def __hash__(self) -> int:
        """Equal handles hash equally in every process."""
        return hash(self.id)

    def __repr__(self) -> str:
        """Name the group."""
        return f"PlacementGroup({self.id.hex()})"


def _itself(group: PlacementGroup) -> PlacementGroup:
    return group


def _id_of(index: int, generation: int, job: int) -> PlacementGroupID:
    nonce = _core.nonce().to_bytes(8, "big")
    place = index.to_bytes(4, "big") + generation.to_bytes(4, "big")
    return PlacementGroupID(place + nonce[:6] + job.to_bytes(4, "little"))


def _id_as_found(found: Placement) -> PlacementGroupID:
    return _id_of(found.index, found.generation, found.job)


def _present(group: PlacementGroup) -> Placement | None:
    found = None if group.is_empty else runtime.engine().placement(group.place[0])
    return found if found is not None and _id_as_found(found) == group.id else None


def _check_bundles(bundles: object) -> list[dict[str, float]]:
    if not isinstance(bundles, list):
        raise ValueError(  # noqa: TRY004  (Ray's type)
            f"Placement group bundles must be a list, got {type(bundles)}."
        )
    if not bundles:
        raise ValueError(
            "Bundles must be a non-empty list of resource dictionaries. Got empty list instead."
        )
    for bundle in bundles:
        numbers = isinstance(bundle, Mapping) and all(
            isinstance(name, str) and isinstance(amount, int | float) and amount >= 0
            for name, amount in bundle.items()
        )
        if not numbers:
            raise ValueError(
                "Bundles must be a non-empty list of resource dictionaries. For "
                f'example: `[{{"CPU": 1.0}}, {{"GPU": 1.0}}]`. Got {bundle!r} instead.'
            )
        if not any(bundle.values()):
            raise ValueError(
                "Bundles cannot be an empty dictionary or resources with only 0 "
                f"values. Bundles: {bundles}"
            )
        if len(bundle) > MOST_KINDS:
            raise ValueError(
                f"A bundle can have at most {MOST_KINDS} kinds of resources, got {len(bundle)}."
            )
    if len(bundles) > _core.MOST_BUNDLES:
        raise ValueError(
            f"A placement group can have at most {_core.MOST_BUNDLES} bundles, got {len(bundles)}."
        )
    return [
        {name: float(amount) for name, amount in bundle.items() if amount} for bundle in bundles
    ]


def placement_group(
    bundles: list[dict[str, float]],
    strategy: str = "PACK",
    name: str = "",
    lifetime: str | None = None,
    _soft_target_node_id: str | None = None,
    bundle_label_selector: list[dict[str, str]] | None = None,
) -> PlacementGroup:
    """Reserve resources together; returns at once, the group may have to wait for them.

    Args:
        bundles: Resources by name, one dictionary for each bundle.
        strategy: "PACK", "SPREAD", "STRICT_PACK" or "STRICT_SPREAD". All bundles are on this
            machine, so that the last is possible with one bundle only.
        name: For `get_placement_group`.
        lifetime: None: until it is removed, or its driver has gone; "detached": until it is
            removed, or the session ends.
        bundle_label_selector: Labels that the machine must have, for each bundle.

    Raises:
        ValueError: If an argument is wrong, or the name is taken.
    """
    del _soft_target_node_id
    checked = _check_bundles(bundles)
    if strategy not in STRATEGIES:
        raise ValueError(f"Invalid strategy type {strategy}. Supported types are {STRATEGIES}.")
    if lifetime not in {None, "detached"}:
        raise ValueError(
            "Placement group `lifetime` argument must be either `None` or 'detached'. "
            f"Got {lifetime}."
        )
    if len(name.encode()) > _core.PLACEMENT_NAME_BYTES:
        raise ValueError(
            f"The name of a placement group has at most {_core.PLACEMENT_NAME_BYTES} "
            f"bytes in UTF-8, got {name!r}."
        )
    engine = runtime.engine()
    asked = _with_labels(checked, bundle_label_selector)
    made = engine.create_placement(asked, strategy, name, detached=lifetime == "detached")
    group = PlacementGroup(_id_of(*made, _core.own_job()), checked)
    found = _present(group)
    if found is not None and found.state == "INFEASIBLE":
        logger.warning(
            "%r can never be created here and stays pending: %s.",
            group,
            _why_never(checked, strategy),
        )
    return group


def _with_labels(
    bundles: Sequence[dict[str, float]], selectors: list[dict[str, str]] | None
) -> list[dict[str, float]]:
    from pyray.demands import labels_match

    if selectors is None:
        return list(bundles)
    if len(selectors) != len(bundles):
        raise ValueError("Invalid bundle label selector: there must be one for each bundle.")
    labels = runtime.engine().nodes()[0]["Labels"]
    return [
        bundle if labels_match(selector, labels) else {**bundle, f"labels {selector}": 1.0}
        for bundle, selector in zip(bundles, selectors, strict=True)
    ]


def _why_never(bundles: Sequence[Mapping[str, float]], strategy: str) -> str:
    if strategy == "STRICT_SPREAD" and len(bundles) > 1:
        return f"STRICT_SPREAD over {len(bundles)} bundles needs as many machines, and there is one"
    totals = {name: total for name, (total, _) in runtime.engine().resources().items()}
    sums: dict[str, float] = {}
    for bundle in bundles:
        for name, amount in bundle.items():
            sums[name] = sums.get(name, 0) + amount
    lacks = [
        f"{amount:g} of {name!r} (there is {totals.get(name, 0):g})"
        for name, amount in sums.items()
        if amount > totals.get(name, 0)
    ]
    return f"its bundles need {', '.join(lacks) or 'more than there is'}"


def remove_placement_group(placement_group: PlacementGroup) -> None:
    """Give a group's resources back; tasks and actors that use it are killed."""
    if not isinstance(placement_group, PlacementGroup):
        raise TypeError(
            f"remove_placement_group: expected a PlacementGroup, got {type(placement_group)}"
        )
    if _present(placement_group) is not None:
        runtime.engine().remove_placement(*placement_group.place)


def get_placement_group(placement_group_name: str) -> PlacementGroup:
    """Return the group with this name.

    Raises:
        ValueError: If there is none.
    """
    if not placement_group_name:
        raise ValueError("Please supply a non-empty value to get_placement_group")
    for found in runtime.engine().placements():
        if found.name == placement_group_name and found.state != "REMOVED":
            return PlacementGroup(_id_as_found(found), found.bundles)
    raise ValueError(f"Failed to look up placement group with name: {placement_group_name}")


def placement_group_table(placement_group: PlacementGroup | None = None) -> dict[str, Any]:
    """Describe one group, or all of them by id."""
    if placement_group is None:
        return {
            _id_as_found(found).hex(): _described(found) for found in runtime.engine().placements()
        }
    found = _present(placement_group)
    if found is None:
        job = int.from_bytes(placement_group.id.binary()[-4:], "little")
        bundles = placement_group.bundle_specs
        found = Placement(*placement_group.place, job, "REMOVED", "PACK", "", bundles)
    return _described(found)


_SCHEDULING = {"CREATED": "FINISHED", "PENDING": "QUEUED"}
"""Ray's words for how far the scheduling of a group in this state is, where it has others."""


def _described(found: Placement) -> dict[str, Any]:
    node = runtime.engine().nodes()[0]["NodeID"] if found.state == "CREATED" else None
    state = "PENDING" if found.state == "INFEASIBLE" else found.state
    return {
        "placement_group_id": _id_as_found(found).hex(),
        "name": found.name,
        "bundles": dict(enumerate(found.bundles)),
        "bundles_to_node_id": dict.fromkeys(range(len(found.bundles)), node or ""),
        "strategy": found.strategy,
        "state": state,
        "stats": {
            "scheduling_state": _SCHEDULING.get(found.state, found.state),
            "why": _why(found),
        },
    }


def _why(found: Placement) -> str:
    if found.state == "INFEASIBLE":
        return _why_never(found.bundles, found.strategy)
    return "others have the resources" if found.state == "PENDING" else ""


def get_current_placement_group() -> PlacementGroup | None:
    """Return the group that the current task or actor is in; None if in none."""
    engine = runtime.engine()
    current = engine.current_placement()
    if current is None:
        return None
    found = engine.placement(current[0])
    if found is None:  # it has just been removed, and its place is not used again yet
        return PlacementGroup(_id_of(*current[:2], _core.own_job()), [])
    return PlacementGroup(_id_as_found(found), found.bundles)
