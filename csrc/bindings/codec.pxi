# Python value <-> stored value: the wire format, version 1 (the segment's layout version names it).
#
#   kind       bytes
#   NONE TRUE FALSE   none
#   INT64 FLOAT64     8, native order
#   BYTES STR         as they are; STR is UTF-8
#   NDARRAY    {u8 ndim, u8 order (0 C, 1 F), u8 length of dtype, u8 0, u32 data offset}, dtype.str,
#              shape as ndim x i64 at the next multiple of 8, data at `data offset` (a multiple of
#              64 in the heap)
#   PICKLE5    {u32 buffers, u32 references, u64 in-band size}, buffers x {u64 offset, u64 size},
#              references x {u32 index, u32 generation}, the in-band pickle, then each buffer at a
#              multiple of 64
#   FLOAT_LIST INT_LIST           8 each, native order: a list of numbers of one type (packed.pxi)
#   PACKED_FLOATS PACKED_INTS     the same, loaded as a PackedList
#   FAILURE    struct pr_failure: an error of the system, not of the user's code
#
# Packed arguments (a task's `value` of at most PR_TASK_INLINE bytes):
#   {u8 positional, u8 keywords}, then positional values, then keyword names and values, each a tag
#   and its bytes; a task flag says when the value is a PICKLE5 payload of (args, kwargs, awaited)
#   instead.

cdef enum Kind:
    KIND_NONE = 1
    KIND_TRUE = 2
    KIND_FALSE = 3
    KIND_INT64 = 4
    KIND_FLOAT64 = 5
    KIND_BYTES = 6
    KIND_STR = 7
    KIND_NDARRAY = 8
    KIND_PICKLE5 = 9
    KIND_AWAITED = 10   # packed arguments only: a reference whose value is the argument
    KIND_FLOAT_LIST = 11
    KIND_INT_LIST = 12
    KIND_PACKED_FLOATS = 13   # in the order of the lists
    KIND_PACKED_INTS = 14

cdef enum:
    HEAP_ALIGNMENT = 64
    SMALL_BYTES = 104          # largest value assembled in place: PR_TASK_INLINE
    MOST_AWAITED = 11          # references that fit into packed arguments
    ARGUMENTS_PICKLED = 65536  # task flags of the binding
    DYNAMIC_RESULT = 131072    # the result is the references of what the task yields

cdef struct Piece:
    uint64_t offset
    const void *start
    uint64_t size

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    long long PyLong_AsLongLongAndOverflow(object value, int *overflow) except? -1
    object PyUnicode_DecodeUTF8(const char *text, Py_ssize_t size, const char *errors)


@cython.freelist(8)
cdef class Encoded:
    """A value ready to be stored: its pieces, its references, and what keeps the pieces alive."""

    cdef pr_value value
    cdef uint8_t small[SMALL_BYTES]
    cdef Piece *pieces
    cdef uint32_t piece_count
    cdef uint32_t piece_room
    cdef pr_ref *children
    cdef list keep

    def __cinit__(self):
        self.keep = []

    def __dealloc__(self):
        PyMem_Free(self.pieces)
        PyMem_Free(self.children)

    cdef int add(self, const void *start, uint64_t size, uint64_t alignment) except -1:
        if self.piece_count == self.piece_room:
            self.piece_room = 2 * self.piece_room + 4
            self.pieces = <Piece *>PyMem_Realloc(self.pieces, self.piece_room * sizeof(Piece))
            if self.pieces == NULL:
                raise MemoryError()
        cdef uint64_t offset = (self.value.size_bytes + alignment - 1) & ~(alignment - 1)
        self.pieces[self.piece_count] = Piece(offset, start, size)
        self.piece_count += 1
        self.value.size_bytes = offset + size
        return 0

    cdef void scalar(self, uint32_t kind, const void *bytes, uint64_t size) noexcept:
        self.value.kind = kind
        memcpy(self.small, bytes, size)
        self.value.size_bytes = size
        self.value.bytes = self.small

    cdef void assemble(self) noexcept:
        """Puts the pieces of a small value together."""
        cdef uint32_t i
        memset(self.small, 0, sizeof(self.small))
        for i in range(self.piece_count):
            memcpy(self.small + self.pieces[i].offset, self.pieces[i].start, self.pieces[i].size)
        self.value.bytes = self.small


cdef int encode(Encoded e, value, uint32_t limit) except -1:
    """Decides how a value is stored. Values of at most `limit` bytes end up in e.small."""
    cdef int overflow = 0
    cdef long long integer
    cdef double real
    kind = type(value)
    if value is None:
        e.scalar(KIND_NONE, e.small, 0)
    elif value is True or value is False:
        e.scalar(KIND_TRUE if value is True else KIND_FALSE, e.small, 0)
    elif kind is float:
        real = value
        e.scalar(KIND_FLOAT64, &real, 8)
    elif kind is int:
        integer = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow:
            encode_pickle(e, value, limit)
        else:
            e.scalar(KIND_INT64, &integer, 8)
    elif kind is bytes:
        encode_bytes(e, KIND_BYTES, value, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), limit)
    elif kind is str:
        encode_str(e, value, limit)
    elif kind is ndarray_type or (ndarray_type is None and find_numpy() and kind is ndarray_type):
        encode_array(e, value, limit)
    elif kind is list:
        encode_list(e, value, limit)
    elif kind is PackedList:
        encode_packed(e, value, limit)
    else:
        encode_pickle(e, value, limit)
    return 0


cdef int encode_bytes(Encoded e, uint32_t kind, owner, const char *start, uint64_t size,
                      uint32_t limit) except -1:
    if size <= limit:
        e.scalar(kind, start, size)
        return 0
    e.value.kind = kind
    e.keep.append(owner)
    return e.add(start, size, HEAP_ALIGNMENT)


cdef int encode_str(Encoded e, str value, uint32_t limit) except -1:
    cdef Py_ssize_t size = 0
    cdef const char *text
    try:
        text = PyUnicode_AsUTF8AndSize(value, &size)
    except UnicodeEncodeError:   # lone surrogates
        return encode_pickle(e, value, limit)
    return encode_bytes(e, KIND_STR, value, text, size, limit)


cdef int encode_array(Encoded e, array, uint32_t limit) except -1:
    reduced = reduce_array(array)
    if reduced is NotImplemented or array.ndim > 32:
        return encode_pickle(e, array, limit)
    buffer, dtype, shape, fortran = reduced[1]
    cdef const Py_buffer *raw
    cdef const void *data
    cdef uint64_t size
    if type(buffer) is bytes:
        data, size = <const void *>PyBytes_AS_STRING(buffer), PyBytes_GET_SIZE(buffer)
    else:
        raw = PyPickleBuffer_GetBuffer(buffer)
        data, size = raw.buf, raw.len
    head = array_head(dtype, shape, fortran, size, limit)
    e.value.kind = KIND_NDARRAY
    e.keep += (head, buffer)
    e.add(PyBytes_AS_STRING(head), PyBytes_GET_SIZE(head), HEAP_ALIGNMENT)
    e.add(data, size, 1)
    if e.value.size_bytes <= limit:
        e.assemble()
    return 0


cdef bytes array_head(str dtype, tuple shape, bint fortran, uint64_t data_size, uint32_t limit):
    cdef bytes name = dtype.encode()
    cdef uint64_t shape_at = (8 + len(name) + 7) & ~7
    cdef uint64_t data_at = shape_at + 8 * len(shape)
    if data_at + data_size > limit:
        data_at = (data_at + HEAP_ALIGNMENT - 1) & ~(HEAP_ALIGNMENT - 1)
    head = PyBytes_FromStringAndSize(NULL, data_at)
    cdef uint8_t *at = <uint8_t *>PyBytes_AS_STRING(head)
    memset(at, 0, data_at)
    at[0], at[1], at[2] = len(shape), fortran, len(name)
    (<uint32_t *>at)[1] = data_at
    memcpy(at + 8, PyBytes_AS_STRING(name), len(name))
    for i in range(len(shape)):
        (<int64_t *>(at + shape_at))[i] = shape[i]
    return head


cdef int encode_pickle(Encoded e, value, uint32_t limit) except -1:
    cdef Pickled pickled = pickle(value)
    cdef uint32_t buffer_count = len(pickled.buffers), child_count = len(pickled.children), i
    cdef uint64_t head_size = 16 + 16 * buffer_count + 8 * child_count, in_band = 0
    cdef const Py_buffer *raw
    cdef pr_ref *children
    head = PyBytes_FromStringAndSize(NULL, head_size)
    cdef uint8_t *at = <uint8_t *>PyBytes_AS_STRING(head)
    cdef uint64_t *table = <uint64_t *>(at + 16)
    e.value.kind = KIND_PICKLE5
    e.keep += (head, pickled)
    e.add(at, head_size, 1)
    for piece in pickled.pieces:
        add_in_band(e, piece)
    (<uint32_t *>at)[0], (<uint32_t *>at)[1] = buffer_count, child_count
    (<uint64_t *>at)[1] = e.value.size_bytes - head_size
    for i in range(buffer_count):
        raw = PyPickleBuffer_GetBuffer(pickled.buffers[i])
        if not PyBuffer_IsContiguous(raw, b"A"):
            raise BufferError(
                f"a buffer of {type(value).__name__} is not contiguous: it cannot be stored"
            )
        e.add(raw.buf, raw.len, HEAP_ALIGNMENT)
        table[2 * i], table[2 * i + 1] = e.pieces[e.piece_count - 1].offset, raw.len
    if child_count:
        children = <pr_ref *>(at + 16 + 16 * buffer_count)
        for i in range(child_count):
            children[i] = (<ObjectRef>pickled.children[i]).ref
        e.value.children, e.value.child_count = children, child_count
    if e.value.size_bytes <= limit:
        e.assemble()
    return 0


cdef int add_in_band(Encoded e, piece) except -1:
    cdef const Py_buffer *raw
    if type(piece) is bytes:
        return e.add(PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece), 1)
    # A large bytes-like object that the pickler passes through: nobody may resize it meanwhile.
    held = memoryview(piece)
    e.keep.append(held)
    raw = PyMemoryView_GET_BUFFER(held)
    return e.add(raw.buf, raw.len, 1)


cdef int write_pieces(Encoded e, uint64_t offset) except -1:
    """Copies a large value into its block. The GIL is released where that takes long."""
    global in_core
    cdef uint64_t session = session_nonce
    cdef uint32_t i
    cdef pr_status status = PR_OK
    cdef Piece piece
    for i in range(e.piece_count):
        piece = e.pieces[i]
        if piece.size < PIN_FROM_BYTES:
            status = pr_heap_write(&context, offset + piece.offset, piece.start, piece.size)
        else:
            in_core += 1
            with nogil:
                status = pr_heap_write(&context, offset + piece.offset, piece.start, piece.size)
            in_core -= 1
            require_session(session)
        if status != PR_OK:
            raise_status(status, f"cannot store an object of {e.value.size_bytes:,} bytes")
    return 0


# ---- reading -------------------------------------------------------------------------------------

cdef decode(uint32_t kind, const uint8_t *at, uint64_t size, owner):
    """The value of stored bytes. With an owner of all of them (a View or a bytes object), parts
    stay in place; without, all is copied."""
    if kind == KIND_NONE:
        return None
    if kind == KIND_INT64:
        return (<const int64_t *>at)[0]
    if kind == KIND_FLOAT64:
        return (<const double *>at)[0]
    if kind == KIND_PICKLE5:
        return decode_pickle(at, size, owner)
    if kind == KIND_NDARRAY:
        return decode_array(at, size, owner)
    if kind == KIND_STR:
        return PyUnicode_DecodeUTF8(<const char *>at, size, NULL)
    if kind == KIND_BYTES:
        return owner if type(owner) is bytes else PyBytes_FromStringAndSize(<const char *>at, size)
    if kind == KIND_TRUE:
        return True
    if kind == KIND_FALSE:
        return False
    if kind == KIND_FLOAT_LIST or kind == KIND_INT_LIST:
        return decode_list(kind, at, size // 8)
    if kind == KIND_PACKED_FLOATS or kind == KIND_PACKED_INTS:
        return decode_packed(kind, at, size, owner)
    raise exceptions.SessionCorruptedError(f"an object has the unknown kind {kind}")


cdef decode_array(const uint8_t *at, uint64_t size, owner):
    cdef uint32_t ndim = at[0], name_size = at[2], data_at = (<const uint32_t *>at)[1], i
    cdef const int64_t *dimensions = <const int64_t *>(at + ((8 + name_size + 7) & ~7))
    shape = tuple([dimensions[i] for i in range(ndim)])
    dtype = dtype_of_name(PyUnicode_DecodeUTF8(<const char *>at + 8, name_size, NULL))
    buffer = owner
    if owner is None:
        buffer = PyBytes_FromStringAndSize(<const char *>at + data_at, size - data_at)
        data_at = 0
    return new_ndarray(shape, dtype, buffer, data_at, None, "F" if at[1] else "C")


cdef decode_pickle(const uint8_t *at, uint64_t size, owner):
    # Loading runs user code, which may let another thread end the session and unmap the heap: what
    # nobody keeps is read from a copy.
    if owner is None:
        owner = PyBytes_FromStringAndSize(<const char *>at, size)
        at = <const uint8_t *>PyBytes_AS_STRING(owner)
    cdef uint64_t session = session_nonce
    cdef uint32_t buffer_count = (<const uint32_t *>at)[0]
    cdef uint32_t child_count = (<const uint32_t *>at)[1], i
    cdef uint64_t in_band = (<const uint64_t *>at)[1]
    cdef const uint64_t *table = <const uint64_t *>(at + 16)
    cdef const pr_ref *children = <const pr_ref *>(table + 2 * buffer_count)
    cdef const uint8_t *pickled = <const uint8_t *>(children + child_count)
    cdef list buffers = None
    if buffer_count:
        buffers = [
            new_slice(owner, at + table[2 * i], table[2 * i + 1]) for i in range(buffer_count)
        ]
    in_band_view = PyMemoryView_FromMemory(<char *>pickled, in_band, PyBUF_READ)
    if child_count == 0:
        return c_loads(in_band_view, buffers=buffers)
    status = pr_acquire(&context, children, child_count)   # all at once; load_ref then only counts
    if status != PR_OK:
        raise_status(status, "a value refers to objects that are gone")
    try:
        return c_loads(in_band_view, buffers=buffers)
    finally:
        if is_same_session(session):
            for i in range(child_count):
                pr_release(&context, children[i])


cdef object c_loads = _pickle.loads


# ---- packed arguments ----------------------------------------------------------------------------

cdef struct Packer:
    uint8_t *at
    uint8_t *end


cdef inline bint pack_bytes(Packer *p, uint8_t tag, const void *start, uint64_t size) noexcept:
    if <uint64_t>(p.end - p.at) < size + 2 or size > 255:
        return False
    p.at[0], p.at[1] = tag, <uint8_t>size
    memcpy(p.at + 2, start, size)
    p.at += 2 + size
    return True


cdef bint pack_value(Packer *p, value) except -1:
    """False when the value does not fit or is not of a simple type."""
    cdef int overflow = 0
    cdef long long integer
    cdef double real
    cdef Py_ssize_t size = 0
    cdef const char *text
    kind = type(value)
    if kind is int:
        integer = PyLong_AsLongLongAndOverflow(value, &overflow)
        return not overflow and pack_bytes(p, KIND_INT64, &integer, 8)
    if kind is ObjectRef:
        check_session(value)
        return pack_bytes(p, KIND_AWAITED, &(<ObjectRef>value).ref, sizeof(pr_ref))
    if kind is float:
        real = value
        return pack_bytes(p, KIND_FLOAT64, &real, 8)
    if kind is str:
        if len(<str>value) > SMALL_BYTES or not (<str>value).isascii():
            return False
        text = PyUnicode_AsUTF8AndSize(value, &size)
        return pack_bytes(p, KIND_STR, text, size)
    if kind is bytes:
        return pack_bytes(p, KIND_BYTES, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    if value is None:
        return pack_bytes(p, KIND_NONE, p, 0)
    if value is True or value is False:
        return pack_bytes(p, KIND_TRUE if value is True else KIND_FALSE, p, 0)
    return False


cdef int64_t pack_arguments(uint8_t *target, str method, tuple args, dict kwargs) except -1:
    """Size of the packed arguments, or 0 when they have to be pickled."""
    cdef Packer p = Packer(target + 2, target + PR_TASK_INLINE)
    cdef Py_ssize_t positional = len(args) + (method is not None)
    if positional > 100 or len(kwargs) > 100:
        return 0
    target[0], target[1] = <uint8_t>positional, <uint8_t>len(kwargs)
    if method is not None and not pack_value(&p, method):
        return 0
    for value in args:
        if not pack_value(&p, value):
            return 0
    if kwargs:
        for name, value in kwargs.items():
            if not pack_value(&p, name) or not pack_value(&p, value):
                return 0
    return p.at - target


cdef unpack_value(const uint8_t **at):
    cdef const uint8_t *start = at[0]
    cdef uint32_t tag = start[0], size = start[1]
    cdef pr_ref ref
    at[0] = start + 2 + size
    if tag != KIND_AWAITED:
        return decode(tag, start + 2, size, None)
    memcpy(&ref, start + 2, sizeof(ref))
    return fetch_argument(ref)


cdef unpack_arguments(const uint8_t *at):
    cdef uint32_t positional = at[0], keywords = at[1], i
    cdef const uint8_t *p = at + 2
    args = tuple([unpack_value(&p) for i in range(positional)]) if positional else ()
    kwargs = {}
    for i in range(keywords):
        name = unpack_value(&p)
        kwargs[name] = unpack_value(&p)
    return args, kwargs


cdef separate_awaited(str method, tuple args, dict kwargs):
    """What to pickle, without the references in argument position, and those references."""
    places, awaited = [], []
    left = [] if method is None else [method]
    for value in args:
        if type(value) is ObjectRef:
            check_session(value)
            places.append(len(left))
            awaited.append(value)
            value = None
        left.append(value)
    named = kwargs
    for name, value in kwargs.items():
        if type(value) is ObjectRef:
            check_session(value)
            if named is kwargs:
                named = dict(kwargs)
            places.append(name)
            awaited.append(value)
            named[name] = None
    if not named and not awaited:
        return left, awaited   # nothing to put back: restore_awaited knows it by its type
    refs = [((<ObjectRef>ref).ref.index, (<ObjectRef>ref).ref.generation) for ref in awaited]
    return (left, named, places, refs), awaited


cdef restore_awaited(packed):
    cdef pr_ref ref
    if type(packed) is list:
        return tuple(packed), {}
    args, kwargs, places, refs = packed
    for place, (index, generation) in zip(places, refs):
        ref = pr_ref(index, generation)
        if type(place) is int:
            args[place] = fetch_argument(ref)
        else:
            kwargs[place] = fetch_argument(ref)
    return tuple(args), kwargs
