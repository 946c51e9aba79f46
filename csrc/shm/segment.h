/* The session's two memfds and this process's view of them.
 *
 * The control memfd is mapped twice: read-only, through which all code reads (const pointers), and
 * writable at another address that only shm/tx.h, shm/latch.c and segment creation use. A forgotten
 * plain store into the tables is a compile error or a SIGSEGV, never a silent unlogged write.
 *
 * Layout of control:
 *   0        struct pr_header        magic, sizes, lock, transaction words, pool descriptors
 *   4 KiB    roots of the upper levels (store/, engine/), PR_ROOT_SIZE bytes each
 *   16 KiB   undo log
 *   then     the pools, each reserved at its full capacity and committed in steps
 *
 * A process that dies in here leaves nothing behind: mappings and descriptors are the kernel's to
 * free.
 */
#ifndef PYRAY_SHM_SEGMENT_H
#define PYRAY_SHM_SEGMENT_H

#include <stdbool.h>

#include "base/failpoint.h"
#include "base/status.h"
#include "os/os.h"
#include "os/quick_clock.h"

#define PR_MAGIC 0x7961727970a50001ull
#define PR_LAYOUT_VERSION 1u
#define PR_POOL_MAX 28
#define PR_UNDO_CAPACITY 16384u
#define PR_ROOT_OFFSET 4096u
#define PR_ROOT_SIZE 6144u
#define PR_UNDO_OFFSET 16384u
#define PR_WAKE_MAX 64u

struct pr_undo {
    uint32_t offset;
    uint32_t width; /* 4 or 8 */
    uint64_t old;
};

/* Fixed-size entries; index 0 is never used. Free entries are linked through their first word. A
 * follower has as many committed entries as the pool before it, and no count or list of its own:
 * entry i says more about that pool's entry i (notes, written with plain stores). */
struct pr_pool {
    uint64_t offset;
    uint32_t entry_size;
    uint32_t capacity;  /* reserved address space, in entries */
    uint32_t committed; /* entries whose pages exist */
    uint32_t high_water;
    uint32_t free_head;
    uint32_t used;
    uint32_t follower; /* pool that grows with this one, or 0 */
    uint32_t is_plain; /* its entries are written with plain stores: notes, and rings */
};

struct pr_pool_plan {
    uint32_t entry_size;
    uint32_t capacity;
    uint32_t initial;
    uint32_t follower;
    uint32_t is_plain;
};

struct pr_header {
    uint64_t magic;
    uint32_t layout_version;
    uint32_t mutex_abi;
    uint64_t nonce; /* names the session: a reference of another session is refused */
    uint64_t control_size;
    uint64_t heap_size;
    uint32_t undo_capacity;
    uint32_t pool_count;
    _Alignas(PR_CACHE_LINE) uint8_t mutex[PR_OS_MUTEX_SIZE];
    _Alignas(PR_CACHE_LINE) uint32_t undo_count; /* > 0 while a transaction is open */
    uint32_t recoveries;                         /* transactions rolled back after a death */
    _Alignas(PR_CACHE_LINE) struct pr_pool pools[PR_POOL_MAX];
};
_Static_assert(sizeof(struct pr_header) <= PR_ROOT_OFFSET, "the header must fit its page");

/* One process's view of a session. Everything here is private to the process. `wakes` and the flags
 * beside it belong to the open transaction and are guarded by the session's lock. */
struct pr_context {
    const struct pr_header *header; /* read-only mapping */
    uint8_t *writable;              /* the alias; see above for who may use it */
    const struct pr_undo *undo;
    uint8_t *heap_writable;
    const uint8_t *heap;
    uint8_t *heap_granules; /* what this process has touched; see shm/heap_copy.c */
    struct pr_local *local; /* this process's references; see store/store.h */
    uint64_t control_size;  /* what is mapped, whatever the header says */
    uint64_t heap_size;
    int control_fd;
    int heap_fd;
    int doorbell_fd; /* eventfd that wakes the supervisor, or -1 */
    int spill_fd;    /* the session's directory of spilled objects, or -1; not closed with it */
    pr_index slot;
    uint32_t slot_generation;
    uint32_t process_id;
    uint32_t job;       /* of its slot: tasks and objects that it makes belong to this one */
    uint32_t call_site; /* noted beside objects made from now on; see engine/labels.h */
    uint32_t submitted; /* tasks by this process, modulo 2^32 */
    uint64_t turn_ns;   /* since when others have waited for this worker's turn to end; sched.c */
    struct pr_failpoints *failpoints;           /* NULL: none armed */
    void (*run_chores)(struct pr_context *ctx); /* left-over work; set by the engine */

    pr_index grow_pool;      /* which pool PR_GROW speaks of */
    uint32_t grow_committed; /* and how large it was then */
    struct pr_quick_clock clock;
    uint64_t now_ns; /* of the open transaction, once somebody has asked; see pr_tx_now */
    uint32_t wake_count;
    bool wake_all;
    bool ring_doorbell;
    bool chores_left; /* seen under the lock at commit */
    pr_index wakes[PR_WAKE_MAX];

#ifdef PR_CRASH_INJECTION
    void (*at_store)(void *argument, int step); /* called around every logged store */
    void (*at_begin)(void *argument);           /* called when a transaction has the lock */
    void (*at_step)(void *argument); /* called before the lock is taken, and before wakes */
    void *injection_argument;
    uint64_t turns;   /* instead of a clock, for sched.c */
    uint32_t tx_long; /* instead of PR_TX_LONG, so that tests meet left-over work */
    bool keep_files;  /* deletes no files, so that an earlier state can be put back */
#endif
};

/* Makes both memfds and maps them. `plans` has one entry per pool. The caller owns the descriptors,
 * which live in the context until pr_segment_detach. */
PR_MUST_CHECK enum pr_status pr_segment_create(struct pr_context *ctx,
                                               const struct pr_pool_plan *plans,
                                               uint32_t pool_count, uint64_t heap_size);

/* Maps the segment behind two inherited or received descriptors after checking every size in its
 * header. */
PR_MUST_CHECK enum pr_status pr_segment_attach(struct pr_context *ctx,
                                               const struct pr_pool_plan *plans,
                                               uint32_t pool_count, int control_fd, int heap_fd);

/* Unmaps and closes everything; with `keep_heap` the read-only mapping of the heap stays, and is
 * the caller's. */
void pr_segment_detach(struct pr_context *ctx, bool keep_heap);

static inline const void *pr_at(const struct pr_context *ctx, uint64_t offset)
{
    return (const uint8_t *)ctx->header + offset;
}

static inline void *pr_writable_at(const struct pr_context *ctx, const void *address)
{
    return ctx->writable + ((const uint8_t *)address - (const uint8_t *)ctx->header);
}

static inline const void *pr_root(const struct pr_context *ctx, uint32_t which)
{
    return pr_at(ctx, PR_ROOT_OFFSET + (uint64_t)which * PR_ROOT_SIZE);
}

void pr_failpoint_hit(struct pr_context *ctx, enum pr_failpoint point);
/* The error number that a test wants a system call to fail with here, or 0. */
int pr_failpoint_error(struct pr_context *ctx, enum pr_failpoint point);

#define PR_FAILPOINT(ctx, name)                                                                    \
    do {                                                                                           \
        if (PR_UNLIKELY((ctx)->failpoints != NULL)) pr_failpoint_hit(ctx, PR_FP_##name);           \
    } while (0)

#endif
