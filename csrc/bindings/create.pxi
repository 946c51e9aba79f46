# Arrays that are made inside of the store: filled in place, then sealed without a copy.
#
# While it is open the object is CREATING, on the claims of this process: if the process dies, or
# drops the array, its block goes back. The array lies in the process's writable mapping of the
# heap, whose pages stay mapped from one array to the next. Sealing makes the array read-only; views
# that were made of it before are not followed.

cdef extern from "shm/heap_copy.h" nogil:
    pr_status pr_heap_open(pr_context *ctx, uint64_t offset, uint64_t size_bytes)

cdef extern from "engine/work.h" nogil:
    pr_status pr_result_adopt(pr_context *ctx, pr_ref result, pr_ref source)

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object value) noexcept

cdef enum CreationState:
    CREATION_OPEN
    CREATION_SEALED   # holds a pin
    CREATION_GIVEN    # its block is a task's result


@cython.no_gc
cdef class Creation:
    """The bytes of an array that is being made; the base of that array."""

    cdef HeapMapping mapping
    cdef uint8_t *bytes
    cdef uint64_t size
    cdef uint64_t data_at
    cdef pr_ref ref
    cdef uint64_t nonce
    cdef CreationState state

    def __dealloc__(self):
        global open_creations
        if self.nonce == 0:
            return
        open_creations -= 1
        if self.nonce != session_nonce or not is_open or is_forked:
            return
        if self.state == CREATION_SEALED:
            pr_unpin(&context, self.ref)
        else:
            pr_put_abort(&context, self.ref)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.bytes, self.size, self.state != CREATION_OPEN, flags)

    def __len__(self):
        return self.size


def create_array(tuple shape, dtype, bint fortran):
    """A writable numpy array inside of the store, to be given to `seal_array`."""
    check_usable()
    find_numpy()
    global open_creations
    cdef Encoded e = Encoded()
    cdef Creation made = Creation.__new__(Creation)
    cdef uint64_t offset = 0, session = session_nonce, size
    cdef pr_ref ref
    cdef pr_status status
    total = dtype.itemsize
    for length in shape:
        if length < 0:
            raise ValueError(f"shape: negative dimensions are not allowed, got {shape}")
        total *= length
    if total > sys.maxsize:
        raise ValueError(f"shape: an array of {total} bytes is too large, got {shape}")
    size = total
    head = array_head(name_of_dtype(dtype), shape, fortran, size, 0)
    made.data_at = len(head)
    e.value.size_bytes = made.data_at + size
    status = begin(e, &ref, False, &offset)
    if status != PR_OK:
        raise_status(status, "create_array")
    with nogil:
        status = pr_heap_open(&context, offset, e.value.size_bytes)
    require_session(session)
    if status != PR_OK:
        pr_put_abort(&context, ref)
        raise_status(status, "create_array")
    made.mapping, made.bytes, made.size = heap_mapping, context.heap_writable + offset, \
        e.value.size_bytes
    made.ref, made.nonce, made.state = ref, session, CREATION_OPEN
    open_creations += 1
    memcpy(made.bytes, PyBytes_AS_STRING(head), made.data_at)
    return new_ndarray(shape, dtype, made, made.data_at, None, "F" if fortran else "C")


cdef Creation open_creation(array):
    """What the array was made as, if it is all of it and not sealed; else None."""
    if type(array) is not ndarray_type or type(array.base) is not Creation:
        return None
    cdef Creation made = array.base
    if made.state != CREATION_OPEN or not is_same_session(made.nonce):
        return None
    if <uint64_t>array.ctypes.data != <uint64_t><size_t>made.bytes + made.data_at:
        return None
    return made if array.nbytes == made.size - made.data_at else None


def seal_array(array) -> ObjectRef:
    """Make the array's object final; the array becomes read-only."""
    check_usable()
    cdef pr_value value
    cdef Creation made = open_creation(array)
    if made is None:
        raise ValueError(
            "seal: expected an array as `create_array` has returned it, in this session and not "
            "sealed before"
        )
    memset(&value, 0, sizeof(value))
    value.kind, value.size_bytes = KIND_NDARRAY, made.size
    status = pr_put_end_pinned(&context, made.ref, &value)
    if status != PR_OK:
        raise_status(status, "seal")
    made.state = CREATION_SEALED   # `made` keeps the pin, the result takes over its reference
    result = wrap(made.ref)
    array.flags.writeable = False
    return result


cdef bint give_result(Encoded e, pr_ref result, array, Py_ssize_t references) except -1:
    """Makes an open array the result of a task, without a copy, if nobody else has the array."""
    cdef Creation made = open_creation(array)
    if made is None or Py_REFCNT(array) > references or Py_REFCNT(made) > 2:
        return False
    status = pr_result_adopt(&context, result, made.ref)
    if status == PR_STATE:   # sealed by an earlier attempt
        return False
    if status != PR_OK:
        raise_status(status, "cannot store a result")
    made.state = CREATION_GIVEN
    e.value.kind, e.value.size_bytes, e.value.in_block = KIND_NDARRAY, made.size, 1
    return True


def keep_memory(trim_bytes: int, map_bytes: int) -> None:
    """Have malloc keep freed memory up to `trim_bytes`, and not map blocks below `map_bytes`."""
    mallopt(M_TRIM_THRESHOLD, trim_bytes)
    mallopt(M_MMAP_THRESHOLD, map_bytes)


cdef extern from "<malloc.h>" nogil:
    enum: M_TRIM_THRESHOLD
    enum: M_MMAP_THRESHOLD
    int mallopt(int parameter, int value)
