#include "engine/workers.h"

#include <string.h>

#include "engine/sched.h"
#include "shm/tx.h"

struct look {
    struct pr_worker_view *views;
    uint32_t capacity;
    uint32_t count;
};

static void view_task(const struct pr_context *ctx, pr_index task, struct pr_worker_view *view)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    bool of_actor = t->flags & (PR_TASK_OF_ACTOR | PR_TASK_CREATES_ACTOR);
    view->is_running = 1;
    view->is_actor |= of_actor;
    view->retries_left = of_actor ? 0 : t->retries_left;
    view->started_ns = t->started_ns;
    view->serial = t->serial;
    memcpy(view->name, t->name, PR_NAME_BYTES);
}

static enum pr_status look(struct pr_context *ctx, void *argument)
{
    struct look *look = argument;
    look->count = 0;
    for (pr_index i = 1; pr_pool_has(ctx, PR_POOL_SLOT, i); i++) {
        const struct pr_slot *s = pr_slot_at(ctx, i);
        if (s->kind != PR_SLOT_WORKER || s->state == PR_SLOT_EMPTY || s->state == PR_SLOT_DEAD)
            continue;
        if (look->count == look->capacity) break;
        struct pr_worker_view *view = &look->views[look->count++];
        *view = (struct pr_worker_view){.slot = i,
                                        .process_id = s->process_id,
                                        .state = s->state,
                                        .is_actor = s->actor != PR_NONE};
        if (pr_pool_has(ctx, PR_POOL_TASK, s->running)) view_task(ctx, s->running, view);
    }
    return PR_OK;
}

enum pr_status pr_workers_view(struct pr_context *ctx, struct pr_worker_view *views,
                               uint32_t capacity, uint32_t *count)
{
    struct look op = {.views = views, .capacity = capacity};
    enum pr_status status = pr_transact(ctx, look, &op);
    *count = op.count;
    return status;
}

struct condemn {
    pr_index slot;
    uint64_t serial;
    bool is_actor;
    bool condemned;
};

static bool is_as_seen(const struct pr_context *ctx, const struct condemn *op)
{
    const struct pr_slot *s = pr_slot_at(ctx, op->slot);
    uint64_t serial = s->running == PR_NONE ? 0 : pr_task_at(ctx, s->running)->serial;
    return op->is_actor ? s->actor != PR_NONE || serial == op->serial : serial == op->serial;
}

static enum pr_status condemn(struct pr_context *ctx, void *argument)
{
    struct condemn *op = argument;
    op->condemned = is_as_seen(ctx, op);
    pr_slot_request(ctx, op->slot, PR_REQUEST_EXIT | (op->condemned ? PR_REQUEST_KILL : 0u));
    return PR_OK;
}

enum pr_status pr_worker_condemn(struct pr_context *ctx, pr_index slot, uint64_t serial,
                                 bool is_actor)
{
    struct condemn op = {.slot = slot, .serial = serial, .is_actor = is_actor};
    PR_TRY(pr_transact(ctx, condemn, &op));
    return op.condemned ? PR_OK : PR_STATE;
}

uint64_t pr_running_serial(const struct pr_context *ctx, pr_index slot)
{
    pr_index task = pr_slot_at(ctx, slot)->running;
    return pr_pool_has(ctx, PR_POOL_TASK, task) ? pr_task_at(ctx, task)->serial : 0;
}
