#include "engine/sched.h"

/* ---- resources ---- */

static bool same_demand(const struct pr_class *c, const struct pr_demand *demand, uint32_t count)
{
    if (c->demand_count != count) return false;
    for (uint32_t i = 0; i < count; i++)
        if (c->demand[i].resource != demand[i].resource || c->demand[i].amount != demand[i].amount)
            return false;
    return true;
}

static uint32_t hash_demand(const struct pr_demand *demand, uint32_t count)
{
    uint64_t hash = count;
    for (uint32_t i = 0; i < count; i++) {
        hash = (hash ^ demand[i].resource) * 0x9e3779b97f4a7c15u;
        hash = (hash ^ (hash >> 32) ^ (uint64_t)demand[i].amount) * 0x9e3779b97f4a7c15u;
    }
    return (uint32_t)(hash >> 32);
}

enum pr_status pr_class_find(struct pr_context *ctx, const struct pr_demand *demand, uint32_t count,
                             pr_index *shape)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    PR_ASSERT(count <= PR_DEMAND_MAX);
    const uint32_t *bucket = &root->class_buckets[hash_demand(demand, count) % PR_CLASS_BUCKETS];
    for (*shape = *bucket; *shape != PR_NONE; *shape = pr_class_at(ctx, *shape)->link)
        if (same_demand(pr_class_at(ctx, *shape), demand, count)) return PR_OK;
    PR_TRY(
        pr_pool_take(ctx, PR_POOL_CLASS, shape)); /* classes are never given back: index == count */
    const struct pr_class *c = pr_class_at(ctx, *shape);
    TX_SET(ctx, c->link, *bucket);
    TX_SET(ctx, *bucket, *shape);
    TX_SET(ctx, c->head, PR_NONE);
    TX_SET(ctx, c->tail, PR_NONE);
    TX_SET(ctx, c->count, 0);
    TX_SET(ctx, c->demand_count, count);
    for (uint32_t i = 0; i < count; i++) {
        TX_SET(ctx, c->demand[i].resource, demand[i].resource);
        TX_SET(ctx, c->demand[i].amount, demand[i].amount);
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

bool pr_resources_fit(const struct pr_context *ctx, pr_index shape)
{
    const struct pr_class *c = pr_class_at(ctx, shape);
    for (uint32_t i = 0; i < c->demand_count; i++) {
        int64_t amount =
            c->demand[i].amount; /* none is always there, even when less than none is free */
        if (amount > 0 && amount > pr_engine_root(ctx)->resources[c->demand[i].resource].free)
            return false;
    }
    return true;
}

static void add_to_free(struct pr_context *ctx, pr_index shape, int64_t sign)
{
    const struct pr_class *c = pr_class_at(ctx, shape);
    for (uint32_t i = 0; i < c->demand_count; i++) {
        const struct pr_resource *r = &pr_engine_root(ctx)->resources[c->demand[i].resource];
        TX_SET(ctx, r->free, r->free + sign * c->demand[i].amount);
    }
}

void pr_resources_take(struct pr_context *ctx, pr_index shape) { add_to_free(ctx, shape, -1); }
void pr_resources_give(struct pr_context *ctx, pr_index shape) { add_to_free(ctx, shape, 1); }

/* ---- queues ---- */

static void count_ready(struct pr_context *ctx, const struct pr_class *c, uint32_t change)
{
    TX_SET(ctx, c->count, c->count + change);
    TX_SET(ctx, pr_engine_root(ctx)->ready_count, pr_engine_root(ctx)->ready_count + change);
}

static void insert(struct pr_context *ctx, pr_index task, pr_index before, pr_index after)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    const struct pr_class *c = pr_class_at(ctx, t->shape);
    TX_SET(ctx, t->state, PR_TASK_READY);
    TX_SET(ctx, t->previous, before);
    TX_SET(ctx, t->link, after);
    if (before != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, before)->link, task);
    else
        TX_SET(ctx, c->head, task);
    if (after != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, after)->previous, task);
    else
        TX_SET(ctx, c->tail, task);
    count_ready(ctx, c, 1);
}

void pr_queue_push(struct pr_context *ctx, pr_index task)
{
    insert(ctx, task, pr_class_at(ctx, pr_task_at(ctx, task)->shape)->tail, PR_NONE);
}

void pr_queue_push_front(struct pr_context *ctx, pr_index task)
{
    insert(ctx, task, PR_NONE, pr_class_at(ctx, pr_task_at(ctx, task)->shape)->head);
}

void pr_queue_remove(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    const struct pr_class *c = pr_class_at(ctx, t->shape);
    PR_ASSERT(t->state == PR_TASK_READY && c->count > 0);
    if (t->previous != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, t->previous)->link, t->link);
    else
        TX_SET(ctx, c->head, t->link);
    if (t->link != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, t->link)->previous, t->previous);
    else
        TX_SET(ctx, c->tail, t->previous);
    count_ready(ctx, c, (uint32_t)-1);
}

/* The next class, in turn, that has a ready task and fits; or none. */
static pr_index runnable_class(const struct pr_context *ctx)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    if (root->ready_count == 0) return PR_NONE;
    for (uint32_t i = 0; i < root->class_count; i++) {
        pr_index shape = (root->class_cursor + i) % root->class_count + 1;
        if (pr_class_at(ctx, shape)->count > 0 && pr_resources_fit(ctx, shape)) return shape;
    }
    return PR_NONE;
}

pr_index pr_queue_pop(struct pr_context *ctx)
{
    pr_index shape = runnable_class(ctx);
    if (shape == PR_NONE) return PR_NONE;
    pr_index task = pr_class_at(ctx, shape)->head;
    pr_queue_remove(ctx, task);
    if (pr_engine_root(ctx)->class_count > 1) TX_SET(ctx, pr_engine_root(ctx)->class_cursor, shape);
    return task;
}

/* ---- idle workers ---- */

void pr_idle_push(struct pr_context *ctx, pr_index slot)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    const struct pr_slot *s = pr_slot_at(ctx, slot);
    TX_SET(ctx, s->link, root->idle_head);
    TX_SET(ctx, s->idle_previous, PR_NONE);
    if (root->idle_head != PR_NONE)
        TX_SET(ctx, pr_slot_at(ctx, root->idle_head)->idle_previous, slot);
    else
        TX_SET(ctx, root->idle_tail, slot);
    TX_SET(ctx, root->idle_head, slot);
    TX_ADD(ctx, root->idle_count, 1);
    TX_SET(ctx, s->state, PR_SLOT_IDLE);
}

void pr_idle_remove(struct pr_context *ctx, pr_index slot)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    const struct pr_slot *s = pr_slot_at(ctx, slot);
    PR_ASSERT(s->state == PR_SLOT_IDLE && root->idle_count > 0);
    if (s->idle_previous != PR_NONE)
        TX_SET(ctx, pr_slot_at(ctx, s->idle_previous)->link, s->link);
    else
        TX_SET(ctx, root->idle_head, s->link);
    if (s->link != PR_NONE)
        TX_SET(ctx, pr_slot_at(ctx, s->link)->idle_previous, s->idle_previous);
    else
        TX_SET(ctx, root->idle_tail, s->idle_previous);
    TX_SET(ctx, root->idle_count, root->idle_count - 1);
}

/* How many workers may be on their way at once: no more than tasks that could run with what is
 * free. */
static uint32_t useful_workers(const struct pr_context *ctx, pr_index shape)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    const struct pr_class *c = pr_class_at(ctx, shape);
    int64_t fit = root->start_limit;
    for (uint32_t i = 0; i < c->demand_count; i++)
        if (c->demand[i].amount > 0)
            fit = PR_MIN(fit, root->resources[c->demand[i].resource].free / c->demand[i].amount);
    return (uint32_t)PR_MIN(PR_MAX(fit, 0), (int64_t)root->ready_count);
}

static void wake_idle(struct pr_context *ctx)
{
    pr_index slot = pr_engine_root(ctx)->idle_head;
    pr_idle_remove(ctx, slot);
    TX_SET(ctx, pr_slot_at(ctx, slot)->state, PR_SLOT_WAKING);
    TX_ADD(ctx, pr_engine_root(ctx)->waking, 1);
    pr_tx_wake(ctx, pr_slot_at(ctx, slot)->latch);
}

void pr_slot_request(struct pr_context *ctx, pr_index slot, uint32_t requests)
{
    const struct pr_slot *s = pr_slot_at(ctx, slot);
    if ((s->requests & requests) == requests) return;
    TX_SET(ctx, s->requests, s->requests | requests);
    TX_ADD(ctx, pr_engine_root(ctx)->signal_requests, 1);
    ctx->ring_doorbell = true;
}

void pr_sched_nudge(struct pr_context *ctx)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    pr_index shape = runnable_class(ctx);
    if (shape == PR_NONE) return;
    uint32_t useful = useful_workers(ctx, shape);
    if (root->idle_head != PR_NONE) { /* does not wait for those that start, which takes long */
        if (root->waking < useful) wake_idle(ctx);
    } else if (root->spawn_requests + root->starting + root->waking < useful &&
               root->worker_count + root->spawn_requests < root->worker_limit) {
        TX_ADD(ctx, root->spawn_requests, 1);
        ctx->ring_doorbell = true;
    }
}
