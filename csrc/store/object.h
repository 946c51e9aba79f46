/* The object table, and who holds what.
 *
 * object   FREE -> CREATING[claimed by a slot] -> SEALED          a put
 *          FREE -> PENDING -> (CREATING[claimed] ->) SEALED       a task's result
 *          no references and no pins left -> FREEING (children and waiters dropped in bounded
 *          steps) -> FREE
 *
 * A sealed object never changes. Values of up to PR_INLINE_BYTES live in the entry; larger ones in
 * a heap block, or, when the heap was full, in a file (`residence`; store/spill.h).
 *
 * `refs` is the number of holders: HELD edges with PR_HELD_REF, CONTAINED, ARGUMENT and QUEUED
 * edges, and the holders that need no edge because they name the object in a field of their own
 * entry (a task its function, arguments and results; an actor its creation result).
 * `pins` counts HELD edges with PR_HELD_PIN. refs == 0 and pins > 0: nobody can find the object any
 * more, its bytes stay until the last view of them is gone.
 *
 * Death: a slot's CREATING objects hang on its `creating` list, its references on `held`:
 * engine/repair.c.
 */
#ifndef PYRAY_STORE_OBJECT_H
#define PYRAY_STORE_OBJECT_H

#include "shm/heap.h"

#define PR_POOL_OBJECT 2u
#define PR_POOL_EDGE 3u
#define PR_POOL_BIRTH 15u /* follows PR_POOL_OBJECT */
#define PR_INLINE_BYTES 56u
#define PR_STEP_EDGES 32u /* edges handled in one transaction; more become a chore */

enum pr_object_state {
    PR_OBJECT_FREE,
    PR_OBJECT_PENDING,
    PR_OBJECT_CREATING,
    PR_OBJECT_SEALED,
    PR_OBJECT_FREEING,
};

enum pr_object_flag {
    PR_FLAG_ERROR = 1, /* the value is an exception: get raises it */
    PR_FLAG_ON_CHORES = 2,
    PR_FLAG_HOOK = 4,   /* the engine must be asked before the entry is freed (an actor's handle) */
    PR_FLAG_RESULT = 8, /* some task's result: an aborted CREATING goes back to PENDING */
    PR_FLAG_CODE = 16,  /* workers that know it forget it with its last reference: they are woken */
    PR_FLAG_USED = 32,  /* read since spilling last came along: spared once */
    PR_FLAG_READ = 64,  /* an error that somebody has fetched */
    PR_FLAG_COPIED = 128, /* in the heap, and still in a file: `value` has the extent */
    PR_FLAG_FREED = 256,  /* its value was given up: reading it is PR_FREED */
};

/* Where the bytes of a sealed value are; independent of whether it is ready. */
enum pr_residence {
    PR_IN_PLACE,  /* in the entry or in the heap */
    PR_SPILLING,  /* in the heap, and being written to a file: claimed by that file */
    PR_SPILLED,   /* in a file only */
    PR_RESTORING, /* in a file, and being read into its new block: claimed by a slot, and pinned */
};

struct pr_object {
    uint32_t link; /* free list, or the list of chores */
    uint32_t generation;
    uint32_t state;
    uint32_t flags;
    uint32_t kind; /* how the bytes are to be read: bindings/codec.pxi */
    uint32_t refs;
    uint32_t pins;
    uint32_t block;    /* heap block, or none: the value is inline */
    uint32_t waiters;  /* edges to resolve when sealed: watches, and arguments tasks wait for */
    uint32_t children; /* CONTAINED edges of this object */
    uint32_t producer; /* task that will seal it; for a hooked object the engine's own index */
    uint32_t claim;    /* slot, while CREATING or RESTORING; file, while SPILLING */
    uint32_t claim_next;
    uint32_t claim_previous;
    uint32_t next_result; /* results of one task form a list */
    uint32_t residence;
    uint64_t size_bytes;
    uint8_t value[PR_INLINE_BYTES];
};
_Static_assert(sizeof(struct pr_object) == 128, "two cache lines");

/* What `value` holds while the bytes are in a file, be they in the heap as well (COPIED). */
struct pr_extent {
    uint32_t file;
    uint32_t reserved;
    uint64_t offset_bytes;
    uint64_t checksum; /* base/checksum.h */
};
_Static_assert(sizeof(struct pr_extent) <= PR_INLINE_BYTES, "it takes an inline value's place");

/* When, where and by which job an object was made, and with which others; written with plain
 * stores. */
struct pr_birth {
    uint32_t born;       /* monotonic time >> PR_BIRTH_SHIFT */
    uint32_t site;       /* the maker's call_site */
    uint32_t job;        /* the maker's */
    struct pr_ref first; /* of the results of its task, for those that follow; or none */
};
#define PR_BIRTH_SHIFT 26u /* about 15 units a second */

enum pr_edge_kind {
    PR_EDGE_HELD = 1,  /* owner: slot */
    PR_EDGE_CONTAINED, /* owner: object */
    PR_EDGE_ARGUMENT,  /* owner: task */
    PR_EDGE_WATCH,     /* owner: latch; holds no reference */
    PR_EDGE_QUEUED,    /* owner: channel */
};
enum { PR_HELD_REF = 1, PR_HELD_PIN = 2, PR_ARGUMENT_AWAITED = 4 };

struct pr_edge {
    uint32_t link; /* next edge of the same owner, or free list */
    uint32_t previous;
    uint32_t kind;
    uint32_t flags;
    uint32_t object;
    uint32_t owner;
    uint32_t wait_next; /* the object's list of waiters */
    uint32_t wait_previous;
};

/* Root 1: the store's words first, then the engine's (engine/engine.h). */
struct pr_store_root {
    uint32_t object_chores; /* entries with left-over work, linked through their first word */
    uint32_t task_chores;
    uint32_t actor_chores;
    uint32_t pinned;          /* heap units in blocks of objects with a pin */
    uint32_t leaving;         /* heap units in blocks of objects that are SPILLING */
    uint32_t departures;      /* transactions that took blocks from live objects: see pr_get_held */
    uint32_t dead_files;      /* spill files to be deleted */
    uint32_t spilled_objects; /* SPILLED or RESTORING, with the sum of their sizes: */
    uint64_t spilled_bytes;
    uint64_t file_serial;
    uint64_t total_spilled_bytes;
    uint64_t total_restored_bytes;
};
#define PR_ENGINE_ROOT_OFFSET 64u

static inline const struct pr_store_root *pr_store_root(const struct pr_context *ctx)
{
    return pr_root(ctx, 1);
}
static inline const struct pr_object *pr_object_at(const struct pr_context *ctx, pr_index object)
{
    return pr_entry(ctx, PR_POOL_OBJECT, object);
}
static inline const struct pr_edge *pr_edge_at(const struct pr_context *ctx, pr_index edge)
{
    return pr_entry(ctx, PR_POOL_EDGE, edge);
}

/* Inside a transaction: a new object is a later result of the task whose first result that is. */
void pr_object_born_after(struct pr_context *ctx, pr_index object, pr_index first);

static inline const struct pr_birth *pr_birth_at(const struct pr_context *ctx, pr_index object)
{
    return pr_entry(ctx, PR_POOL_BIRTH, object);
}

/* Everything below runs inside a transaction. */

/* The entry that a reference names; PR_STALE when it is gone or nobody holds it any more. */
PR_MUST_CHECK enum pr_status pr_object_find(const struct pr_context *ctx, struct pr_ref ref,
                                            const struct pr_object **object);

/* A new entry with refs == 0 in `state`. */
PR_MUST_CHECK enum pr_status pr_object_new(struct pr_context *ctx, enum pr_object_state state,
                                           pr_index *object);

/* Gives an unsealed object its heap block and puts it on the claims of `slot`. */
PR_MUST_CHECK enum pr_status pr_object_claim(struct pr_context *ctx, pr_index object, pr_index slot,
                                             uint64_t size_bytes);
/* The reverse: block and children back, a result PENDING again, a put left as an empty shell for
 * its last reference. */
void pr_object_abort(struct pr_context *ctx, pr_index object);

/* Gives the block of one unsealed object to another one, which must have none: what was created
 * becomes a result. The first one stays as an empty shell. */
void pr_object_move(struct pr_context *ctx, pr_index from, pr_index to);

/* Makes the value final. With a block the bytes must be in the heap already. Does not touch
 * waiters. */
void pr_object_seal_block(struct pr_context *ctx, pr_index object, uint32_t kind, uint32_t flags);
void pr_object_seal_inline(struct pr_context *ctx, pr_index object, uint32_t kind, uint32_t flags,
                           const void *bytes, uint32_t size_bytes);

/* For a result that is the engine's own and seen by nobody else: PENDING again, so that its task
 * can run once more. False: it has a payload or children. */
bool pr_object_reopen(struct pr_context *ctx, pr_index object);

/* Gives up the value of a sealed object for good; its references, and what it contains, stay until
 * they go by themselves. A payload that somebody looks at goes with the last pin, one on its way to
 * a file with the object. False: it is not sealed, or not a value (code, an actor's handle). */
bool pr_object_free_value(struct pr_context *ctx, pr_index object);

void pr_object_ref(struct pr_context *ctx, pr_index object);
void pr_object_unref(struct pr_context *ctx, pr_index object);
void pr_object_pin(struct pr_context *ctx, pr_index object);
/* An object with its heap block, or without it; the count of pinned memory follows. */
void pr_object_give_block(struct pr_context *ctx, pr_index object, pr_index block);
void pr_object_take_block(struct pr_context *ctx, pr_index object);
/* On, or off, a list of claimed objects that begins at *head. */
void pr_object_link_claim(struct pr_context *ctx, pr_index object, const uint32_t *head,
                          pr_index claimant);
void pr_object_unlink_claim(struct pr_context *ctx, pr_index object, const uint32_t *head);
void pr_object_unpin(struct pr_context *ctx, pr_index object);
/* Remembers that this object has work left (waiters to resolve, children to drop). */
void pr_object_add_chore(struct pr_context *ctx, pr_index object);
/* One bounded step of freeing. True when the entry is gone. The caller has dealt with waiters and
 * hook. */
bool pr_object_free_step(struct pr_context *ctx, pr_index object);

/* Edges: linked at the head of their owner's list. */
PR_MUST_CHECK enum pr_status pr_edge_new(struct pr_context *ctx, const uint32_t *head,
                                         enum pr_edge_kind kind, pr_index owner, pr_index object,
                                         uint32_t flags, pr_index *edge);
void pr_edge_delete(struct pr_context *ctx, const uint32_t *head, pr_index edge);
void pr_edge_await(struct pr_context *ctx, pr_index edge); /* put on its object's list of waiters */
void pr_edge_unawait(struct pr_context *ctx, pr_index edge); /* take off that list */

/* Adds CONTAINED edges; every child must be alive. PR_STALE names nothing: the whole transaction is
 * void. */
PR_MUST_CHECK enum pr_status pr_object_contain(struct pr_context *ctx, pr_index object,
                                               const struct pr_ref *children, uint32_t count);

#endif
