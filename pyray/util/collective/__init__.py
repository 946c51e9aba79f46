"""Collective operations between actors and tasks of one machine.

Data goes through the object store: each member writes its tensor there once, and reads the parts
of the others in place. Only references pass through the group's coordinator. A member that dies
makes the others' calls raise.
"""

from pyray.util.collective.collective import allgather as allgather
from pyray.util.collective.collective import allreduce as allreduce
from pyray.util.collective.collective import barrier as barrier
from pyray.util.collective.collective import broadcast as broadcast
from pyray.util.collective.collective import create_collective_group as create_collective_group
from pyray.util.collective.collective import destroy_collective_group as destroy_collective_group
from pyray.util.collective.collective import (
    get_collective_group_size as get_collective_group_size,
)
from pyray.util.collective.collective import get_rank as get_rank
from pyray.util.collective.collective import init_collective_group as init_collective_group
from pyray.util.collective.collective import is_group_initialized as is_group_initialized
from pyray.util.collective.collective import recv as recv
from pyray.util.collective.collective import reduce as reduce
from pyray.util.collective.collective import reducescatter as reducescatter
from pyray.util.collective.collective import send as send
from pyray.util.collective.types import ReduceOp as ReduceOp

__all__ = [
    "ReduceOp",
    "allgather",
    "allreduce",
    "barrier",
    "broadcast",
    "create_collective_group",
    "destroy_collective_group",
    "get_collective_group_size",
    "get_rank",
    "init_collective_group",
    "is_group_initialized",
    "recv",
    "reduce",
    "reducescatter",
    "send",
]
