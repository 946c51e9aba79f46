#include "engine/audit_indices.h"

#include <stddef.h>

/* A field that holds an index, and the tables that it may be of: of an entry in use, and of a free
 * one, whose fields keep what they were last. */
struct field {
    uint32_t pool;
    uint32_t offset;
    uint32_t targets; /* bit by pool */
    const char *name;
};

#define BIT(pool) (1u << PR_POOL_##pool)
#define ANY UINT32_MAX /* it says elsewhere of which */
#define FIELD(pool, type, member, targets)                                                         \
    {                                                                                              \
        PR_POOL_##pool, offsetof(struct type, member), targets, #type "." #member                  \
    }

static const struct field fields[] = {
    FIELD(OBJECT, pr_object, link, BIT(OBJECT)),
    FIELD(OBJECT, pr_object, block, BIT(BLOCK)),
    FIELD(OBJECT, pr_object, waiters, BIT(EDGE)),
    FIELD(OBJECT, pr_object, children, BIT(EDGE)),
    FIELD(OBJECT, pr_object, producer, ANY),
    FIELD(OBJECT, pr_object, claim, ANY),
    FIELD(OBJECT, pr_object, claim_next, BIT(OBJECT)),
    FIELD(OBJECT, pr_object, claim_previous, BIT(OBJECT)),
    FIELD(OBJECT, pr_object, next_result, BIT(OBJECT)),
    FIELD(EDGE, pr_edge, link, BIT(EDGE)),
    FIELD(EDGE, pr_edge, previous, BIT(EDGE)),
    FIELD(EDGE, pr_edge, object, BIT(OBJECT)),
    FIELD(EDGE, pr_edge, owner, BIT(SLOT) | BIT(OBJECT) | BIT(TASK) | BIT(LATCH) | BIT(CHANNEL)),
    FIELD(EDGE, pr_edge, wait_next, BIT(EDGE)),
    FIELD(EDGE, pr_edge, wait_previous, BIT(EDGE)),
    FIELD(BLOCK, pr_block, link, BIT(BLOCK)),
    FIELD(BLOCK, pr_block, previous, BIT(BLOCK)),
    FIELD(BLOCK, pr_block, below, BIT(BLOCK)),
    FIELD(BLOCK, pr_block, above, BIT(BLOCK)),
    FIELD(BLOCK, pr_block, owner, BIT(OBJECT)),
    FIELD(FILE, pr_file, link, BIT(FILE)),
    FIELD(FILE, pr_file, previous, BIT(FILE)),
    FIELD(FILE, pr_file, claim, BIT(SLOT)),
    FIELD(FILE, pr_file, objects, BIT(OBJECT)),
    FIELD(SLOT, pr_slot, link, BIT(SLOT)),
    FIELD(SLOT, pr_slot, latch, BIT(LATCH)),
    FIELD(SLOT, pr_slot, latches, BIT(LATCH)),
    FIELD(SLOT, pr_slot, held, BIT(EDGE)),
    FIELD(SLOT, pr_slot, creating, BIT(OBJECT)),
    FIELD(SLOT, pr_slot, running, BIT(TASK)),
    FIELD(SLOT, pr_slot, submitting, BIT(TASK)),
    FIELD(SLOT, pr_slot, actor, BIT(ACTOR)),
    FIELD(SLOT, pr_slot, idle_previous, BIT(SLOT)),
    FIELD(SLOT, pr_slot, shape, BIT(CLASS)),
    FIELD(SLOT, pr_slot, environment, BIT(ENVIRONMENT)),
    FIELD(SLOT, pr_slot, holding.bundle, BIT(BUNDLE)),
    FIELD(SLOT, pr_slot, writing, BIT(FILE)),
    FIELD(SLOT, pr_slot, restoring, BIT(OBJECT)),
    FIELD(SLOT, pr_slot, streams, BIT(STREAM)),
    FIELD(LATCH, pr_latch, link, BIT(LATCH)),
    FIELD(LATCH, pr_latch, slot, BIT(SLOT)),
    FIELD(LATCH, pr_latch, watches, BIT(EDGE)),
    FIELD(TASK, pr_task, link, BIT(TASK)),
    FIELD(TASK, pr_task, previous, BIT(TASK)),
    FIELD(TASK, pr_task, function, BIT(OBJECT)),
    FIELD(TASK, pr_task, arguments, BIT(OBJECT)),
    FIELD(TASK, pr_task, edges, BIT(EDGE)),
    FIELD(TASK, pr_task, results, BIT(OBJECT)),
    FIELD(TASK, pr_task, next_result, BIT(OBJECT)),
    FIELD(TASK, pr_task, shape, BIT(CLASS)),
    FIELD(TASK, pr_task, claim, BIT(SLOT)),
    FIELD(TASK, pr_task, actor, BIT(ACTOR)),
    FIELD(TASK, pr_task, submitter, BIT(SLOT)),
    FIELD(TASK, pr_task, holding.bundle, BIT(BUNDLE)),
    FIELD(TASK, pr_task, stream, BIT(STREAM)),
    FIELD(STREAM, pr_stream, link, BIT(STREAM)),
    FIELD(STREAM, pr_stream, previous, BIT(STREAM)),
    FIELD(STREAM, pr_stream, consumer, BIT(SLOT)),
    FIELD(STREAM, pr_stream, task, BIT(TASK)),
    FIELD(STREAM, pr_stream, head, BIT(OBJECT)),
    FIELD(STREAM, pr_stream, tail, BIT(OBJECT)),
    FIELD(STREAM, pr_stream, latch, BIT(LATCH)),
    FIELD(ACTOR, pr_actor, link, BIT(ACTOR)),
    FIELD(ACTOR, pr_actor, handle, BIT(OBJECT)),
    FIELD(ACTOR, pr_actor, slot, BIT(SLOT)),
    FIELD(ACTOR, pr_actor, head, BIT(TASK)),
    FIELD(ACTOR, pr_actor, tail, BIT(TASK)),
    FIELD(ACTOR, pr_actor, lanes, BIT(LANE)),
    FIELD(ACTOR, pr_actor, creation, BIT(OBJECT)),
    FIELD(ACTOR, pr_actor, doubt_head, BIT(TASK)),
    FIELD(ACTOR, pr_actor, doubt_tail, BIT(TASK)),
    FIELD(ACTOR, pr_actor, groups, BIT(LANE)),
    FIELD(ACTOR, pr_actor, task, BIT(TASK)),
    FIELD(ACTOR, pr_actor, name, BIT(NAME)),
    FIELD(ACTOR, pr_actor, words, BIT(OBJECT)),
    FIELD(LANE, pr_lane, link, BIT(LANE)),
    FIELD(LANE, pr_lane, previous, BIT(LANE)),
    FIELD(LANE, pr_lane, actor, BIT(ACTOR)),
    FIELD(LANE, pr_lane, head, BIT(TASK)),
    FIELD(LANE, pr_lane, tail, BIT(TASK)),
    FIELD(LANE, pr_lane, doubt_head, BIT(TASK)),
    FIELD(LANE, pr_lane, doubt_tail, BIT(TASK)),
    FIELD(CLASS, pr_class, link, BIT(CLASS)),
    FIELD(CLASS, pr_class, head, BIT(TASK)),
    FIELD(CLASS, pr_class, tail, BIT(TASK)),
    FIELD(CLASS, pr_class, environment, BIT(ENVIRONMENT)),
    FIELD(CLASS, pr_class, placement, BIT(PLACEMENT)),
    FIELD(NAME, pr_name, link, BIT(NAME)),
    FIELD(NAME, pr_name, actor, BIT(ACTOR)),
    FIELD(NAME, pr_name, about, BIT(OBJECT)),
    FIELD(ENVIRONMENT, pr_environment, link, BIT(ENVIRONMENT)),
    FIELD(ENVIRONMENT, pr_environment, description, BIT(OBJECT)),
    FIELD(ENVIRONMENT, pr_environment, crew.idle_head, BIT(SLOT)),
    FIELD(ENVIRONMENT, pr_environment, crew.idle_tail, BIT(SLOT)),
    FIELD(PLACEMENT, pr_placement, link, BIT(PLACEMENT)),
    FIELD(PLACEMENT, pr_placement, previous, BIT(PLACEMENT)),
    FIELD(PLACEMENT, pr_placement, bundles, BIT(BUNDLE)),
    FIELD(BUNDLE, pr_bundle, link, BIT(BUNDLE)),
    FIELD(BUNDLE, pr_bundle, placement, BIT(PLACEMENT)),
    FIELD(GRAPH, pr_graph, link, BIT(GRAPH)),
    FIELD(GRAPH, pr_graph, previous, BIT(GRAPH)),
    FIELD(GRAPH, pr_graph, owner, BIT(SLOT)),
    FIELD(GRAPH, pr_graph, channels, BIT(CHANNEL)),
    FIELD(GRAPH, pr_graph, latch, BIT(LATCH)),
    FIELD(CHANNEL, pr_channel, link, BIT(CHANNEL)),
    FIELD(CHANNEL, pr_channel, graph, BIT(GRAPH)),
    FIELD(CHANNEL, pr_channel, reader, BIT(SLOT)),
    FIELD(CHANNEL, pr_channel, reader_next, BIT(CHANNEL)),
    FIELD(CHANNEL, pr_channel, reader_previous, BIT(CHANNEL)),
    FIELD(CHANNEL, pr_channel, head, BIT(EDGE)),
    FIELD(CHANNEL, pr_channel, tail, BIT(EDGE)),
    FIELD(CHANNEL, pr_channel, latch, BIT(LATCH)),
};

static uint32_t end_of(const struct pr_context *ctx, uint32_t targets)
{
    uint32_t end = 1; /* none is always right */
    for (uint32_t pool = 0; pool < PR_POOLS; pool++)
        if (targets >> pool & 1) end = PR_MAX(end, ctx->header->pools[pool].high_water);
    return end;
}

static bool is_in_table(const struct pr_context *ctx, const struct field *field)
{
    uint32_t end = end_of(ctx, field->targets), last = ctx->header->pools[field->pool].high_water;
    for (pr_index i = 1; i < last; i++) {
        pr_index value;
        memcpy(&value, (const uint8_t *)pr_entry(ctx, field->pool, i) + field->offset,
               sizeof value);
        if (value >= end) return false;
    }
    return true;
}

struct root_index {
    pr_index value;
    uint32_t targets;
};

static bool are_roots_in_table(const struct pr_context *ctx)
{
    const struct pr_store_root *store = pr_store_root(ctx);
    const struct pr_engine_root *root = pr_engine_root(ctx);
    const struct pr_heap_root *heap = pr_heap_root(ctx);
    const struct root_index roots[] = {
        {store->object_chores, BIT(OBJECT)},
        {store->task_chores, BIT(TASK)},
        {store->actor_chores, BIT(ACTOR)},
        {store->dead_files, BIT(FILE)},
        {root->driver, BIT(SLOT)},
        {root->supervisor, BIT(SLOT)},
        {root->crew.idle_head, BIT(SLOT)},
        {root->crew.idle_tail, BIT(SLOT)},
        {root->environments, BIT(ENVIRONMENT)},
        {root->pending_head, BIT(PLACEMENT)},
        {root->pending_tail, BIT(PLACEMENT)},
        {root->pending_next, BIT(PLACEMENT)},
        {root->class_count, BIT(CLASS)},
        {root->class_cursor, BIT(CLASS)},
        {heap->last, BIT(BLOCK)},
        {heap->hand, BIT(BLOCK)},
    };
    for (uint32_t i = 0; i < sizeof roots / sizeof roots[0]; i++)
        if (roots[i].value >= end_of(ctx, roots[i].targets)) return false;
    for (uint32_t i = 0; i < PR_CLASS_BUCKETS; i++)
        if (root->class_buckets[i] >= end_of(ctx, BIT(CLASS))) return false;
    for (uint32_t i = 0; i < PR_NAME_BUCKETS; i++)
        if (root->name_buckets[i] >= end_of(ctx, BIT(NAME))) return false;
    for (uint32_t i = 0; i < PR_HEAP_ROWS * PR_HEAP_COLUMNS; i++)
        if (heap->heads[i / PR_HEAP_COLUMNS][i % PR_HEAP_COLUMNS] >= end_of(ctx, BIT(BLOCK)))
            return false;
    return root->resource_count <= PR_RESOURCE_MAX && root->gpu_count <= PR_GPU_MAX &&
           root->cpu <= root->resource_count && root->gpu <= root->resource_count;
}

static bool are_demands_in_table(const struct pr_context *ctx)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    for (pr_index i = 1; i < ctx->header->pools[PR_POOL_CLASS].high_water; i++) {
        const struct pr_class *c = pr_class_at(ctx, i);
        if (c->demand_count > PR_DEMAND_MAX) return false;
        for (uint32_t j = 0; j < c->demand_count; j++)
            if (c->demand[j].resource >= root->resource_count) return false;
    }
    for (pr_index i = 1; i < ctx->header->pools[PR_POOL_BUNDLE].high_water; i++) {
        const struct pr_bundle *b = pr_bundle_at(ctx, i);
        if (b->share_count > PR_DEMAND_MAX) return false;
        for (uint32_t j = 0; j < b->share_count; j++)
            if (b->share[j].resource >= root->resource_count) return false;
    }
    return true;
}

enum pr_status pr_audit_indices(const struct pr_context *ctx, const char **what)
{
    *what = "an index of the roots is beyond its table";
    if (!are_roots_in_table(ctx)) return PR_CORRUPT;
    *what = "a demand for a resource that is not there";
    if (!are_demands_in_table(ctx)) return PR_CORRUPT;
    for (uint32_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        *what = fields[i].name;
        if (!is_in_table(ctx, &fields[i])) return PR_CORRUPT;
    }
    *what = "";
    return PR_OK;
}
