# Pickle protocol 5 through one reused pickler.
#
# What has buffers goes out-of-band: numpy arrays by the shortcut here, everything else through
# pickle's own buffer_callback. Code goes by value as cloudpickle does it. Types of other libraries
# (Arrow, torch) register a reducer in pyray/serialization.py when one of them is first met.
#
# A pickler is in use while user code (__reduce__) runs, which may pickle again: picklers form a
# stack.

cdef extern from "Python.h":
    const Py_buffer *PyPickleBuffer_GetBuffer(object picklebuf) except NULL
    object PyPickleBuffer_FromObject(object base)

cdef uint64_t OUT_OF_BAND_BYTES = 512   # smaller arrays travel inside the pickle

cdef list idle_picklers = []
cdef object pickler_class = None
cdef object ndarray_type = None         # numpy.ndarray once numpy is loaded
cdef object new_ndarray = None
cdef dict reducers = {}                 # exact type -> function(value) -> reduce tuple
cdef set known_types = set()            # types that have been asked about
cdef dict array_sharers = {}            # thread -> function, while pyray.util pickles calls
cdef uint64_t SHARED_FROM_BYTES = 64 << 10   # as PIN_FROM_BYTES: smaller ones have no views
cdef object discover_reducers = None    # pyray.serialization.discover


def register_reducer(type_, reducer) -> None:
    """Pickle exact instances of `type_` with `reducer(value) -> (callable, arguments)`.

    None instead of a reducer: as they would be without one.
    """
    if reducer is None:
        reducers.pop(type_, None)
        known_types.discard(type_)
    else:
        reducers[type_] = reducer


def share_arrays(sharer):
    """From now on a large numpy array inside of a pickle is stored apart, and is a reference there.

    `sharer(array)` gives the reference, or None; None instead of a function ends it. It is in
    effect for the calling thread. Returns what was in effect before.
    """
    thread = threading.get_ident()
    before = array_sharers.pop(thread, None)
    if sharer is not None:
        array_sharers[thread] = sharer
    return before


def load_shared(ObjectRef ref):
    """A shared array, where its pickle is loaded: a view on the one copy in the store."""
    return get_one(ref, None)


def same_bytes(buffer, other) -> bool:
    """Whether two contiguous buffers of one size hold the same bytes. Releases the GIL."""
    cdef const uint8_t[::1] one = memoryview(buffer).cast("B"), two = memoryview(other).cast("B")
    cdef bint same
    cdef size_t size = one.shape[0]
    if one.shape[0] != two.shape[0]:
        return False
    if size == 0:
        return True
    with nogil:
        same = memcmp(&one[0], &two[0], size) == 0
    return same


def set_discovery(function) -> None:
    """`function(type)` may register reducers when a type is met for the first time."""
    global discover_reducers
    discover_reducers = function


cdef bint find_numpy() except -1:
    global ndarray_type, new_ndarray
    if ndarray_type is None:
        numpy = sys.modules.get("numpy")
        if numpy is None or not hasattr(numpy, "ndarray"):
            return False
        ndarray_type = new_ndarray = numpy.ndarray
    return True


cdef dict dtype_names = {}   # dtype -> its `str`: one object each, so that a pickle names it once
cdef dict dtypes = {}        # the reverse
cdef uint32_t DTYPES_KEPT = 1000   # strings of every length have a dtype of their own


cdef name_of_dtype(dtype):
    name = dtype_names.get(dtype)
    if name is None:
        if len(dtype_names) >= DTYPES_KEPT:
            dtype_names.clear()
        name = dtype_names[dtype] = sys.intern(dtype.str)
    return name


cdef dtype_of_name(str name):
    dtype = dtypes.get(name)
    if dtype is None:
        import numpy
        find_numpy()
        if len(dtypes) >= DTYPES_KEPT:
            dtypes.clear()
        dtype = dtypes[name] = numpy.dtype(name)
    return dtype


def load_array(buffer, dtype, shape, fortran):
    """A read-only array over the bytes of a stored value."""
    dtype = dtype_of_name(dtype)   # first: it imports numpy where that is missing
    return new_ndarray(shape, dtype, buffer, 0, None, "F" if fortran else "C")


cdef reduce_array(array):
    """(function, arguments) if the array's bytes can be taken as they are, else NotImplemented."""
    dtype = array.dtype
    if dtype.hasobject or dtype.kind not in "biufcSUmM" or dtype.metadata is not None:
        return NotImplemented
    # Times have no buffers of their own in numpy; they are 64-bit integers.
    buffer = PyPickleBuffer_FromObject(array.view("i8") if dtype.kind in "mM" else array)
    cdef const Py_buffer *raw = PyPickleBuffer_GetBuffer(buffer)
    cdef bint fortran = False
    if not PyBuffer_IsContiguous(raw, b"C"):
        if not PyBuffer_IsContiguous(raw, b"F"):
            return reduce_array(array.copy())
        fortran = True
    if <uint64_t>raw.len < OUT_OF_BAND_BYTES:
        buffer = PyBytes_FromStringAndSize(<char *>raw.buf, raw.len)
    return load_array, (buffer, name_of_dtype(dtype), array.shape, fortran)


class PicklerMixin:
    """What both picklers below share."""

    def reducer_override(self, value):
        kind = type(value)
        if kind is ObjectRef:
            check_session(value)
            self.children.append(value)
            return load_ref, ((<ObjectRef>value).ref.index, (<ObjectRef>value).ref.generation)
        if kind is ndarray_type or (ndarray_type is None and find_numpy() and kind is ndarray_type):
            if array_sharers and value.nbytes >= SHARED_FROM_BYTES:
                sharer = array_sharers.get(threading.get_ident())
                ref = sharer(value) if sharer is not None else None
                if ref is not None:
                    return load_shared, (ref,)
            return reduce_texts(value) if value.dtype.kind == "O" else reduce_array(value)
        reducer = reducers.get(kind)
        if reducer is None and kind not in known_types:
            known_types.add(kind)
            discover_reducers(kind)
            reducer = reducers.get(kind)
        if reducer is not None:
            return reducer(value)
        return super().reducer_override(value)


cdef make_pickler_class():
    import cloudpickle
    return type("Pickler", (PicklerMixin, cloudpickle.Pickler), {})


cdef class Pickled:
    """A pickled value: pieces in band, buffers out of band, references met on the way."""
    cdef list pieces
    cdef list buffers
    cdef list children


cdef class Sink:
    """The pickler's file."""
    cdef list pieces

    def write(self, piece):
        self.pieces.append(piece)


cdef class ReusedPickler:
    cdef object pickler
    cdef Sink sink
    cdef list buffers

    def take_buffer(self, buffer):
        self.buffers.append(buffer)


cdef ReusedPickler new_pickler():
    global pickler_class
    if pickler_class is None:
        pickler_class = make_pickler_class()
    cdef ReusedPickler reused = ReusedPickler()
    reused.sink = Sink()
    reused.pickler = pickler_class(reused.sink, protocol=5, buffer_callback=reused.take_buffer)
    return reused


cdef object c_dump = _pickle.Pickler.dump


PICKLING_ERRORS = (TypeError, AttributeError, _pickle.PicklingError)   # it cannot take a value


def try_pickle(value) -> None:
    """Pickle a value for nothing but the error that it may raise."""
    pickle(value)


cdef Pickled pickle(value):
    cdef ReusedPickler reused = idle_picklers.pop() if idle_picklers else new_pickler()
    cdef Pickled pickled = Pickled()
    pickler = reused.pickler
    pickled.pieces, pickled.buffers, pickled.children = [], [], []
    reused.sink.pieces, reused.buffers = pickled.pieces, pickled.buffers
    pickler.children = pickled.children
    try:
        c_dump(pickler, value)
    except RecursionError as error:
        raise _pickle.PicklingError("the value is nested too deeply to be pickled") from error
    pickler.clear_memo()
    if pickler.globals_ref:
        pickler.globals_ref = {}
    pickler.children = reused.buffers = reused.sink.pieces = None
    idle_picklers.append(reused)
    return pickled


def trial_dumps(value) -> tuple[bytes, list]:
    """Pickle as `put` would, references and all; for finding out whether that works."""
    cdef Pickled pickled = pickle(value)
    return b"".join(pickled.pieces), pickled.buffers


def trial_loads(pickled: tuple[bytes, list]):
    """The reverse of `trial_dumps`, in the same process and while its value lives."""
    in_band, buffers = pickled
    return _pickle.loads(in_band, buffers=buffers)
