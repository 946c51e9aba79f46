# numpy arrays of Python's texts: pandas has its columns of text in such. As pickle has them they
# take some 200 ns for each text; as lengths and one run of UTF-8, some 50.

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.unicode cimport PyUnicode_CheckExact

cdef Py_ssize_t TEXTS_FROM = 64            # fewer are as fast in a pickle
cdef Py_ssize_t TEXTS_SAMPLED = 256
cdef uint32_t NO_TEXT = 0xFFFFFFFF         # the length of None


cdef bint are_distinct(PyObject **items, Py_ssize_t count) except -1:
    """Whether most of a sample are objects of their own: pickle has repeated ones only once."""
    cdef Py_ssize_t i, step = max(count // TEXTS_SAMPLED, 1)
    cdef Py_ssize_t sampled = (count + step - 1) // step
    seen = {<size_t>items[i] for i in range(0, count, step)}
    return 2 * len(seen) > sampled


cdef int64_t measure_texts(PyObject **items, Py_ssize_t count, uint32_t *lengths) except -2:
    """Notes the lengths; the sum of them, or -1 if something is neither a text nor None."""
    cdef Py_ssize_t i, size = 0
    cdef int64_t total = 0
    for i in range(count):
        if items[i] == NULL or <object>items[i] is None:
            lengths[i] = NO_TEXT
            continue
        if not PyUnicode_CheckExact(<object>items[i]):
            return -1
        try:
            PyUnicode_AsUTF8AndSize(<object>items[i], &size)
        except UnicodeEncodeError:   # lone surrogates
            return -1
        if <uint64_t>size >= NO_TEXT:
            return -1
        lengths[i] = <uint32_t>size
        total += size
    return total


cdef reduce_texts(array):
    """(function, arguments) if an array of objects has texts and None only, else NotImplemented."""
    if array.size < TEXTS_FROM:
        return NotImplemented
    cdef bint fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    flat = array.ravel(order="F" if fortran else "C")   # a copy if it has gaps
    cdef Py_ssize_t i, size = 0, count = array.size
    cdef PyObject **items = <PyObject **><size_t>flat.ctypes.data
    if not are_distinct(items, count):
        return NotImplemented
    lengths = PyBytes_FromStringAndSize(NULL, 4 * count)
    cdef uint32_t *length = <uint32_t *>PyBytes_AS_STRING(lengths)
    cdef int64_t total = measure_texts(items, count, length)
    if total < 0:
        return NotImplemented
    joined = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>total)
    cdef char *at = PyBytes_AS_STRING(joined)
    for i in range(count):
        if length[i] != NO_TEXT:
            memcpy(at, PyUnicode_AsUTF8AndSize(<object>items[i], &size), length[i])
            at += length[i]
    buffers = PyPickleBuffer_FromObject(lengths), PyPickleBuffer_FromObject(joined)
    return load_texts, (*buffers, array.shape, fortran)


def load_texts(lengths, joined, shape, fortran):
    """An array of texts, each an object of its own."""
    import numpy
    cdef const uint32_t[::1] length = memoryview(lengths).cast("B").cast("I")
    cdef const uint8_t[::1] run = memoryview(joined).cast("B")
    cdef const char *at = <const char *>&run[0] if run.shape[0] else NULL
    cdef Py_ssize_t i, count = length.shape[0]
    array = numpy.empty(count, dtype=object)
    cdef PyObject **items = <PyObject **><size_t>array.ctypes.data
    for i in range(count):
        if length[i] != NO_TEXT:
            text = PyUnicode_DecodeUTF8(at, length[i], NULL)
            at += length[i]
            Py_INCREF(text)
            Py_XDECREF(items[i])
            items[i] = <PyObject *>text
    return array.reshape(shape, order="F" if fortran else "C")
