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


def _array(tensor: Any) -> Any:
    """Return the numpy array that shares the tensor's memory."""
    import numpy as np

    if isinstance(tensor, np.ndarray):
        return tensor
    if type(tensor).__module__.partition(".")[0] == "torch" and tensor.device.type == "cpu":
        return tensor.detach().numpy()
    raise RuntimeError(f"Unrecognized tensor type {type(tensor).__name__!r}: numpy, or torch CPU")


def _combine(op: ReduceOp) -> Any:
    import numpy as np

    return {
        ReduceOp.SUM: np.add,
        ReduceOp.PRODUCT: np.multiply,
        ReduceOp.MIN: np.minimum,
        ReduceOp.MAX: np.maximum,
    }[op]


def _reduce_part(parts: list[Any], first: int, last: int, op: ReduceOp) -> Any:
    """Return the reduction of [first:last] of all, as an array in the store, not sealed."""
    out = create_array(last - first, parts[0].dtype)
    combine = _combine(op)
    if len(parts) == 1:
        out[:] = parts[0][first:last]
    else:
        combine(parts[0][first:last], parts[1][first:last], out=out)
    for part in parts[2:]:
        combine(out, part[first:last], out=out)
    return out


def _gather(group: Group, array: Any) -> list[Any]:
    """Return the flat contents of all members, their own included; views on the store."""
    refs = [box[0] for box in group.exchange([put(array.reshape(-1))])]
    parts = get(refs)
    if any(part.dtype != array.dtype for part in parts):
        raise ValueError(f"the members' types differ: {[str(part.dtype) for part in parts]}")
    return parts  # type: ignore[no-any-return]


def _same_size(parts: list[Any]) -> None:
    if len({len(part) for part in parts}) > 1:
        raise ValueError(f"the members' sizes differ: {[len(part) for part in parts]}")


def allreduce(tensor: Any, group_name: str = DEFAULT, op: ReduceOp = ReduceOp.SUM) -> None:
    """Replace each member's tensor by the reduction of all.

    Each member reduces one share, in place: it gets that of the others, and gives it back reduced.
    """
    group, array = _group(group_name), _array(tensor)
    flat = array.reshape(-1)  # a copy, if it is not contiguous
    edges = [len(flat) * n // group.size for n in range(group.size + 1)]
    shares = [flat[first:last] for first, last in itertools.pairwise(edges)]
    mine = shares[group.rank]
    given = [None if share is mine else put(share) for share in shares]
    members = group.exchange((given, len(flat), str(flat.dtype)))
    _same_form([size for _, size, _ in members], [kind for _, _, kind in members])
    for refs, _, _ in members:
        if refs[group.rank] is not None:
            _combine(op)(mine, get(refs[group.rank]), out=mine)
    del given, members
    for share, box in zip(shares, group.exchange([put(mine)]), strict=True):
        if share is not mine:
            share[:] = get(box[0])
    if not array.flags.c_contiguous:
        array[...] = flat.reshape(array.shape)


def _same_form(sizes: list[int], kinds: list[str]) -> None:
    if len(set(sizes)) > 1:
        raise ValueError(f"the members' sizes differ: {sizes}")
    if len(set(kinds)) > 1:
        raise ValueError(f"the members' types differ: {kinds}")


def reduce(
    tensor: Any, dst_rank: int = 0, group_name: str = DEFAULT, op: ReduceOp = ReduceOp.SUM
) -> None:
    """Replace the tensor of `dst_rank` by the reduction of all."""
    group, array = _group(group_name), _array(tensor)
    _check_rank(group, dst_rank)
    parts = _gather(group, array)
    if group.rank == dst_rank:
        _same_size(parts)
        array[...] = _reduce_part(parts, 0, len(parts[0]), op).reshape(array.shape)


def broadcast(tensor: Any, src_rank: int = 0, group_name: str = DEFAULT) -> None:
    """Replace each member's tensor by that of `src_rank`."""
    group, array = _group(group_name), _array(tensor)
    _check_rank(group, src_rank)
    is_source = group.rank == src_rank
    boxes = group.exchange([put(array.reshape(-1))] if is_source else [])
    if not is_source:
        array[...] = get(boxes[src_rank][0]).reshape(array.shape)


def allgather(tensor_list: list[Any], tensor: Any, group_name: str = DEFAULT) -> None:
    """Fill the list's tensors with those of all members, in order."""
    group, array = _group(group_name), _array(tensor)
    if len(tensor_list) != group.size:
        raise RuntimeError(f"expected a list of {group.size} tensors, got {len(tensor_list)}")
    for target, part in zip(tensor_list, _gather(group, array), strict=True):
        into = _array(target)
        into[...] = part.reshape(into.shape)


def reducescatter(
    tensor: Any, tensor_list: list[Any], group_name: str = DEFAULT, op: ReduceOp = ReduceOp.SUM
) -> None:
    """Replace `tensor` by the reduction of all members' `tensor_list[rank]`."""
    group, array = _group(group_name), _array(tensor)
    if len(tensor_list) != group.size:
        raise RuntimeError(f"expected a list of {group.size} tensors, got {len(tensor_list)}")
    boxes = group.exchange([put(_array(one).reshape(-1)) for one in tensor_list])
    parts = get([box[group.rank] for box in boxes])
    _same_size(parts)
    array[...] = _reduce_part(parts, 0, len(parts[0]), op).reshape(array.shape)


def barrier(group_name: str = DEFAULT) -> None:
    """Return when all members have come here."""
    _group(group_name).exchange(None)


def send(tensor: Any, dst_rank: int, group_name: str = DEFAULT) -> None:
    """Send a tensor to one member, which takes it with `recv`."""
    group = _group(group_name)
    _check_rank(group, dst_rank)
    if dst_rank == group.rank:
        raise RuntimeError(f"The destination rank '{dst_rank}' is self.")
    box = [put(_array(tensor).reshape(-1))]
    get(group.coordinator.send.remote(group.next_message(group.rank, dst_rank), box))


def recv(tensor: Any, src_rank: int, group_name: str = DEFAULT) -> None:
    """Replace a tensor by the one that a member has sent."""
    group, array = _group(group_name), _array(tensor)
    _check_rank(group, src_rank)
    if src_rank == group.rank:
        raise RuntimeError(f"The source rank '{src_rank}' is self.")
    key = group.next_message(src_rank, group.rank)
    (ref,) = get(group.coordinator.receive.remote(key, src_rank))
    array[...] = get(ref).reshape(array.shape)


def _check_rank(group: Group, rank: int) -> None:
    if not 0 <= rank < group.size:
        raise ValueError(f"rank: expected one from 0 to {group.size - 1}, got {rank}")
