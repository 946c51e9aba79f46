#include "engine/holders.h"

#include <string.h>

#define MOST_EDGES 4096u

/* What is read here for a message may be of damaged tables: each index is checked. */

struct query {
    pr_index slot;
    struct pr_holder *holder;
};

static uint64_t block_bytes(const struct pr_context *ctx, pr_index object)
{
    if (!pr_pool_has(ctx, PR_POOL_OBJECT, object)) return 0;
    const struct pr_object *o = pr_object_at(ctx, object);
    return !pr_pool_has(ctx, PR_POOL_BLOCK, o->block)
               ? 0
               : (uint64_t)pr_block_at(ctx, o->block)->size * PR_HEAP_UNIT;
}

static uint64_t pinned_bytes(const struct pr_context *ctx, const struct pr_slot *s)
{
    uint64_t bytes = 0;
    uint32_t left = MOST_EDGES;
    for (pr_index e = s->held; pr_pool_has(ctx, PR_POOL_EDGE, e) && left > 0;
         e = pr_edge_at(ctx, e)->link, left--)
        if (pr_edge_at(ctx, e)->flags & PR_HELD_PIN)
            bytes += block_bytes(ctx, pr_edge_at(ctx, e)->object);
    return bytes;
}

static uint64_t claimed_bytes(const struct pr_context *ctx, pr_index head)
{
    uint64_t bytes = 0;
    uint32_t left = MOST_EDGES;
    for (pr_index o = head; pr_pool_has(ctx, PR_POOL_OBJECT, o) && left > 0;
         o = pr_object_at(ctx, o)->claim_next, left--)
        bytes += block_bytes(ctx, o);
    return bytes;
}

static enum pr_status describe(struct pr_context *ctx, void *argument)
{
    const struct query *query = argument;
    const struct pr_slot *s = pr_slot_at(ctx, query->slot);
    struct pr_holder *holder = query->holder;
    *holder = (struct pr_holder){0};
    if (!pr_pool_has(ctx, PR_POOL_SLOT, query->slot) || s->state == PR_SLOT_EMPTY) return PR_EMPTY;
    holder->process_id = s->process_id;
    holder->kind = s->kind;
    holder->has_actor = s->actor != PR_NONE;
    holder->is_busy = s->running != PR_NONE;
    holder->pinned_bytes = pinned_bytes(ctx, s);
    holder->claimed_bytes = claimed_bytes(ctx, s->creating);
    if (pr_pool_has(ctx, PR_POOL_TASK, s->running))
        memcpy(holder->name, pr_task_at(ctx, s->running)->name, PR_NAME_BYTES);
    return PR_OK;
}

enum pr_status pr_holder_of(struct pr_context *ctx, pr_index slot, struct pr_holder *holder)
{
    struct query query = {slot, holder};
    return pr_transact(ctx, describe, &query);
}
