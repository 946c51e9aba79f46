"""Options of tasks and actors, compared with what Ray 2.60 does with the same value."""

from typing import Any

import pytest

from pyray.options import (
    ACTOR_OPTIONS,
    TASK_OPTIONS,
    validate_actor_options,
    validate_task_options,
)

FINE = "The precision of the fractional quantity of resource {} cannot go beyond 0.0001"
NEGATIVE = "The quantity of resource {} cannot be negative"
INFINITY = (
    "The keyword '{}' only accepts None, 0, -1 or a positive integer, where -1 represents infinity."
)
COUNT = "The keyword '{}' only accepts None, 0 or a positive integer."
INT = (int, type(None))
STR = (str, type(None))
DICT = (dict, type(None))
BOOL = (bool, type(None))
NUMBER = (float, int, type(None))


def wrong_type(name: Any, types: Any, value: Any) -> Any:
    text = f"The type of keyword '{name}' must be {types}, but received type {type(value)}"
    return (name, value, TypeError, text)


class NodeAffinitySchedulingStrategy:
    """Stands for the class of that name, known by name only."""


# Accepted by tasks and actors alike.
COMMON_ACCEPTED = [
    ("num_cpus", [None, 0, 1, 1.5, 0.0001, 1 / 3, 1.00001, True]),
    ("num_gpus", [None, 0, 0.5, 1, 2, 2.0]),
    ("memory", [None, 0, 100, 1.5]),
    ("resources", [None, {}, {"a": 0}, {"a": 1.5}, {"a": 0.00015}, {"a" * 31: 1}]),
    ("name", [None, "x"]),
    ("scheduling_strategy", [None, "DEFAULT", "SPREAD", NodeAffinitySchedulingStrategy()]),
    ("runtime_env", [None, {}, {"env_vars": {"A": "1"}}]),
    ("accelerator_type", [None, "", "A100"]),
    ("label_selector", [None, {}, {"a": "b"}, {"a": "!in(x)"}]),
    ("fallback_strategy", [None, [], [{"label_selector": {}}]]),
    ("enable_task_events", [True, False]),
    ("placement_group", [None, "default"]),
    ("placement_group_bundle_index", [-1, 0]),
    ("placement_group_capture_child_tasks", [None, True]),
    ("_labels", [None, {}]),
    ("_metadata", [None, {}, {"workflow.io/options": {}}]),
]
TASK_ACCEPTED = [
    ("name", [""]),
    ("object_store_memory", [None]),
    ("max_retries", [None, -1, 0, 5]),
    ("num_returns", [None, 0, 2, True, "streaming", "dynamic"]),
    ("retry_exceptions", [True, [], [ValueError], (ValueError, KeyError)]),
    ("_generator_backpressure_num_objects", [None, -1, 1]),
]
ACTOR_ACCEPTED = [
    ("namespace", [None, "a"]),
    ("lifetime", [None, "detached", "non_detached"]),
    ("get_if_exists", [False]),
    ("object_store_memory", [None, 0, 1]),
    ("max_restarts", [None, -1, 0, 3]),
    ("max_task_retries", [None, -1, 0, 3]),
    ("max_concurrency", [None, 0, 1]),
    ("max_pending_calls", [None, -1, 0, 1]),
    ("allow_out_of_order_execution", [None, True]),
    ("enable_tensor_transport", [None, True]),
    ("_actor_generator_backpressure_num_objects", [None, -1, 1]),
]

COMMON_REFUSED = [
    wrong_type("num_cpus", NUMBER, "1"),
    ("num_cpus", -1, ValueError, NEGATIVE.format("num_cpus")),
    ("num_cpus", 0.00001, ValueError, FINE.format("num_cpus")),
    ("num_cpus", float("nan"), ValueError, "must be finite"),
    ("num_cpus", float("inf"), ValueError, "must be finite"),
    wrong_type("num_gpus", NUMBER, "1"),
    ("num_gpus", -1, ValueError, NEGATIVE.format("num_gpus")),
    ("num_gpus", 1.5, ValueError, "GPU resource quantities >1 must be whole numbers"),
    wrong_type("memory", NUMBER, "1"),
    ("memory", -1, ValueError, NEGATIVE.format("memory")),
    ("memory", 0.00001, ValueError, FINE.format("memory")),
    wrong_type("resources", DICT, []),
    ("resources", {"CPU": 1}, ValueError, "Use the 'num_cpus' and 'num_gpus' keyword instead of"),
    ("resources", {"GPU": 1}, ValueError, "Use the 'num_cpus' and 'num_gpus' keyword instead of"),
    ("resources", {"memory": 1}, ValueError, "must not contain the key 'memory'"),
    ("resources", {"a": -1}, ValueError, NEGATIVE.format("a")),
    ("resources", {"a": 0.00001}, ValueError, FINE.format("a")),
    ("resources", {"a": "x"}, TypeError, "The quantity of resource a must be a number"),
    ("resources", {1: 1}, TypeError, "names in 'resources' must be strings"),
    ("resources", {"é" * 16: 1}, ValueError, "at most 31"),
    wrong_type("name", STR, 1),
    ("scheduling_strategy", 1, TypeError, "The type of keyword 'scheduling_strategy' must be"),
    ("scheduling_strategy", "x", ValueError, "Invalid scheduling_strategy value x."),
    wrong_type("runtime_env", DICT, 1),
    ("runtime_env", {"env_vars": {"a": 1}}, TypeError, "must be of type Dict[str, str]"),
    wrong_type("accelerator_type", STR, 1),
    wrong_type("label_selector", DICT, 1),
    ("label_selector", {"a": 1}, TypeError, "maps strings to strings"),
    ("label_selector", {"": "a"}, ValueError, "empty label name"),
    wrong_type("enable_task_events", bool, None),
    wrong_type("enable_task_events", bool, 1),
    wrong_type("placement_group_bundle_index", int, None),
    ("placement_group", 1, TypeError, "The type of keyword 'placement_group' must be"),
    wrong_type("placement_group_capture_child_tasks", BOOL, 1),
    wrong_type("_labels", DICT, 1),
    wrong_type("_metadata", DICT, 1),
    wrong_type("fallback_strategy", (list, type(None)), 1),
]
TASK_REFUSED = [
    ("object_store_memory", 1, ValueError, "Setting 'object_store_memory' is not implemented"),
    wrong_type("max_retries", INT, "a"),
    wrong_type("max_retries", INT, 1.5),
    ("max_retries", -2, ValueError, INFINITY.format("max_retries")),
    wrong_type("num_returns", (int, str, type(None)), 1.5),
    ("num_returns", -1, ValueError, "only accepts None, a non-negative integer, 'streaming'"),
    ("num_returns", "x", ValueError, "only accepts None, a non-negative integer, 'streaming'"),
    wrong_type("retry_exceptions", (bool, list, tuple), None),
    wrong_type("retry_exceptions", (bool, list, tuple), ValueError),
    ("retry_exceptions", [1], ValueError, "must be either a boolean or a list of exceptions"),
    ("max_calls", -1, ValueError, COUNT.format("max_calls")),
    ("num_returns", 2**31, ValueError, "must be at most 2147483647"),
    ("max_retries", 2**31, ValueError, "must be at most 2147483647"),
    wrong_type("max_calls", INT, "x"),
    ("_generator_backpressure_num_objects", 0, ValueError, "=0 is not allowed. Use a value > 0"),
    ("_generator_backpressure_num_objects", -2, ValueError, "=-2 is not allowed."),
    (
        "get_if_exists",
        True,
        ValueError,
        "Invalid option keyword get_if_exists for remote functions",
    ),
    ("num_cpu", 1, ValueError, "Did you mean 'num_cpus'?"),
    ("max_retry", 1, ValueError, "Did you mean 'max_retries'?"),
    ("zzz", 1, ValueError, "Invalid option keyword zzz for remote functions. Valid ones are ["),
]
ACTOR_REFUSED = [
    ("name", "", ValueError, "Actor name cannot be an empty string."),
    wrong_type("namespace", STR, 1),
    ("namespace", "", ValueError, '"" is not a valid namespace.'),
    wrong_type("lifetime", STR, 1),
    ("lifetime", "x", ValueError, "must be one of 'detached', 'non_detached' and 'None'."),
    wrong_type("get_if_exists", bool, 1),
    wrong_type("get_if_exists", bool, None),
    ("get_if_exists", True, ValueError, "The actor name must be specified to use `get_if_exists`."),
    ("max_restarts", -2, ValueError, INFINITY.format("max_restarts")),
    ("max_restarts", 2**31, ValueError, "must be at most 2147483647, not 2147483648"),
    ("max_concurrency", 2**70, ValueError, "must be at most 2147483647"),
    wrong_type("max_restarts", INT, 1.5),
    ("max_task_retries", -2, ValueError, INFINITY.format("max_task_retries")),
    ("max_concurrency", -1, ValueError, COUNT.format("max_concurrency")),
    wrong_type("max_concurrency", INT, 1.5),
    ("max_pending_calls", -2, ValueError, INFINITY.format("max_pending_calls")),
    ("object_store_memory", -1, ValueError, COUNT.format("object_store_memory")),
    wrong_type("concurrency_groups", (list, dict, type(None)), 1),
    ("concurrency_groups", {"a": "x"}, TypeError, "maps names of groups to numbers"),
    ("concurrency_groups", {1: 1}, TypeError, "maps names of groups to numbers"),
    ("concurrency_groups", {"a": 0}, ValueError, "must let at least 1 call run"),
    wrong_type("allow_out_of_order_execution", BOOL, 1),
    ("_actor_generator_backpressure_num_objects", 0, ValueError, "Use a value > 0"),
    ("num_returns", 1, ValueError, "Invalid option keyword num_returns for actors. Valid ones are"),
    ("max_restart", 1, ValueError, "Did you mean 'max_restarts'?"),
]

VALIDATORS = {"task": validate_task_options, "actor": validate_actor_options}


def flat(kind: Any, table: Any) -> Any:
    return [(kind, name, value) for name, values in table for value in values]


@pytest.mark.parametrize("in_options", [False, True])
@pytest.mark.parametrize(
    ("kind", "name", "value"),
    flat("task", COMMON_ACCEPTED + TASK_ACCEPTED) + flat("actor", COMMON_ACCEPTED + ACTOR_ACCEPTED),
)
def test_validate_when_value_is_good_returns_a_copy(
    kind: Any, name: Any, value: Any, in_options: Any
) -> None:
    options = {name: value}
    checked = VALIDATORS[kind](options, in_options=in_options)
    assert checked == options
    assert checked is not options


@pytest.mark.parametrize("in_options", [False, True])
@pytest.mark.parametrize(
    ("kind", "name", "value", "error", "text"),
    [("task", *row) for row in COMMON_REFUSED + TASK_REFUSED]
    + [("actor", *row) for row in COMMON_REFUSED + ACTOR_REFUSED],
)
def test_validate_when_value_is_bad_raises_as_ray_does(  # noqa: PLR0913, PLR0917
    kind: Any, name: Any, value: Any, error: Any, text: Any, in_options: Any
) -> None:
    with pytest.raises(error) as caught:
        VALIDATORS[kind]({name: value}, in_options=in_options)
    assert type(caught.value) is error
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [("task", "max_calls", 0), ("task", "max_calls", 3), ("actor", "concurrency_groups", {"a": 1})],
)
def test_validate_when_fixed_at_definition_refuses_it_in_options(
    kind: Any, name: Any, value: Any
) -> None:
    assert VALIDATORS[kind]({name: value}, in_options=False) == {name: value}
    with pytest.raises(ValueError, match=rf"Setting '{name}' is not supported in '\.options\(\)'"):
        VALIDATORS[kind]({name: value}, in_options=True)


def test_validate_when_several_given_checks_them_in_order() -> None:
    with pytest.raises(TypeError, match="num_cpus"):
        validate_task_options({"num_cpus": "x", "foo": 1}, in_options=False)


def test_validate_when_named_accepts_get_if_exists() -> None:
    options = {"get_if_exists": True, "name": "x"}
    assert validate_actor_options(options, in_options=True) == options


def test_validate_when_empty_returns_empty() -> None:
    assert (
        validate_task_options({}, in_options=True)
        == validate_actor_options({}, in_options=True)
        == {}
    )


# As printed by Ray 2.60 for each option that is not None by default.
TASK_DEFAULTS = {
    "num_cpus": 1,
    "placement_group": "default",
    "placement_group_bundle_index": -1,
    "enable_task_events": True,
    "max_calls": 0,
    "max_retries": 3,
    "retry_exceptions": False,
    "_num_objects_per_yield": 1,
}
ACTOR_DEFAULTS = {
    "placement_group": "default",
    "placement_group_bundle_index": -1,
    "enable_task_events": True,
    "max_restarts": 0,
    "max_task_retries": 0,
    "max_pending_calls": -1,
    "get_if_exists": False,
}


@pytest.mark.parametrize(
    ("table", "defaults"), [(TASK_OPTIONS, TASK_DEFAULTS), (ACTOR_OPTIONS, ACTOR_DEFAULTS)]
)
def test_defaults_when_compared_equal_rays(table: Any, defaults: Any) -> None:
    given = {name: o.default for name, o in table.items() if o.default is not None}
    assert given == defaults
