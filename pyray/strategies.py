"""Where a task is to run: what the option `scheduling_strategy` accepts, and what it means here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyray import runtime
from pyray.placement_groups import PlacementGroup


class PlacementGroupSchedulingStrategy:
    """Run in a placement group.

    Args:
        placement_group: The group; None: in none.
        placement_group_bundle_index: The bundle; -1: any.
        placement_group_capture_child_tasks: Whether tasks submitted by the task go to the group.
    """

    def __init__(
        self,
        placement_group: PlacementGroup | None,
        placement_group_bundle_index: int = -1,
        placement_group_capture_child_tasks: bool | None = None,  # noqa: FBT001  (Ray's order)
    ) -> None:
        self.placement_group = placement_group
        self.placement_group_bundle_index = placement_group_bundle_index
        self.placement_group_capture_child_tasks = placement_group_capture_child_tasks


class NodeAffinitySchedulingStrategy:
    """Run on one machine.

    Args:
        node_id: Its id in hex.
        soft: Whether another will do.
    """

    def __init__(
        self,
        node_id: str,
        soft: bool,  # noqa: FBT001  (Ray's order)
        _spill_on_unavailable: bool = False,  # noqa: FBT001, FBT002  (likewise)
        _fail_on_unavailable: bool = False,  # noqa: FBT001, FBT002  (likewise)
    ) -> None:
        self.node_id = node_id
        self.soft = soft


class _Values:
    def __init__(self, *values: str) -> None:
        if not values or not all(isinstance(value, str) for value in values):
            raise ValueError(
                f"The variadic parameters of the {type(self).__name__} operator must be one or "
                f"more strings, got {values}."
            )
        self.values = list(values)


class In(_Values):
    """A label has one of these values."""

    def holds(self, value: str | None) -> bool:
        """Return whether a machine's value is right."""
        return value in self.values


class NotIn(_Values):
    """A label has none of these values, or is not there."""

    def holds(self, value: str | None) -> bool:
        """Return whether a machine's value is right."""
        return value not in self.values


class Exists:
    """A label is there."""

    def holds(self, value: str | None) -> bool:
        """Return whether a machine's value is right."""
        return value is not None


class DoesNotExist:
    """A label is not there."""

    def holds(self, value: str | None) -> bool:
        """Return whether a machine's value is right."""
        return value is None


Condition = In | NotIn | Exists | DoesNotExist


class NodeLabelSchedulingStrategy:
    """Run on a machine with certain labels.

    Args:
        hard: Conditions by label that must hold.
        soft: Conditions that should.
    """

    def __init__(
        self, hard: Mapping[str, Condition], *, soft: Mapping[str, Condition] | None = None
    ) -> None:
        for kind, conditions in (("hard", hard), ("soft", soft or {})):
            if not isinstance(conditions, Mapping):
                raise ValueError(  # noqa: TRY004  (Ray's type)
                    f"The {kind} parameter must be a map (e.g. "
                    f'{{"key1": In("value1")}}) but got type {type(conditions)}.'
                )
            for label, condition in conditions.items():
                if not isinstance(condition, In | NotIn | Exists | DoesNotExist):
                    raise ValueError(  # noqa: TRY004  (Ray's type)
                        f"The value of {label!r} in the {kind} parameter must be one of the "
                        f"`In`, `NotIn`, `Exists` or `DoesNotExist` operators, got {condition!r}."
                    )
        if not hard and not soft:
            raise ValueError(
                "The `hard` and `soft` parameter of NodeLabelSchedulingStrategy "
                "cannot both be empty."
            )
        self.hard = dict(hard)
        self.soft = dict(soft or {})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task goes; the fields are those of `pyray.engine.TaskSpec`.

    Args:
        unschedulable: Why it can run nowhere; "": it can.
    """

    placement: tuple[int, int, int] | None = None
    captures: bool = False
    inherits: bool = False
    unmet_labels: tuple[str, ...] = ()
    unschedulable: str = ""


def place_of(options: Mapping[str, Any], name: str, resources: Mapping[str, float]) -> Place:
    """Return where a task with these options goes.

    Args:
        options: Of the task or actor.
        name: Its name, for messages.
        resources: What it asks for.

    Raises:
        ValueError: If it fits no bundle of its placement group, or the bundle does not exist.
    """
    strategy = options.get("scheduling_strategy")
    group = options.get("placement_group", "default")
    if strategy is None and isinstance(group, PlacementGroup):
        strategy = PlacementGroupSchedulingStrategy(
            group,
            options.get("placement_group_bundle_index", -1),
            options.get("placement_group_capture_child_tasks"),
        )
    if isinstance(strategy, PlacementGroupSchedulingStrategy):
        return _in_group(strategy, name, resources)
    if isinstance(strategy, NodeAffinitySchedulingStrategy):
        return _on_node(strategy)
    if isinstance(strategy, NodeLabelSchedulingStrategy):
        labels = runtime.engine().nodes()[0]["Labels"]
        unmet = [label for label, one in strategy.hard.items() if not one.holds(labels.get(label))]
        return Place(unmet_labels=tuple(unmet))
    if strategy is None and group == "default":
        return _captured()
    return Place()


def _captured() -> Place:
    current = runtime.engine().current_placement()
    if current is None or not current[2]:
        return Place(inherits=True)
    return Place((current[0], current[1], -1), captures=True, inherits=True)


def _in_group(
    strategy: PlacementGroupSchedulingStrategy, name: str, resources: Mapping[str, float]
) -> Place:
    group, number = strategy.placement_group, strategy.placement_group_bundle_index
    if group is None or group.is_empty:
        return Place()
    bundles = group.bundle_specs
    if bundles and not -1 <= number < len(bundles):
        raise ValueError(
            f"placement group bundle index {number} is invalid. Valid placement group indexes: "
            f"0-{len(bundles) - 1}"
        )
    choice = bundles if number == -1 else bundles[number : number + 1]
    fits = any(
        all(amount <= bundle.get(kind, 0) for kind, amount in resources.items())
        for bundle in choice
    )
    if bundles and not fits:
        raise ValueError(
            f"Cannot schedule {name} with the placement group because the resource request "
            f"{dict(resources)} cannot fit into any bundles for the placement group, {choice}."
        )
    capture = strategy.placement_group_capture_child_tasks
    if capture is None:
        current = runtime.engine().current_placement()
        capture = current is not None and current[2]
    return Place((*group.place, number), captures=bool(capture))


def _on_node(strategy: NodeAffinitySchedulingStrategy) -> Place:
    here = runtime.engine().nodes()[0]["NodeID"]
    if strategy.soft or strategy.node_id == here:
        return Place()
    return Place(
        unschedulable="The node specified via NodeAffinitySchedulingStrategy doesn't exist any "
        f"more or is infeasible, and soft=False was specified: {strategy.node_id}."
    )
