# What `ps` and `top` show of a worker: `ray::f` while it runs f, `ray::IDLE` while it waits.
#
# Linux shows the memory in which a program found its arguments; a worker writes over it. That takes
# no system call, so it is done for every task that has another name than the last one. A reader may
# see a title that is half written.

cdef char *title_at = NULL               # behind the prefix; NULL: there is no room
cdef char[PR_NAME_BYTES] title_shown


def set_title_area(uint64_t address, uint64_t size_bytes) -> None:
    """Where the arguments of this process's program lie; its title goes there."""
    global title_at
    cdef char *area = <char *>address
    cdef uint64_t prefix = len(TITLE_PREFIX)
    if address == 0 or size_bytes <= prefix + PR_NAME_BYTES:
        return
    memset(area, 0, size_bytes)
    memcpy(area, PyBytes_AS_STRING(TITLE_PREFIX), prefix)
    title_at = area + prefix
    show_rest()


cdef bytes TITLE_PREFIX = b"ray::"
cdef bytes title_of_rest = b"IDLE"


cdef void show_title(const char *name) noexcept:
    """`name` has PR_NAME_BYTES, those behind its end 0."""
    if title_at != NULL and memcmp(title_shown, name, PR_NAME_BYTES) != 0:
        memcpy(title_shown, name, PR_NAME_BYTES)
        memcpy(title_at, name, PR_NAME_BYTES)


cdef int show_rest() except -1:
    """No task runs: the class of the actor that lives here, or IDLE."""
    cdef char[PR_NAME_BYTES] name
    memset(name, 0, PR_NAME_BYTES)
    memcpy(name, PyBytes_AS_STRING(title_of_rest), PyBytes_GET_SIZE(title_of_rest))
    show_title(name)
    return 0


cdef int rest_as(str name) except -1:
    """What is shown while no task runs, from now on; "": IDLE."""
    global title_of_rest
    title_of_rest = name.encode("utf-8", "replace")[:PR_NAME_BYTES - 1] or b"IDLE"
    return 0
