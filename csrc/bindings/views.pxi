# Looking at a session: this process's own, or another one of this user.

cdef extern from "<string.h>" nogil:
    size_t strnlen(const char *text, size_t room)

cdef extern from "pyray_core.h" nogil:
    enum: PR_POOL_ACTOR, PR_POOL_CLASS, PR_POOL_LABEL
    enum: PR_POOL_EVENT, PR_POOL_TEXT, PR_POOL_ENDED, PR_POOL_SPAN
    enum: PR_VIEW_STEP, PR_RING_STEP, PR_TALLY_STATES, PR_TALLY_LABELS
    enum: PR_LABEL_TEXT, PR_TEXT_BYTES, PR_SPAN_NAME
    struct pr_task_view:
        uint64_t id
    struct pr_object_view:
        uint64_t size_bytes
    struct pr_hold_view:
        uint64_t holder
    struct pr_actor_view:
        pr_ref handle
        uint32_t state
        uint32_t job
        uint32_t space_size
        uint32_t name_size
        uint8_t *text
    struct pr_slot_view:
        uint32_t state
    struct pr_label:
        uint32_t kind
    struct pr_event:
        uint64_t number
    struct pr_ended_actor:
        uint64_t number
        pr_actor_view view
    struct pr_text:
        uint32_t size_bytes
        char *bytes
    struct pr_span:
        uint64_t begun_ns
        uint64_t ended_ns
        uint64_t serial
        uint64_t text
        uint32_t thread
        char *name
    struct pr_note:
        uint32_t label
        uint32_t job
    struct pr_birth:
        uint32_t job
        pr_ref first
    const pr_birth *pr_birth_at(const pr_context *ctx, pr_index object)
    const pr_note *pr_note_at(const pr_context *ctx, pr_index task)
    struct pr_ring_page:
        uint32_t pool
        const uint64_t *head
        uint64_t next
        void *records
        uint32_t count
    bint pr_pool_has(const pr_context *ctx, uint32_t pool, pr_index index)
    pr_status pr_ring_read(pr_context *ctx, pr_ring_page *page)
    pr_status pr_view_tasks(pr_context *ctx, pr_index *start, pr_task_view *views, uint32_t *count)
    pr_status pr_view_objects(pr_context *ctx, pr_index *start, pr_object_view *views,
                              uint32_t *count)
    pr_status pr_view_holds(pr_context *ctx, pr_index *start, pr_hold_view *views, uint32_t *count)
    pr_status pr_view_actors(pr_context *ctx, pr_index *start, pr_actor_view *views,
                             uint32_t *count)
    pr_status pr_view_slots(pr_context *ctx, pr_index *start, pr_slot_view *views, uint32_t *count)
    pr_status pr_tally_tasks(pr_context *ctx, pr_index *start, uint32_t *tally)
    pr_status pr_labels_read(pr_context *ctx, pr_index *start, pr_label *labels, uint32_t room,
                             uint32_t *count)
    pr_status pr_session_label(pr_context *ctx, int kind, const char *text, pr_index *label)
    pr_status pr_text_add(pr_context *ctx, const char *text, uint32_t size_bytes, uint64_t *number)
    pr_status pr_text_read(pr_context *ctx, uint64_t number, pr_text *text)
    pr_status pr_span_add(pr_context *ctx, const pr_span *span)
    pr_status pr_session_observe(pr_context *ctx, int control_fd, int heap_fd)
    uint64_t pr_os_monotonic_ns()

ctypedef pr_status (*view_function)(pr_context *, pr_index *, void *, uint32_t *) noexcept nogil


cdef pr_status view_labels(pr_context *ctx, pr_index *start, void *labels,
                           uint32_t *count) noexcept nogil:
    return pr_labels_read(ctx, start, <pr_label *>labels, PR_VIEW_STEP, count)


cdef enum:
    DEATHS_SEARCHED = 1024   # the last ones


cdef tuple names_of_ended(pr_ref handle):
    """(id, namespace, name) of an actor that has died; names are empty if it died long ago."""
    cdef pr_ring_page page
    cdef const pr_ended_actor *ended
    cdef const pr_actor_view *view
    cdef bytearray room = bytearray(PR_RING_STEP * sizeof(pr_ended_actor))
    cdef char *at = room
    cdef uint32_t i
    page.pool, page.head, page.records = PR_POOL_ENDED, &pr_engine_root(&context).ended_head, at
    page.next = max(<int64_t>page.head[0] - DEATHS_SEARCHED, 0)
    while pr_ring_read(&context, &page) == PR_OK:
        ended = <const pr_ended_actor *>at
        for i in range(page.count):
            view = &ended[i].view
            if view.handle.index == handle.index and view.handle.generation == handle.generation:
                text = PyBytes_FromStringAndSize(
                    <const char *>view.text, view.space_size + view.name_size)
                names = text[:view.space_size].decode(), text[view.space_size:].decode()
                return actor_id(handle, view.job), *names
    return actor_id(handle, pr_birth_at(&context, handle.index).job), "", ""


cdef class Reader:
    """Reads the tables of a session: its own process's, or that behind two descriptors.

    Tables come as the bytes of C structures, which `pyray.observability.records` takes apart.
    """
    cdef pr_context observed
    cdef pr_context *at
    cdef uint64_t session

    def __cinit__(self, int control_fd=-1, int heap_fd=-1):
        self.at = NULL
        if control_fd < 0:
            check_usable()
            self.session = session_nonce
            return
        status = pr_session_observe(&self.observed, control_fd, heap_fd)
        if status != PR_OK:
            raise exceptions.RaySystemError(
                "The session cannot be read: it is of another version of pyray.")
        self.at = &self.observed
        self.session = self.observed.header.nonce

    def __dealloc__(self):
        if self.at != NULL:
            pr_session_detach(self.at, False)

    cdef pr_context *look(self) except NULL:
        if self.at != NULL:
            return self.at
        check_usable()
        require_session(self.session)
        return &context

    @property
    def nonce(self) -> int:
        """The number that names the session."""
        return self.session & NONCE_BITS

    def sizes(self) -> dict[str, int]:
        """Sizes of the structures, by name."""
        return {
            "tasks": sizeof(pr_task_view), "objects": sizeof(pr_object_view),
            "holds": sizeof(pr_hold_view), "actors": sizeof(pr_actor_view),
            "slots": sizeof(pr_slot_view), "labels": sizeof(pr_label),
            "events": sizeof(pr_event), "ended": sizeof(pr_ended_actor), "spans": sizeof(pr_span),
        }

    def table(self, str name) -> bytes:
        """All entries in use of a table: tasks, objects, holds, actors, slots or labels."""
        cdef view_function view
        cdef uint32_t size = self.sizes()[name]
        if name == "tasks":
            view = <view_function>pr_view_tasks
        elif name == "objects":
            view = <view_function>pr_view_objects
        elif name == "holds":
            view = <view_function>pr_view_holds
        elif name == "actors":
            view = <view_function>pr_view_actors
        elif name == "slots":
            view = <view_function>pr_view_slots
        else:
            view = view_labels
        return self.pages(view, size)

    cdef bytes pages(self, view_function view, uint32_t size):
        cdef pr_context *ctx = self.look()
        cdef bytearray page = bytearray(2 * PR_VIEW_STEP * size)
        cdef char *at = page
        cdef list found = []
        cdef pr_index start = 0
        cdef uint32_t count = 0
        cdef pr_status status
        while True:
            status = view(ctx, &start, at, &count)
            if status != PR_OK:
                break
            if count:
                found.append(PyBytes_FromStringAndSize(at, count * <Py_ssize_t>size))
            if len(found) & 63 == 63:
                PyErr_CheckSignals()
        if status != PR_EMPTY:
            raise_status(status, "cannot read the session")
        return b"".join(found)

    def ring(self, str name, uint64_t next=0) -> tuple[bytes, int]:
        """The records of a ring (events, ended or spans) from number `next` on, and the number
        that follows."""
        cdef pr_context *ctx = self.look()
        cdef const pr_engine_root_t *root = pr_engine_root(ctx)
        cdef uint32_t size = self.sizes()[name]
        cdef bytearray room = bytearray(PR_RING_STEP * size)
        cdef char *at = room
        cdef list found = []
        cdef pr_ring_page page
        cdef pr_status status
        page.next, page.records = next, at
        if name == "events":
            page.pool, page.head = PR_POOL_EVENT, &root.event_head
        elif name == "ended":
            page.pool, page.head = PR_POOL_ENDED, &root.ended_head
        else:
            page.pool, page.head = PR_POOL_SPAN, &root.span_head
        while True:
            status = pr_ring_read(ctx, &page)
            if status != PR_OK:
                break
            found.append(PyBytes_FromStringAndSize(at, page.count * <Py_ssize_t>size))
        if status != PR_EMPTY:
            raise_status(status, "cannot read the session")
        return b"".join(found), page.next

    def text(self, uint64_t number) -> str:
        """A kept text; "" when it is not there any more."""
        cdef pr_text text
        if number == 0 or pr_text_read(self.look(), number, &text) != PR_OK:
            return ""
        return text.bytes[:text.size_bytes].decode("utf-8", "replace")

    def tally(self) -> dict[tuple[int, int], int]:
        """(label, state) -> number of tasks in the table."""
        cdef pr_context *ctx = self.look()
        cdef Py_ssize_t i, length = PR_TALLY_LABELS * PR_TALLY_STATES
        cdef uint32_t *counts = <uint32_t *>PyMem_Malloc(length * sizeof(uint32_t))
        cdef pr_index start = 0
        if counts == NULL:
            raise MemoryError()
        memset(counts, 0, length * sizeof(uint32_t))
        try:
            while pr_tally_tasks(ctx, &start, counts) == PR_OK:
                PyErr_CheckSignals()
            return {
                (i // PR_TALLY_STATES, i % PR_TALLY_STATES): counts[i]
                for i in range(length) if counts[i]
            }
        finally:
            PyMem_Free(counts)

    def demand(self, uint32_t shape) -> tuple[dict[str, int], int, int]:
        """(resource -> 1/10000, environment, placement group) of a class of tasks."""
        cdef pr_context *ctx = self.look()
        cdef const pr_engine_root_t *root = pr_engine_root(ctx)
        cdef const pr_class *c
        cdef uint32_t i
        if shape > root.class_count or not pr_pool_has(ctx, PR_POOL_CLASS, shape):
            return {}, 0, 0
        c = pr_class_at(ctx, shape)
        return {
            resource_name(root, c.demand[i].resource): c.demand[i].amount
            for i in range(min(c.demand_count, <uint32_t>PR_DEMAND_MAX))
        }, c.environment, c.placement

    def resources(self) -> dict[str, tuple[int, int]]:
        """name -> (total, free), in 1/10000."""
        cdef const pr_engine_root_t *root = pr_engine_root(self.look())
        cdef uint32_t i
        return {
            resource_name(root, i): (root.resources[i].total, root.resources[i].free)
            for i in range(min(root.resource_count, <uint32_t>PR_RESOURCE_MAX))
        }

    def placements(self) -> list[tuple[int, int, int, int, int, bool, str, list[dict[str, int]]]]:
        """All groups.

        (index, generation, state, strategy, job, detached?, name, demand of each bundle) of each.
        """
        cdef pr_context *ctx = self.look()
        found = []
        for index in range(1, pr_placement_end(ctx)):
            one = read_placement(ctx, index)
            if one is not None:
                found.append(one)
        return found

    def counts(self) -> dict[str, int]:
        """Numbers of tasks since the session began, and of records."""
        cdef const pr_engine_root_t *root = pr_engine_root(self.look())
        return {
            "submitted": root.submitted, "finished": root.finished, "failed": root.failed,
            "retried": root.retried, "deaths": root.deaths, "events": root.event_head,
            "dead_actors": root.ended_head,
        }

    def store_stats(self) -> dict[str, int]:
        """Sizes in bytes and counts of the object store."""
        cdef pr_store_stats_t stats
        status = pr_store_stats(self.look(), &stats)
        if status != PR_OK:
            raise_status(status, "statistics")
        return dict(stats)


cdef str name_of(const char *name, size_t room):
    return name[:strnlen(name, room)].decode("utf-8", "replace")


cdef str resource_name(const pr_engine_root_t *root, uint32_t resource):
    """The name of a resource; "" if there is none, as in damaged tables."""
    if resource >= PR_RESOURCE_MAX:
        return ""
    return name_of(root.resources[resource].name, PR_NAME_BYTES)


cdef read_placement(pr_context *ctx, pr_index index):
    cdef pr_placement group
    cdef pr_bundle[PR_BUNDLE_MAX] bundles
    cdef const pr_engine_root_t *root = pr_engine_root(ctx)
    cdef uint32_t i, j
    if pr_placement_read(ctx, index, &group, bundles, PR_BUNDLE_MAX) != PR_OK:
        return None
    demands = [
        {
            resource_name(root, bundles[i].share[j].resource): bundles[i].share[j].amount
            for j in range(bundles[i].share_count)
        }
        for i in range(group.bundle_count)
    ]
    name = name_of(group.name, PR_PLACEMENT_NAME)
    return (index, group.generation, group.state, group.strategy, group.job,
            group.is_detached != 0, name, demands)


# ---- what is recorded ----------------------------------------------------------------------------

def label(kind: int, text: str) -> int:
    """The label of this kind (`enum pr_label_kind`) with this text."""
    cdef char[PR_LABEL_TEXT] padded
    cdef pr_index found = 0
    check_usable()
    memset(padded, 0, sizeof(padded))
    encoded = text.encode("utf-8", "replace")[:PR_LABEL_TEXT - 1]
    memcpy(padded, PyBytes_AS_STRING(encoded), len(encoded))
    status = pr_session_label(&context, kind, padded, &found)
    if status != PR_OK:
        raise_status(status, "cannot name a function")
    return found


def set_call_site(label: int) -> None:
    """Objects that this process makes from now on are noted to be made there (0: nowhere)."""
    context.call_site = label


def monotonic_ns() -> int:
    """The clock of all records."""
    return pr_os_monotonic_ns()


def add_span(str name, uint64_t begun_ns, uint64_t ended_ns, str more, uint32_t thread) -> None:
    """Note that something took from one time to another in this process."""
    cdef pr_span span
    cdef Call call = get_current_call()
    if not is_open or is_forked:
        return
    memset(&span, 0, sizeof(span))
    span.begun_ns, span.ended_ns, span.thread = begun_ns, ended_ns, thread
    span.serial = current_serial if call is None else call.taken.serial
    encoded = name.encode("utf-8", "replace")[:PR_SPAN_NAME - 1]
    memcpy(span.name, PyBytes_AS_STRING(encoded), len(encoded))
    if more:
        span.text = keep_text(more)
    status = pr_span_add(&context, &span)
    if status != PR_OK:
        raise_status(status, "cannot note a span")


cdef uint64_t keep_text(str text) except 0:
    cdef uint64_t number = 0
    encoded = text.encode("utf-8", "replace")[:PR_TEXT_BYTES]
    status = pr_text_add(&context, PyBytes_AS_STRING(encoded), len(encoded), &number)
    if status != PR_OK:
        raise_status(status, "cannot keep a text")
    return number


cdef int note_error(pr_taken *taken, Results results, error) except -1:
    """The record of the failed task says how it failed."""
    cdef Py_ssize_t i
    cdef uint64_t number
    if pr_note_at(&context, taken.task).label == PR_NONE:
        return 0
    cause = getattr(error, "cause", None) or error
    try:
        words = str(cause)
    except Exception:   # user code: its error must not hide the one that is being reported
        words = ""
    number = keep_text(f"{type(cause).__name__}: {words}")
    for i in range(len(results.encoded)):
        results.values[i].text = number
    return 0
