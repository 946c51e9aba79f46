#include "engine/placement.h"

#include <string.h>

#include "engine/gpus.h"
#include "engine/sched.h"

/* of pending groups, in one transaction */
#ifdef PR_CRASH_INJECTION
#define LOOK_AT_BUNDLES 3u /* the small tables of tests hold few */
#else
#define LOOK_AT_BUNDLES 256u
#endif

static bool is_cpu(const struct pr_context *ctx, uint32_t resource)
{
    return resource + 1 == pr_engine_root(ctx)->cpu;
}

static bool is_gpu(const struct pr_context *ctx, uint32_t resource)
{
    return resource + 1 == pr_engine_root(ctx)->gpu;
}

static int64_t gpus_of(const struct pr_context *ctx, const struct pr_bundle *b)
{
    for (uint32_t i = 0; i < b->share_count; i++)
        if (is_gpu(ctx, b->share[i].resource)) return b->share[i].amount;
    return 0;
}

/* ---- reserving ---- */

static bool room_for(const struct pr_context *ctx, const struct pr_placement *p, bool ever)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    int64_t left[PR_RESOURCE_MAX], gpus[PR_GPU_MAX];
    if (ever && p->strategy == PR_STRICT_SPREAD && p->bundle_count > 1) return false;
    for (uint32_t i = 0; i < root->resource_count; i++)
        left[i] = ever ? root->resources[i].total : root->resources[i].free;
    for (uint32_t i = 0; i < root->gpu_count; i++)
        gpus[i] = ever ? PR_RESOURCE_UNIT : root->gpus[i];
    for (pr_index i = p->bundles; i != PR_NONE; i = pr_bundle_at(ctx, i)->link) {
        const struct pr_bundle *b = pr_bundle_at(ctx, i);
        for (uint32_t j = 0; j < b->share_count; j++)
            if ((left[b->share[j].resource] -= b->share[j].amount) < 0) return false;
        int64_t amount = gpus_of(ctx, b);
        uint64_t chosen = amount > 0 ? pr_gpus_choose(gpus, root->gpu_count, ~0ull, amount) : 0;
        if (amount > 0 && chosen == 0) return false;
        for (uint32_t j = 0; j < root->gpu_count; j++)
            if (chosen >> j & 1) gpus[j] -= PR_MIN(amount, PR_RESOURCE_UNIT);
    }
    return true;
}

static void reserve_gpus(struct pr_context *ctx, const struct pr_bundle *b)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    int64_t amount = gpus_of(ctx, b);
    TX_SET(ctx, b->gpus, 0);
    if (amount == 0) return;
    TX_SET(ctx, b->gpus, pr_gpus_choose(root->gpus, root->gpu_count, ~0ull, amount));
    PR_ASSERT(b->gpus != 0);
    pr_gpus_add(ctx, root->gpus, b->gpus, -amount);
    for (uint32_t i = 0; amount >= PR_RESOURCE_UNIT && i < root->gpu_count; i++)
        if (b->gpus >> i & 1) TX_SET(ctx, root->gpus_in_bundles[i], PR_RESOURCE_UNIT);
}

static void reserve(struct pr_context *ctx, const struct pr_placement *p)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    for (pr_index i = p->bundles; i != PR_NONE; i = pr_bundle_at(ctx, i)->link) {
        const struct pr_bundle *b = pr_bundle_at(ctx, i);
        for (uint32_t j = 0; j < b->share_count; j++) {
            const struct pr_share *s = &b->share[j];
            const struct pr_resource *r = &root->resources[s->resource];
            TX_SET(ctx, s->kept, s->amount);
            TX_SET(ctx, s->free, s->amount);
            TX_SET(ctx, r->free, r->free - s->amount);
        }
        reserve_gpus(ctx, b);
    }
    TX_SET(ctx, p->state, PR_PLACEMENT_CREATED);
}

static void unlink_pending(struct pr_context *ctx, pr_index group)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    const struct pr_placement *p = pr_placement_at(ctx, group);
    if (p->previous != PR_NONE)
        TX_SET(ctx, pr_placement_at(ctx, p->previous)->link, p->link);
    else
        TX_SET(ctx, root->pending_head, p->link);
    if (p->link != PR_NONE)
        TX_SET(ctx, pr_placement_at(ctx, p->link)->previous, p->previous);
    else
        TX_SET(ctx, root->pending_tail, p->previous);
    if (root->pending_next == group) TX_SET(ctx, root->pending_next, p->link);
}

/* Creates those of the groups from here on that fit; returns where to go on, or none. */
static pr_index create_some(struct pr_context *ctx, pr_index group)
{
    pr_index next;
    for (uint32_t looked = 0; looked < LOOK_AT_BUNDLES && group != PR_NONE && !pr_tx_is_long(ctx);
         group = next) {
        const struct pr_placement *p = pr_placement_at(ctx, group);
        next = p->link;
        looked += p->bundle_count;
        if (!room_for(ctx, p, false)) continue;
        unlink_pending(ctx, group);
        reserve(ctx, p);
    }
    return group;
}

bool pr_placement_advance(struct pr_context *ctx)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    bool again = root->pending_next == PR_NONE && root->pending_again;
    if (again) TX_SET(ctx, root->pending_again, 0);
    pr_index from = again ? root->pending_head : root->pending_next;
    if (from == PR_NONE) return again;
    pr_index next = create_some(ctx, from);
    if (next != root->pending_next) TX_SET(ctx, root->pending_next, next);
    pr_sched_send(ctx); /* to tasks of the groups that have been created */
    return true;
}

void pr_placement_look(struct pr_context *ctx)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    if (root->pending_next != PR_NONE) { /* somebody is on the way */
        if (!root->pending_again) TX_SET(ctx, root->pending_again, 1);
    } else {
        pr_index next = create_some(ctx, root->pending_head);
        if (next != PR_NONE) TX_SET(ctx, root->pending_next, next);
    }
    ctx->chores_left |= root->pending_next != PR_NONE;
}

/* ---- using ---- */

static const struct pr_share *share_of(const struct pr_bundle *b, uint32_t resource)
{
    for (uint32_t i = 0; i < b->share_count; i++)
        if (b->share[i].resource == resource) return &b->share[i];
    return NULL;
}

static uint64_t choose_in_bundle(const struct pr_context *ctx, const struct pr_bundle *b,
                                 int64_t amount)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    if (gpus_of(ctx, b) < PR_RESOURCE_UNIT) return b->gpus; /* a part of one */
    return pr_gpus_choose(root->gpus_in_bundles, root->gpu_count, b->gpus, amount);
}

static bool bundle_fits(const struct pr_context *ctx, const struct pr_bundle *b,
                        const struct pr_class *c)
{
    for (uint32_t i = 0; i < c->demand_count; i++) {
        const struct pr_share *s = share_of(b, c->demand[i].resource);
        if (c->demand[i].amount > 0 && (s == NULL || s->free < c->demand[i].amount)) return false;
    }
    return c->gpus == 0 || choose_in_bundle(ctx, b, c->gpus) != 0;
}

static pr_index choose_bundle(const struct pr_context *ctx, const struct pr_class *c)
{
    const struct pr_placement *p = pr_placement_at(ctx, c->placement);
    if (p->state != PR_PLACEMENT_CREATED) return PR_NONE;
    for (pr_index i = p->bundles; i != PR_NONE; i = pr_bundle_at(ctx, i)->link) {
        const struct pr_bundle *b = pr_bundle_at(ctx, i);
        if ((c->bundle == 0 || c->bundle == b->number + 1) && bundle_fits(ctx, b, c)) return i;
    }
    return PR_NONE;
}

bool pr_placement_fits(const struct pr_context *ctx, const struct pr_class *c)
{
    return pr_placement_at(ctx, c->placement)->state == PR_PLACEMENT_REMOVED ||
           choose_bundle(ctx, c) != PR_NONE;
}

/* What a removed group's users give back is everybody's. */
static void add_to_share(struct pr_context *ctx, const struct pr_bundle *b, uint32_t resource,
                         int64_t amount)
{
    const struct pr_share *s = share_of(b, resource);
    const struct pr_resource *r = &pr_engine_root(ctx)->resources[resource];
    if (amount == 0) return;
    if (pr_placement_at(ctx, b->placement)->state == PR_PLACEMENT_CREATED) {
        TX_SET(ctx, s->free, s->free + amount);
    } else {
        TX_SET(ctx, s->kept, s->kept - amount);
        TX_SET(ctx, r->free, r->free + amount);
    }
}

void pr_placement_take(struct pr_context *ctx, const struct pr_class *c,
                       const struct pr_holding *holding)
{
    pr_index bundle = choose_bundle(ctx, c);
    PR_ASSERT(bundle != PR_NONE);
    const struct pr_bundle *b = pr_bundle_at(ctx, bundle);
    TX_SET(ctx, holding->bundle, bundle);
    for (uint32_t i = 0; i < c->demand_count; i++)
        add_to_share(ctx, b, c->demand[i].resource, -c->demand[i].amount);
    if (c->gpus == 0) return;
    TX_SET(ctx, holding->gpus, choose_in_bundle(ctx, b, c->gpus));
    if (gpus_of(ctx, b) >= PR_RESOURCE_UNIT)
        pr_gpus_add(ctx, pr_engine_root(ctx)->gpus_in_bundles, holding->gpus, -c->gpus);
}

/* The bundle's whole GPUs that nobody uses any more. */
static void return_whole_gpus(struct pr_context *ctx, const struct pr_bundle *b)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    for (uint32_t i = 0; i < root->gpu_count; i++) {
        if (!(b->gpus >> i & 1) || root->gpus_in_bundles[i] != PR_RESOURCE_UNIT) continue;
        TX_SET(ctx, root->gpus_in_bundles[i], 0);
        TX_SET(ctx, root->gpus[i], PR_RESOURCE_UNIT);
        TX_SET(ctx, b->gpus, b->gpus & ~(UINT64_C(1) << i));
    }
}

static void give_gpus(struct pr_context *ctx, const struct pr_bundle *b, int64_t amount,
                      uint64_t gpus)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    bool removed = pr_placement_at(ctx, b->placement)->state == PR_PLACEMENT_REMOVED;
    if (gpus_of(ctx, b) >= PR_RESOURCE_UNIT) {
        pr_gpus_add(ctx, root->gpus_in_bundles, gpus, amount);
        if (removed) return_whole_gpus(ctx, b);
    } else if (removed) {
        pr_gpus_add(ctx, root->gpus, gpus, amount);
    }
}

void pr_placement_give(struct pr_context *ctx, const struct pr_class *c, struct pr_holding holding,
                       bool lent)
{
    const struct pr_bundle *b = pr_bundle_at(ctx, holding.bundle);
    for (uint32_t i = 0; i < c->demand_count; i++)
        if (!lent || !is_cpu(ctx, c->demand[i].resource))
            add_to_share(ctx, b, c->demand[i].resource, c->demand[i].amount);
    if (c->gpus != 0) give_gpus(ctx, b, c->gpus, holding.gpus);
}

void pr_placement_lend(struct pr_context *ctx, const struct pr_class *c, pr_index bundle,
                       int64_t sign)
{
    const struct pr_bundle *b = pr_bundle_at(ctx, bundle);
    for (uint32_t i = 0; i < c->demand_count; i++)
        if (is_cpu(ctx, c->demand[i].resource))
            add_to_share(ctx, b, c->demand[i].resource, sign * c->demand[i].amount);
}

/* ---- coming and going ---- */

enum pr_status pr_placement_enter(struct pr_context *ctx, struct pr_ref group)
{
    if (!pr_pool_has(ctx, PR_POOL_PLACEMENT, group.index)) return PR_STALE;
    const struct pr_placement *p = pr_placement_at(ctx, group.index);
    if (p->state == PR_PLACEMENT_FREE || p->state == PR_PLACEMENT_REMOVED ||
        p->generation != group.generation)
        return PR_STALE;
    pr_placement_use(ctx, group.index);
    return PR_OK;
}

void pr_placement_use(struct pr_context *ctx, pr_index group)
{
    TX_ADD(ctx, pr_placement_at(ctx, group)->users, 1);
}

static void free_if_unused(struct pr_context *ctx, pr_index group)
{
    const struct pr_placement *p = pr_placement_at(ctx, group);
    if (p->state != PR_PLACEMENT_REMOVED || p->users > 0) return;
    for (pr_index next, i = p->bundles; i != PR_NONE; i = next) {
        next = pr_bundle_at(ctx, i)->link;
        pr_pool_give(ctx, PR_POOL_BUNDLE, i);
    }
    TX_SET(ctx, p->state, PR_PLACEMENT_FREE);
    TX_SET(ctx, p->generation, p->generation + 1 == 0 ? 1 : p->generation + 1);
    pr_pool_give(ctx, PR_POOL_PLACEMENT, group);
}

void pr_placement_leave(struct pr_context *ctx, pr_index group)
{
    const struct pr_placement *p = pr_placement_at(ctx, group);
    PR_ASSERT(p->users > 0);
    TX_SET(ctx, p->users, p->users - 1);
    free_if_unused(ctx, group);
}

static enum pr_status new_bundle(struct pr_context *ctx, pr_index group, uint32_t number,
                                 const struct pr_bundle_plan *plan)
{
    const struct pr_placement *p = pr_placement_at(ctx, group);
    pr_index bundle;
    PR_TRY(pr_pool_take(ctx, PR_POOL_BUNDLE, &bundle));
    const struct pr_bundle *b = pr_bundle_at(ctx, bundle);
    TX_SET(ctx, b->placement, group);
    TX_SET(ctx, b->number, number);
    TX_SET(ctx, b->gpus, 0);
    TX_SET(ctx, b->share_count, plan->demand_count);
    for (uint32_t i = 0; i < plan->demand_count; i++) {
        TX_SET(ctx, b->share[i].resource, plan->demand[i].resource);
        TX_SET(ctx, b->share[i].amount, plan->demand[i].amount);
        TX_SET(ctx, b->share[i].kept, 0);
        TX_SET(ctx, b->share[i].free, 0);
    }
    TX_SET(ctx, b->link, p->bundles);
    TX_SET(ctx, p->bundles, bundle);
    return PR_OK;
}

static bool name_is_taken(const struct pr_context *ctx, const char *name)
{
    for (pr_index i = 1; i < ctx->header->pools[PR_POOL_PLACEMENT].high_water; i++) {
        const struct pr_placement *p = pr_placement_at(ctx, i);
        bool there = p->state != PR_PLACEMENT_FREE && p->state != PR_PLACEMENT_REMOVED;
        if (there && strncmp(p->name, name, PR_PLACEMENT_NAME) == 0) return true;
    }
    return false;
}

struct new_group {
    const struct pr_placement_plan *plan;
    struct pr_ref *group;
};

static enum pr_status new_group(struct pr_context *ctx, void *argument)
{
    const struct new_group *op = argument;
    const struct pr_placement_plan *plan = op->plan;
    const struct pr_engine_root *root = pr_engine_root(ctx);
    pr_index group;
    if (plan->name[0] != 0 && name_is_taken(ctx, plan->name)) return PR_STATE;
    PR_TRY(pr_pool_take(ctx, PR_POOL_PLACEMENT, &group));
    const struct pr_placement *p = pr_placement_at(ctx, group);
    if (p->generation == 0) TX_SET(ctx, p->generation, 1);
    TX_SET(ctx, p->strategy, plan->strategy);
    TX_SET(ctx, p->users, 0);
    TX_SET(ctx, p->job, ctx->job);
    TX_SET(ctx, p->is_detached, plan->is_detached);
    TX_SET(ctx, p->bundles, PR_NONE);
    TX_SET(ctx, p->bundle_count, plan->bundle_count);
    pr_tx_copy(ctx, p->name, plan->name, PR_PLACEMENT_NAME);
    for (uint32_t i = plan->bundle_count; i-- > 0;)
        PR_TRY(new_bundle(ctx, group, i, &plan->bundles[i]));
    bool ever = room_for(ctx, p, true);
    TX_SET(ctx, p->state, ever ? PR_PLACEMENT_PENDING : PR_PLACEMENT_INFEASIBLE);
    if (ever) {
        TX_SET(ctx, p->link, PR_NONE);
        TX_SET(ctx, p->previous, root->pending_tail);
        if (root->pending_tail != PR_NONE)
            TX_SET(ctx, pr_placement_at(ctx, root->pending_tail)->link, group);
        else
            TX_SET(ctx, root->pending_head, group);
        TX_SET(ctx, root->pending_tail, group);
        pr_placement_look(ctx);
    }
    *op->group = (struct pr_ref){group, p->generation};
    return PR_OK;
}

enum pr_status pr_placement_new(struct pr_context *ctx, const struct pr_placement_plan *plan,
                                struct pr_ref *group)
{
    struct new_group op = {plan, group};
    PR_ASSERT(plan->bundle_count > 0 && plan->bundle_count <= PR_BUNDLE_MAX);
    return pr_operate(ctx, new_group, &op);
}

static void give_back(struct pr_context *ctx, const struct pr_bundle *b)
{
    int64_t gpus = 0;
    for (uint32_t i = 0; i < b->share_count; i++) {
        const struct pr_share *s = &b->share[i];
        const struct pr_resource *r = &pr_engine_root(ctx)->resources[s->resource];
        if (is_gpu(ctx, s->resource)) gpus = s->free;
        TX_SET(ctx, r->free, r->free + s->free);
        TX_SET(ctx, s->kept, s->kept - s->free);
        TX_SET(ctx, s->free, 0);
    }
    if (gpus_of(ctx, b) >= PR_RESOURCE_UNIT)
        return_whole_gpus(ctx, b);
    else if (gpus > 0)
        pr_gpus_add(ctx, pr_engine_root(ctx)->gpus, b->gpus, gpus);
}

void pr_placement_end_group(struct pr_context *ctx, pr_index group)
{
    const struct pr_placement *p = pr_placement_at(ctx, group);
    if (p->state == PR_PLACEMENT_PENDING) unlink_pending(ctx, group);
    bool created = p->state == PR_PLACEMENT_CREATED;
    TX_SET(ctx, p->state, PR_PLACEMENT_REMOVED);
    for (pr_index i = p->bundles; created && i != PR_NONE; i = pr_bundle_at(ctx, i)->link)
        give_back(ctx, pr_bundle_at(ctx, i));
    if (p->users > 0) { /* the supervisor kills those that run */
        TX_ADD(ctx, pr_engine_root(ctx)->signal_requests, 1);
        ctx->ring_doorbell = true;
    }
    free_if_unused(ctx, group);
    pr_sched_nudge(ctx);
}

static enum pr_status remove_group(struct pr_context *ctx, void *argument)
{
    const struct pr_ref *group = argument;
    if (!pr_pool_has(ctx, PR_POOL_PLACEMENT, group->index)) return PR_STALE;
    const struct pr_placement *p = pr_placement_at(ctx, group->index);
    if (p->state == PR_PLACEMENT_FREE || p->generation != group->generation) return PR_STALE;
    if (p->state != PR_PLACEMENT_REMOVED) pr_placement_end_group(ctx, group->index);
    return PR_OK;
}

enum pr_status pr_placement_remove(struct pr_context *ctx, struct pr_ref group)
{
    return pr_operate(ctx, remove_group, &group);
}

/* ---- reading ---- */

struct reading {
    pr_index group;
    struct pr_placement *copy;
    struct pr_bundle *bundles;
    uint32_t room;
};

static enum pr_status read_group(struct pr_context *ctx, void *argument)
{
    const struct reading *op = argument;
    if (!pr_pool_has(ctx, PR_POOL_PLACEMENT, op->group)) return PR_STALE;
    const struct pr_placement *p = pr_placement_at(ctx, op->group);
    if (p->state == PR_PLACEMENT_FREE) return PR_STALE;
    *op->copy = *p;
    pr_index bundle = p->bundles;
    uint32_t i = 0;
    for (; i < op->room && pr_pool_has(ctx, PR_POOL_BUNDLE, bundle); i++) {
        op->bundles[i] = *pr_bundle_at(ctx, bundle);
        op->bundles[i].share_count = PR_MIN(op->bundles[i].share_count, PR_DEMAND_MAX);
        bundle = pr_bundle_at(ctx, bundle)->link;
    }
    op->copy->bundle_count = PR_MIN(p->bundle_count, i); /* it may be wrong, as may the list */
    return PR_OK;
}

enum pr_status pr_placement_read(struct pr_context *ctx, pr_index group, struct pr_placement *copy,
                                 struct pr_bundle *bundles, uint32_t room)
{
    struct reading op = {group, copy, bundles, room};
    return pr_transact(ctx, read_group, &op);
}

pr_index pr_placement_end(const struct pr_context *ctx)
{
    const struct pr_pool *p = &ctx->header->pools[PR_POOL_PLACEMENT];
    return PR_MIN(pr_load_relaxed(&p->high_water), p->capacity);
}

bool pr_placement_is_removed(const struct pr_context *ctx, pr_index shape)
{
    if (shape == PR_NONE) return false;
    pr_index group = pr_class_at(ctx, shape)->placement;
    return group != PR_NONE && pr_placement_at(ctx, group)->state == PR_PLACEMENT_REMOVED;
}

struct doom {
    pr_index slot;
    bool doomed;
};

static enum pr_status look_for_doom(struct pr_context *ctx, void *argument)
{
    struct doom *op = argument;
    const struct pr_slot *s = pr_slot_at(ctx, op->slot);
    op->doomed = pr_placement_is_removed(ctx, s->shape);
    for (pr_index t = s->running; t != PR_NONE && !op->doomed; t = pr_task_at(ctx, t)->link)
        op->doomed = !(pr_task_at(ctx, t)->flags & PR_TASK_OF_ACTOR) &&
                     pr_placement_is_removed(ctx, pr_task_at(ctx, t)->shape);
    /* Until it is dead it must not take a task of another group. */
    if (op->doomed) pr_slot_request(ctx, op->slot, PR_REQUEST_KILL | PR_REQUEST_EXIT);
    return PR_OK;
}

bool pr_placement_kills(struct pr_context *ctx, pr_index slot)
{
    struct doom op = {.slot = slot};
    return pr_transact(ctx, look_for_doom, &op) == PR_OK && op.doomed;
}
