"""Graphs that are executed: bind, execute, inputs, outputs, sharing."""

from __future__ import annotations

import asyncio
import dataclasses
import pickle
from types import ModuleType
from typing import Any

import pytest

import pyray as ray
from pyray import testing
from pyray.dag import DAGNode, InputNode, MultiOutputNode
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("ray_session")


@ray.remote
def add(a: Any, b: Any = 0) -> Any:
    return a + b


@ray.remote
class Counter:
    def __init__(self, start: int = 0) -> None:
        self.count = start

    def add(self, n: int) -> int:
        self.count += n
        return self.count

    @ray.method(num_returns=2)
    def split(self, n: int) -> tuple[int, int]:
        return n // 10, n % 10


@pytest.fixture(scope="module", autouse=True)
def exported(ray_session: ModuleType) -> None:
    """The code above is in the store before the first test is counted."""
    ray_session.get([add.remote(1), Counter.remote().add.remote(1)])
    wait_until(lambda: testing.store_accounts()["actors"] == 0, 10, "the end of the actor")


def test_execute_runs_a_chain_of_tasks() -> None:
    node = add.bind(add.bind(1, 2), b=add.bind(3))
    assert ray.get(node.execute()) == 6
    assert ray.get(node.execute()) == 6  # as often as one likes


def test_input_is_what_execute_is_given() -> None:
    with InputNode() as inp:
        node = add.bind(inp, 1)
    assert ray.get([node.execute(1), node.execute(10)]) == [2, 11]


def test_input_attributes_are_arguments_or_parts_of_the_only_one() -> None:
    with InputNode() as inp:
        by_place = add.bind(inp[0], inp["y"])
    with InputNode() as inp:
        by_name = add.bind(inp.x, inp.y)
    with InputNode() as inp:
        by_key = add.bind(inp["x"], inp["y"])
    assert ray.get(by_place.execute(1, y=2)) == 3
    assert ray.get(by_name.execute(x=3, y=4)) == 7
    assert ray.get(by_key.execute({"x": 5, "y": 6})) == 11

    @dataclasses.dataclass
    class Point:
        x: int
        y: int

    assert ray.get(by_name.execute(Point(7, 8))) == 15


def test_input_is_used_as_a_context_manager_and_takes_no_arguments() -> None:
    with pytest.raises(AssertionError, match="context manager"):
        add.bind(InputNode(), 1).execute(1)
    with pytest.raises(ValueError, match="should not take any args"):
        InputNode(1)
    with InputNode() as one, InputNode() as two:
        node = add.bind(one, two)
    with pytest.raises(AssertionError, match="one unique InputNode"):
        node.execute(1)
    with pytest.raises(AssertionError, match="int index or str"):
        one[1.5]  # type: ignore[index]


def test_nodes_inside_of_containers_and_objects_become_references() -> None:
    @ray.remote
    def total(values: Any) -> int:
        if dataclasses.is_dataclass(values):
            values = vars(values)
        found = values.values() if isinstance(values, dict) else values
        return sum(v if isinstance(v, int) else ray.get(v) for v in found)

    @dataclasses.dataclass
    class Pair:
        left: Any
        right: Any

    one, two = add.bind(1), add.bind(2)
    containers = ([one, two, 3], {"a": one, "b": 5}, (two, one), Pair(one, 4), [3, 3])
    results = [total.bind(c).execute() for c in containers]
    assert ray.get(results) == [6, 6, 3, 5, 6]


def test_a_shared_node_runs_once() -> None:
    counter = Counter.remote()
    shared = counter.add.bind(1)
    node = add.bind(add.bind(shared, shared), [shared] and shared)
    assert ray.get(node.execute()) == 3
    assert ray.get(counter.add.remote(0)) == 1


def test_a_long_chain_needs_no_recursion() -> None:
    node = add.bind(0, 0)
    for _ in range(1500):
        node = add.bind(node, 1)
    assert len(list(node._in_order())) == 1501
    assert node.apply_recursive(lambda copy: 1 + (copy.get_args()[0] or 0)) == 1501


def test_class_nodes_are_created_by_each_execution_and_their_calls_keep_their_order() -> None:
    counter = Counter.bind(10)
    counter.add.bind(1)
    last = counter.add.bind(2)
    assert ray.get(last.execute()) == 13
    assert ray.get(last.execute()) == 13
    assert isinstance(counter.execute(), ray.ActorHandle)
    with pytest.raises(AttributeError):
        counter.no_such_method  # noqa: B018
    with InputNode() as inp, pytest.raises(ValueError, match="not available at class construction"):
        Counter.bind(inp)


def test_methods_of_existing_actors_are_bound_with_their_signature() -> None:
    counter = Counter.remote(1)
    with InputNode() as inp:
        node = counter.add.bind(inp)
    assert ray.get([node.execute(1), node.execute(5)]) == [2, 7]
    with pytest.raises(TypeError):
        counter.add.bind(1, 2, 3)


def test_a_method_with_several_results_has_several_nodes() -> None:
    counter = Counter.remote()
    with InputNode() as inp:
        tens, ones = counter.split.bind(inp)
        node = MultiOutputNode([ones, add.bind(tens, 100)])
    assert ray.get(node.execute(42)) == [2, 104]
    assert tens.is_class_method_output
    assert tens.class_method_call.num_returns == 2
    assert ones.output_idx == 1


def test_multi_output_returns_a_list() -> None:
    node = MultiOutputNode((add.bind(1), add.bind(2, 2)))
    assert ray.get(node.execute()) == [1, 4]
    with pytest.raises(ValueError, match="Invalid input type for `args`"):
        MultiOutputNode(add.bind(1))  # type: ignore[arg-type]


def test_options_belong_to_the_node() -> None:
    node = add.options(name="adds", num_returns=1).bind(1, 2)
    assert node.get_options()["name"] == "adds"
    assert ray.get(node.execute()) == 3
    counter = Counter.options(num_cpus=0).bind(3)
    assert ray.get(counter.add.options(name="x").bind(1).execute()) == 4


def test_errors_arrive_where_the_result_is_fetched() -> None:
    node = add.bind(add.bind(1, "x"), 2)
    with pytest.raises(TypeError):
        ray.get(node.execute())


def test_nodes_say_what_they_are_and_what_cannot_be_done_with_them() -> None:
    node = add.bind(1, b=[add.bind(2)])
    assert str(node).startswith(f"(FunctionNode, {node.get_stable_uuid()})(\n    body=<function")
    assert "args=[" in repr(node)
    assert "kwargs={" in repr(node)
    assert str(Counter.bind().add.bind(1)).splitlines()[1] == "    body=add()"
    assert isinstance(node, DAGNode)
    assert node.get_args() == (1,)
    with pytest.raises(AttributeError, match="cannot be used again"):
        node.bind(1)
    with pytest.raises(AttributeError, match="use .execute"):
        node.remote()
    with pytest.raises(AttributeError, match="Use .bind"):
        Counter.bind().add.remote(1)


def test_a_pickled_node_is_the_same_graph() -> None:
    with InputNode() as inp:
        node = add.bind(add.bind(inp.x, 1), inp.y)
    import cloudpickle

    copy = pickle.loads(cloudpickle.dumps(node))
    assert copy.get_stable_uuid() == node.get_stable_uuid()
    assert ray.get(copy.execute(x=1, y=5)) == 7


def test_references_of_the_last_execution_are_kept_on_request() -> None:
    first = add.bind(1, 2)
    node = add.bind(first, 3)
    assert ray.get(node.execute(_ray_cache_refs=True)) == 6
    kept = asyncio.run(node.get_object_refs_from_last_execute())
    assert ray.get(kept[first.get_stable_uuid()]) == 3
    node.clear_cache()
    assert not node.cache_from_last_execute
