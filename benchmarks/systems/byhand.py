"""An object store by hand on `multiprocessing.shared_memory`: what one writes without a framework.

Pickle protocol 5 with out-of-band buffers; one segment an object: sizes, pickle, then the buffers,
each aligned to 64 bytes. A reader's arrays are views on the segment.
"""

import itertools
import pickle
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

ALIGNMENT = 64
WORD = 8


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


class SharedObject:
    """A stored value; pickles as the name of its segment."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.segment: SharedMemory | None = None

    def __reduce__(self) -> tuple[type["SharedObject"], tuple[str]]:
        return SharedObject, (self.name,)

    def memory(self) -> memoryview:
        """Map the segment, once in each process."""
        if self.segment is None:
            self.segment = SharedMemory(self.name)
        return self.segment.buf


def put(value: Any) -> SharedObject:
    """Copy a value into a new segment."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    sizes = [len(head), *(view.nbytes for view in views)]
    table_size = WORD * (1 + len(sizes))
    starts = list(itertools.accumulate(map(_aligned, sizes), initial=_aligned(table_size)))
    segment = SharedMemory(create=True, size=starts[-1])
    segment.buf[:table_size] = np.array([len(sizes), *sizes], np.uint64).tobytes()
    for start, size, view in zip(starts, sizes, [head, *views], strict=False):
        segment.buf[start : start + size] = view
    handle = SharedObject(segment.name)
    handle.segment = segment
    return handle


def get(handle: SharedObject) -> Any:
    """Load a value; its arrays are views."""
    memory = handle.memory()
    count = int.from_bytes(memory[:WORD], "little")
    table_size = WORD * (1 + count)
    sizes = memory[WORD:table_size].cast("Q").tolist()
    starts = itertools.accumulate(map(_aligned, sizes), initial=_aligned(table_size))
    views = [memory[a : a + size].toreadonly() for a, size in zip(starts, sizes, strict=False)]
    return pickle.loads(views[0], buffers=views[1:])


def drop(handle: SharedObject) -> None:
    """Remove the segment's name; its memory goes with the last view."""
    segment, handle.segment = handle.segment, None
    if segment is not None:
        segment.unlink()
        try:
            segment.close()
        except BufferError:  # somebody still has a view: the mapping ends with the process
            segment._buf = segment._mmap = None  # type: ignore[attr-defined]  # noqa: SLF001


def prepare() -> None:
    """Start the tracker that all forked workers share, before they are forked."""
    resource_tracker.ensure_running()
