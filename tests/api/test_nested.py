"""Tasks that submit tasks and wait for them: a blocked worker lends its CPU."""

from __future__ import annotations

import pytest

import pyray as ray

pytestmark = pytest.mark.usefixtures("ray_session")


def test_chain_of_parents_deeper_than_the_cpus() -> None:
    @ray.remote
    def descend(depth: int) -> int:
        return 0 if depth == 0 else 1 + ray.get(descend.remote(depth - 1))

    assert ray.get(descend.remote(30)) == 30


def test_many_parents_blocked_at_once() -> None:
    @ray.remote
    def child(x: int) -> int:
        return x

    @ray.remote
    def parent(x: int) -> int:
        return ray.get(child.remote(x))

    assert ray.get([parent.remote(i) for i in range(100)]) == list(range(100))


def test_tree_of_tasks() -> None:
    @ray.remote
    def total(low: int, high: int) -> int:
        if high - low == 1:
            return low
        middle = (low + high) // 2
        return sum(ray.get([total.remote(low, middle), total.remote(middle, high)]))

    assert ray.get(total.remote(0, 32)) == sum(range(32))


def test_parent_may_return_without_waiting() -> None:
    @ray.remote
    def child(x: int) -> int:
        return x

    @ray.remote
    def parent() -> list[ray.ObjectRef]:
        return [child.remote(i) for i in range(50)]

    assert ray.get(ray.get(parent.remote())) == list(range(50))


def test_children_that_nobody_asks_for_run_all_the_same(tmp_path: object) -> None:
    @ray.remote
    def child(path: str) -> None:
        with open(path, "w", encoding="ascii"):
            pass

    @ray.remote
    def parent(path: str) -> None:
        child.remote(path)

    path = f"{tmp_path}/done"
    ray.get(parent.remote(path))
    from pathlib import Path

    from tests.support import wait_until

    wait_until(Path(path).exists, 10, "the child")


def test_wait_in_a_task_lends_the_cpu_too() -> None:
    @ray.remote
    def child(x: int) -> int:
        return x

    @ray.remote
    def parent() -> int:
        refs, total = [child.remote(i) for i in range(10)], 0
        while refs:
            (ready,), refs = ray.wait(refs)
            total += ray.get(ready)
        return total

    assert ray.get([parent.remote() for _ in range(4)]) == [45] * 4


def test_parents_that_ask_for_all_cpus() -> None:
    @ray.remote(num_cpus=2)
    def child() -> int:
        return 1

    @ray.remote(num_cpus=2)
    def parent() -> int:
        return 1 + ray.get(child.remote())

    assert ray.get([parent.remote() for _ in range(3)]) == [2] * 3


def test_nested_task_in_a_thread_of_a_task() -> None:
    @ray.remote
    def child(x: int) -> int:
        return x

    @ray.remote(num_cpus=0.5)
    def parent() -> int:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(4) as pool:
            return sum(
                pool.map(lambda i: ray.get(child.options(num_cpus=0.1).remote(i)), range(20))
            )

    assert ray.get(parent.remote()) == sum(range(20))
