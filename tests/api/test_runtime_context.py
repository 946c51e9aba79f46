"""ray.get_runtime_context(): where am I?"""

from __future__ import annotations

import os
from typing import Any

import pytest

import pyray as ray

pytestmark = pytest.mark.usefixtures("ray_session")


def test_in_the_driver() -> None:
    context = ray.get_runtime_context()
    assert context.get_task_id() is None
    assert context.get_task_name() is None
    assert context.get_actor_id() is None
    assert len(context.get_node_id()) == 56
    assert len(context.get_worker_id()) == 56
    assert context.get_job_id() == "01000000"


def test_in_a_task() -> None:
    @ray.remote
    def look() -> tuple[Any, ...]:
        context = ray.get_runtime_context()
        return context.get_task_id(), context.get_task_name(), context.get_actor_id()

    first, second = ray.get([look.remote(), look.remote()])
    assert len(first[0]) == 48
    assert first[0] != second[0]
    assert first[1:] == ("look", None)
    assert ray.get(look.options(name="other").remote())[1] == "other"


def test_in_an_actor() -> None:
    @ray.remote
    class Looker:
        def __init__(self) -> None:
            self.born = ray.get_runtime_context().get_actor_id()

        def look(self) -> tuple[Any, ...]:
            context = ray.get_runtime_context()
            return context.get_actor_id(), context.get_task_name(), self.born

    looker = Looker.remote()
    actor_id, name, _born = ray.get(looker.look.remote())
    assert actor_id == looker._actor_id.hex()
    assert name == "Looker.look"


def test_ids_agree_between_processes() -> None:
    @ray.remote
    def look() -> tuple[str, str, str, int]:
        context = ray.get_runtime_context()
        node, job = context.get_node_id(), context.get_job_id()
        return node, job, context.get_worker_id(), os.getpid()

    node, job, worker, pid = ray.get(look.remote())
    context = ray.get_runtime_context()
    assert (node, job) == (context.get_node_id(), context.get_job_id())
    assert worker != context.get_worker_id()
    assert pid != os.getpid()
