"""Compiled graphs: values through channels, errors, limits, what cannot be compiled."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import threading
import time
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import pyray as ray
from pyray import testing
from pyray.dag import CompiledDAG, DAGContext, InputNode, MultiOutputNode
from pyray.exceptions import (
    RayCgraphCapacityExceeded,
    RayChannelError,
    RayChannelTimeoutError,
    RayTaskError,
)
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("ray_session")


@ray.remote(num_cpus=0)
class Stage:
    def __init__(self, offset: int = 1) -> None:
        self.offset = offset
        self.seen = 0
        self.event = threading.Event()

    def add(self, value: Any) -> Any:
        self.seen += 1
        return value + self.offset

    def both(self, left: Any, right: Any) -> tuple[Any, Any]:
        return left, right

    def same(self, value: Any) -> Any:
        return value

    def count(self) -> int:
        return self.seen

    def divide(self, value: int) -> float:
        return 100 / value

    def wait(self, value: Any) -> Any:
        self.event.wait(30)
        return value

    def open(self) -> None:
        self.event.set()

    def scale(self, value: Any, factor: Any = 10) -> Any:
        return value * factor

    @ray.method(num_returns=2)
    def split(self, value: int) -> tuple[int, int]:
        return value // 10, value % 10

    def lock(self, _value: Any) -> Any:
        return threading.Lock()

    def big(self, size: int) -> Any:
        return ray.create_array(size, dtype="u1")

    def address(self, array: Any) -> tuple[Any, int, int]:
        return array, array.ctypes.data, os.getpid()

    def is_view(self, array: Any) -> bool:
        return type(array.base).__name__ == "View"

    async def later(self, value: Any) -> Any:
        return value


@pytest.fixture(scope="module", autouse=True)
def exported(ray_session: ModuleType) -> None:
    """The code above is in the store before the first test is counted."""
    ray_session.get(chain(1).execute(1))
    wait_until(lambda: testing.store_accounts()["actors"] == 0, 10, "the end of the actor")


def chain(count: int, **options: Any) -> CompiledDAG:
    with InputNode() as inp:
        node: Any = inp
        for _ in range(count):
            node = Stage.remote().add.bind(node)
    return node.experimental_compile(**options)


def test_values_pass_three_stages_in_order() -> None:
    dag = chain(3)
    assert [ray.get(dag.execute(n)) for n in range(50)] == list(range(3, 53))
    refs = [dag.execute(n) for n in range(10)]
    assert ray.get(refs) == list(range(3, 13))
    dag.teardown()


def test_results_may_be_fetched_in_any_order_and_once() -> None:
    dag = chain(1)
    refs = [dag.execute(n) for n in range(4)]
    assert [ray.get(refs[n]) for n in (2, 0, 3, 1)] == [3, 1, 4, 2]
    with pytest.raises(ValueError, match="can only be called once"):
        ray.get(refs[0])
    for forbidden in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(ValueError, match="cannot be"):
            forbidden(refs[0])
    assert str(refs[0]) == f"CompiledDAGRef({dag.get_id()}, execution_index=0, channel_index=None)"
    dag.teardown()


def test_results_that_nobody_wants_are_dropped() -> None:
    dag = chain(1, _max_inflight_executions=3)
    for n in range(20):
        dag.execute(n)
    ref = dag.execute(100)
    assert ray.get(ref) == 101
    dag.teardown()


@pytest.mark.parametrize("value", [None, "x" * 100, b"y" * 100_000, [1, {"a": (2, 3)}], 1.5])
def test_values_of_all_kinds(value: Any) -> None:
    stage = Stage.remote()
    with InputNode() as inp:
        dag = stage.both.bind(inp, 7).experimental_compile()
    assert ray.get(dag.execute(value)) == (value, 7)
    dag.teardown()


def test_a_reference_in_a_value_is_held_on_its_way() -> None:
    stage = Stage.remote()
    with InputNode() as inp:
        dag = stage.same.bind(inp).experimental_compile()
    assert ray.get(ray.get(dag.execute([ray.put("inside")]))[0]) == "inside"
    dag.teardown()


def test_an_array_passes_unchanged_stages_without_a_copy() -> None:
    first, second = Stage.remote(), Stage.remote()
    with InputNode() as inp:
        array = second.same.bind(first.same.bind(inp))
        dag = array.experimental_compile()
    given = np.arange(1_000_000)
    blocks = testing.store_accounts()["heap_used_bytes"]
    result = ray.get(dag.execute(given))
    assert (result == given).all()
    assert not result.flags.writeable
    assert testing.store_accounts()["heap_used_bytes"] - blocks < 1.1 * given.nbytes
    changed = ray.get(dag.execute(result.reshape(1000, 1000)))  # not as it is: written anew
    assert changed.shape == (1000, 1000)
    again = ray.get(dag.execute(result))
    assert again.ctypes.data == result.ctypes.data
    del again
    dag.teardown()


def test_an_array_made_in_the_store_is_sealed_where_it_is() -> None:
    stage, other = Stage.remote(), Stage.remote()
    with InputNode() as inp:
        dag = other.is_view.bind(stage.big.bind(inp)).experimental_compile()
    assert ray.get(dag.execute(1_000_000)) is True
    mine = ray.create_array(100_000)
    mine[:] = 3.0
    with InputNode() as inp:
        passing = other.same.bind(inp).experimental_compile()
    assert ray.get(passing.execute(mine)).sum() == 300_000.0
    assert not mine.flags.writeable
    dag.teardown()
    passing.teardown()


def test_several_nodes_of_one_actor_and_a_value_with_several_readers() -> None:
    one, two = Stage.remote(1), Stage.remote(100)
    with InputNode() as inp:
        a = one.add.bind(inp)
        b = one.add.bind(a)  # in the same process
        c = two.add.bind(a)
        d = one.both.bind(b, c)  # waits for the other actor
        dag = MultiOutputNode([d, a, d]).experimental_compile()
    for n in range(5):
        assert ray.get(dag.execute(n)) == [(n + 2, n + 101), n + 1, (n + 2, n + 101)]
    dag.teardown()


def test_input_arguments_by_place_and_name_and_constants() -> None:
    one, two = Stage.remote(), Stage.remote()
    with InputNode() as inp:
        dag = two.both.bind(one.scale.bind(inp[0], factor=3), inp.y).experimental_compile()
    assert ray.get(dag.execute(2, y="y")) == (6, "y")
    with pytest.raises(ValueError, match="called with 1 positional args, got 2"):
        dag.execute(1, 2)
    with pytest.raises(ValueError, match="called with kwarg `y`"):
        dag.execute(1)
    dag.teardown()


def test_a_method_with_several_results() -> None:
    one, two = Stage.remote(), Stage.remote()
    with InputNode() as inp:
        tens, ones = one.split.bind(inp)
        dag = MultiOutputNode([two.add.bind(tens), ones]).experimental_compile()
    assert ray.get(dag.execute(42)) == [5, 2]
    dag.teardown()


def test_more_readers_than_one_transaction_takes() -> None:
    stages = [Stage.remote() for _ in range(35)]
    with InputNode() as inp:
        dag = MultiOutputNode([stage.add.bind(inp) for stage in stages]).experimental_compile()
    assert ray.get(dag.execute(1)) == [2] * 35
    dag.teardown(kill_actors=True)


def test_an_error_arrives_at_get_and_the_pipeline_goes_on() -> None:
    first, second = Stage.remote(), Stage.remote()
    with InputNode() as inp:
        divided = first.divide.bind(inp)
        dag = MultiOutputNode([second.add.bind(divided), divided]).experimental_compile()
    good, bad, after = dag.execute(4), dag.execute(0), dag.execute(5)
    assert ray.get(good) == [26, 25]
    for ref in bad:
        with pytest.raises(ZeroDivisionError, match="division by zero") as caught:
            ray.get(ref)
        assert isinstance(caught.value, RayTaskError)
    assert ray.get(after) == [21, 20]
    assert ray.get(second.count.remote()) == 2  # the failed one was passed by
    dag.teardown()


def test_a_value_that_cannot_be_pickled_is_an_error_of_that_execution() -> None:
    stage = Stage.remote()
    with InputNode() as inp:
        node = MultiOutputNode([stage.lock.bind(inp[0]), stage.same.bind(inp[1])])
        dag = node.experimental_compile()
    bad, good = dag.execute(1, 2)
    with pytest.raises(TypeError, match="pickle"):
        ray.get(bad)
    assert ray.get(good) == 2
    for args in ((threading.Lock(), 1), (1, threading.Lock())):
        with pytest.raises(TypeError):
            dag.execute(*args)
    assert ray.get(dag.execute(5, 6)[1]) == 6
    dag.teardown()


def test_too_many_executions_and_results_are_refused() -> None:
    dag = chain(1, _max_inflight_executions=2, _max_buffered_results=2)
    refs = [dag.execute(n) for n in range(2)]
    with pytest.raises(RayCgraphCapacityExceeded, match="more than 2 in-flight"):
        dag.execute(2)
    assert ray.get(refs[0]) == 1
    refs.append(dag.execute(2))
    assert ray.get(refs[2]) == 3
    refs += [dag.execute(n) for n in (3, 4)]
    with pytest.raises(RayCgraphCapacityExceeded, match="more than 2 buffered"):
        ray.get(refs[4])
    assert ray.get(refs[1]) == 2
    dag.teardown()


def test_get_has_a_timeout_and_other_calls_of_the_actor_run() -> None:
    stage = Stage.remote()
    with InputNode() as inp:
        dag = stage.wait.bind(inp).experimental_compile()
    first = dag.execute(1)
    with pytest.raises(RayChannelTimeoutError) as caught:
        ray.get(first, timeout=0.01)
    assert isinstance(caught.value, TimeoutError)
    second = dag.execute(2)
    ray.get(stage.open.remote())
    assert ray.get(second) == 2
    dag.teardown()


def test_teardown_ends_the_loops_and_the_actors_go_on() -> None:
    stage = Stage.remote()
    with InputNode() as inp:
        dag = stage.add.bind(inp).experimental_compile()
    assert ray.get(dag.execute(1)) == 2
    pending = dag.execute(1)
    dag.teardown()
    dag.teardown()
    assert dag.is_teardown
    assert testing.store_accounts()["channels"] == 0
    for use in (lambda: dag.execute(1), lambda: ray.get(pending)):
        with pytest.raises(RayChannelError):
            use()
    with InputNode() as inp:
        again = stage.add.bind(inp).experimental_compile()
    assert ray.get(again.execute(5)) == 6
    again.teardown(kill_actors=True)
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(stage.count.remote())


def test_a_graph_that_is_deleted_leaves_nothing() -> None:
    dag = chain(2)
    ref = dag.execute(1)
    assert ray.get(ref) == 3
    del dag, ref
    gc.collect()
    wait_until(lambda: testing.store_accounts()["channels"] == 0, 10, "the end of the graph")


def test_a_graph_in_a_task_belongs_to_its_process() -> None:
    @ray.remote
    def run(stages: list[Any]) -> list[int]:
        with InputNode() as inp:
            dag = stages[1].add.bind(stages[0].add.bind(inp)).experimental_compile()
        results = [ray.get(dag.execute(n)) for n in range(3)]
        dag.teardown()
        return results

    stages = [Stage.remote() for _ in range(2)]
    assert ray.get(run.remote(stages)) == [2, 3, 4]


def test_execute_async() -> None:
    async def run() -> None:
        stage = Stage.remote()
        with InputNode() as inp:
            node = MultiOutputNode([stage.add.bind(inp), stage.divide.bind(inp)])
            dag = node.experimental_compile(enable_asyncio=True)
        futures = [await dag.execute_async(n) for n in (1, 2, 0)]
        assert await futures[0][0] == 2
        assert await asyncio.gather(*futures[1]) == [3, 50]
        with pytest.raises(ZeroDivisionError):
            await futures[2][1]
        with pytest.raises(ValueError, match="only be awaited upon once"):
            await futures[0][0]
        with pytest.raises(ValueError, match="Use execute_async"):
            dag.execute(1)
        dag.teardown()

    asyncio.run(run())
    with pytest.raises(ValueError, match="Use execute if"):
        asyncio.run(chain(1).execute_async(1))


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="must be a positive integer"):
        chain(1, _buffer_size_bytes=0)
    assert DAGContext.get_current() is DAGContext.get_current()
    with pytest.raises(ValueError, match="less than or equal"):
        DAGContext(read_iteration_timeout=5, get_timeout=1)


def test_what_cannot_be_compiled_is_refused_with_words() -> None:
    stage = Stage.remote()

    @ray.remote
    def task(value: Any) -> Any:
        return value

    def refuse(make: Any, kind: type[Exception], match: str) -> None:
        with InputNode() as inp:
            node = make(inp)
        with pytest.raises(kind, match=match):
            node.experimental_compile()

    unsupported = NotImplementedError
    refuse(task.bind, unsupported, "only support actor method nodes")
    refuse(lambda inp: Stage.bind().add.bind(inp), ValueError, "already created with Actor.remote")
    refuse(lambda _inp: stage.add.bind(1), ValueError, "require each task")
    refuse(lambda inp: stage.add.bind([inp]), ValueError, "any type of container")
    refuse(lambda inp: stage.scale.bind(inp, factor=inp), ValueError, "nodes as kwargs")
    refuse(lambda inp: stage.both.bind(inp, inp[0]), ValueError, "InputNode\\(\\) directly")
    refuse(lambda inp: (inp.x, stage.add.bind(inp[0]))[1], ValueError, "x is unused")
    refuse(lambda inp: stage.later.bind(inp), ValueError, "asynchronous")
    kept = []

    def with_leaf(inp: Any) -> Any:
        kept.append(stage.same.bind(inp))
        return stage.add.bind(inp)

    refuse(with_leaf, ValueError, "leaf nodes")
    with InputNode() as inp:
        node = stage.add.bind(inp)
    dag = node.experimental_compile()
    with pytest.raises(ValueError, match="multiple times"):
        node.experimental_compile()
    dag.teardown()
    with pytest.raises(ValueError, match="Invalid transport"):
        node.with_tensor_transport("nccl")
    assert node.with_tensor_transport() is node


def test_threads_of_the_driver_may_share_a_graph() -> None:
    dag = chain(1, _max_inflight_executions=100)
    found: list[bool] = []

    def run(first: int) -> None:
        found.extend(ray.get(dag.execute(n)) == n + 1 for n in range(first, first + 20))

    threads = [threading.Thread(target=run, args=(n,)) for n in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 60
    dag.teardown()


def test_calls_of_an_actor_run_beside_its_graph() -> None:
    stage = Stage.remote()
    with InputNode() as inp:
        dag = stage.add.bind(inp).experimental_compile()
    for n in range(5):
        assert ray.get([dag.execute(n)]) == [n + 1]
        assert ray.get(stage.count.remote()) == n + 1
    started = time.monotonic()
    dag.teardown()
    assert time.monotonic() - started < DAGContext.get_current().teardown_timeout
