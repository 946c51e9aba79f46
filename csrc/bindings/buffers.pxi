# Views on the heap. A View pins its object: the bytes stay where they are until the last array on them is gone.
# The heap is mapped read-only here, so that not even C code can change a sealed object through a view.

from cpython.buffer cimport (
    PyBUF_ANY_CONTIGUOUS, PyBUF_READ, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_IsContiguous, PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.memoryview cimport PyMemoryView_FromMemory

cdef uint64_t PIN_FROM_BYTES = 64 << 10   # smaller values are copied out: that is cheaper than a pin
cdef long live_views = 0


@cython.no_gc
cdef class View:
    """Read-only bytes of a sealed object, in place."""

    cdef const uint8_t *bytes
    cdef uint64_t size
    cdef pr_ref ref
    cdef uint64_t nonce
    cdef object __weakref__

    def __dealloc__(self):
        global live_views
        if self.nonce == 0:
            return
        live_views -= 1
        if self.nonce == session_nonce and is_open and not is_forked:
            pr_unpin(&context, self.ref)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, <void *>self.bytes, self.size, 1, flags)

    def __len__(self):
        return self.size

    @property
    def heap_offset(self) -> int:
        """Where in the heap memfd the bytes are, for a copy-on-write mapping."""
        return self.bytes - context.heap


@cython.no_gc
@cython.freelist(64)
cdef class Slice:
    """A part of a View (or of a bytes object), read-only."""

    cdef const uint8_t *bytes
    cdef uint64_t size
    cdef object owner

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, <void *>self.bytes, self.size, 1, flags)

    def __len__(self):
        return self.size

    @property
    def owner_view(self):
        """The View below, or None when the bytes were copied out of the store."""
        return self.owner if isinstance(self.owner, View) else None

    @property
    def heap_offset(self) -> int:
        """Where in the heap memfd the bytes are; only with an `owner_view`."""
        return self.bytes - context.heap


cdef View new_view(pr_ref ref, const uint8_t *bytes, uint64_t size):
    """For a pin that has been taken already."""
    global live_views
    cdef View view = View.__new__(View)
    view.bytes, view.size, view.ref, view.nonce = bytes, size, ref, session_nonce
    live_views += 1
    return view


cdef Slice new_slice(owner, const uint8_t *bytes, uint64_t size):
    cdef Slice part = Slice.__new__(Slice)
    part.owner, part.bytes, part.size = owner, bytes, size
    return part


def heap_descriptor() -> int:
    """The heap's memfd, for private mappings of sealed objects."""
    check_usable()
    return context.heap_fd
