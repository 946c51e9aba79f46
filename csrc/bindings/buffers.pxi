# Views on the heap. A View pins its object: the bytes stay where they are until the last array on
# them is gone. The heap is mapped read-only here, so that not even C code can change a sealed
# object through a view.

from cpython.buffer cimport (
    PyBUF_READ, PyBuffer_FillInfo, PyBuffer_IsContiguous,
)
from cpython.memoryview cimport PyMemoryView_FromMemory, PyMemoryView_GET_BUFFER

cdef extern from "os/os.h" nogil:
    pr_status pr_os_map_copy_on_write(int fd, uint64_t offset, uint64_t size, void **address)
    void pr_os_unmap(void *address, uint64_t size)
    void pr_os_close(int fd)

cdef uint64_t PIN_FROM_BYTES = 64 << 10   # smaller values are copied out: cheaper than a pin


@cython.no_gc
cdef class HeapMapping:
    """The heap as this process sees it: unmapped after the session and the last view."""

    cdef const uint8_t *bytes
    cdef uint8_t *writable   # set at the session's end if arrays lie there (create.pxi)
    cdef uint64_t size
    cdef int line            # of a driver that joined: the session knows by its end; or -1

    def __cinit__(self):
        self.line = -1

    def __dealloc__(self):
        if self.line >= 0:
            pr_os_close(self.line)
        if self.bytes != NULL:
            pr_os_unmap(<void *>self.bytes, self.size)
        if self.writable != NULL:
            pr_os_unmap(self.writable, self.size)


cdef HeapMapping heap_mapping = None
cdef uint32_t open_creations = 0   # arrays in the writable mapping (create.pxi)


@cython.no_gc
cdef class View:
    """Read-only bytes of a sealed object, in place. They outlive even the session."""

    cdef HeapMapping mapping
    cdef const uint8_t *bytes
    cdef uint64_t size
    cdef pr_ref ref
    cdef uint64_t nonce
    cdef object __weakref__

    def __dealloc__(self):
        if self.nonce != 0 and self.nonce == session_nonce and is_open and not is_forked:
            pr_unpin(&context, self.ref)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, <void *>self.bytes, self.size, 1, flags)

    def __len__(self):
        return self.size


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


cdef View new_view(pr_ref ref, const uint8_t *bytes, uint64_t size):
    """For a pin that has been taken already."""
    cdef View view = View.__new__(View)
    view.mapping, view.bytes, view.size = heap_mapping, bytes, size
    view.ref, view.nonce = ref, session_nonce
    return view


def ref_of_view(owner):
    """A reference to the object that `owner`, the base of an array, is a view of, or None."""
    if type(owner) is not View or not is_same_session((<View>owner).nonce):
        return None
    cdef pr_ref ref = (<View>owner).ref
    if pr_acquire(&context, &ref, 1) != PR_OK:   # only views hold it
        return None
    return wrap(ref)


cdef Slice new_slice(owner, const uint8_t *bytes, uint64_t size):
    cdef Slice part = Slice.__new__(Slice)
    part.owner, part.bytes, part.size = owner, bytes, size
    return part


@cython.no_gc
cdef class WritableCopy:
    """Writable bytes that begin as a stored buffer: the kernel copies pages that are written."""

    cdef Slice source
    cdef void *mapping
    cdef uint64_t mapped
    cdef uint8_t *bytes

    def __dealloc__(self):
        if self.mapping != NULL:
            pr_os_unmap(self.mapping, self.mapped)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.bytes, self.source.size, 0, flags)


def writable_copy(buffer):
    """A writable buffer with the contents of a stored one, without copying more than is written."""
    if type(buffer) is memoryview:
        buffer = (<object>buffer).obj
    if type(buffer) is not Slice or not isinstance((<Slice>buffer).owner, View):
        return bytearray(buffer)
    cdef Slice source = <Slice>buffer
    if source.size == 0 or not is_same_session((<View>source.owner).nonce):
        return bytearray(buffer)
    cdef WritableCopy copy = WritableCopy.__new__(WritableCopy)
    cdef uint64_t offset = source.bytes - context.heap, page = offset & ~<uint64_t>4095
    cdef uint64_t size = offset + source.size - page
    status = pr_os_map_copy_on_write(context.heap_fd, page, size, &copy.mapping)
    if status != PR_OK:
        raise_status(status, "cannot map a stored buffer")
    copy.source, copy.mapped = source, size
    copy.bytes = <uint8_t *>copy.mapping + (offset - page)
    return copy
