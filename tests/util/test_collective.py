"""Collective operations between actors, against what numpy says."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import pyray
from pyray.util import collective
from pyray.util.collective import ReduceOp


@pyray.remote(num_cpus=0)
class Member:
    def join(self, size: int, rank: int, name: str = "default") -> None:
        collective.init_collective_group(size, rank, group_name=name)

    def leave(self, name: str = "default") -> None:
        collective.destroy_collective_group(name)

    def where(self, name: str = "default") -> tuple[int, int]:
        return collective.get_rank(name), collective.get_collective_group_size(name)

    def run(self, name: str, tensor: Any, *args: Any, **kwargs: Any) -> Any:
        tensor = copy.deepcopy(tensor)
        getattr(collective, name)(tensor, *args, **kwargs)
        return tensor

    def gather(self, tensor: Any, size: int) -> Any:
        into = [np.zeros_like(tensor) for _ in range(size)]
        collective.allgather(into, tensor)
        return into

    def die(self) -> None:
        os._exit(1)


SIZE = 3


@pytest.fixture(scope="module")
def members(ray_session: ModuleType) -> Iterator[list[Any]]:
    made = [Member.remote() for _ in range(SIZE)]
    pyray.get([one.join.remote(SIZE, rank) for rank, one in enumerate(made)])
    yield made
    for one in made:
        pyray.kill(one)


def tensors(count: int, dtype: str = "f4") -> list[Any]:
    return [np.arange(1, count + 1).astype(dtype) + rank for rank in range(SIZE)]


def run(members: list[Any], name: str, values: list[Any], *args: Any, **kwargs: Any) -> list[Any]:
    calls = zip(members, values, strict=True)
    return pyray.get([one.run.remote(name, value, *args, **kwargs) for one, value in calls])


@pytest.mark.parametrize("count", [1, 2, 10, 100_003])
@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (ReduceOp.SUM, np.sum),
        (ReduceOp.PRODUCT, np.prod),
        (ReduceOp.MIN, np.min),
        (ReduceOp.MAX, np.max),
    ],
)
def test_allreduce_and_reduce(members: list[Any], count: int, op: ReduceOp, expected: Any) -> None:
    values = tensors(count, "f8")
    right = expected(values, axis=0)
    for found in run(members, "allreduce", values, op=op):
        assert np.array_equal(found, right)
    reduced = run(members, "reduce", values, 1, op=op)
    assert np.array_equal(reduced[1], right)
    assert np.array_equal(reduced[0], values[0])


def test_shapes_stay(members: list[Any]) -> None:
    values = [np.full((4, 5), float(rank), order="F") for rank in range(SIZE)]
    for found in run(members, "allreduce", values):
        assert np.array_equal(found, np.full((4, 5), 3.0))


def test_broadcast_gather_and_scatter(members: list[Any]) -> None:
    values = tensors(50_000)
    for found in run(members, "broadcast", values, src_rank=2):
        assert np.array_equal(found, values[2])
    gathered = pyray.get([m.gather.remote(v, SIZE) for m, v in zip(members, values, strict=True)])
    for found in gathered:
        assert np.array_equal(found, values)
    scattered = run(members, "reducescatter", values, values)
    for rank, found in enumerate(scattered):
        assert np.array_equal(found, SIZE * values[rank])


def test_messages_arrive_in_order(members: list[Any]) -> None:
    values = tensors(30_000)
    sent = [members[0].run.remote("send", value, 1) for value in values]
    received = [members[1].run.remote("recv", np.zeros(30_000, "f4"), 0) for _ in values]
    assert all(map(np.array_equal, pyray.get(received), values))
    pyray.get(sent)


def test_ranks_are_known_and_barriers_pass(members: list[Any]) -> None:
    assert pyray.get([one.where.remote() for one in members]) == [(n, SIZE) for n in range(SIZE)]
    assert (collective.get_rank(), collective.get_collective_group_size()) == (-1, -1)
    assert not collective.is_group_initialized()


def test_wrong_use_is_refused(members: list[Any]) -> None:
    with pytest.raises(RuntimeError, match="not initialized"):
        collective.allreduce(np.zeros(3))
    with pytest.raises(RuntimeError, match="twice"):
        pyray.get(members[0].join.remote(SIZE, 0))
    with pytest.raises(RuntimeError, match="is self"):
        pyray.get(members[0].run.remote("send", np.zeros(1), 0))
    with pytest.raises(ValueError, match="rank"):
        pyray.get(members[0].run.remote("broadcast", np.zeros(1), 7))
    with pytest.raises(ValueError, match="sizes differ"):
        run(members, "allreduce", [np.zeros(2), np.zeros(3), np.zeros(2)])
    kinds = [np.zeros(2, "f4"), np.zeros(2), np.zeros(2)]
    for name in ("allreduce", "reduce", "broadcast"):
        with pytest.raises(ValueError, match="types differ"):
            run(members, name, kinds)
    with pytest.raises(RuntimeError, match="Unrecognized tensor type 'list'"):
        pyray.get(members[0].run.remote("broadcast", [1, 2]))


@pytest.mark.parametrize("count", [1, 1_001])
def test_bfloat16_tensors_of_torch(members: list[Any], count: int) -> None:
    torch = pytest.importorskip("torch")
    values = [(torch.arange(count) % 50 + rank).to(torch.bfloat16) for rank in range(SIZE)]
    stacked = torch.stack(values)
    for op, right in (
        (ReduceOp.SUM, stacked[0] + stacked[1] + stacked[2]),
        (ReduceOp.PRODUCT, stacked[0] * stacked[1] * stacked[2]),
        (ReduceOp.MIN, values[0]),
        (ReduceOp.MAX, values[2]),
    ):
        for found in run(members, "allreduce", values, op=op):
            assert torch.allclose(found.float(), right.float(), rtol=0.02)
        assert torch.equal(run(members, "reduce", values, 2, op=op)[2], right)
    for found in run(members, "broadcast", values, src_rank=1):
        assert torch.equal(found, values[1])
    with pytest.raises(ValueError, match="types differ"):
        run(members, "broadcast", [values[0], values[1].view(torch.int16), values[2]])


@pytest.mark.usefixtures("members")  # their class is in the store before
def test_a_declared_group_is_joined_by_use_and_a_death_is_told() -> None:
    actors = [Member.remote() for _ in range(2)]
    collective.create_collective_group(actors, 2, [1, 0], group_name="declared")
    calls = [one.run.remote("allreduce", np.ones(4), group_name="declared") for one in actors]
    assert [list(found) for found in pyray.get(calls)] == [[2.0] * 4] * 2
    assert pyray.get([one.where.remote("declared") for one in actors]) == [(1, 2), (0, 2)]
    waiting = actors[0].run.remote("allreduce", np.ones(4), group_name="declared")
    actors[1].die.remote()
    with pytest.raises(RuntimeError, match=r"member of rank 0 .* has died"):
        pyray.get(waiting, timeout=20)
    pyray.kill(actors[0])
    collective.destroy_collective_group("declared")
    with pytest.raises(ValueError, match="ranks"):
        collective.create_collective_group(actors, 2, [0, 0])
