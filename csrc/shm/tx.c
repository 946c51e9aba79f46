#include "shm/tx.h"

#include <string.h>

#include "shm/latch.h"
#include "shm/pool.h"

static struct pr_header *writable_header(struct pr_context *ctx)
{
    return (struct pr_header *)ctx->writable;
}

void pr_tx_undo(struct pr_context *ctx)
{
    struct pr_header *header = writable_header(ctx);
    uint32_t count = pr_load_acquire(&header->undo_count); /* pairs with pr_tx_record */
    PR_ASSERT(count <= PR_UNDO_CAPACITY);
    while (count > 0) {
        const struct pr_undo *record = &ctx->undo[count - 1];
        uint8_t *target = ctx->writable + record->offset;
        if (record->width == 4)
            pr_store_relaxed((uint32_t *)target, (uint32_t)record->old);
        else
            pr_store64_relaxed((uint64_t *)target, record->old);
        pr_compiler_barrier(); /* restore first, then uncount: dying between repeats the restore */
        PR_INJECT(ctx, 3);
        pr_store_release(&header->undo_count, --count);
        PR_INJECT(ctx, 4);
    }
}

static void reset_intentions(struct pr_context *ctx)
{
    ctx->now_ns = 0;
    ctx->wake_count = 0;
    ctx->wake_all = false;
    ctx->ring_doorbell = false;
    ctx->chores_left = false;
}

enum pr_status pr_tx_begin(struct pr_context *ctx)
{
    PR_INJECT_STEP(ctx);
    enum pr_status status = pr_os_mutex_lock(writable_header(ctx)->mutex);
    if (PR_UNLIKELY(status == PR_STATE)) {
        pr_tx_undo(ctx);
        writable_header(ctx)->recoveries++;
        pr_os_mutex_repaired(writable_header(ctx)->mutex);
    } else if (PR_UNLIKELY(status != PR_OK)) {
        return status;
    }
    reset_intentions(ctx);
#ifdef PR_CRASH_INJECTION
    if (ctx->at_begin != NULL) ctx->at_begin(ctx->injection_argument);
#endif
    return PR_OK;
}

void pr_tx_rollback(struct pr_context *ctx)
{
    pr_tx_undo(ctx);
    reset_intentions(ctx);
    pr_os_mutex_unlock(writable_header(ctx)->mutex);
}

void pr_tx_commit(struct pr_context *ctx)
{
    pr_index wakes[PR_WAKE_MAX];
    uint32_t wake_count = ctx->wake_count;
    bool wake_all = ctx->wake_all, ring = ctx->ring_doorbell;
    memcpy(wakes, ctx->wakes, wake_count * sizeof *wakes);
    pr_compiler_barrier();
    pr_store_release(&writable_header(ctx)->undo_count, 0); /* the commit */
    pr_compiler_barrier();
    pr_os_mutex_unlock(writable_header(ctx)->mutex);
    if (wake_count > 0 || wake_all || ring) {
        PR_INJECT_STEP(ctx);
        PR_FAILPOINT(ctx, COMMIT_BEFORE_WAKE);
    }
    for (uint32_t i = 0; i < wake_count; i++) pr_latch_wake(ctx, wakes[i]);
    if (wake_all) pr_latch_wake_all(ctx);
    if (ring) pr_os_ring(ctx->doorbell_fd);
}

void pr_tx_wake(struct pr_context *ctx, pr_index latch)
{
    for (uint32_t i = 0; i < ctx->wake_count; i++)
        if (ctx->wakes[i] == latch) return;
    if (ctx->wake_count < PR_WAKE_MAX)
        ctx->wakes[ctx->wake_count++] = latch;
    else
        ctx->wake_all = true;
}

enum pr_status pr_transact(struct pr_context *ctx, pr_operation operation, void *argument)
{
    for (;;) {
        PR_TRY(pr_tx_begin(ctx));
        enum pr_status status = operation(ctx, argument);
        if (PR_LIKELY(status == PR_OK || status == PR_EMPTY)) {
            pr_tx_commit(ctx);
            return status;
        }
        pr_index pool = ctx->grow_pool;
        pr_tx_rollback(ctx);
        if (status != PR_GROW) return status;
        PR_TRY(pr_pool_grow(ctx, pool));
    }
}

void pr_tx_copy(struct pr_context *ctx, const void *target, const void *source, uint32_t size_bytes)
{
    const uint8_t *from = source;
    const uint64_t *to = target;
    PR_ASSERT((uintptr_t)target % 8 == 0);
    for (; size_bytes >= 8; size_bytes -= 8, from += 8, to++) {
        uint64_t word;
        memcpy(&word, from, 8);
        TX_SET(ctx, *to, word);
    }
    if (size_bytes > 0) {
        uint64_t word = 0;
        memcpy(&word, from, size_bytes);
        TX_SET(ctx, *to, word);
    }
}
