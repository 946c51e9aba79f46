#include "engine/jobs.h"

#include "engine/actor.h"
#include "engine/cancel.h"
#include "engine/placement.h"
#include "engine/sched.h"

#define LOOK_STEP 1024u /* entries that one transaction looks at */

/* ---- joining ---- */

struct reserve {
    uint32_t process_id;
    bool observes;
    struct pr_joined joined;
};

static enum pr_status reserve(struct pr_context *ctx, void *argument)
{
    struct reserve *op = argument;
    const struct pr_engine_root *root = pr_engine_root(ctx);
    op->joined.job = PR_NONE;
    PR_TRY(pr_slot_new(ctx, PR_SLOT_DRIVER, PR_SLOT_BUSY, &op->joined.slot));
    TX_SET(ctx, pr_slot_at(ctx, op->joined.slot)->process_id, op->process_id);
    if (op->observes) return PR_OK;
    TX_SET(ctx, root->jobs, root->jobs + 1);
    op->joined.job = root->jobs;
    TX_SET(ctx, pr_slot_at(ctx, op->joined.slot)->job, root->jobs);
    return PR_OK;
}

enum pr_status pr_driver_reserve(struct pr_context *ctx, uint32_t process_id, bool observes,
                                 struct pr_joined *joined)
{
    struct reserve op = {.process_id = process_id, .observes = observes};
    PR_TRY(pr_operate(ctx, reserve, &op));
    *joined = op.joined;
    return PR_OK;
}

static enum pr_status adopt(struct pr_context *ctx, void *argument)
{
    const pr_index *slot = argument;
    if (!pr_pool_has(ctx, PR_POOL_SLOT, *slot)) return PR_STATE;
    const struct pr_slot *s = pr_slot_at(ctx, *slot);
    bool ours = s->kind == PR_SLOT_DRIVER && s->state == PR_SLOT_BUSY &&
                s->process_id == pr_os_process_id();
    return ours ? PR_OK : PR_STATE;
}

static enum pr_status adopt_mapped(struct pr_context *ctx, pr_index slot)
{
    PR_TRY(pr_local_open(ctx));
    PR_TRY(pr_transact(ctx, adopt, &slot));
    pr_session_become(ctx, slot);
    return PR_OK;
}

enum pr_status pr_driver_attach(struct pr_context *ctx, int control_fd, int heap_fd, pr_index slot,
                                uint32_t small_tables)
{
    PR_TRY(pr_session_map(ctx, control_fd, heap_fd, small_tables));
    return pr_session_keep(ctx, adopt_mapped(ctx, slot));
}

/* ---- ending: tasks ---- */

struct ending {
    uint32_t job;
    pr_index from; /* entry to look at next */
    struct pr_job_rest *rest;
};

/* A call in the process of an actor of this job that has left by itself, and so is dead. */
static bool is_left_over(const struct pr_context *ctx, const struct pr_task *t)
{
    const struct pr_actor *a = pr_actor_at(ctx, t->actor);
    return (t->flags & PR_TASK_OF_ACTOR) && a->state == PR_ACTOR_DEAD &&
           !(a->flags & PR_ACTOR_OUTLIVES) && a->job == pr_slot_at(ctx, t->claim)->job;
}

static void end_running(struct pr_context *ctx, const struct pr_task *t)
{
    bool special = t->flags & (PR_TASK_OF_ACTOR | PR_TASK_CREATES_ACTOR);
    if (special && !is_left_over(ctx, t)) return; /* with its actor, or not */
    if (t->retries_left != 0) TX_SET(ctx, t->retries_left, 0);
    pr_slot_request(ctx, t->claim, PR_REQUEST_KILL | PR_REQUEST_EXIT | PR_REQUEST_ORPHAN);
}

/* True if that took a long list of stores. */
static bool end_task(struct pr_context *ctx, pr_index task, struct pr_job_rest *rest)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    rest->tasks++;
    if (t->flags & PR_TASK_OUTLIVES) {
        rest->outliving++;
        return false;
    }
    if (t->state == PR_TASK_RUNNING) {
        end_running(ctx, t);
        return true;
    }
    bool waits = t->state == PR_TASK_READY || t->state == PR_TASK_WAITING;
    if (!waits || (t->flags & PR_TASK_CREATES_ACTOR)) return false;
    pr_cancel_queued(ctx, task, PR_CAUSE_OWNER_DIED);
    return true;
}

static enum pr_status end_tasks(struct pr_context *ctx, void *argument)
{
    struct ending *op = argument;
    uint32_t end = ctx->header->pools[PR_POOL_TASK].high_water;
    uint32_t ended = 0;
    for (uint32_t i = 0; i < LOOK_STEP && op->from < end && ended < PR_STEP_RESULTS; i++) {
        const struct pr_task *t = pr_task_at(ctx, op->from);
        if (t->state != PR_TASK_FREE &&
            pr_job_of(ctx, pr_class_at(ctx, t->shape)->environment) == op->job)
            ended += end_task(ctx, op->from, op->rest);
        op->from++;
    }
    return op->from < end ? PR_OK : PR_EMPTY;
}

/* ---- ending: actors, workers, placement groups ---- */

static enum pr_status end_actors(struct pr_context *ctx, void *argument)
{
    struct ending *op = argument;
    uint32_t end = ctx->header->pools[PR_POOL_ACTOR].high_water;
    for (uint32_t i = 0; i < LOOK_STEP && op->from < end; i++) {
        pr_index actor = op->from++;
        const struct pr_actor *a = pr_actor_at(ctx, actor);
        if (a->job != op->job || a->state == PR_ACTOR_FREE || a->state == PR_ACTOR_DEAD) continue;
        op->rest->actors++;
        if (a->flags & (PR_ACTOR_DETACHED | PR_ACTOR_OUTLIVES)) {
            op->rest->outliving++;
            continue;
        }
        pr_actor_end(ctx, actor, PR_CAUSE_ACTOR_JOB_ENDED);
        break; /* one at a time */
    }
    return op->from < end ? PR_OK : PR_EMPTY;
}

static void let_go(struct pr_context *ctx, pr_index slot)
{
    const struct pr_slot *s = pr_slot_at(ctx, slot);
    pr_idle_remove(ctx, slot);
    TX_SET(ctx, s->state, PR_SLOT_WAKING);
    TX_ADD(ctx, pr_crew_of(ctx, s->environment)->waking, 1);
    TX_SET(ctx, s->requests, s->requests | PR_REQUEST_EXIT);
    pr_tx_wake(ctx, s->latch);
}

static enum pr_status end_workers(struct pr_context *ctx, void *argument)
{
    struct ending *op = argument;
    uint32_t end = ctx->header->pools[PR_POOL_SLOT].high_water;
    for (uint32_t i = 0; i < PR_STEP_RESULTS && op->from < end; i++) {
        pr_index slot = op->from++;
        const struct pr_slot *s = pr_slot_at(ctx, slot);
        if (s->state == PR_SLOT_EMPTY || s->kind != PR_SLOT_WORKER || s->job != op->job) continue;
        op->rest->workers++;
        if (s->state == PR_SLOT_IDLE) let_go(ctx, slot);
    }
    return op->from < end ? PR_OK : PR_EMPTY;
}

static enum pr_status end_groups(struct pr_context *ctx, void *argument)
{
    struct ending *op = argument;
    uint32_t end = ctx->header->pools[PR_POOL_PLACEMENT].high_water;
    for (uint32_t i = 0; i < LOOK_STEP && op->from < end; i++) {
        pr_index group = op->from++;
        const struct pr_placement *p = pr_placement_at(ctx, group);
        bool here = p->state != PR_PLACEMENT_FREE && p->state != PR_PLACEMENT_REMOVED;
        if (!here || p->is_detached || p->job != op->job) continue;
        pr_placement_end_group(ctx, group);
        break;
    }
    return op->from < end ? PR_OK : PR_EMPTY;
}

/* ---- ending: environments ---- */

static void withdraw_requests(struct pr_context *ctx, const struct pr_crew *crew)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    if (crew->spawn_requests == 0) return;
    TX_SET(ctx, root->spawn_requests, root->spawn_requests - crew->spawn_requests);
    TX_SET(ctx, crew->spawn_requests, 0);
}

/* One of the job's environments, of which nothing is left. */
static enum pr_status free_environment(struct pr_context *ctx, void *argument)
{
    const struct ending *op = argument;
    const struct pr_engine_root *root = pr_engine_root(ctx);
    const uint32_t *at = &root->environments;
    while (*at != PR_NONE && pr_environment_at(ctx, *at)->job != op->job)
        at = &pr_environment_at(ctx, *at)->link;
    pr_index environment = *at;
    if (environment == PR_NONE) return PR_EMPTY;
    const struct pr_environment *e = pr_environment_at(ctx, environment);
    withdraw_requests(ctx, &e->crew);
    if (root->turn == environment + 1) TX_SET(ctx, root->turn, 0);
    TX_SET(ctx, *at, e->link);
    pr_object_unref(ctx, e->description);
    TX_SET(ctx, e->description, PR_NONE);
    TX_SET(ctx, e->job, PR_NONE);
    pr_pool_give(ctx, PR_POOL_ENVIRONMENT, environment);
    return PR_OK;
}

static enum pr_status pass(struct pr_context *ctx, struct ending *op,
                           enum pr_status (*step)(struct pr_context *, void *))
{
    enum pr_status status;
    op->from = 1;
    while ((status = pr_operate(ctx, step, op)) == PR_OK) PR_FAILPOINT(ctx, SWEEP_STEP);
    return status == PR_EMPTY ? PR_OK : status;
}

enum pr_status pr_job_end(struct pr_context *ctx, uint32_t job, struct pr_job_rest *rest)
{
    struct ending op = {.job = job, .rest = rest};
    PR_ASSERT(job != PR_NONE);
    *rest = (struct pr_job_rest){0};
    PR_TRY(pass(ctx, &op, end_groups));
    PR_TRY(pass(ctx, &op, end_actors));
    PR_TRY(pass(ctx, &op, end_tasks));
    PR_TRY(pass(ctx, &op, end_workers));
    if (rest->tasks > 0 || rest->actors > 0 || rest->workers > 0) return PR_OK;
    return pass(ctx, &op, free_environment);
}
