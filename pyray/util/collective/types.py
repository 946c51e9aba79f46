"""Kinds of reductions."""

from enum import Enum


class ReduceOp(Enum):
    """How values of several members become one."""

    SUM = 0
    PRODUCT = 1
    MIN = 2
    MAX = 3
