#include "shm/pool.h"

static const uint32_t *first_word(const struct pr_context *ctx, uint32_t pool, pr_index index)
{
    return pr_entry(ctx, pool, index);
}

enum pr_status pr_pool_take(struct pr_context *ctx, uint32_t which, pr_index *index)
{
    const struct pr_pool *pool = &ctx->header->pools[which];
    if (PR_LIKELY(pool->free_head != PR_NONE)) {
        *index = pool->free_head;
        TX_SET(ctx, pool->free_head, *first_word(ctx, which, *index));
    } else if (pool->high_water < pool->committed) {
        *index = pool->high_water;
        TX_SET(ctx, pool->high_water, pool->high_water + 1);
    } else {
        ctx->grow_pool = which;
        ctx->grow_committed = pool->committed;
        return PR_GROW;
    }
    TX_ADD(ctx, pool->used, 1);
    return PR_OK;
}

void pr_pool_give(struct pr_context *ctx, uint32_t which, pr_index index)
{
    const struct pr_pool *pool = &ctx->header->pools[which];
    PR_ASSERT(index != PR_NONE && index < pool->high_water);
    PR_ASSERT(pool->used > 0);
    TX_SET(ctx, *first_word(ctx, which, index), pool->free_head);
    TX_SET(ctx, pool->free_head, index);
    TX_SET(ctx, pool->used, pool->used - 1);
}

struct growth {
    uint32_t pool;
    uint32_t committed;
};

static enum pr_status raise_committed(struct pr_context *ctx, void *argument)
{
    const struct growth *growth = argument;
    const struct pr_pool *pool = &ctx->header->pools[growth->pool];
    if (pool->committed < growth->committed) TX_SET(ctx, pool->committed, growth->committed);
    return PR_OK;
}

/* Before its leader's step is committed: who has an entry of the leader can write the note. */
static enum pr_status reserve_follower(struct pr_context *ctx, const struct pr_pool *leader,
                                       uint32_t from, uint32_t to)
{
    const struct pr_pool *f = &ctx->header->pools[leader->follower];
    return pr_os_reserve(ctx->control_fd, f->offset + (uint64_t)from * f->entry_size,
                         (uint64_t)(to - from) * f->entry_size);
}

enum pr_status pr_pool_grow(struct pr_context *ctx, uint32_t which)
{
    const struct pr_pool *pool = &ctx->header->pools[which];
    uint32_t committed =
        pr_load_relaxed(&pool->committed); /* stale at worst: then the step exists already */
    if (committed > ctx->grow_committed) return PR_OK; /* another process has grown it meanwhile */
    if (committed >= pool->capacity) return PR_TABLE_FULL;
    uint64_t step = PR_MAX(1u, PR_POOL_STEP_BYTES / pool->entry_size);
    struct growth growth = {which, (uint32_t)PR_MIN(committed + step, pool->capacity)};
    uint64_t from = pool->offset + (uint64_t)committed * pool->entry_size;
    uint64_t to = pool->offset + (uint64_t)growth.committed * pool->entry_size;
    PR_TRY(pr_os_reserve(ctx->control_fd, from, to - from));
    if (pool->follower != 0) PR_TRY(reserve_follower(ctx, pool, committed, growth.committed));
    return pr_transact(ctx, raise_committed, &growth);
}

uint32_t pr_pool_count_free(const struct pr_context *ctx, uint32_t which)
{
    const struct pr_pool *pool = &ctx->header->pools[which];
    uint32_t count = 0;
    for (pr_index i = pool->free_head; i != PR_NONE; i = *first_word(ctx, which, i))
        if (i >= pool->high_water || ++count >= pool->high_water) return UINT32_MAX;
    return count;
}
