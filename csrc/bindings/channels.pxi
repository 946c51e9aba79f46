# Channels of compiled graphs (engine/channel.h): values go in and come out without a task.
#
# A channel is named by (index, generation). Small values travel in the object table, larger ones
# are written to the heap once; an array that lies in the store already, because it was received or
# made there, is passed on without a copy.

cdef tuple key_of(pr_ref ref):
    return ref.index, ref.generation


cdef int raise_closed() except -1:
    raise exceptions.RayChannelError("Channel closed.")


cdef class Graph:
    """The channels of a compiled graph, in the process that made it."""

    cdef pr_ref graph
    cdef uint64_t nonce
    cdef readonly list channels

    def __init__(self, uint32_t count):
        check_usable()
        cdef pr_ref *refs = <pr_ref *>PyMem_Malloc((count + 1) * sizeof(pr_ref))
        if refs == NULL:
            raise MemoryError()
        try:
            status = pr_graph_new(&context, &self.graph, refs, count)
            if status != PR_OK:
                raise_status(status, "cannot make the channels of a compiled graph")
            self.nonce = session_nonce
            self.channels = [key_of(refs[i]) for i in range(count)]
        finally:
            PyMem_Free(refs)

    def __dealloc__(self):
        if self.nonce != 0 and is_same_session(self.nonce):
            while pr_graph_close(&context, self.graph, PR_NONE, True) == PR_OK:
                pass

    @property
    def key(self) -> tuple[int, int]:
        """(index, generation)."""
        return key_of(self.graph)

    def close(self, timeout, *, bint force=False) -> bool:
        """Have all readers stop, and wait until they have left. False: not in time.

        With `force` they are not waited for."""
        cdef int64_t deadline = deadline_of(timeout)
        cdef pr_index latch = PR_NONE
        cdef uint32_t seen = 0
        while is_same_session(self.nonce):
            if not force:
                latch = my_latch()
                seen = pr_latch_sequence(&context, latch)
            status = pr_graph_close(&context, self.graph, latch, force)
            if status == PR_STALE:
                return True
            if status == PR_EMPTY and not sleep_on(latch, seen, deadline):
                return False
            if status != PR_OK and status != PR_EMPTY:
                raise_status(status, "closing a compiled graph")
        return True

    def failed(self) -> tuple[int, int] | None:
        """(index, generation) of the handle of the actor whose death has closed it, or None."""
        cdef pr_ref handle
        check_usable()
        require_session(self.nonce)
        if pr_graph_failed(&context, self.graph, &handle) != PR_OK or handle.index == PR_NONE:
            return None
        return key_of(handle)


def poison_graph(tuple key) -> None:
    """Have everybody stop who works on a compiled graph, because this actor does."""
    cdef pr_ref graph
    graph.index, graph.generation = key
    if is_open and not is_forked:
        pr_graph_poison(&context, graph, current_actor)


cdef class Receiver:
    """The reader's end of a channel; `leave` says that it reads no more."""

    cdef pr_ref channel
    cdef uint64_t nonce
    cdef readonly bint is_error   # the last value is the error of whoever should have made it

    def __init__(self, tuple key):
        check_usable()
        self.channel.index, self.channel.generation = key
        status = pr_channel_attach(&context, self.channel)
        if status == PR_EXIT:
            raise_closed()
        if status != PR_OK:
            raise_status(status, "cannot read a channel")
        self.nonce = session_nonce

    def leave(self) -> None:
        """Stop reading."""
        if is_same_session(self.nonce):
            pr_channel_detach(&context, self.channel)

    def receive(self, timeout=None):
        """The oldest value that has not been received.

        Raises RayChannelError when the graph is closed, RayChannelTimeoutError."""
        cdef pr_fetched fetched
        cdef pr_ref object
        cdef int64_t deadline = deadline_of(timeout)
        cdef bint lent = False
        cdef uint32_t seen
        check_usable()
        require_session(self.nonce)
        cdef pr_index latch = my_latch()
        try:
            while True:
                seen = pr_latch_sequence(&context, latch)
                status = pr_channel_receive(&context, self.channel, latch, &fetched, &object)
                if status != PR_EMPTY:
                    break
                lent = lent or lend()
                if not sleep_on(latch, seen, deadline):
                    raise exceptions.RayChannelTimeoutError("Timed out waiting for a value.")
                require_session(self.nonce)
        finally:
            if lent:
                reclaim()
        if status == PR_EXIT:
            raise_closed()
        if status != PR_OK:
            raise_status(status, "reading a channel")
        return self.value(&fetched, object)

    cdef value(self, pr_fetched *fetched, pr_ref object):
        cdef pr_status status = PR_OK
        cdef bint is_error = False
        if object.index == PR_NONE:
            self.is_error = (fetched.flags & PR_FLAG_ERROR) != 0
            return small_value(fetched, self.is_error)
        ref = wrap(object)   # held until it is read
        value = fetch((<ObjectRef>ref).ref, &status, &is_error)
        if status != PR_OK:
            raise_status(status, "reading a channel")
        self.is_error = is_error
        return value


cdef class Sender:
    """The writer's end of some channels of one graph, which all get the same values."""

    cdef pr_ref *channels
    cdef uint32_t count
    cdef uint64_t nonce

    def __init__(self, list keys):
        check_usable()
        self.count, self.nonce = len(keys), session_nonce
        self.channels = <pr_ref *>PyMem_Malloc((self.count + 1) * sizeof(pr_ref))
        if self.channels == NULL:
            raise MemoryError()
        for i, (index, generation) in enumerate(keys):
            self.channels[i] = pr_ref(index, generation)

    def __dealloc__(self):
        PyMem_Free(self.channels)

    def send(self, value, *, bint is_error=False) -> None:
        """Put a value into the channels, or an error that stands for one.

        Raises RayChannelError when the graph is closed."""
        cdef Encoded e
        cdef pr_ref ref
        cdef pr_status status
        check_usable()
        require_session(self.nonce)
        if type(value) is ndarray_type and stored_array(value, &ref):
            self.forward(ref)
            return
        e = Encoded()
        if is_error:
            encode_pickle(e, value, PR_INLINE_BYTES)
            e.value.flags = PR_FLAG_ERROR
        else:
            encode(e, value, PR_INLINE_BYTES)
        require_session(self.nonce)
        if self.count > <uint32_t>PR_STEP_EDGES:
            held = put_encoded(e)
            self.forward((<ObjectRef>held).ref)
            return
        if e.value.size_bytes > PR_INLINE_BYTES:
            status = self.send_block(e)
        else:
            status = pr_channel_send(&context, self.channels, self.count, &e.value)
        self.check(status)

    cdef pr_status send_block(self, Encoded e) except *:
        cdef pr_ref ref
        cdef uint64_t offset = 0
        cdef pr_status status = begin(e, &ref, False, &offset)
        if status != PR_OK:
            return status
        try:
            write_pieces(e, offset)
            status = pr_add_children(&context, ref, e.value.children, e.value.child_count)
            if status == PR_OK:
                status = pr_channel_send_block(&context, self.channels, self.count, ref, &e.value)
        except BaseException:
            if is_same_session(self.nonce):
                pr_put_abort(&context, ref)
            raise
        if status != PR_OK:
            pr_put_abort(&context, ref)
        return status

    cdef int forward(self, pr_ref ref) except -1:
        cdef uint32_t done = 0, count
        while done < self.count:
            count = min(self.count - done, <uint32_t>PR_STEP_EDGES)
            self.check(pr_channel_forward(&context, self.channels + done, count, ref))
            done += count
        return 0

    cdef int check(self, pr_status status) except -1:
        if status == PR_EXIT:
            raise_closed()
        if status != PR_OK:
            raise_status(status, "writing to a channel")
        return 0


cdef bint stored_array(array, pr_ref *ref) except -1:
    """Whether an array is, all of it and as it is, an object of the store; an open one is sealed.

    The array keeps the object while it is passed on."""
    cdef View view
    cdef Creation made = open_creation(array)
    if made is not None:
        ref[0] = made.ref
        seal_array(array)
        return True
    if type(array.base) is not View or not is_same_session((<View>array.base).nonce):
        return False
    view = array.base
    if (<const uint32_t *>view.bytes)[1] + <uint64_t>array.nbytes != view.size:
        return False
    head = array_head(name_of_dtype(array.dtype), array.shape, view.bytes[1], array.nbytes, 0)
    order = array.flags.f_contiguous if view.bytes[1] else array.flags.c_contiguous
    ref[0] = view.ref
    return (order and <uint64_t>array.ctypes.data == <uint64_t><size_t>view.bytes + len(head)
            and memcmp(view.bytes, PyBytes_AS_STRING(head), len(head)) == 0)
