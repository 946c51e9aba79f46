"""ObjectRef: identity in every process, texts, futures, and references that travel."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import gc
import threading
from typing import Any

import pytest

import pyray as ray
from tests.api.conftest import Gate
from tests.support import run_script

pytestmark = pytest.mark.usefixtures("ray_session")


# ---- Identity.


def test_equal_references_are_equal_and_hash_equal() -> None:
    ref = ray.put(1)
    inside = ray.get(ray.put([ref]))[0]
    assert inside is not ref
    assert inside == ref
    assert hash(inside) == hash(ref)
    assert {ref: "found"}[inside] == "found"
    assert ref != ray.put(1)


def test_reference_compares_with_other_things_as_unequal() -> None:
    ref = ray.put(1)
    assert ref != 1
    assert ref != ref.binary()
    assert ref is not None
    with pytest.raises(TypeError):
        assert ref < ray.put(2)  # type: ignore[operator]


def test_reference_is_the_same_in_every_process() -> None:
    @ray.remote
    def describe(refs: list[ray.ObjectRef]) -> tuple[int, str, bytes, ray.ObjectRef]:
        return hash(refs[0]), refs[0].hex(), refs[0].binary(), refs[0]

    ref = ray.put("x")
    hashed, text, data, again = ray.get(describe.remote([ref]))
    assert (hashed, text, data) == (hash(ref), ref.hex(), ref.binary())
    assert again == ref
    assert len({ref, again}) == 1


@pytest.mark.parametrize("count", [2, 200])  # 200: they are made in several steps
def test_results_of_one_task_have_its_id_in_every_process(count: int) -> None:
    @ray.remote
    def many() -> list[str]:
        return [ray.get_runtime_context().get_task_id() or ""] * count

    @ray.remote
    def ids(refs: list[ray.ObjectRef]) -> set[str]:
        return {ref.task_id().hex() for ref in refs}

    refs = many.options(num_returns=count).remote()
    assert len({ref.hex() for ref in refs}) == count
    inside = ray.get(refs[-1])
    assert {ref.task_id().hex() for ref in refs} == {inside}
    assert ray.get(ids.remote(refs[1:])) == {inside}


def test_texts_and_ids() -> None:
    ref = ray.put(1)
    assert len(ref.binary()) == 28
    assert ref.hex() == ref.binary().hex()
    assert repr(ref) == str(ref) == f"ObjectRef({ref.hex()})"
    assert ref.size() == 28
    assert not ref.is_nil()
    assert isinstance(ref.task_id(), ray.TaskID)
    assert isinstance(ref.job_id(), ray.JobID)
    assert ref.job_id().hex() == ray.get_runtime_context().get_job_id()
    assert ref.task_id().job_id() == ref.job_id()


def test_reference_from_bytes_or_text_is_the_same() -> None:
    ref = ray.put("value")
    for again in (
        ray.ObjectRef(ref.binary()),
        ray.ObjectRef.from_binary(ref.binary()),
        ray.ObjectRef.from_hex(ref.hex()),
    ):
        assert again == ref
        assert ray.get(again) == "value"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [(3, TypeError), ("ab", TypeError), (b"ab", ValueError), (b"a" * 28, ValueError)],
)
def test_reference_from_other_bytes_is_refused(wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        ray.ObjectRef(wrong)


def test_reference_from_bytes_of_an_object_that_is_gone_says_so() -> None:
    data = ray.put([1]).binary()
    with pytest.raises(ray.exceptions.ObjectLostError):
        ray.ObjectRef(data)


def test_reference_has_no_attributes_to_set() -> None:
    with pytest.raises(AttributeError):
        ray.put(1).note = 1  # type: ignore[attr-defined]


def test_shallow_copy_holds_the_same_reference() -> None:
    ref = ray.put(1)
    assert copy.copy([ref])[0] is ref


def test_type_can_be_subscripted() -> None:
    assert ray.ObjectRef[int] is not None  # type: ignore[misc]


# ---- Travel.


def test_reference_in_containers_stays_a_reference() -> None:
    @ray.remote
    def look(*args: Any) -> list[Any]:
        (items, table), nested = args
        refs = [items[0], table["a"], nested[0][0][0]]
        assert all(isinstance(ref, ray.ObjectRef) for ref in refs)
        return ray.get(refs)

    a, b, c = (ray.put(name) for name in "abc")
    assert ray.get(look.remote(([a], {"a": b}), [[(c,)]])) == ["a", "b", "c"]


def test_reference_in_an_attribute_and_in_a_set() -> None:
    class Box:
        def __init__(self, ref: ray.ObjectRef) -> None:
            self.ref = ref

    @ray.remote
    def look(box: Box, refs: set[ray.ObjectRef]) -> Any:
        assert box.ref in refs
        return ray.get(box.ref)

    ref = ray.put("boxed")
    assert ray.get(look.remote(Box(ref), {ref})) == "boxed"


def test_reference_in_a_closure() -> None:
    ref = ray.put("closed")

    @ray.remote
    def look() -> Any:
        return ray.get(ref)

    assert ray.get(look.remote()) == "closed"


def test_reference_from_a_task_outlives_it() -> None:
    @ray.remote
    def make() -> list[ray.ObjectRef]:
        return [ray.put(i) for i in range(10)]

    assert ray.get(ray.get(make.remote())) == list(range(10))


def test_reference_returned_bare_is_a_reference() -> None:
    @ray.remote
    def make() -> ray.ObjectRef:
        return ray.put("inner")

    inner = ray.get(make.remote())
    assert isinstance(inner, ray.ObjectRef)
    assert ray.get(inner) == "inner"


def test_reference_of_a_pending_task_travels() -> None:
    @ray.remote
    def slow() -> str:
        return "done"

    @ray.remote
    def start() -> list[ray.ObjectRef]:
        return [slow.remote()]

    assert ray.get(ray.get(start.remote())[0]) == "done"


def test_references_nested_in_references_keep_their_chain_alive() -> None:
    ref = ray.put("end")
    for _ in range(50):
        ref = ray.put([ref])
    value: Any = ref
    gc.collect()
    while isinstance(value, ray.ObjectRef):
        value = ray.get(value)
        value = value[0] if isinstance(value, list) else value
    assert value == "end"


def test_long_chain_of_references_is_freed_without_recursion() -> None:
    ref = ray.put("end")
    for _ in range(20_000):
        ref = ray.put([ref])
    del ref  # the leak check sees whether all are gone


def test_object_with_10_000_references() -> None:
    @ray.remote
    def total(refs: list[ray.ObjectRef]) -> int:
        return sum(ray.get(refs))

    refs = [ray.put(i) for i in range(10_000)]
    assert ray.get(total.remote(refs)) == sum(range(10_000))


def test_plain_pickle_keeps_the_object_for_the_session() -> None:
    # It has to run on its own: what was pickled out of band is kept until the session ends.
    run_script(
        """
        import pickle
        import pyray as ray
        ray.init(num_cpus=1)
        ref = ray.put("kept")
        data = pickle.dumps(ref)
        assert pickle.loads(data) == ref
        del ref
        assert ray.get(pickle.loads(data)) == "kept"
        ref = ray.put("copied")
        import copy
        assert copy.deepcopy([ref]) == [ref]
        ray.shutdown()
        try:
            pickle.loads(data)
        except Exception as error:
            print(type(error).__name__, error)
        else:
            raise AssertionError("no error")
        """,
        check=True,
    )


# ---- Futures.


def test_future_has_the_value() -> None:
    future = ray.put("v").future()
    assert isinstance(future, concurrent.futures.Future)
    assert future.result(10) == "v"


def test_future_has_the_error() -> None:
    @ray.remote
    def fail() -> None:
        raise KeyError("k")

    future = fail.remote().future()
    with pytest.raises(KeyError):
        future.result(10)
    assert isinstance(future.exception(), ray.exceptions.RayTaskError)


def test_future_of_a_pending_task_calls_back(gate: Gate) -> None:
    future, called = gate.task().future(), threading.Event()
    assert not future.done()
    future.add_done_callback(lambda _: called.set())
    gate.open()
    assert called.wait(10)
    assert future.result() == "through"


def test_futures_complete_as_tasks_do() -> None:
    @ray.remote
    def same(x: int) -> int:
        return x

    futures = [same.remote(i).future() for i in range(100)]
    done = {future.result() for future in concurrent.futures.as_completed(futures, timeout=20)}
    assert done == set(range(100))


def test_future_of_an_earlier_session_is_refused_and_harms_no_other() -> None:
    run_script(
        """
        import os, time
        import pyray as ray
        ray.init(num_cpus=1)
        old = ray.put(1)
        ray.shutdown()
        ray.init(num_cpus=1)

        @ray.remote
        def wait_for_file():
            while not os.path.exists("go"):
                time.sleep(0.005)
            return "went"

        future = wait_for_file.remote().future()
        try:
            old.future()
        except ValueError as error:
            assert "earlier session" in str(error)
        else:
            raise AssertionError("no error")
        open("go", "w").close()
        assert future.result(20) == "went"
        ray.shutdown()
        """,
        check=True,
    )


def test_cancelled_future_leaves_the_task_alone(gate: Gate) -> None:
    ref = gate.task()
    assert ref.future().cancel()
    gate.open()
    assert ref.future().result(10) == "through"


def test_await_gives_value_or_error() -> None:
    @ray.remote
    def fail() -> None:
        raise KeyError("k")

    async def main() -> list[Any]:
        assert await ray.put(1) == 1
        return await asyncio.gather(ray.put(2), fail.remote(), return_exceptions=True)

    value, error = asyncio.run(main())
    assert value == 2
    assert isinstance(error, KeyError)


def test_await_many_at_once() -> None:
    @ray.remote
    def same(x: int) -> int:
        return x

    async def main() -> list[int]:
        return await asyncio.gather(*[same.remote(i) for i in range(200)])

    assert asyncio.run(main()) == list(range(200))


def test_asyncio_wait_and_timeouts_work(gate: Gate) -> None:
    async def main() -> None:
        never = gate.task()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(never, 0.05)
        done, pending = await asyncio.wait(
            [ray.put(1).as_future(), never.as_future()], return_when=asyncio.FIRST_COMPLETED
        )
        assert [one.result() for one in done] == [1]
        assert len(pending) == 1
        gate.open()
        assert await never == "through"

    asyncio.run(main())


def test_as_future_is_an_asyncio_future() -> None:
    async def main() -> None:
        assert isinstance(ray.put(1).as_future(), asyncio.Future)

    asyncio.run(main())


# ---- Sessions.


def test_reference_of_an_earlier_session_is_told() -> None:
    run_script(
        """
        import pyray as ray

        @ray.remote
        def f(*args, **kwargs):
            return 1

        ray.init(num_cpus=1)
        old, task = ray.put("old"), f.remote()
        ray.get(task)
        ray.shutdown()
        for again in (False, True):
            if again:
                ray.init(num_cpus=1)
            for use in (
                lambda: ray.get(old), lambda: ray.get([old]), lambda: ray.wait([task]),
                lambda: f.remote(old), lambda: f.remote([old]), lambda: f.remote(x=old),
                lambda: ray.put([old]), lambda: old.future().result(5),
            ):
                try:
                    use()
                except Exception as error:
                    text = f"{type(error).__name__}: {error}"
                    assert "earlier session" in text, (again, text)
                else:
                    raise AssertionError("no error")
            repr(old), hash(old), old == task, old.hex()
            if not again and ray.is_initialized():
                ray.shutdown()
        assert ray.get(f.remote()) == 1
        ray.shutdown()
        """,
        check=True,
    )
