# Streams, both sides: what a generator task yields is published (engine/stream.h), and taken.

cdef object generator_class = None   # pyray.streams.ObjectRefGenerator
cdef object dynamic_class = None     # pyray.streams.DynamicObjectRefGenerator


def set_generator_classes(streaming, dynamic) -> None:
    """What `submit` returns for a stream, a subclass of Stream, and what a dynamic task returns."""
    global generator_class, dynamic_class
    generator_class, dynamic_class = streaming, dynamic


# ---- the consumer --------------------------------------------------------------------------------

cdef class Stream:
    """The items of one task, for the process that submitted it; closed when it is deleted."""

    cdef pr_ref stream
    cdef uint64_t nonce
    cdef readonly ObjectRef completion   # the task's own result, sealed when it has ended
    cdef object __weakref__

    def __dealloc__(self):
        if self.nonce != 0 and is_same_session(self.nonce):
            pr_stream_close(&context, self.stream)

    def take(self, timeout):
        """A reference to the next item; None when it is not there after `timeout` seconds.

        Raises ObjectRefStreamEndOfStreamError at the end.
        """
        cdef pr_ref item
        cdef ObjectRef ref
        check_session(self.completion)
        while True:
            status = pr_stream_next(&context, self.stream, True, &item)
            if status == PR_OK:
                return wrap(item)
            if status != PR_EMPTY:
                self.fail(status)
            ref = wrap(item)
            if wait_for(&ref.ref, 1, 1, False, timeout, NULL) == 0:
                return None
            require_session(self.nonce)   # another thread may have taken it: ask again

    def peek(self):
        """(reference to the next item, whether it is there); it stays in the stream."""
        cdef pr_ref item
        check_session(self.completion)
        status = pr_stream_next(&context, self.stream, False, &item)
        if status != PR_OK and status != PR_EMPTY:
            self.fail(status)
        return wrap(item), status == PR_OK

    cdef int fail(self, pr_status status) except -1:
        if status == PR_EXIT:
            raise exceptions.ObjectRefStreamEndOfStreamError("The stream has ended.")
        raise_status(status, "reading a stream")


cdef stream_of(pr_submission *s, ObjectRef completion):
    cdef Stream stream = generator_class.__new__(generator_class)
    stream.stream, stream.nonce, stream.completion = s.stream, session_nonce, completion
    return stream


# ---- the producer --------------------------------------------------------------------------------

cdef iterator_of(value, str name):
    if not hasattr(value, "__next__"):
        raise ValueError(
            f"{name} should have returned a generator or another iterator, because of its "
            f"num_returns; it returned an object of type {type(value).__name__}."
        )
    return value


cdef stream_items(pr_taken *taken, value, translate, str name):
    """Publishes what the task yields. An error is the last item, the task itself ends well then."""
    global interruptible
    cdef uint64_t skip = taken.published   # by an earlier attempt, whose worker died
    items = iterator_of(value, name)
    try:
        for item in items:
            if skip > 0:
                skip -= 1
            elif not publish(taken, item, 0, name):
                break
    except Exception as error:
        interruptible = False
        publish(taken, translate(error, name), PR_FLAG_ERROR, name)
    finally:
        item = None
        close = getattr(items, "close", None)
        if close is not None:
            close()


cdef bint publish(pr_taken *taken, value, uint32_t flags, str name) except -1:
    """Publishes one item and waits until there is room for another. False: nobody wants more."""
    if not publish_item(taken, value, flags, name):
        return False
    return taken.stream_limit == 0 or wait_for_room(taken)


cdef bint publish_item(pr_taken *taken, value, uint32_t flags, str name) except -1:
    cdef Encoded e = Encoded()
    cdef pr_ref item
    if is_forked:
        check_usable()
    encode_result(e, value, flags, "an item", name)
    if e.value.size_bytes > PR_INLINE_BYTES:
        status = pr_stream_open_item(&context, taken.task, &item)
        if status != PR_OK:
            raise_status(status, "cannot store an item")
        write_result(e, item)
    status = pr_stream_publish(&context, taken.task, &e.value)
    if status != PR_OK and e.value.in_block:
        pr_result_abort(&context, item)
    if status != PR_OK and status != PR_EXIT:
        raise_status(status, "cannot store an item")
    return status == PR_OK


cdef bint wait_for_room(pr_taken *taken) except -1:
    """Sleeps while the limit is reached; the task's resources serve others meanwhile."""
    global lending
    cdef pr_index latch = my_latch(), task = taken.task
    cdef uint64_t session = session_nonce
    cdef uint32_t seen
    cdef bint lent = False
    try:
        while True:
            seen = pr_latch_sequence(&context, latch)
            status = pr_stream_room(&context, task, latch)
            if status == PR_OK or status == PR_EXIT:
                return status == PR_OK
            if status != PR_EMPTY:
                raise_status(status, "waiting for room in a stream")
            if not lending and threading.get_ident() == main_thread:
                pr_task_lend(&context, task)
                lent = lending = True
            sleep_on(latch, seen, -1)
    finally:
        if lent:
            lending = False
            if is_same_session(session):
                pr_task_reclaim(&context, task)


cdef collect_items(value, translate, str name):
    """References to all that the task yields, as one value. An error is the last item."""
    global interruptible
    cdef Encoded e
    refs = []
    try:
        for item in iterator_of(value, name):
            e = Encoded()
            encode_result(e, item, 0, "an item", name)
            refs.append(put_encoded(e))
    except Exception as error:
        interruptible = False
        e = Encoded()
        encode_result(e, translate(error, name), PR_FLAG_ERROR, "an item", name)
        refs.append(put_encoded(e))
    return dynamic_class(refs)
