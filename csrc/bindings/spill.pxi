# A full store: making room by writing objects to files, and bringing them back.
#
# The transactions run with the GIL, as all do; the files are written and read without it, piece by
# piece, and between two pieces this process looks around (signals, the end of the session).

cdef enum:
    SPILL_ITEMS = 4096           # objects that go into one file at most
cdef int64_t PATIENCE_NS = 1_000_000_000         # for others who may free what they use
cdef int64_t PATIENCE_DISK_NS = 60_000_000_000   # for others who are writing to files
cdef int64_t PAUSE_NS = 1_000_000
cdef int64_t LONGEST_PAUSE_NS = 16_000_000

cdef str spill_path = ""      # the directory, for errors
cdef str spill_problem = "no directory has been set"   # why there is none


cdef struct Patience:
    # What has been tried already to make room.
    bint collected
    bint cleaned
    int disk_error       # of the system, after files could not be written
    int64_t waited_ns
    int64_t pause_ns


def set_spill_directory(fd: int, path: str, problem: str = "") -> None:
    """Where objects go when the store is full: an open directory; -1 and the problem: nowhere."""
    global spill_path, spill_problem
    context.spill_fd = fd
    spill_path, spill_problem = path, problem


def clean_spill_files() -> str:
    """Delete files that nobody needs any more; what went wrong, or ""."""
    cdef int error = 0
    if pr_store_root(&context).dead_files == PR_NONE:
        return ""
    status = pr_spill_clean(&context, &error)
    return os.strerror(error) if status == PR_DISK else ""


# ---- making room ---------------------------------------------------------------------------------

cdef bint pause(Patience *patience, int64_t limit_ns) except -1:
    """A short sleep, so that others can go on. False: patience is over."""
    global in_core
    cdef uint64_t session = session_nonce
    if patience.waited_ns >= limit_ns:
        return False
    patience.pause_ns = min(max(2 * patience.pause_ns, PAUSE_NS), LONGEST_PAUSE_NS)
    patience.waited_ns += patience.pause_ns
    in_core += 1
    with nogil:
        pr_os_sleep_ns(patience.pause_ns)
    in_core -= 1
    require_session(session)
    look_around()
    return True


cdef bint others_work() except -1:
    """Whether another process runs a task or writes a value, and may give memory back soon."""
    cdef pr_holder holder
    cdef pr_index slot = 0
    for slot in range(1, context.header.pools[PR_POOL_SLOT].high_water):
        if slot != context.slot and pr_holder_of(&context, slot, &holder) == PR_OK:
            if holder.is_busy or holder.claimed_bytes:
                return True
    return False


cdef bint make_room(uint64_t need, Patience *patience, bint waits) except -1:
    """Does something for a free run of `need` bytes; try again then. False: all has been tried."""
    cdef pr_store_stats_t stats
    cdef uint64_t free
    status = pr_store_stats(&context, &stats)
    if status != PR_OK:
        raise_status(status, "statistics")
    if need > stats.capacity_bytes:
        return False
    free = stats.capacity_bytes - stats.used_bytes
    if stats.spilling_bytes and free + stats.spilling_bytes >= need:
        if pause(patience, PATIENCE_DISK_NS):
            return True
    if context.spill_fd >= 0 and not patience.disk_error:
        if need + stats.pinned_bytes <= stats.capacity_bytes and spill(need, patience):
            return True
    if not patience.collected:
        patience.collected = True
        patience.waited_ns = patience.pause_ns = 0
        gc.collect()   # cycles may hold references and views
        return True
    return waits and others_work() and pause(patience, PATIENCE_NS)


cdef bint spill(uint64_t need, Patience *patience) except -1:
    """Writes objects to a file until a run of that size is free. False: there is nothing to write,
    or it could not be written."""
    cdef pr_spill job
    cdef pr_status status
    memset(&job, 0, sizeof(job))
    job.need_bytes, job.room = need, SPILL_ITEMS
    job.items = <pr_spill_item *>PyMem_Malloc(SPILL_ITEMS * sizeof(pr_spill_item))
    if job.items == NULL:
        raise MemoryError()
    try:
        status = pr_spill_choose(&context, &job)
        if status != PR_OK:
            return False   # nothing, or no room in a table
        status = write_spilled(&job)
    finally:
        PyMem_Free(job.items)
    if status == PR_OK:
        return True
    if not patience.cleaned:   # what nobody needs may be what fills the disk
        patience.cleaned = True
        if pr_spill_drop_copies(&context) == PR_CORRUPT:
            return False
        clean_spill_files()
        return True
    patience.disk_error = job.error or EIO
    return False


cdef pr_status write_spilled(pr_spill *job) except *:
    """Writes what has been chosen, and ends that; gives all claims back when it fails."""
    global in_core
    cdef uint64_t session = session_nonce
    cdef pr_status status = PR_PENDING
    cdef bint ended = False
    try:
        while status == PR_PENDING:
            in_core += 1
            with nogil:
                status = pr_spill_write(&context, job)
            in_core -= 1
            require_session(session)
            if status == PR_PENDING:
                look_around()
        if status == PR_OK:
            status = pr_spill_end(&context, job)
            ended = status == PR_OK
        return status
    finally:
        pr_spill_close(job)
        if not ended and is_same_session(session):
            if pr_spill_abort(&context, job) != PR_OK:
                status = PR_CORRUPT


cdef int raise_full(uint64_t requested, const Patience *patience) except -1:
    cdef pr_store_stats_t stats
    if pr_store_stats(&context, &stats) != PR_OK:
        memset(&stats, 0, sizeof(stats))
    holders, claimed = describe_holders()
    free = stats.capacity_bytes - stats.used_bytes
    spillable = max(0, stats.used_bytes - stats.pinned_bytes - claimed)
    text = (
        f"The object store has no room for an object of {requested:,} bytes. "
        f"Capacity {stats.capacity_bytes:,}, used {stats.used_bytes:,}, "
        f"free {free:,} "
        f"(largest free run {stats.largest_free_bytes:,}), "
        f"in use by views {stats.pinned_bytes:,} bytes{holders}; "
        f"could go to files {spillable:,}, in files {stats.spilled_bytes:,}."
    )
    if patience.disk_error and requested <= free + spillable:
        reason = os.strerror(patience.disk_error)
        raise exceptions.OutOfDiskError(
            f"{text} Writing to {spill_path} failed: {reason} (errno {patience.disk_error})."
        )
    if requested > stats.capacity_bytes:
        text += " It is larger than the whole store: give ray.init a larger object_store_memory."
    elif context.spill_fd < 0:
        text += f" Nothing goes to files: {spill_problem}."
    raise exceptions.ObjectStoreFullError(text)


cdef describe_holders():
    """Who has views or writes values, with sizes, largest first, as text; the bytes written to."""
    cdef pr_holder holder
    cdef pr_index slot
    cdef uint64_t claimed = 0
    found = []
    for slot in range(1, context.header.pools[PR_POOL_SLOT].high_water):
        if pr_holder_of(&context, slot, &holder) != PR_OK:
            continue
        claimed += holder.claimed_bytes
        if holder.pinned_bytes + holder.claimed_bytes == 0:
            continue
        if holder.kind == PR_SLOT_DRIVER:
            who = "driver"
        else:
            who = holder.name[:strlen(holder.name)].decode("utf-8", "replace")
            who = who or ("an actor" if holder.has_actor else "a worker")
        parts = [f"{holder.pinned_bytes:,}"] if holder.pinned_bytes else []
        if holder.claimed_bytes:
            parts.append(f"{holder.claimed_bytes:,} being written")
        size = holder.pinned_bytes + holder.claimed_bytes
        found.append((size, f"{who}, pid {holder.process_id}: {' and '.join(parts)}"))
    found.sort(reverse=True)
    names = [text for _, text in found[:5]]
    if len(found) > 5:
        names.append(f"{len(found) - 5} others")
    return f" ({'; '.join(names)})" if names else "", claimed


# ---- bringing back -------------------------------------------------------------------------------

cdef enum Found:
    IN_HEAP    # it was there already
    RESTORED   # it is there now, and pinned
    NO_ROOM    # read it into private memory instead


cdef fetch_spilled(pr_ref ref, pr_status *status, bint *is_error):
    """`fetch` of a value whose bytes are, or were a moment ago, in a file."""
    cdef pr_fetched fetched
    cdef pr_restore restore
    cdef pr_bool pinned = 0
    cdef Found found
    while True:
        found = bring_back(ref)
        if found == NO_ROOM:
            owner = read_privately(ref, &restore)
            if owner is None:
                continue   # somebody else has brought it back
            status[0] = PR_OK
            is_error[0] = (restore.flags & PR_FLAG_ERROR) != 0
            if is_error[0]:
                pr_mark_read(&context, ref)
            return value_of(restore.kind, owner, is_error[0])
        status[0] = pr_get(&context, ref, PIN_FROM_BYTES if found == RESTORED else 1,
                           &fetched, &pinned)
        if status[0] == PR_OK:
            owner = new_view(ref, fetched.bytes, fetched.size_bytes) if pinned else (
                PyBytes_FromStringAndSize(<const char *>fetched.bytes, fetched.size_bytes))
        if found == RESTORED:
            pr_unpin(&context, ref)
        if status[0] == PR_SPILLED_OUT:
            continue
        if status[0] != PR_OK:
            return None
        is_error[0] = (fetched.flags & PR_FLAG_ERROR) != 0
        if is_error[0]:
            pr_mark_read(&context, ref)
        return value_of(fetched.kind, owner, is_error[0])


cdef Found bring_back(pr_ref ref) except *:
    """Has the bytes of an object in the heap, if there is room or room can be made."""
    cdef pr_restore restore
    cdef Patience patience
    cdef pr_status status
    memset(&patience, 0, sizeof(patience))
    while True:
        status = pr_restore_begin(&context, ref, &restore)
        if status == PR_OK:
            status = read_file(&restore, NULL, True)
            if status != PR_OK and is_short_of_files(&restore) and pause(&patience, PATIENCE_NS):
                continue
            if status != PR_OK:
                raise_unreadable(&restore)
            return RESTORED
        if status == PR_STATE:
            return IN_HEAP
        if status == PR_PENDING:   # another process is about it
            if not pause(&patience, PATIENCE_NS):
                return NO_ROOM
        elif status == PR_FULL:
            if not make_room(restore.size_bytes, &patience, False):
                return NO_ROOM
        else:
            raise_status(status, "cannot bring an object back from its file")


cdef pr_status read_file(pr_restore *restore, uint8_t *target, bint claimed) except *:
    """Reads all; with `claimed`, also ends the restore, well or not."""
    global in_core
    cdef uint64_t session = session_nonce
    cdef pr_status status = PR_PENDING, ended
    try:
        while status == PR_PENDING:
            in_core += 1
            with nogil:
                status = pr_restore_read(&context, restore, target)
            in_core -= 1
            require_session(session)
            if status == PR_PENDING:
                look_around()
    except BaseException:
        status = PR_INTERRUPTED
        raise
    finally:
        pr_restore_close(restore)
        if claimed and is_same_session(session):
            ended = pr_restore_end(&context, restore, status == PR_OK)
            if ended != PR_OK:
                status = ended
    return status


cdef read_privately(pr_ref ref, pr_restore *restore):
    """The bytes of an object in memory of this process; None: it is in the heap after all."""
    cdef pr_status status
    cdef uint64_t number
    status = pr_restore_locate(&context, ref, restore)
    if status == PR_STATE:
        return None
    if status != PR_OK:
        raise_status(status, "cannot find an object's file")
    owner = PyBytes_FromStringAndSize(NULL, restore.size_bytes)
    status = read_file(restore, <uint8_t *>PyBytes_AS_STRING(owner), False)
    if status == PR_OK:
        return owner
    number = restore.number
    error = restore.error
    if pr_restore_locate(&context, ref, restore) == PR_STATE or restore.number != number:
        return None   # its file was deleted because somebody has brought it back
    restore.error = error
    raise_unreadable(restore)


cdef bint is_short_of_files(const pr_restore *restore) noexcept:
    return restore.error == EMFILE or restore.error == ENFILE


cdef int raise_unreadable(const pr_restore *restore) except -1:
    where = f"{spill_path}/{restore.number}.spill"
    if is_short_of_files(restore):   # nothing is lost
        raise OSError(
            restore.error,
            f"{os.strerror(restore.error)}, so that object {wrap_hex(restore.ref)} cannot be read "
            "back from its file. It is not lost: close files or raise the limit (ulimit -n), and "
            "ask again",
            where,
        )
    if restore.error:
        why = f"reading it back from {where} failed: {os.strerror(restore.error)}"
    else:
        why = f"its file {where} is damaged: other bytes were written to it than are there now"
    raise exceptions.ObjectLostError(
        wrap_hex(restore.ref), reason=f"The store was full, and {why}."
    )


cdef str wrap_hex(pr_ref ref):
    """The hexadecimal name of a reference that is held elsewhere."""
    return load_ref(ref.index, ref.generation).hex()
