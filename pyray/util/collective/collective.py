"""The operations; tensors are numpy arrays, or torch tensors of the CPU, changed in place."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from typing import Any

from pyray.actors import ActorClass, get_actor
from pyray.calls import get, put
from pyray.creation import create_array
from pyray.runtime_context import get_runtime_context
from pyray.util.collective.coordinator import Coordinator
from pyray.util.collective.tensors import check_same, kind_of, memory_of, reduction
from pyray.util.collective.types import ReduceOp

DEFAULT = "default"
_groups: dict[str, Group] = {}


class Group:
    """This process's membership in a group."""

    def __init__(self, name: str, size: int, rank: int, coordinator: Any) -> None:
        self.name = name
        self.size = size
        self.rank = rank
        self.coordinator = coordinator
        self.rounds = itertools.count()
        self.messages: Counter[tuple[int, int]] = Counter()

    def exchange(self, payload: Any) -> list[Any]:
        """Give something to all members, and return what all gave."""
        key = next(self.rounds)
        return get(self.coordinator.exchange.remote(key, self.rank, payload))  # type: ignore[no-any-return]

    def next_message(self, sender: int, receiver: int) -> tuple[int, int, int]:
        """Return the name of the next message between two members."""
        self.messages[sender, receiver] += 1
        return sender, receiver, self.messages[sender, receiver]


def init_collective_group(
    world_size: int,
    rank: int,
    backend: str = "shm",
    group_name: str = DEFAULT,
    gloo_timeout: int = 30000,
) -> None:
    """Make this process a member of a group; returns when all members are there.

    Args:
        world_size: How many members there are.
        rank: Number of this one, from 0.
        backend: Accepted; there is one way.
        group_name: Name of the group.
        gloo_timeout: Accepted without effect.

    Raises:
        RuntimeError: If this process is in a group of that name.
        ValueError: If sizes differ, or a rank is taken or out of range.
    """
    del backend, gloo_timeout
    if group_name in _groups:
        raise RuntimeError(f"Trying to initialize the group {group_name!r} twice!")
    if world_size <= 0 or not 0 <= rank < world_size:
        raise ValueError(f"rank: expected one from 0 to {world_size - 1}, got {rank}")
    actor = ActorClass(Coordinator, {}).options(
        name=f"pyray-collective-{group_name}", get_if_exists=True, num_cpus=0
    )
    _join(group_name, world_size, rank, actor.remote(world_size))


def _join(name: str, size: int, rank: int, coordinator: Any) -> Group:
    get(coordinator.join.remote(rank, size, os.getpid()))
    group = _groups[name] = Group(name, size, rank, coordinator)
    return group


_declared: dict[str, Any] = {}
"""Coordinators of groups that this process has declared: they live as long as their handles."""


def create_collective_group(  # noqa: PLR0913, PLR0917  (Ray's signature)
    actors: list[Any],
    world_size: int,
    ranks: list[int],
    backend: str = "shm",
    group_name: str = DEFAULT,
    gloo_timeout: int = 30000,
) -> None:
    """Declare actors to be the members of a group; each joins with its first operation.

    Raises:
        ValueError: If actors, ranks and the size do not fit.
    """
    del backend, gloo_timeout
    if len(actors) != len(ranks) or len(actors) != world_size:
        raise ValueError(f"expected {world_size} actors and ranks, got {len(actors)}, {len(ranks)}")
    if sorted(ranks) != list(range(world_size)):
        raise ValueError(f"ranks: expected each from 0 to {world_size - 1} once, got {ranks}")
    ids = {actor._actor_id.hex(): rank for actor, rank in zip(actors, ranks, strict=True)}  # noqa: SLF001  (Ray's name)
    options = {"name": f"pyray-collective-{group_name}", "num_cpus": 0}
    coordinator = ActorClass(Coordinator, {}).options(**options).remote(world_size, ids)
    get(coordinator.describe.remote())
    _declared[group_name] = coordinator


def destroy_collective_group(group_name: str = DEFAULT) -> None:
    """Leave a group."""
    _groups.pop(group_name, None)
    _declared.pop(group_name, None)


def is_group_initialized(group_name: str = DEFAULT) -> bool:
    """Return whether this process is a member."""
    return group_name in _groups


def get_rank(group_name: str = DEFAULT) -> int:
    """Return this process's rank; -1: it is no member."""
    return _groups[group_name].rank if group_name in _groups else -1


def get_collective_group_size(group_name: str = DEFAULT) -> int:
    """Return how many members the group has; -1: this process is none."""
    return _groups[group_name].size if group_name in _groups else -1


def _group(name: str) -> Group:
    """Return a group that was joined, or that was declared for this actor."""
    if (group := _groups.get(name)) is not None:
        return group
    try:
        coordinator = get_actor(f"pyray-collective-{name}")
    except ValueError:
        coordinator = None
    if coordinator is not None:
        size, ranks = get(coordinator.describe.remote())
        rank = ranks.get(get_runtime_context().get_actor_id())
        if rank is not None:
            return _join(name, size, rank, coordinator)
    raise RuntimeError(f"The collective group {name!r} is not initialized in the process.")


def _reduce_part(parts: list[Any], op: ReduceOp, kind: str) -> Any:
    """Return the reduction of all, as an array in the store, not sealed."""
    out = create_array(len(parts[0]), parts[0].dtype)
    combine = reduction(op, kind)
    if len(parts) == 1:
        out[:] = parts[0]
    else:
        combine(parts[0], parts[1], out=out)
    for part in parts[2:]:
        combine(out, part, out=out)
    return out


def _packed(tensor: Any) -> tuple[Any, str]:
    """Return (reference to the flat contents, name of their type)."""
    return put(memory_of(tensor).reshape(-1)), kind_of(tensor)


def _fill(tensor: Any, box: tuple[Any, str]) -> None:
    """Replace a tensor by what another member has packed."""
    ref, kind = box
    check_same("types", [kind_of(tensor), kind])
    array = memory_of(tensor)
    array[...] = get(ref).reshape(array.shape)


def _gather(group: Group, tensor: Any) -> list[Any]:
    """Return the flat contents of all members, their own included; views on the store."""
    boxes = group.exchange(_packed(tensor))
    check_same("types", [kind for _, kind in boxes])
    return get([ref for ref, _ in boxes])  # type: ignore[no-any-return]


def allreduce(tensor: Any, group_name: str = DEFAULT, op: ReduceOp = ReduceOp.SUM) -> None:
    """Replace each member's tensor by the reduction of all.

    Each member reduces one share, in place: it gets that of the others, and gives it back reduced.
    """
    group, array, kind = _group(group_name), memory_of(tensor), kind_of(tensor)
    flat = array.reshape(-1)  # a copy, if it is not contiguous
    combine = reduction(op, kind)
    edges = [len(flat) * n // group.size for n in range(group.size + 1)]
    shares = [flat[first:last] for first, last in itertools.pairwise(edges)]
    mine = shares[group.rank]
    given = [None if share is mine else put(share) for share in shares]
    members = group.exchange((given, len(flat), kind))
    check_same("sizes", [size for _, size, _ in members])
    check_same("types", [kind for _, _, kind in members])
    for refs, _, _ in members:
        if refs[group.rank] is not None:
            combine(mine, get(refs[group.rank]), out=mine)
    del given, members
    for share, box in zip(shares, group.exchange([put(mine)]), strict=True):
        if share is not mine:
            share[:] = get(box[0])
    if not array.flags.c_contiguous:
        array[...] = flat.reshape(array.shape)


def reduce(
    tensor: Any, dst_rank: int = 0, group_name: str = DEFAULT, op: ReduceOp = ReduceOp.SUM
) -> None:
    """Replace the tensor of `dst_rank` by the reduction of all."""
    group = _group(group_name)
    _check_rank(group, dst_rank)
    parts = _gather(group, tensor)
    if group.rank == dst_rank:
        _replace(tensor, parts, op)


def _replace(tensor: Any, parts: list[Any], op: ReduceOp) -> None:
    """Replace a tensor by the reduction of parts that have its type."""
    check_same("sizes", [len(part) for part in parts])
    array = memory_of(tensor)
    array[...] = _reduce_part(parts, op, kind_of(tensor)).reshape(array.shape)


def broadcast(tensor: Any, src_rank: int = 0, group_name: str = DEFAULT) -> None:
    """Replace each member's tensor by that of `src_rank`."""
    group = _group(group_name)
    _check_rank(group, src_rank)
    is_source = group.rank == src_rank
    boxes = group.exchange(_packed(tensor) if is_source else None)
    if not is_source:
        _fill(tensor, boxes[src_rank])


def allgather(tensor_list: list[Any], tensor: Any, group_name: str = DEFAULT) -> None:
    """Fill the list's tensors with those of all members, in order."""
    group = _group(group_name)
    if len(tensor_list) != group.size:
        raise RuntimeError(f"expected a list of {group.size} tensors, got {len(tensor_list)}")
    check_same("types", [kind_of(one) for one in (tensor, *tensor_list)])
    for target, part in zip(tensor_list, _gather(group, tensor), strict=True):
        into = memory_of(target)
        into[...] = part.reshape(into.shape)


def reducescatter(
    tensor: Any, tensor_list: list[Any], group_name: str = DEFAULT, op: ReduceOp = ReduceOp.SUM
) -> None:
    """Replace `tensor` by the reduction of all members' `tensor_list[rank]`."""
    group = _group(group_name)
    if len(tensor_list) != group.size:
        raise RuntimeError(f"expected a list of {group.size} tensors, got {len(tensor_list)}")
    members = group.exchange([_packed(one) for one in tensor_list])
    boxes = [boxes[group.rank] for boxes in members]
    check_same("types", [kind_of(tensor), *(kind for _, kind in boxes)])
    _replace(tensor, get([ref for ref, _ in boxes]), op)


def barrier(group_name: str = DEFAULT) -> None:
    """Return when all members have come here."""
    _group(group_name).exchange(None)


def send(tensor: Any, dst_rank: int, group_name: str = DEFAULT) -> None:
    """Send a tensor to one member, which takes it with `recv`."""
    group = _group(group_name)
    _check_rank(group, dst_rank)
    if dst_rank == group.rank:
        raise RuntimeError(f"The destination rank '{dst_rank}' is self.")
    key = group.next_message(group.rank, dst_rank)
    get(group.coordinator.send.remote(key, _packed(tensor)))


def recv(tensor: Any, src_rank: int, group_name: str = DEFAULT) -> None:
    """Replace a tensor by the one that a member has sent."""
    group = _group(group_name)
    _check_rank(group, src_rank)
    if src_rank == group.rank:
        raise RuntimeError(f"The source rank '{src_rank}' is self.")
    key = group.next_message(src_rank, group.rank)
    _fill(tensor, get(group.coordinator.receive.remote(key, src_rank)))


def _check_rank(group: Group, rank: int) -> None:
    if not 0 <= rank < group.size:
        raise ValueError(f"rank: expected one from 0 to {group.size - 1}, got {rank}")
