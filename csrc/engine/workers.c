#include "engine/workers.h"

#include <string.h>

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
    memcpy(view->name, t->name, PR_NAME_BYTES);
}

static enum pr_status look(struct pr_context *ctx, void *argument)
{
    struct look *look = argument;
    look->count = 0;
    for (pr_index i = 1; i < ctx->header->pools[PR_POOL_SLOT].high_water; i++) {
        const struct pr_slot *s = pr_slot_at(ctx, i);
        if (s->kind != PR_SLOT_WORKER || s->state == PR_SLOT_EMPTY || s->state == PR_SLOT_DEAD)
            continue;
        if (look->count == look->capacity) break;
        struct pr_worker_view *view = &look->views[look->count++];
        *view = (struct pr_worker_view){.slot = i,
                                        .process_id = s->process_id,
                                        .state = s->state,
                                        .is_actor = s->actor != PR_NONE};
        if (s->running != PR_NONE) view_task(ctx, s->running, view);
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

uint64_t pr_running_serial(const struct pr_context *ctx, pr_index slot)
{
    pr_index task = pr_slot_at(ctx, slot)->running;
    return task == PR_NONE ? 0 : pr_task_at(ctx, task)->serial;
}
