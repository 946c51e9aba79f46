#include "engine/resources.h"

#include "engine/gpus.h"
#include "engine/placement.h"

/* ---- classes ---- */

static bool same_key(const struct pr_class *c, const struct pr_class_key *key)
{
    if (c->demand_count != key->demand_count || c->environment != key->environment) return false;
    if (c->placement != key->placement || c->bundle != key->bundle) return false;
    for (uint32_t i = 0; i < key->demand_count; i++)
        if (c->demand[i].resource != key->demand[i].resource ||
            c->demand[i].amount != key->demand[i].amount)
            return false;
    return true;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ (hash >> 32);
}

static uint32_t hash_key(const struct pr_class_key *key)
{
    uint64_t hash = mix(mix(key->demand_count, key->environment), key->placement);
    hash = mix(hash, key->bundle);
    for (uint32_t i = 0; i < key->demand_count; i++)
        hash = mix(mix(hash, key->demand[i].resource), (uint64_t)key->demand[i].amount);
    return (uint32_t)hash;
}

static int64_t gpus_of(const struct pr_context *ctx, const struct pr_class_key *key)
{
    for (uint32_t i = 0; i < key->demand_count; i++)
        if (key->demand[i].resource + 1 == pr_engine_root(ctx)->gpu) return key->demand[i].amount;
    return 0;
}

enum pr_status pr_class_find(struct pr_context *ctx, const struct pr_class_key *key,
                             pr_index *shape)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    PR_ASSERT(key->demand_count <= PR_DEMAND_MAX);
    const uint32_t *bucket = &root->class_buckets[hash_key(key) % PR_CLASS_BUCKETS];
    for (*shape = *bucket; *shape != PR_NONE; *shape = pr_class_at(ctx, *shape)->link)
        if (same_key(pr_class_at(ctx, *shape), key)) return PR_OK;
    PR_TRY(
        pr_pool_take(ctx, PR_POOL_CLASS, shape)); /* classes are never given back: index == count */
    const struct pr_class *c = pr_class_at(ctx, *shape);
    TX_SET(ctx, c->link, *bucket);
    TX_SET(ctx, *bucket, *shape);
    TX_SET(ctx, c->head, PR_NONE);
    TX_SET(ctx, c->tail, PR_NONE);
    TX_SET(ctx, c->count, 0);
    TX_SET(ctx, c->demand_count, key->demand_count);
    TX_SET(ctx, c->environment, key->environment);
    TX_SET(ctx, c->placement, key->placement);
    TX_SET(ctx, c->bundle, key->bundle);
    TX_SET(ctx, c->gpus, gpus_of(ctx, key));
    for (uint32_t i = 0; i < key->demand_count; i++) {
        TX_SET(ctx, c->demand[i].resource, key->demand[i].resource);
        TX_SET(ctx, c->demand[i].amount, key->demand[i].amount);
    }
    TX_SET(ctx, root->class_count, *shape);
    return PR_OK;
}

bool pr_class_feasible(const struct pr_context *ctx, pr_index shape)
{
    const struct pr_class *c = pr_class_at(ctx, shape);
    for (uint32_t i = 0; i < c->demand_count; i++)
        if (c->demand[i].amount > pr_engine_root(ctx)->resources[c->demand[i].resource].total)
            return false;
    return true;
}

/* ---- taking and giving ---- */

static uint64_t choose_gpus(const struct pr_context *ctx, int64_t amount)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    return pr_gpus_choose(root->gpus, root->gpu_count, ~0ull, amount);
}

bool pr_resources_fit(const struct pr_context *ctx, pr_index shape)
{
    const struct pr_class *c = pr_class_at(ctx, shape);
    if (c->placement != PR_NONE) return pr_placement_fits(ctx, c);
    for (uint32_t i = 0; i < c->demand_count; i++) {
        int64_t amount =
            c->demand[i].amount; /* none is always there, even when less than none is free */
        if (amount > 0 && amount > pr_engine_root(ctx)->resources[c->demand[i].resource].free)
            return false;
    }
    return c->gpus == 0 || choose_gpus(ctx, c->gpus) != 0;
}

static void add(struct pr_context *ctx, const struct pr_demand *demand, int64_t sign)
{
    const struct pr_resource *r = &pr_engine_root(ctx)->resources[demand->resource];
    TX_SET(ctx, r->free, r->free + sign * demand->amount);
}

void pr_resources_take(struct pr_context *ctx, pr_index shape, const struct pr_holding *holding)
{
    const struct pr_class *c = pr_class_at(ctx, shape);
    if (c->placement != PR_NONE) {
        pr_placement_take(ctx, c, holding);
        return;
    }
    for (uint32_t i = 0; i < c->demand_count; i++) add(ctx, &c->demand[i], -1);
    if (c->gpus == 0) return;
    TX_SET(ctx, holding->gpus, choose_gpus(ctx, c->gpus));
    PR_ASSERT(holding->gpus != 0);
    pr_gpus_add(ctx, pr_engine_root(ctx)->gpus, holding->gpus, -c->gpus);
}

static bool is_cpu(const struct pr_context *ctx, const struct pr_demand *demand)
{
    return demand->resource + 1 == pr_engine_root(ctx)->cpu;
}

void pr_resources_give(struct pr_context *ctx, pr_index shape, struct pr_holding holding, bool lent)
{
    const struct pr_class *c = pr_class_at(ctx, shape);
    if (c->placement != PR_NONE) {
        pr_placement_give(ctx, c, holding, lent);
        return;
    }
    for (uint32_t i = 0; i < c->demand_count; i++)
        if (!lent || !is_cpu(ctx, &c->demand[i])) add(ctx, &c->demand[i], 1);
    if (c->gpus != 0) pr_gpus_add(ctx, pr_engine_root(ctx)->gpus, holding.gpus, c->gpus);
}

static void add_cpus(struct pr_context *ctx, pr_index shape, struct pr_holding holding,
                     int64_t sign)
{
    const struct pr_class *c = pr_class_at(ctx, shape);
    if (c->placement != PR_NONE) {
        pr_placement_lend(ctx, c, holding.bundle, sign);
        return;
    }
    for (uint32_t i = 0; i < c->demand_count; i++)
        if (is_cpu(ctx, &c->demand[i])) add(ctx, &c->demand[i], sign);
}

void pr_resources_lend(struct pr_context *ctx, pr_index shape, struct pr_holding holding)
{
    add_cpus(ctx, shape, holding, 1);
}

void pr_resources_reclaim(struct pr_context *ctx, pr_index shape, struct pr_holding holding)
{
    add_cpus(ctx, shape, holding, -1);
}
