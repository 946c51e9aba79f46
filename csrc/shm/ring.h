/* Rings: the last records of a kind, for people and tools that look at a session.
 *
 * A ring is a pool of which no entry is taken or given. Record number n (from 1 on) lies at the
 * place n modulo its size and begins with n. It is written with plain stores through the writable
 * alias, then one logged store of the ring's head counts it: a rollback forgets the record, and a
 * writer that dies half way leaves one whose number is above the head. Such a place is written
 * again with the same number before it counts.
 *
 * Memory is committed as the head advances, ahead of it and outside of transactions. A record for
 * which there is none is counted and not written.
 *
 * The head is a word of a root, changed like all others. Readers copy under the lock, a bounded
 * number at a time.
 */
#ifndef PYRAY_SHM_RING_H
#define PYRAY_SHM_RING_H

#include "shm/pool.h"

#define PR_RING_STEP 256u /* records that are read in one transaction */

static inline uint32_t pr_ring_room(const struct pr_context *ctx, uint32_t pool)
{
    return ctx->header->pools[pool].capacity - 1;
}

static inline pr_index pr_ring_place(const struct pr_context *ctx, uint32_t pool, uint64_t number)
{
    return 1 + (pr_index)(number % pr_ring_room(ctx, pool));
}

/* Inside a transaction: where record `number` is to be written, its first word set; NULL: nowhere.
 * The caller counts it by storing `number` to the ring's head. */
static inline void *pr_ring_write(struct pr_context *ctx, uint32_t pool, uint64_t number)
{
    pr_index place = pr_ring_place(ctx, pool, number);
    if (PR_UNLIKELY(place >= ctx->header->pools[pool].committed)) return NULL;
    uint64_t *record = pr_writable_at(ctx, pr_entry(ctx, pool, place));
    pr_store64_relaxed(record, number);
    pr_compiler_barrier(); /* while it is written it must not look like the one before */
    return record;
}

/* Outside of transactions: commits memory for another step of records if there are less than
 * `wanted`, and if there is any. */
void pr_ring_grow(struct pr_context *ctx, uint32_t pool, uint64_t wanted);

/* The same, so that there is room for `ahead` records behind the head. */
static inline void pr_ring_make_room(struct pr_context *ctx, uint32_t pool, const uint64_t *head,
                                     uint32_t ahead)
{
    const struct pr_pool *p = &ctx->header->pools[pool];
    uint32_t committed = pr_load_relaxed(&p->committed);
    if (PR_LIKELY(committed == p->capacity)) return;
    uint64_t wanted = pr_load64_relaxed(head) + ahead + 2;
    if (PR_UNLIKELY(wanted >= committed)) pr_ring_grow(ctx, pool, wanted);
}

struct pr_ring_page {
    uint32_t pool;
    const uint64_t *head;
    uint64_t next;  /* in: the first number that is wanted; out: where the next page begins */
    void *records;  /* room for PR_RING_STEP of them */
    uint32_t count; /* out */
};

/* Copies the records that are still there from `next` on. PR_EMPTY: there are no more. */
PR_MUST_CHECK enum pr_status pr_ring_read(struct pr_context *ctx, struct pr_ring_page *page);

#endif
