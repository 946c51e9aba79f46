#include "engine/events.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            *what = #condition;                                                                    \
            return PR_CORRUPT;                                                                     \
        }                                                                                          \
    } while (0)

static enum pr_status walk_ring(const struct pr_context *ctx, uint32_t pool, uint64_t head,
                                const char **what)
{
    const struct pr_pool *p = &ctx->header->pools[pool];
    CHECK(p->used == 0 && p->high_water == 1);
    for (pr_index i = 1; i < p->committed; i++) {
        uint64_t number = *(const uint64_t *)pr_entry(ctx, pool, i);
        CHECK(number == 0 || pr_ring_place(ctx, pool, number) == i);
        CHECK(number <= head + pr_ring_room(ctx, pool));
    }
    return PR_OK;
}

static enum pr_status walk_labels(const struct pr_context *ctx, const char **what)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    const struct pr_pool *p = &ctx->header->pools[PR_POOL_LABEL];
    uint32_t labels = 0;
    for (uint32_t i = 0; i < PR_LABEL_BUCKETS; i++)
        for (pr_index l = root->label_buckets[i]; l != PR_NONE; l = pr_label_at(ctx, l)->link) {
            CHECK(l < p->high_water && pr_label_at(ctx, l)->kind != 0);
            CHECK(++labels <= p->used);
        }
    CHECK(labels == p->used);
    return PR_OK;
}

enum pr_status pr_events_audit(const struct pr_context *ctx, const char **what)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    PR_TRY(walk_ring(ctx, PR_POOL_EVENT, root->event_head, what));
    PR_TRY(walk_ring(ctx, PR_POOL_TEXT, root->text_head, what));
    PR_TRY(walk_ring(ctx, PR_POOL_ENDED, root->ended_head, what));
    PR_TRY(walk_ring(ctx, PR_POOL_SPAN, root->span_head, what));
    return walk_labels(ctx, what);
}
