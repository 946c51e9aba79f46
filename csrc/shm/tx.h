/* Transactions: one robust lock, one undo log, every store into the tables a logged store.
 *
 * Protocol (checked by tests/models/undo.pml, and by test_crash.c at every single store):
 *   store    write {where, old value} behind the log's end, then count it, then store the new value
 *   commit   set the count to zero: one store decides
 *   death    the next process to take the lock is told by the kernel, walks the log backwards
 *            (restore, then uncount), and goes on; dying in there again only leaves a shorter log
 *
 * Inside a transaction: no system calls, no payload, no allocation, no Python, nothing unbounded.
 * Wake-ups are collected and delivered after the commit, for a wake cannot be undone; if the
 * process dies between commit and wake, the supervisor's broadcast after every death makes up for
 * it.
 */
#ifndef PYRAY_SHM_TX_H
#define PYRAY_SHM_TX_H

#include "base/atomic.h"
#include "base/check.h"
#include "shm/segment.h"

/* Takes the lock; rolls back what a dead owner left. PR_CORRUPT if the lock is beyond repair. */
PR_MUST_CHECK enum pr_status pr_tx_begin(struct pr_context *ctx);

/* Makes the stores final, gives the lock back, then wakes whom the transaction named. */
void pr_tx_commit(struct pr_context *ctx);

/* Takes every store back, gives the lock back, wakes nobody. */
void pr_tx_rollback(struct pr_context *ctx);

/* Undoes the open transaction's stores without giving the lock back. */
void pr_tx_undo(struct pr_context *ctx);

/* Whether this transaction has logged so much that work which can be left over (a chore) should be.
 * Loops over lists ask this, so that no combination of them makes a transaction long: those who
 * stop at PR_TX_LONG and what one of their steps may still log stay below PR_TX_BOUND, which
 * test_crash.c checks. */
#define PR_TX_LONG 1024u
#define PR_TX_BOUND 12000u
static inline bool pr_tx_is_long(const struct pr_context *ctx)
{
#ifdef PR_CRASH_INJECTION
    if (ctx->tx_long > 0) return ctx->header->undo_count >= ctx->tx_long;
#endif
    return ctx->header->undo_count >= PR_TX_LONG;
}

/* An operation is a function that runs inside a transaction. pr_transact begins, runs it, and
 * commits when it answers PR_OK or PR_EMPTY; otherwise rolls back, so that a refused operation has
 * no effect. When the operation answers PR_GROW the pool it names is grown outside the lock and the
 * operation runs again from the start: hence an operation must not change private state before it
 * is sure to succeed. */
typedef enum pr_status (*pr_operation)(struct pr_context *ctx, void *argument);
PR_MUST_CHECK enum pr_status pr_transact(struct pr_context *ctx, pr_operation operation,
                                         void *argument);

/* The time, read at most once in a transaction. */
static inline uint64_t pr_tx_now(struct pr_context *ctx)
{
    if (ctx->now_ns == 0) ctx->now_ns = pr_quick_clock_ns(&ctx->clock);
    return ctx->now_ns;
}

/* Names a latch to wake after the commit. */
void pr_tx_wake(struct pr_context *ctx, pr_index latch);

#ifdef PR_CRASH_INJECTION
#define PR_INJECT(ctx, step)                                                                       \
    do {                                                                                           \
        if ((ctx)->at_store != NULL) (ctx)->at_store((ctx)->injection_argument, step);             \
    } while (0)
#define PR_INJECT_STEP(ctx)                                                                        \
    do {                                                                                           \
        if ((ctx)->at_step != NULL) (ctx)->at_step((ctx)->injection_argument);                     \
    } while (0)
#else
#define PR_INJECT_STEP(ctx)                                                                        \
    do {                                                                                           \
    } while (0)
#define PR_INJECT(ctx, step)                                                                       \
    do {                                                                                           \
    } while (0)
#endif

static inline void pr_tx_record(struct pr_context *ctx, const void *address, uint32_t width,
                                uint64_t old)
{
    struct pr_header *header = (struct pr_header *)ctx->writable;
    uint32_t count = header->undo_count;
    PR_ASSERT(count < PR_UNDO_CAPACITY);
    struct pr_undo *record = (struct pr_undo *)(ctx->writable + PR_UNDO_OFFSET) + count;
    record->offset = (uint32_t)((const uint8_t *)address - (const uint8_t *)ctx->header);
    record->width = width;
    record->old = old;
    PR_INJECT(ctx, 0);
    pr_store_release(&header->undo_count,
                     count + 1); /* pairs with the count's reader in pr_tx_undo */
    PR_INJECT(ctx, 1);
    pr_compiler_barrier();
}

static inline void pr_tx_store32(struct pr_context *ctx, const void *address, uint32_t value)
{
    pr_tx_record(ctx, address, 4, *(const uint32_t *)address);
    pr_store_relaxed(pr_writable_at(ctx, address),
                     value); /* a few words are read outside the lock */
    PR_INJECT(ctx, 2);
}

static inline void pr_tx_store64(struct pr_context *ctx, const void *address, uint64_t value)
{
    pr_tx_record(ctx, address, 8, *(const uint64_t *)address);
    pr_store64_relaxed(pr_writable_at(ctx, address), value);
    PR_INJECT(ctx, 2);
}

/* The one way to change a field of a shared table. */
#define TX_SET(ctx, field, value)                                                                  \
    do {                                                                                           \
        _Static_assert(sizeof(field) == 4 || sizeof(field) == 8, "32 or 64 bits");                 \
        if (sizeof(field) == 4)                                                                    \
            pr_tx_store32(ctx, &(field), (uint32_t)(value));                                       \
        else                                                                                       \
            pr_tx_store64(ctx, &(field), (uint64_t)(value));                                       \
    } while (0)

#define TX_ADD(ctx, field, amount) TX_SET(ctx, field, (field) + (amount))

/* Logged copy into a table; `target` is 8-byte aligned and its room a multiple of 8. */
void pr_tx_copy(struct pr_context *ctx, const void *target, const void *source,
                uint32_t size_bytes);

#endif
