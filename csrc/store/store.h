/* What a process does with objects: put, get, hold, let go.
 *
 * Local counts. Each process counts its own references and pins of an object in private memory
 * (`struct pr_local`, indexed like the object table); only the steps between zero and one touch the
 * shared tables, where one HELD edge per (process, object) says "has a reference" and "has a pin".
 * The private half dies with the process, the shared half is swept.
 *
 * Not thread-safe against itself: one thread of a process at a time calls these (the binding holds
 * the GIL), except pr_heap_write, which only touches a block that the caller has claimed.
 */
#ifndef PYRAY_STORE_STORE_H
#define PYRAY_STORE_STORE_H

#include "shm/heap_copy.h"
#include "store/object.h"
#include "store/slot.h"

struct pr_local {
    uint32_t generation;
    uint32_t edge; /* the HELD edge, or none */
    uint32_t refs;
    uint32_t pins;
    uint32_t watch; /* latch that watches it, or none */
    uint32_t mark;  /* the binding's: last call that saw it */
};

PR_MUST_CHECK enum pr_status pr_local_open(struct pr_context *ctx);
void pr_local_close(struct pr_context *ctx);

static inline struct pr_local *pr_local_of(struct pr_context *ctx, struct pr_ref ref)
{
    struct pr_local *local = &ctx->local[ref.index];
    if (local->generation != ref.generation)
        *local = (struct pr_local){.generation = ref.generation};
    return local;
}

/* Notes that somebody has fetched the error in this object. */
void pr_mark_read(struct pr_context *ctx, struct pr_ref ref);

/* Whether the object is a task's error that nobody has fetched. Looks without the lock, which is
 * good enough to report it. */
static inline bool pr_is_unread(const struct pr_context *ctx, struct pr_ref ref)
{
    const struct pr_object *o = pr_object_at(ctx, ref.index);
    const uint32_t wanted = PR_FLAG_ERROR | PR_FLAG_RESULT;
    return (pr_load_relaxed(&o->flags) & (wanted | PR_FLAG_READ)) == wanted &&
           pr_load_relaxed(&o->state) == PR_OBJECT_SEALED && o->generation == ref.generation;
}

/* The same, and this reference is the last of this process. */
static inline bool pr_is_last_unread(struct pr_context *ctx, struct pr_ref ref)
{
    return ctx->local[ref.index].refs == 1 && pr_is_unread(ctx, ref);
}

/* A value on its way into the store. */
struct pr_value {
    uint32_t kind;
    uint32_t flags;
    const void *bytes; /* inline only */
    uint64_t size_bytes;
    const struct pr_ref *children; /* references inside the value */
    uint32_t child_count;
    uint32_t in_block; /* the bytes are in the heap already (pr_put_begin or pr_result_begin) */
    uint64_t text;     /* of an error: number of a text that says what it is, or 0 */
};

/* A sealed value as a reader finds it. */
struct pr_fetched {
    uint32_t kind;
    uint32_t flags;
    uint64_t size_bytes;
    const uint8_t *bytes; /* in the heap; NULL: in `value` */
    uint32_t departures;  /* for pr_get_held */
    _Alignas(8) uint8_t value[PR_INLINE_BYTES];
};

/* Stores a value of at most PR_INLINE_BYTES in one transaction; the caller gets one local
 * reference. */
PR_MUST_CHECK enum pr_status pr_put_inline(struct pr_context *ctx, const struct pr_value *value,
                                           struct pr_ref *ref);

/* Large values: begin (claims a block at *offset), pr_heap_write, then end or abort. */
PR_MUST_CHECK enum pr_status pr_put_begin(struct pr_context *ctx, uint64_t size_bytes,
                                          struct pr_ref *ref, uint64_t *offset);
PR_MUST_CHECK enum pr_status pr_put_end(struct pr_context *ctx, struct pr_ref ref,
                                        const struct pr_value *value);
void pr_put_abort(struct pr_context *ctx, struct pr_ref ref);
/* As pr_put_end, of a value without references inside; the caller also gets a local pin. */
PR_MUST_CHECK enum pr_status pr_put_end_pinned(struct pr_context *ctx, struct pr_ref ref,
                                               const struct pr_value *value);

/* Adds children to an object that this process is creating, in bounded steps. */
PR_MUST_CHECK enum pr_status pr_add_children(struct pr_context *ctx, struct pr_ref ref,
                                             const struct pr_ref *children, uint32_t count);

/* Reads a sealed object that this process holds; PR_PENDING if it is not sealed, PR_SPILLED_OUT if
 * its bytes are in a file (store/spill.h). With pin_from_bytes > 0, values in the heap of at least
 * that size get a local pin, to be given back with pr_unpin. */
PR_MUST_CHECK enum pr_status pr_get(struct pr_context *ctx, struct pr_ref ref,
                                    uint64_t pin_from_bytes, struct pr_fetched *fetched,
                                    bool *pinned);

/* Without a pin the block can go to a file and then to another object while somebody reads it.
 * Whoever has copied the bytes out asks afterwards: true when they are those of the object. False:
 * perhaps not; get again, with a pin. */
bool pr_get_held(const struct pr_context *ctx, const struct pr_fetched *fetched);

/* Gives up the value of a sealed object: from now on pr_get answers PR_FREED, to everybody.
 * PR_STATE: it is not sealed, or is not a value. */
PR_MUST_CHECK enum pr_status pr_free_value(struct pr_context *ctx, struct pr_ref ref);

/* One more local reference each. PR_STALE if one of them is gone; then none was acquired. */
PR_MUST_CHECK enum pr_status pr_acquire(struct pr_context *ctx, const struct pr_ref *refs,
                                        uint32_t count);
void pr_release(struct pr_context *ctx, struct pr_ref ref);
void pr_unpin(struct pr_context *ctx, struct pr_ref ref);

/* Inside a transaction: takes or extends this process's HELD edge. */
PR_MUST_CHECK enum pr_status pr_hold(struct pr_context *ctx, pr_index object, uint32_t flags,
                                     pr_index *edge);

/* Does anybody but views still refer to it? */
bool pr_is_referenced(struct pr_context *ctx, struct pr_ref ref);

struct pr_store_stats {
    uint64_t capacity_bytes, used_bytes, peak_bytes, pinned_bytes, largest_free_bytes;
    uint64_t spilling_bytes, spilled_bytes, total_spilled_bytes, total_restored_bytes;
    uint32_t objects, edges, spilled_objects;
};
PR_MUST_CHECK enum pr_status pr_store_stats(struct pr_context *ctx, struct pr_store_stats *stats);

/* pr_transact, then left-over work if the transaction left any: whoever commits last clears the
 * table. If it dies in between, the next process to operate goes on (and the supervisor after every
 * death). */
PR_MUST_CHECK enum pr_status pr_operate(struct pr_context *ctx, pr_operation operation,
                                        void *argument);

#endif
