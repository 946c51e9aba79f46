# ObjectRef: one local reference for as long as the Python object lives.
#
# The destructor may run anywhere (garbage collection, another thread's allocation) but always with
# the GIL and never inside a transaction, since the core does not call Python: so it may take the
# session's lock.

cimport cython
from cpython.object cimport Py_EQ, Py_NE, PyTypeObject


@cython.freelist(512)
@cython.no_gc
cdef class ObjectRef:
    """A reference to an object of the store: a future, or a value put there.

    Equal references hash and compare equal in every process of the session. The object lives as
    long as any process, task or other object refers to it.
    """

    cdef pr_ref ref
    cdef uint64_t nonce
    cdef uint32_t job
    cdef object __weakref__

    def __init__(self, id=None):
        if not isinstance(id, bytes):
            raise TypeError(f"Unsupported type: {type(id)}, expected bytes")
        if len(id) != 28:
            raise ValueError(f"ID string needs to have length 28, got {len(id)}")
        if int.from_bytes(id[8:16], "big") != session_nonce & NONCE_BITS:
            raise ValueError("ObjectRef: these bytes name an object of another session")
        self.ref.index = int.from_bytes(id[:4], "big")
        self.ref.generation = int.from_bytes(id[4:8], "big")
        acquire(self)

    def __dealloc__(self):
        if self.nonce != 0 and self.nonce == session_nonce and is_open and not is_forked:
            if not (pr_is_last_unread(&context, self.ref) and keep_unread(self.ref)):
                pr_release(&context, self.ref)

    def __hash__(self):
        return <Py_hash_t>((self.ref.index * 0x9E3779B97F4A7C15ULL) ^ self.ref.generation) >> 1

    def __richcmp__(self, other, int op):
        if not isinstance(other, ObjectRef) or (op != Py_EQ and op != Py_NE):
            return NotImplemented
        return same(self, <ObjectRef>other) == (op == Py_EQ)

    def __repr__(self):
        return f"ObjectRef({self.hex()})"

    def __reduce__(self):
        # A foreign pickler. The object must outlive bytes that we cannot follow: this process
        # keeps it.
        check_session(self)
        keep_for_ever(self)
        return ObjectRef, (self.binary(),)

    @classmethod
    def __class_getitem__(cls, item):
        return cls

    @classmethod
    def from_binary(cls, id: bytes) -> ObjectRef:
        """The reference that these bytes of `binary()` name."""
        return cls(id)

    @classmethod
    def nil(cls) -> ObjectRef:
        """A reference to nothing."""
        return ObjectRef.__new__(ObjectRef)

    @classmethod
    def from_hex(cls, hex_id: str) -> ObjectRef:
        """The reference that this text of `hex()` names."""
        return cls(bytes.fromhex(hex_id))

    def binary(self) -> bytes:
        """The reference as 28 bytes."""
        if self.nonce == 0:
            return b"\xff" * 28
        return (self.ref.index.to_bytes(4, "big") + self.ref.generation.to_bytes(4, "big")
                + task_tail(self.nonce, self.job) + b"\x01\x00\x00\x00")

    def hex(self) -> str:
        """The reference as 56 hexadecimal digits."""
        return self.binary().hex()

    def is_nil(self) -> bool:
        """Whether it refers to nothing."""
        return self.nonce == 0

    def size(self) -> int:
        """Length of `binary()` in bytes."""
        return 28

    def task_id(self):
        """Id of the task that produces this object: the same for all of its results."""
        from pyray.ids import TaskID
        cdef const pr_birth *birth
        own = self.binary()[:24]
        if self.nonce != 0 and self.nonce == session_nonce and is_open and not is_forked:
            birth = pr_birth_at(&context, self.ref.index)
            if birth.first.index != PR_NONE:
                own = (birth.first.index.to_bytes(4, "big")
                       + birth.first.generation.to_bytes(4, "big") + own[8:])
        return TaskID(own)

    def job_id(self):
        """Id of the job the object belongs to."""
        from pyray.ids import JobID
        return JobID(self.job.to_bytes(4, "little"))

    def future(self):
        """A `concurrent.futures.Future` of the value."""
        from pyray.futures import future_of
        return future_of(self)

    def as_future(self):
        """An `asyncio.Future` of the value, on the running loop."""
        import asyncio
        return asyncio.wrap_future(self.future())

    def __await__(self):
        return self.as_future().__await__()


# What users see and pickles hold is the public name.
(<PyTypeObject *>ObjectRef).tp_name = "pyray.ObjectRef"


cdef bytes task_tail(uint64_t nonce, uint32_t job):
    """What the ids of all tasks of a job end with."""
    return (nonce & NONCE_BITS).to_bytes(8, "big") + b"\xff" * 4 + job.to_bytes(4, "little")


cdef inline bint same(ObjectRef a, ObjectRef b) noexcept:
    return (a.ref.index == b.ref.index and a.ref.generation == b.ref.generation
            and a.nonce == b.nonce)


cdef inline ObjectRef wrap(pr_ref ref):
    """For a reference whose local count has been taken already."""
    cdef ObjectRef self = ObjectRef.__new__(ObjectRef)
    self.ref = ref
    self.nonce = session_nonce
    self.job = pr_birth_at(&context, ref.index).job
    return self


cdef int acquire(ObjectRef self) except -1:
    check_usable()
    status = pr_acquire(&context, &self.ref, 1)
    if status != PR_OK:
        raise_status(status, f"ObjectRef({self.ref.index}, {self.ref.generation})")
    self.nonce = session_nonce
    self.job = pr_birth_at(&context, self.ref.index).job
    return 0


cdef int keep_for_ever(ObjectRef self) except -1:
    status = pr_acquire(&context, &self.ref, 1)
    if status != PR_OK:
        raise_status(status, repr(self))
    return 0


def is_current(ObjectRef ref not None) -> bool:
    """Whether it is of this stay in a session, not of an earlier one, even in the same."""
    return ref.nonce != 0 and ref.nonce == session_nonce


cdef inline int check_session(ObjectRef self) except -1:
    check_usable()
    if self.nonce != session_nonce:
        raise ValueError(
            f"{self!r} belongs to an earlier session: its object went with that session's "
            "ray.shutdown()."
        )
    return 0


def load_ref(index: int, generation: int) -> ObjectRef:
    """A reference found inside a stored value, which keeps the object alive while this runs."""
    cdef ObjectRef self = ObjectRef.__new__(ObjectRef)
    self.ref.index, self.ref.generation = index, generation
    acquire(self)
    return self
