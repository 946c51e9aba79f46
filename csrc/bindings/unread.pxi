# Errors that nobody has fetched.
#
# When the last reference of this process to such an error goes, the destructor keeps it here and
# asks the interpreter to call back soon (a destructor must not run Python). What is left is
# reported when the session ends.

cdef extern from "<Python.h>":
    int Py_AddPendingCall(int (*function)(void *) noexcept, void *argument) noexcept

cdef enum: UNREAD_MAX = 32

cdef pr_ref unread[UNREAD_MAX]
cdef uint32_t unread_count = 0
cdef uint64_t unread_nonce = 0
cdef object report_error = None


def set_unread_reporter(function) -> None:
    """`function(error)` is called once for each error that nobody has fetched."""
    global report_error
    report_error = function


cdef bint keep_unread(pr_ref ref) noexcept:
    """Takes the reference over; False: there is no room, or no more Python."""
    global unread_count, unread_nonce
    if unread_nonce != session_nonce:
        unread_nonce, unread_count = session_nonce, 0
    if report_error is None or unread_count == UNREAD_MAX:
        return False
    unread[unread_count] = ref
    unread_count += 1
    Py_AddPendingCall(report_later, NULL)   # a full queue: they are reported with the next one
    return True


cdef int report_later(void *nothing) noexcept with gil:
    try:
        report_unread()
    except BaseException:   # it must not come up in whatever the main thread is doing
        pass
    return 0


cdef void report_one(pr_ref ref) noexcept:
    cdef pr_status status = PR_OK
    cdef bint is_error = False
    try:
        error = fetch(ref, &status, &is_error)
        if status == PR_OK and is_error:
            report_error(error)
    except BaseException:   # an error that cannot be loaded, or printed
        pass


def report_unread() -> None:
    """Report the errors whose last reference is gone."""
    global unread_count
    cdef pr_ref ref
    while unread_count > 0 and is_same_session(unread_nonce):
        unread_count -= 1
        ref = unread[unread_count]
        report_one(ref)
        if is_same_session(unread_nonce):
            pr_release(&context, ref)


def report_all_unread(most: int) -> None:
    """Report errors that this process refers to and nobody has fetched, at most so many."""
    cdef pr_index i
    cdef pr_ref ref
    cdef uint64_t session = session_nonce
    if not is_open or is_forked or report_error is None:
        return
    report_unread()
    for i in range(1, context.header.pools[PR_POOL_OBJECT].high_water):
        if most == 0 or not is_same_session(session):
            return
        ref = pr_ref(i, context.local[i].generation)
        if context.local[i].refs > 0 and pr_is_unread(&context, ref):
            most -= 1
            report_one(ref)


cdef int report_unheld(pr_taken *taken, error) except -1:
    """In a worker: an error that goes into results which nobody holds is reported here."""
    if report_error is not None and (
        taken.result_count == 0 or pr_object_at(&context, taken.result.index).refs <= 1
    ):
        report_error(error)
    return 0
