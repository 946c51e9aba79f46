"""How values of other libraries are stored: buffers uncopied, and no more than they show.

The compiled core pickles with protocol 5 and takes numpy arrays by itself; here are the reducers
for Arrow, Polars and torch, found when one of their types is first met, so that none is imported
for those who do not use it.
"""

from __future__ import annotations

import importlib.util
import marshal
import reprlib
import sys
import types
from collections.abc import Callable
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any

from pyray import _core
from pyray._core import PICKLING_ERRORS
from pyray.errors import culprit

if TYPE_CHECKING:
    from pyray._core import ObjectRef

CODE_LIMIT_BYTES = 100 << 20
"""Functions and classes above this usually capture an array by accident (Ray's limit)."""
SLACK = 1.1
"""An Arrow value whose buffers are larger than what it shows by this factor is compacted."""


def _reduce_code(code: types.CodeType) -> tuple[Any, ...]:
    """Keep the name of its file, which cloudpickle drops since 3.1.3: tracebacks show its lines."""
    return marshal.loads, (marshal.dumps(code),)


_core.register_reducer(types.CodeType, _reduce_code)

_short = reprlib.Repr()
_short.maxother = _short.maxstring = 200


def export(code: Callable[..., Any], key: Any) -> ObjectRef:
    """Store a function or a class by value, with the key that names it in every process.

    Raises:
        ValueError: If it is larger than `CODE_LIMIT_BYTES`.
        TypeError: If it refers to something that cannot be pickled.
    """
    kind = "actor" if isinstance(code, type) else "remote function"
    name = getattr(code, "__qualname__", repr(code))
    if kind != "actor":
        name = f"{getattr(code, '__module__', None)}.{name}"
    try:
        ref, size_bytes = _core.put_code((key, code))
    except PICKLING_ERRORS as error:
        words = culprit.in_words(code, name)
        raise TypeError(f"Could not serialize the {kind} {name}: {error}{words}") from error
    if size_bytes > CODE_LIMIT_BYTES:
        raise ValueError(
            f"The {kind} {name} is too large ({size_bytes >> 20} MiB > "
            f"{CODE_LIMIT_BYTES >> 20} MiB). Check that its definition does not implicitly capture "
            "a large array or other object in scope. "
            "Tip: store large objects with ray.put() and pass the reference as an argument."
        )
    return ref


def not_serializable(what: str, value: Any, error: Exception) -> TypeError:
    """Return the error that names what could not be pickled."""
    words = culprit.in_words(value, "the value")
    return TypeError(f"Could not serialize {what} {_short.repr(value)}: {error}{words}")


def unfit_argument(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
) -> Exception:
    """Return the error that names the argument of a call which cannot be pickled.

    Args:
        name: The task's or method's name.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        error: What pickling them all together gave; returned when each can be pickled alone.
    """
    for value in (*args, *kwargs.values()):
        try:
            _core.try_pickle(value)
        except PICKLING_ERRORS as problem:
            return not_serializable(f"an argument of {name},", value, problem)
    return error


def discover(kind: type) -> None:
    """Register a reducer for a type that is pickled for the first time, if it has a faster way."""
    root = kind.__module__.partition(".")[0]
    if root == "pyarrow":
        _discover_arrow(kind)
    elif root == "polars":
        _discover_polars(kind)
    elif root == "torch":
        torch = sys.modules["torch"]
        if kind is torch.Tensor:
            _core.register_reducer(kind, _reduce_tensor)


# ---- Arrow --------------------------------------------------------------------------------------


def _discover_arrow(kind: type) -> None:
    import pyarrow as pa

    if kind in {pa.Table, pa.RecordBatch}:
        _core.register_reducer(kind, _reduce_tabular)
    elif kind is pa.ChunkedArray or issubclass(kind, pa.Array):
        _core.register_reducer(kind, _reduce_column)


def _is_compact(value: Any) -> bool:
    return bool(value.get_total_buffer_size() <= SLACK * value.nbytes + 4096)


def _reduce_tabular(value: Any) -> Any:
    """Pickle as it is; but of a slice only the slice, as Arrow's IPC (apache/arrow#26685)."""
    if _is_compact(value):
        return NotImplemented
    import pyarrow as pa

    if isinstance(value, pa.RecordBatch):
        return _load_batch, (_to_ipc(pa.Table.from_batches([value])),)
    return _load_table, (_to_ipc(value),)


def _reduce_column(value: Any) -> Any:
    if _is_compact(value):
        return NotImplemented
    import pyarrow as pa

    load = _load_chunked_array if isinstance(value, pa.ChunkedArray) else _load_array
    return load, (_to_ipc(pa.Table.from_arrays([value], [""])),)


def _to_ipc(table: Any) -> PickleBuffer:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return PickleBuffer(sink.getvalue())


def _load_table(buffer: Any) -> Any:
    import pyarrow as pa

    return pa.ipc.open_stream(pa.py_buffer(buffer)).read_all()


def _load_batch(buffer: Any) -> Any:
    return _load_table(buffer).combine_chunks().to_batches()[0]


def _load_chunked_array(buffer: Any) -> Any:
    return _load_table(buffer).column(0)


def _load_array(buffer: Any) -> Any:
    return _load_table(buffer).column(0).combine_chunks()


# ---- Polars -------------------------------------------------------------------------------------

PLAIN_IN_ARROW = (
    *("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"),
    *("Float32", "Float64", "Boolean", "String", "Binary"),
    *("Date", "Datetime", "Duration", "Time"),
)
"""Types of Polars that come back from Arrow as they were, with the same buffers."""


def _discover_polars(kind: type) -> None:
    import polars as pl

    if importlib.util.find_spec("pyarrow") is None or not hasattr(pl, "CompatLevel"):
        return
    if kind is pl.DataFrame:
        _core.register_reducer(kind, _reduce_polars_frame)
    elif kind is pl.Series:
        _core.register_reducer(kind, _reduce_polars_series)


def _reduce_polars_frame(frame: Any) -> Any:
    """Pickle as the Arrow table whose buffers the frame has; else as Polars does, by a copy."""
    pl = sys.modules["polars"]
    plain = {getattr(pl, name) for name in PLAIN_IN_ARROW}
    if frame.width == 0 or not all(kind.base_type() in plain for kind in frame.dtypes):
        return NotImplemented
    if any("\0" in name for name in frame.columns):  # Arrow's names end there
        return NotImplemented
    return _load_polars_frame, (frame.to_arrow(compat_level=pl.CompatLevel.newest()),)


def _reduce_polars_series(series: Any) -> Any:
    reduced = _reduce_polars_frame(series.to_frame())
    return reduced if reduced is NotImplemented else (_load_polars_series, reduced[1])


def _load_polars_frame(table: Any) -> Any:
    import polars as pl

    return pl.from_arrow(table)


def _load_polars_series(table: Any) -> Any:
    return _load_polars_frame(table).to_series()


# ---- torch --------------------------------------------------------------------------------------


def _reduce_tensor(tensor: Any) -> Any:
    """Dense CPU tensors without gradients go as their bytes; all others as torch pickles them."""
    torch = sys.modules["torch"]
    plain = (
        tensor.device.type == "cpu" and tensor.layout is torch.strided and not tensor.requires_grad
    )
    if not plain or tensor.is_conj() or tensor.is_neg() or tensor.is_quantized:
        return NotImplemented
    flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    return load_tensor, (PickleBuffer(flat.numpy()), str(tensor.dtype), tuple(tensor.shape))


def load_tensor(buffer: Any, dtype: str, shape: tuple[int, ...]) -> Any:
    """Return a tensor over stored bytes: writable, the kernel copies the pages that are written."""
    import torch

    kind = getattr(torch, dtype.removeprefix("torch."))
    if 0 in shape:
        return torch.empty(shape, dtype=kind)
    return torch.frombuffer(_core.writable_copy(buffer), dtype=kind).reshape(shape)
