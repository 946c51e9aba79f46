"""The options of tasks and actors: one table with the types, ranges and defaults of each.

`@ray.remote(...)`, ``.options(...)`` and ``._remote(...)`` all check what they get here, so an
option means the same everywhere, and a wrong one is refused where it is written.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyray import settings
from pyray.runtime_env import validated

NoneType = type(None)
_PRECISION: Final = 0.0001
RESOURCE_NAME_BYTES: Final = 31
"""So long, in UTF-8, may a resource's name be: it has 32 bytes in the tables, with its end."""

LARGEST_COUNT: Final = 2**31 - 1
"""No option that counts calls, results, retries or threads is larger."""

MOST_GROUPS: Final = 31
"""So many concurrency groups can an actor have beside the default one."""

# What is wrong with a value, if anything: a text stands for a ValueError.
_Finding = str | TypeError | None
_Check = Callable[[str, Any], _Finding]


@dataclass(frozen=True, slots=True)
class Option:
    """What one option accepts and what holds when it is not given.

    Args:
        types: Classes of which a value is an instance.
        default: What Ray takes when the option is absent.
        check: Looks at a value of the right type; returns what is wrong with it.
        duck_types: Names of further classes, so that a module of ours need not be imported to
            accept an instance of it.
        in_options: Whether ``.options(...)`` accepts it.
    """

    types: tuple[type, ...]
    default: Any = None
    check: _Check | None = None
    duck_types: tuple[str, ...] = ()
    in_options: bool = True

    def problem(self, name: str, value: Any) -> Exception | None:
        """Return the exception that this value deserves, or None."""
        known = any(base.__name__ in self.duck_types for base in type(value).__mro__)
        if not isinstance(value, self.types) and not known:
            return _type_error(name, self.types, value)
        finding = self.check(name, value) if self.check else None
        return ValueError(finding) if isinstance(finding, str) else finding


def _type_error(name: str, types: tuple[type, ...], value: Any) -> TypeError:
    shown = types[0] if len(types) == 1 else types
    return TypeError(
        f"The type of keyword '{name}' must be {shown}, but received type {type(value)}"
    )


def _quantity(name: str, value: Any) -> _Finding:
    if value is None or value == 0:
        return None
    if not math.isfinite(value):
        return f"The quantity of resource {name} must be finite, not {value}"
    if value < 0:
        return f"The quantity of resource {name} cannot be negative"
    # As in Ray, only what would round down to nothing is refused: 1/3 is a fine quantity.
    if value < _PRECISION:
        return (
            f"The precision of the fractional quantity of resource {name} "
            f"cannot go beyond {_PRECISION}"
        )
    return None


def _gpus(name: str, value: Any) -> _Finding:
    finding = _quantity(name, value)
    if finding is None and value is not None and value > 1 and value != int(value):
        return (
            f"GPU resource quantities >1 must be whole numbers. "
            f"The specified quantity {value} is invalid."
        )
    return finding


def _resources(_name: str, value: Any) -> _Finding:
    names = set(value or ())
    if names & {"CPU", "GPU"}:
        return (
            "Use the 'num_cpus' and 'num_gpus' keyword instead of 'CPU' and 'GPU' "
            "in 'resources' keyword"
        )
    if names & {"memory", "object_store_memory"}:
        return (
            "The resources dictionary must not contain the key 'memory' or 'object_store_memory'. "
            "Use the keyword 'memory' instead."
        )
    findings = (_resource(name, quantity) for name, quantity in (value or {}).items())
    return next((finding for finding in findings if finding), None)


def resource_name_problem(name: str) -> str | None:
    """Say why this cannot name a resource; None if it can.

    Example:
        >>> resource_name_problem("accelerator")
        >>> resource_name_problem("a" * 40)
        "Resource name 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' has 40 bytes in UTF-8; \
at most 31 are possible."
    """
    size = len(name.encode("utf-8", "replace"))
    if size <= RESOURCE_NAME_BYTES:
        return None
    return (
        f"Resource name {name!r} has {size} bytes in UTF-8; "
        f"at most {RESOURCE_NAME_BYTES} are possible."
    )


def _resource(name: Any, quantity: Any) -> _Finding:
    if not isinstance(name, str):
        return TypeError(f"The names in 'resources' must be strings, not {name!r}")
    if too_long := resource_name_problem(name):
        return too_long
    if not isinstance(quantity, int | float):
        return TypeError(f"The quantity of resource {name} must be a number, not {quantity!r}")
    return _quantity(name, quantity)


def _too_large(name: str, value: int | None) -> str | None:
    if value is not None and value > LARGEST_COUNT:
        return f"The keyword '{name}' must be at most {LARGEST_COUNT}, not {value}"
    return None


def _count_or_infinity(name: str, value: Any) -> _Finding:
    if value is None or value >= -1:
        return _too_large(name, value)
    return (
        f"The keyword '{name}' only accepts None, 0, -1 or a positive integer, "
        "where -1 represents infinity."
    )


def _amount(name: str, value: Any) -> _Finding:
    if value is None or value >= 0:
        return None
    return f"The keyword '{name}' only accepts None, 0 or a positive integer."


def _count(name: str, value: Any) -> _Finding:
    return _amount(name, value) or _too_large(name, value)


def _num_returns(name: str, value: Any) -> _Finding:
    if value is None or value in ("streaming", "dynamic"):
        return None
    if isinstance(value, int) and value >= 0:
        return _too_large(name, value)
    return (
        f"The keyword '{name}' only accepts None, a non-negative integer, 'streaming' (for "
        f"generators) or 'dynamic', not {value!r}. None means 1, or 'streaming' for a generator."
    )


def _exception_classes(name: str, value: Any) -> _Finding:
    if isinstance(value, bool):
        return None
    if all(isinstance(cls, type) and issubclass(cls, BaseException) for cls in value):
        return None
    return f"{name} must be either a boolean or a list of exceptions"


def _optional_classes(name: str, value: Any) -> _Finding:
    return None if value is None else _exception_classes(name, value)


def _backpressure(name: str, value: Any) -> _Finding:
    if value is None or value > 0 or value == -1:
        return None
    return (
        f"{name}={value} is not allowed. Use a value > 0: so many items may wait to be consumed "
        "(1 makes the next item only when the last one was taken). Use -1 for no limit."
    )


def _lifetime(_name: str, value: Any) -> _Finding:
    if value in (None, "detached", "non_detached"):
        return None
    return "actor `lifetime` argument must be one of 'detached', 'non_detached' and 'None'."


def _namespace(_name: str, value: Any) -> _Finding:
    if value != "":
        return None
    return '"" is not a valid namespace. Pass None to not specify a namespace.'


def _actor_name(_name: str, value: Any) -> _Finding:
    return "Actor name cannot be an empty string." if value == "" else None


def _not_for_tasks(name: str, value: Any) -> _Finding:
    return None if value is None else f"Setting '{name}' is not implemented for tasks"


def _strategy(name: str, value: Any) -> _Finding:
    if not isinstance(value, str) or value in ("DEFAULT", "SPREAD"):
        return None
    return (
        f"Invalid {name} value {value}. Valid values are 'DEFAULT', 'SPREAD', "
        "PlacementGroupSchedulingStrategy, NodeAffinitySchedulingStrategy and "
        "NodeLabelSchedulingStrategy."
    )


def _groups(name: str, value: Any) -> _Finding:
    if len(value or ()) > MOST_GROUPS:
        return (
            f"The keyword '{name}' names {len(value)} groups; at most {MOST_GROUPS} are possible."
        )
    for group, limit in value.items() if isinstance(value, dict) else ():
        if not isinstance(group, str) or not isinstance(limit, int):
            return TypeError(
                f"The keyword '{name}' maps names of groups to numbers of calls that may run at "
                f"once; got {group!r}: {limit!r}."
            )
        if limit < 1:
            return f"Group {group!r} of '{name}' must let at least 1 call run, not {limit}."
    return None


def _labels(name: str, value: Any) -> _Finding:
    for label, wanted in (value or {}).items():
        if not isinstance(label, str) or not isinstance(wanted, str):
            return TypeError(f"The keyword '{name}' maps strings to strings; {label!r} does not.")
        if not label:
            return f"The keyword '{name}' has an empty label name."
    return None


def _environment(_name: str, value: Any) -> _Finding:
    try:
        validated(value or {})
    except TypeError as error:
        return error
    except ValueError as error:
        return str(error)
    return None


_NUMBER = (float, int, NoneType)
_INT = (int, NoneType)
_STR = (str, NoneType)
_DICT = (dict, NoneType)
_BOOL = (bool, NoneType)

_COMMON: Final[dict[str, Option]] = {
    "label_selector": Option(_DICT, None, _labels),
    "fallback_strategy": Option((list, NoneType)),
    "accelerator_type": Option(_STR),
    "memory": Option(_NUMBER, None, _quantity),
    "name": Option(_STR),
    "num_cpus": Option(_NUMBER, None, _quantity),
    "num_gpus": Option(_NUMBER, None, _gpus),
    "object_store_memory": Option(_INT, None, _amount),
    "placement_group": Option((NoneType, str), "default", duck_types=("PlacementGroup",)),
    "placement_group_bundle_index": Option((int,), -1),
    "placement_group_capture_child_tasks": Option(_BOOL),
    "resources": Option(_DICT, None, _resources),
    "runtime_env": Option(_DICT, None, _environment, duck_types=("RuntimeEnv",)),
    "scheduling_strategy": Option(
        (NoneType, str),
        None,
        _strategy,
        duck_types=(
            "PlacementGroupSchedulingStrategy",
            "NodeAffinitySchedulingStrategy",
            "NodeLabelSchedulingStrategy",
        ),
    ),
    "enable_task_events": Option((bool,), default=True),
    "_labels": Option(_DICT),
    "_metadata": Option(_DICT),
}

TASK_OPTIONS: Final[dict[str, Option]] = {
    **_COMMON,
    "num_cpus": Option(_NUMBER, 1, _quantity),
    "object_store_memory": Option(_INT, None, _not_for_tasks),
    "max_calls": Option(_INT, 0, _count, in_options=False),
    "max_retries": Option(_INT, 3, _count_or_infinity),
    "num_returns": Option((int, str, NoneType), None, _num_returns),
    "retry_exceptions": Option((bool, list, tuple), default=False, check=_exception_classes),
    "_generator_backpressure_num_objects": Option(_INT, None, _backpressure),
    "_num_objects_per_yield": Option(_INT, 1),
}
"""Every option of a task."""

ACTOR_OPTIONS: Final[dict[str, Option]] = {
    **_COMMON,
    "name": Option(_STR, None, _actor_name),
    "concurrency_groups": Option((list, dict, NoneType), None, _groups, in_options=False),
    "enable_tensor_transport": Option(_BOOL),
    "lifetime": Option(_STR, None, _lifetime),
    "max_concurrency": Option(_INT, None, _count),
    "max_restarts": Option(_INT, 0, _count_or_infinity),
    "max_task_retries": Option(_INT, 0, _count_or_infinity),
    "max_pending_calls": Option(_INT, -1, _count_or_infinity),
    "namespace": Option(_STR, None, _namespace),
    "get_if_exists": Option((bool,), default=False),
    "allow_out_of_order_execution": Option(_BOOL),
    "_actor_generator_backpressure_num_objects": Option(_INT, None, _backpressure),
}
"""Every option of an actor. ``num_cpus`` of None means 1 to be placed and 0 while running."""


def default_max_retries() -> int:
    """Return how often a task runs again after its worker's death if its options do not say.

    The environment variable RAY_TASK_MAX_RETRIES sets it, as in Ray.
    """
    return settings.TASK_MAX_RETRIES.integer()


METHOD_OPTIONS: Final[dict[str, Option]] = {
    "num_returns": Option((int, str, NoneType), None, _num_returns),
    "concurrency_group": Option(_STR),
    "max_task_retries": Option(_INT, None, _count_or_infinity),
    "retry_exceptions": Option((bool, list, tuple, NoneType), None, _optional_classes),
    "enable_task_events": Option((bool, NoneType), default=True),
    "_generator_backpressure_num_objects": Option(_INT, None, _backpressure),
}
"""Every option of an actor's method."""


def validate_method_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the options of a method after checking each.

    Raises:
        TypeError: When a value has the wrong type.
        ValueError: When a name is unknown or a value is out of range.

    Example:
        >>> validate_method_options({"num_returns": 2})
        {'num_returns': 2}
    """
    return _validate(options, METHOD_OPTIONS, "actor methods", in_options=False)


def validate_task_options(
    options: Mapping[str, Any],
    in_options: bool,  # noqa: FBT001  (the only other argument)
) -> dict[str, Any]:
    """Return a copy of a task's options after checking each.

    Args:
        options: Options by name; defaults are not filled in (see `TASK_OPTIONS`).
        in_options: Whether they come from ``.options(...)``, which forbids ``max_calls``.

    Raises:
        TypeError: When a value has the wrong type.
        ValueError: When a name is unknown or a value is out of range.

    Example:
        >>> validate_task_options({"num_cpus": 0.5}, in_options=True)
        {'num_cpus': 0.5}
    """
    return _validate(options, TASK_OPTIONS, "remote functions", in_options=in_options)


def validate_actor_options(
    options: Mapping[str, Any],
    in_options: bool,  # noqa: FBT001  (the only other argument)
) -> dict[str, Any]:
    """Return a copy of an actor's options after checking each.

    Args:
        options: Options by name; defaults are not filled in (see `ACTOR_OPTIONS`).
        in_options: Whether they come from ``.options(...)``, which forbids
            ``concurrency_groups``.

    Raises:
        TypeError: When a value has the wrong type.
        ValueError: When a name is unknown, a value is out of range, or ``get_if_exists`` comes
            without a name.

    Example:
        >>> validate_actor_options({"name": "counter", "get_if_exists": True}, in_options=True)
        {'name': 'counter', 'get_if_exists': True}
    """
    checked = _validate(options, ACTOR_OPTIONS, "actors", in_options=in_options)
    if checked.get("get_if_exists") and not checked.get("name"):
        raise ValueError("The actor name must be specified to use `get_if_exists`.")
    return checked


def _validate(
    options: Mapping[str, Any], table: dict[str, Option], whose: str, *, in_options: bool
) -> dict[str, Any]:
    for name, value in options.items():
        option = table.get(name)
        if option is None:
            raise ValueError(_unknown(name, table, whose))
        if problem := option.problem(name, value):
            raise problem
        if in_options and not option.in_options:
            raise ValueError(f"Setting '{name}' is not supported in '.options()'.")
    return dict(options)


def _unknown(name: str, table: dict[str, Option], whose: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, table, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"Invalid option keyword {name} for {whose}. Valid ones are {list(table)}.{hint}"
