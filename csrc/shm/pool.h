/* Pools: fixed-size entries by index, a LIFO free list through the first word of each free entry,
 * growth in steps. All functions run inside a transaction, except pr_pool_grow. */
#ifndef PYRAY_SHM_POOL_H
#define PYRAY_SHM_POOL_H

#include "shm/tx.h"

#define PR_POOL_STEP_BYTES (1u << 20)

static inline const void *pr_entry(const struct pr_context *ctx, uint32_t pool, pr_index index)
{
    const struct pr_pool *p = &ctx->header->pools[pool];
    return pr_at(ctx, p->offset + (uint64_t)index * p->entry_size);
}

/* An index that came from outside (a user's reference), or from tables that may be damaged: is
 * there such an entry at all? */
static inline bool pr_pool_has(const struct pr_context *ctx, uint32_t pool, pr_index index)
{
    const struct pr_pool *p = &ctx->header->pools[pool];
    return index != PR_NONE && index < p->high_water && index < p->capacity;
}

/* Takes a free entry. Its contents are those of its last use: the caller sets every field. PR_GROW
 * when the committed entries are used up. */
PR_MUST_CHECK enum pr_status pr_pool_take(struct pr_context *ctx, uint32_t pool, pr_index *index);

void pr_pool_give(struct pr_context *ctx, uint32_t pool, pr_index index);

/* Outside any transaction, after a pr_pool_take answered PR_GROW: commits another step of pages
 * unless somebody has done so since. PR_TABLE_FULL at capacity, PR_NO_MEMORY. */
PR_MUST_CHECK enum pr_status pr_pool_grow(struct pr_context *ctx, uint32_t pool);

/* Number of entries on the free list, or UINT32_MAX if the list is damaged. For audits. */
uint32_t pr_pool_count_free(const struct pr_context *ctx, uint32_t pool);

#endif
