#include "engine/help.h"

#include "engine/events.h"
#include "engine/sched.h"
#include "engine/session.h"

struct help {
    pr_index waiting;
    struct pr_ref awaited;
    struct pr_taken *taken;
};

/* PR_NONE: the object is sealed, or no task makes it. */
static pr_index producer_of(const struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    return o->state == PR_OBJECT_PENDING && (o->flags & PR_FLAG_RESULT) ? o->producer : PR_NONE;
}

/* The producer of the first argument that a WAITING task waits for. */
static pr_index needed_by(const struct pr_context *ctx, pr_index task)
{
    pr_index edge = pr_task_at(ctx, task)->edges;
    for (uint32_t i = 0; i < PR_STEP_EDGES && edge != PR_NONE;
         i++, edge = pr_edge_at(ctx, edge)->link)
        if (pr_edge_at(ctx, edge)->flags & PR_ARGUMENT_AWAITED)
            return producer_of(ctx, pr_edge_at(ctx, edge)->object);
    return PR_NONE;
}

static pr_index first_ready(const struct pr_context *ctx, pr_index object)
{
    pr_index task = producer_of(ctx, object);
    for (uint32_t i = 0; i < PR_HELP_DEPTH && task != PR_NONE; i++) {
        if (pr_task_at(ctx, task)->state == PR_TASK_READY) return task;
        if (pr_task_at(ctx, task)->state != PR_TASK_WAITING) return PR_NONE;
        task = needed_by(ctx, task);
    }
    return PR_NONE;
}

static bool may_share(const struct pr_context *ctx, const struct pr_task *waiting,
                      const struct pr_task *t)
{
    const uint32_t special =
        PR_TASK_OF_ACTOR | PR_TASK_CREATES_ACTOR | PR_TASK_CANCELLED | PR_TASK_STREAMS;
    return !((waiting->flags | t->flags) & special) && t->shape == waiting->shape &&
           pr_class_at(ctx, t->shape)->gpus == 0 && t->attempt == 0 && waiting->attempt == 1 &&
           t->retries_left != 0 && waiting->retries_left != 0;
}

static bool is_idle_worker(const struct pr_context *ctx, pr_index waiting)
{
    pr_index environment = pr_class_at(ctx, pr_task_at(ctx, waiting)->shape)->environment;
    return pr_crew_of(ctx, environment)->idle_head != PR_NONE;
}

static enum pr_status help_take(struct pr_context *ctx, void *argument)
{
    const struct help *op = argument;
    const struct pr_engine_root *root = pr_engine_root(ctx);
    const struct pr_object *o;
    if (root->lent_count < root->help_from || is_idle_worker(ctx, op->waiting)) return PR_EMPTY;
    bool doomed = pr_slot_at(ctx, ctx->slot)->requests & PR_REQUEST_KILL;
    if (pr_session_ending(ctx) || doomed) return PR_EMPTY;
    PR_TRY(pr_object_find(ctx, op->awaited, &o));
    pr_index task = first_ready(ctx, op->awaited.index);
    if (task == PR_NONE || !may_share(ctx, pr_task_at(ctx, op->waiting), pr_task_at(ctx, task)))
        return PR_EMPTY;
    pr_queue_remove(ctx, task);
    pr_work_start(ctx, task, op->taken);
    return PR_OK;
}

enum pr_status pr_help_take(struct pr_context *ctx, pr_index waiting, struct pr_ref awaited,
                            struct pr_taken *taken)
{
    struct help op = {waiting, awaited, taken};
    enum pr_status status = pr_operate(ctx, help_take, &op);
    if (status == PR_OK) PR_FAILPOINT(ctx, TAKE_DONE);
    return status;
}

static enum pr_status give_back(struct pr_context *ctx, void *argument)
{
    pr_index task = *(const pr_index *)argument;
    const struct pr_task *t = pr_task_at(ctx, task);
    if (t->state != PR_TASK_RUNNING || t->claim != ctx->slot) return PR_STATE;
    pr_task_unlink_running(ctx, task);
    if (t->retries_left != 0) {
        struct pr_end end = {.flags = PR_EVENT_FAILED | PR_EVENT_RETRIED,
                             .process_id = ctx->process_id,
                             .cause = PR_CAUSE_WORKER_DIED};
        pr_event_ended(ctx, task, &end);
        pr_task_again(ctx, task, false);
    } else { /* it may be retried, or it would not have been helped: it was cancelled */
        struct pr_failure failure = pr_task_failure(ctx, task, PR_CAUSE_CANCELLED, NULL);
        pr_task_fail(ctx, task, &failure);
    }
    return PR_OK;
}

enum pr_status pr_help_give_back(struct pr_context *ctx, pr_index task)
{
    return pr_operate(ctx, give_back, &task);
}

struct start {
    struct pr_ref result;
    struct pr_taken *taken;
};

static enum pr_status start_here(struct pr_context *ctx, void *argument)
{
    const struct start *op = argument;
    const struct pr_object *o;
    PR_TRY(pr_object_find(ctx, op->result, &o));
    pr_index task = producer_of(ctx, op->result.index);
    if (task == PR_NONE || pr_task_at(ctx, task)->state != PR_TASK_READY) return PR_EMPTY;
    if (pr_task_at(ctx, task)->flags & (PR_TASK_OF_ACTOR | PR_TASK_CREATES_ACTOR)) return PR_EMPTY;
    pr_queue_remove(ctx, task);
    pr_work_start(ctx, task, op->taken);
    return PR_OK;
}

enum pr_status pr_help_start(struct pr_context *ctx, struct pr_ref result, struct pr_taken *taken)
{
    struct start op = {result, taken};
    enum pr_status status = pr_operate(ctx, start_here, &op);
    if (status == PR_OK) PR_FAILPOINT(ctx, TAKE_DONE);
    return status;
}
