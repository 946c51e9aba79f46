# Lists of numbers of one type: 8 bytes each instead of a pickle.
#
# Exact types only: a bool is no int here, an int has at most 64 bits, subclasses are pickled.
# Pickle has no memory for numbers either: the same one twice in a list is two objects after both.

from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_FromDouble
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE, PyList_New, PyList_SET_ITEM
from cpython.long cimport PyLong_FromLongLong
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF

cdef extern from "Python.h":
    PyObject *borrowed_item "PyList_GET_ITEM"(object values, Py_ssize_t index) noexcept
    bint PyFloat_CheckExact(PyObject *value) noexcept
    bint PyLong_CheckExact(PyObject *value) noexcept
    double unpack_float "PyFloat_AS_DOUBLE"(PyObject *value) noexcept
    long long as_long_long "PyLong_AsLongLongAndOverflow"(PyObject *value,
                                                          int *overflow) except? -1
    object PyObject_CallOneArg(object function, object argument)


cdef bint pack_floats(double *target, list values, Py_ssize_t first, Py_ssize_t count) noexcept:
    cdef Py_ssize_t i
    cdef PyObject *value
    for i in range(count):
        value = borrowed_item(values, first + i)
        if not PyFloat_CheckExact(value):
            return False
        target[i] = unpack_float(value)
    return True


cdef bint pack_ints(int64_t *target, list values, Py_ssize_t first, Py_ssize_t count) except -1:
    cdef Py_ssize_t i
    cdef PyObject *value
    cdef int overflow = 0
    for i in range(count):
        value = borrowed_item(values, first + i)
        if not PyLong_CheckExact(value):
            return False
        target[i] = as_long_long(value, &overflow)
        if overflow:
            return False
    return True


cdef uint32_t type_of_numbers(list values, Py_ssize_t first, Py_ssize_t count) noexcept:
    """The kind that a list may have, judged by its ends; 0: none."""
    if count == 0:
        return 0
    cdef PyObject *one = borrowed_item(values, first)
    cdef PyObject *other = borrowed_item(values, first + count - 1)
    if PyFloat_CheckExact(one) and PyFloat_CheckExact(other):
        return KIND_FLOAT_LIST
    if PyLong_CheckExact(one) and PyLong_CheckExact(other):
        return KIND_INT_LIST
    return 0


cdef bint pack_numbers(uint32_t kind, void *target, list values, Py_ssize_t first,
                       Py_ssize_t count) except -1:
    if kind == KIND_FLOAT_LIST:
        return pack_floats(<double *>target, values, first, count)
    return pack_ints(<int64_t *>target, values, first, count)


cdef int encode_list(Encoded e, list values, uint32_t limit) except -1:
    cdef Py_ssize_t count = PyList_GET_SIZE(values)
    cdef uint32_t kind = type_of_numbers(values, 0, count)
    if kind == 0:
        return encode_pickle(e, values, limit)
    cdef uint64_t size = 8 * <uint64_t>count
    if size <= limit:
        if not pack_numbers(kind, e.small, values, 0, count):
            return encode_pickle(e, values, limit)
        e.value.kind, e.value.size_bytes, e.value.bytes = kind, size, e.small
        return 0
    packed = PyBytes_FromStringAndSize(NULL, size)
    if not pack_numbers(kind, PyBytes_AS_STRING(packed), values, 0, count):
        return encode_pickle(e, values, limit)
    return encode_bytes(e, kind, packed, PyBytes_AS_STRING(packed), size, limit)


cdef list decode_list(uint32_t kind, const uint8_t *at, Py_ssize_t count):
    cdef HeapMapping held = heap_mapping   # a collection may run code that ends the session
    cdef list values = PyList_New(count)
    fill_list(values, 0, kind, at, count)
    return values


cdef int fill_list(list target, Py_ssize_t first, uint32_t kind, const uint8_t *at,
                   Py_ssize_t count) except -1:
    """Sets empty places of a new list."""
    cdef Py_ssize_t i
    for i in range(count):
        if kind == KIND_FLOAT_LIST:
            value = PyFloat_FromDouble((<const double *>at)[i])
        else:
            value = PyLong_FromLongLong((<const int64_t *>at)[i])
        Py_INCREF(value)
        PyList_SET_ITEM(target, first + i, value)
    return 0


cdef class PackedList:
    """The numbers of a list, packed; stored and loaded as it is, in place where it is large.

    Made by `pack`; `unpack` gives the list. Immutable.
    """

    cdef uint32_t kind
    cdef Py_ssize_t count
    cdef const uint8_t *bytes
    cdef object owner   # a View or a bytes object

    def __len__(self):
        return self.count

    @staticmethod
    def pack(list values, Py_ssize_t first=0, last=None):
        """`values[first:last]` packed, or None unless all are floats or all are ints of 64 bits."""
        cdef Py_ssize_t count, size = PyList_GET_SIZE(values)
        cdef Py_ssize_t end = size if last is None else min(<Py_ssize_t>last, size)
        if first < 0 or end < first:
            raise ValueError(f"PackedList: expected 0 <= first <= last, got {first} and {last}")
        count = end - first
        cdef uint32_t kind = type_of_numbers(values, first, count)
        if kind == 0:
            return None
        packed = PyBytes_FromStringAndSize(NULL, 8 * count)
        if not pack_numbers(kind, PyBytes_AS_STRING(packed), values, first, count):
            return None
        return new_packed(kind, packed, <const uint8_t *>PyBytes_AS_STRING(packed), count)

    def unpack(self) -> list:
        """The list."""
        return decode_list(self.kind, self.bytes, self.count)

    def map(self, function):
        """`[function(number) for each]`, as a PackedList if all results are numbers of one type.

        No list is made on the way, neither of the arguments nor of packed results.
        """
        cdef Py_ssize_t i
        cdef int overflow = 0
        cdef uint32_t kind = 0
        cdef list values = None
        packed = PyBytes_FromStringAndSize(NULL, 8 * self.count)
        cdef double *floats = <double *>PyBytes_AS_STRING(packed)
        cdef int64_t *integers = <int64_t *>floats
        for i in range(self.count):
            if self.kind == KIND_FLOAT_LIST:
                value = PyFloat_FromDouble((<const double *>self.bytes)[i])
            else:
                value = PyLong_FromLongLong((<const int64_t *>self.bytes)[i])
            value = PyObject_CallOneArg(function, value)
            if values is None:
                if type(value) is float:
                    if kind == 0:
                        kind = KIND_FLOAT_LIST
                    if kind == KIND_FLOAT_LIST:
                        floats[i] = PyFloat_AS_DOUBLE(value)
                        continue
                elif type(value) is int:
                    if kind == 0:
                        kind = KIND_INT_LIST
                    if kind == KIND_INT_LIST:
                        integers[i] = PyLong_AsLongLongAndOverflow(value, &overflow)
                        if not overflow:
                            continue
                values = decode_list(kind, <const uint8_t *>floats, i)
            values.append(value)
        if values is not None:
            return values
        if kind == 0:
            return []
        return new_packed(kind, packed, <const uint8_t *>floats, self.count)

    def __reduce__(self):
        return unpickle_packed, (self.kind, bytes(new_slice(self.owner, self.bytes,
                                                            8 * self.count)))


cdef PackedList new_packed(uint32_t kind, owner, const uint8_t *at, Py_ssize_t count):
    cdef PackedList packed = PackedList.__new__(PackedList)
    packed.kind, packed.owner, packed.bytes, packed.count = kind, owner, at, count
    return packed


def unpickle_packed(kind: int, packed: bytes) -> PackedList:
    """What a foreign pickle of a PackedList calls."""
    return new_packed(kind, packed, <const uint8_t *>PyBytes_AS_STRING(packed), len(packed) // 8)


cdef int encode_packed(Encoded e, PackedList packed, uint32_t limit) except -1:
    cdef uint32_t kind = packed.kind + (KIND_PACKED_FLOATS - KIND_FLOAT_LIST)
    return encode_bytes(e, kind, packed, <const char *>packed.bytes, 8 * packed.count, limit)


cdef PackedList decode_packed(uint32_t kind, const uint8_t *at, uint64_t size, owner):
    if owner is None:
        owner = PyBytes_FromStringAndSize(<const char *>at, size)
        at = <const uint8_t *>PyBytes_AS_STRING(owner)
    return new_packed(kind - (KIND_PACKED_FLOATS - KIND_FLOAT_LIST), owner, at, size // 8)


def place_items(list target, Py_ssize_t first, part) -> int:
    """Sets `target[first:first + len(part)]`, also from a packed list; the next place."""
    cdef PackedList packed
    cdef Py_ssize_t i, count = len(part)
    if first < 0 or first + count > PyList_GET_SIZE(target):
        raise ValueError("place_items: the target is too short")
    if type(part) is not PackedList:
        target[first:first + count] = part
        return first + count
    packed = part
    for i in range(count):
        if packed.kind == KIND_FLOAT_LIST:
            target[first + i] = PyFloat_FromDouble((<const double *>packed.bytes)[i])
        else:
            target[first + i] = PyLong_FromLongLong((<const int64_t *>packed.bytes)[i])
    return first + count
