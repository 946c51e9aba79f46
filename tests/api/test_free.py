"""`ray.internal.free`: values that are given up although references to them exist."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import pyray
from pyray import testing
from pyray.exceptions import ObjectFreedError
from pyray.internal import free
from tests.support import wait_until

SIZE = 1 << 20


def used_bytes() -> int:
    return int(testing.store_accounts()["heap_used_bytes"])


@pyray.remote
def total(array: Any) -> float:
    return float(array.sum())


@pyray.remote
def total_of(refs: list[Any]) -> float:
    return float(pyray.get(refs[0]).sum())


@pytest.fixture(scope="module", autouse=True)
def exported(ray_session: ModuleType) -> None:
    """The code of both is in the store before the first test is counted."""
    ref = ray_session.put(np.ones(10))
    assert ray_session.get([total.remote(ref), total_of.remote([ref])]) == [10.0, 10.0]


@pytest.mark.parametrize("value", [5, "text", None, np.ones(SIZE // 8), [np.ones(SIZE // 8)]])
def test_get_of_a_freed_value_raises(value: Any) -> None:
    ref = pyray.put(value)
    free(ref)
    for _ in range(2):
        with pytest.raises(ObjectFreedError, match=ref.hex()):
            pyray.get(ref)
    with pytest.raises(ObjectFreedError):
        pyray.get([pyray.put(1), ref], timeout=5)
    assert pyray.wait([ref])[0] == [ref]


def test_memory_is_free_at_once() -> None:
    before = used_bytes()
    refs = [pyray.put(np.ones(SIZE // 8)) for _ in range(4)]
    assert used_bytes() >= before + 4 * SIZE
    free(refs)
    assert used_bytes() < before + SIZE


def test_a_view_stays_good_and_keeps_its_memory() -> None:
    before = used_bytes()
    ref = pyray.put(np.arange(SIZE // 8))
    view = pyray.get(ref)
    free([ref])
    others = [pyray.put(np.zeros(SIZE // 8)) for _ in range(3)]
    assert np.array_equal(view, np.arange(SIZE // 8))
    del view, others
    assert used_bytes() < before + SIZE
    with pytest.raises(ObjectFreedError):
        pyray.get(ref)


def test_tasks_that_need_it_fail() -> None:
    ref = pyray.put(np.ones(10))
    free([ref])
    with pytest.raises(ObjectFreedError):
        pyray.get(total.remote(ref))
    with pytest.raises(ObjectFreedError):
        pyray.get(total_of.remote([ref]))


def test_the_result_of_a_task_and_an_error_nobody_read() -> None:
    result = total.remote(np.ones(3))
    failed = total.remote("no array")
    pyray.wait([result, failed], num_returns=2)
    free([result, failed])
    for ref in (result, failed):
        with pytest.raises(ObjectFreedError):
            pyray.get(ref)


def test_what_is_inside_stays_as_long_as_its_container() -> None:
    inner = pyray.put(np.ones(SIZE // 8))
    outer = pyray.put([inner])
    free([outer])
    assert pyray.get(inner)[0] == 1.0


def test_awaiting_a_freed_value_raises() -> None:
    ref = pyray.put(1)
    free([ref])

    async def wait_for_it() -> Any:
        return await ref

    with pytest.raises(ObjectFreedError):
        asyncio.run(wait_for_it())


def test_what_has_no_value_yet_is_left_alone() -> None:
    @pyray.remote
    class Gate:
        async def never(self) -> None:
            await asyncio.Event().wait()

    gate = Gate.remote()
    pending = gate.never.remote()
    free([pending])
    assert pyray.wait([pending], timeout=0)[1] == [pending]
    pyray.kill(gate)
    with pytest.raises(pyray.exceptions.RayActorError):
        pyray.get(pending)
    del gate
    wait_until(lambda: testing.store_accounts()["actors"] == 0, 5, "the end of the actor")


def test_only_references_are_freed() -> None:
    with pytest.raises(TypeError, match="expected ObjectRefs"):
        free([3])  # type: ignore[list-item]
    free([])
