"""What operations need of a tensor: its memory as a numpy array, its type, how two become one.

A type that numpy does not have (torch.bfloat16) travels as its bits, and torch reduces it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from pyray.util.collective.types import ReduceOp

BFLOAT16 = "bfloat16"
REDUCTIONS = {
    ReduceOp.SUM: "add",
    ReduceOp.PRODUCT: "multiply",
    ReduceOp.MIN: "minimum",
    ReduceOp.MAX: "maximum",
}
"""What numpy and torch call them."""


def kind_of(tensor: Any) -> str:
    """Return the name of its elements' type, the same for numpy and torch.

    Raises:
        RuntimeError: If it is neither numpy's nor torch's, or not on the CPU.
    """
    root = type(tensor).__module__.partition(".")[0]
    if not isinstance(tensor, np.ndarray) and not (root == "torch" and tensor.device.type == "cpu"):
        name = type(tensor).__name__
        raise RuntimeError(f"Unrecognized tensor type {name!r}: numpy, or torch CPU")
    return str(tensor.dtype).removeprefix("torch.")


def memory_of(tensor: Any) -> Any:
    """Return a numpy array that shares the tensor's memory.

    Raises:
        RuntimeError: As `kind_of` does.
    """
    kind = kind_of(tensor)
    if isinstance(tensor, np.ndarray):
        return tensor
    detached = tensor.detach()
    if kind == BFLOAT16:
        import torch

        detached = detached.view(torch.int16)
    return detached.numpy()


def reduction(op: ReduceOp, kind: str) -> Callable[..., Any]:
    """Return `function(left, right, out=array)`, for what `memory_of` returned."""
    if kind != BFLOAT16:
        return getattr(np, REDUCTIONS[op])  # type: ignore[no-any-return]
    import torch

    function = getattr(torch, REDUCTIONS[op])

    def reduce_bits(left: Any, right: Any, out: Any) -> None:
        function(_as_bfloat16(left), _as_bfloat16(right), out=_as_bfloat16(out))

    return reduce_bits


def _as_bfloat16(bits: Any) -> Any:
    import torch

    if not bits.flags.writeable:  # torch warns of those; they are only read
        memory = (ctypes.c_char * bits.nbytes).from_address(bits.ctypes.data)
        bits = np.ndarray(bits.shape, bits.dtype, memory)
    return torch.from_numpy(bits).view(torch.bfloat16)


def check_same(what: str, found: list[Any]) -> None:
    """Raise ValueError unless all members have the same of `what`."""
    if len(set(found)) > 1:
        raise ValueError(f"the members' {what} differ: {found}")
