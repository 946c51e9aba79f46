#include "engine/cancel.h"

#include <stdlib.h>

#include "engine/actor.h"
#include "engine/sched.h"

#define SCAN_STEP 512u  /* tasks looked at in one transaction */
#define CANCEL_STEP 16u /* and cancelled */

/* A task whose children are wanted: those with serial numbers up to `last`. What it submits later
 * it submits after it has been told, or pr_cancel_reaches finds it. */
struct parent {
    uint64_t serial, last;
};

struct parents {
    struct parent *at;
    uint32_t count, room;
};

static bool add_parent(struct parents *list, struct parent parent)
{
    if (list->count == list->room) {
        uint32_t room = 2 * list->room + 16;
        struct parent *at = realloc(list->at, room * sizeof *at);
        if (at == NULL) return false;
        list->at = at;
        list->room = room;
    }
    list->at[list->count++] = parent;
    return true;
}

void pr_cancel_queued(struct pr_context *ctx, pr_index task, enum pr_cause cause)
{
    struct pr_failure failure = pr_task_failure(ctx, task, cause, NULL);
    if (pr_task_at(ctx, task)->flags & PR_TASK_OF_ACTOR)
        pr_mailbox_remove(ctx, task);
    else if (pr_task_at(ctx, task)->state == PR_TASK_READY)
        pr_queue_remove(ctx, task);
    pr_task_fail(ctx, task, &failure);
}

static void mark(struct pr_context *ctx, const struct pr_task *t, bool recursive)
{
    uint32_t flags = (t->flags | PR_TASK_CANCELLED) & ~(uint32_t)PR_TASK_TOLD;
    TX_SET(ctx, t->flags, recursive ? flags | PR_TASK_CANCEL_CHILDREN : flags);
    if (t->retries_left != 0) TX_SET(ctx, t->retries_left, 0);
}

static void cancel_running(struct pr_context *ctx, const struct pr_task *t, bool force,
                           bool recursive)
{
    const struct pr_slot *s = pr_slot_at(ctx, t->claim);
    mark(ctx, t, recursive);
    if (s->state == PR_SLOT_DEAD) return; /* the sweep will see the mark */
    if (t->flags & PR_TASK_OF_ACTOR) {
        pr_tx_wake(ctx, s->latch);
    } else if (force) {
        /* those that wait for this one in the same process (engine/help.h) are not to blame */
        if (!s->free_retry) TX_SET(ctx, s->free_retry, 1);
        pr_slot_request(ctx, t->claim, PR_REQUEST_KILL | PR_REQUEST_EXIT);
    } else {
        pr_slot_request(ctx, t->claim, PR_REQUEST_INTERRUPT);
    }
}

/* True if it was running, so that it may have children. */
static bool cancel_task(struct pr_context *ctx, pr_index task, bool force, bool recursive)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    if (t->flags & PR_TASK_CREATES_ACTOR) return false;
    switch (t->state) {
    case PR_TASK_SUBMITTING: mark(ctx, t, recursive); return false;
    case PR_TASK_WAITING:
    case PR_TASK_READY: pr_cancel_queued(ctx, task, PR_CAUSE_CANCELLED); return false;
    case PR_TASK_RUNNING: cancel_running(ctx, t, force, recursive); return true;
    default: return false;
    }
}

bool pr_cancel_reaches(const struct pr_context *ctx, const struct pr_task *child)
{
    pr_index running = pr_slot_at(ctx, ctx->slot)->running;
    if (running == PR_NONE || (child->flags & PR_TASK_CREATES_ACTOR)) return false;
    const struct pr_task *t = pr_task_at(ctx, running);
    return PR_UNLIKELY(t->flags & PR_TASK_CANCEL_CHILDREN) && !(t->flags & PR_TASK_TOLD) &&
           t->serial == child->parent;
}

void pr_cancel_complete(struct pr_context *ctx, pr_index task)
{
    struct pr_failure failure = pr_task_failure(ctx, task, PR_CAUSE_CANCELLED, NULL);
    pr_task_fail(ctx, task, &failure);
}

/* ---- one task ---- */

struct cancel {
    struct pr_ref result;
    bool force, recursive;
    struct parent task; /* if it was running */
};

static struct parent parent_of_all(const struct pr_context *ctx, const struct pr_task *t)
{
    return (struct parent){t->serial, pr_engine_root(ctx)->serial};
}

static enum pr_status cancel_one(struct pr_context *ctx, void *argument)
{
    struct cancel *op = argument;
    const struct pr_object *o;
    op->task.serial = 0;
    PR_TRY(pr_object_find(ctx, op->result, &o));
    bool pending = o->state == PR_OBJECT_PENDING || o->state == PR_OBJECT_CREATING;
    if (!pending || !(o->flags & PR_FLAG_RESULT)) return PR_OK; /* finished, or nobody's result */
    const struct pr_task *t = pr_task_at(ctx, o->producer);
    if (op->force && (t->flags & PR_TASK_OF_ACTOR)) return PR_STATE;
    if (cancel_task(ctx, o->producer, op->force, op->recursive)) op->task = parent_of_all(ctx, t);
    return PR_OK;
}

enum pr_status pr_cancel(struct pr_context *ctx, struct pr_ref result, bool force, bool recursive)
{
    struct cancel op = {.result = result, .force = force, .recursive = recursive};
    PR_TRY(pr_operate(ctx, cancel_one, &op));
    PR_FAILPOINT(ctx, CANCEL_STEP);
    if (!recursive || op.task.serial == 0) return PR_OK;
    return pr_cancel_children(ctx, op.task.serial, op.task.last, force);
}

/* ---- children ---- */

struct scan {
    const struct parents *parents;
    pr_index from;
    bool force;
    uint32_t count;
    struct parent running[CANCEL_STEP]; /* children that have begun */
};

static bool is_child(const struct parents *parents, const struct pr_task *t)
{
    if (t->state == PR_TASK_FREE || t->parent == 0) return false;
    for (uint32_t i = 0; i < parents->count; i++)
        if (parents->at[i].serial == t->parent && t->serial <= parents->at[i].last) return true;
    return false;
}

static enum pr_status scan_step(struct pr_context *ctx, void *argument)
{
    struct scan *scan = argument;
    uint32_t high_water = ctx->header->pools[PR_POOL_TASK].high_water;
    uint32_t cancelled = 0, looked = 0;
    scan->count = 0;
    for (; scan->from < high_water && looked < SCAN_STEP && cancelled < CANCEL_STEP;
         scan->from++, looked++) {
        const struct pr_task *t = pr_task_at(ctx, scan->from);
        if (!is_child(scan->parents, t)) continue;
        if (cancel_task(ctx, scan->from, scan->force, true))
            scan->running[scan->count++] = parent_of_all(ctx, t);
        cancelled++;
    }
    return scan->from < high_water ? PR_OK : PR_EMPTY;
}

/* The children of `parents`; those of them that ran are added to `next`. */
static enum pr_status cancel_generation(struct pr_context *ctx, const struct parents *parents,
                                        struct parents *next, bool force)
{
    struct scan scan = {.parents = parents, .from = 1, .force = force};
    enum pr_status status;
    do {
        status = pr_operate(ctx, scan_step, &scan);
        if (status != PR_OK && status != PR_EMPTY) return status;
        PR_FAILPOINT(ctx, CANCEL_STEP);
        for (uint32_t i = 0; i < scan.count; i++)
            if (!add_parent(next, scan.running[i])) return PR_NO_MEMORY;
    } while (status == PR_OK);
    return PR_OK;
}

enum pr_status pr_cancel_children(struct pr_context *ctx, uint64_t serial, uint64_t last,
                                  bool force)
{
    struct parents parents = {0}, next = {0};
    enum pr_status status =
        add_parent(&parents, (struct parent){serial, last}) ? PR_OK : PR_NO_MEMORY;
    while (status == PR_OK && parents.count > 0) {
        next.count = 0;
        status = cancel_generation(ctx, &parents, &next, force);
        struct parents done = parents;
        parents = next;
        next = done;
    }
    free(parents.at);
    free(next.at);
    return status;
}

/* ---- who is told ---- */

struct told {
    pr_index task;
    bool recursive;
};

static bool is_untold(const struct pr_task *t)
{
    return (t->flags & PR_TASK_CANCELLED) && !(t->flags & PR_TASK_TOLD);
}

static enum pr_status take_told(struct pr_context *ctx, void *argument)
{
    struct told *op = argument;
    const struct pr_task *t = pr_task_at(ctx, op->task);
    bool ours = t->state == PR_TASK_RUNNING && t->claim == ctx->slot;
    if (!ours || !is_untold(t)) return PR_EMPTY;
    TX_SET(ctx, t->flags, t->flags | PR_TASK_TOLD);
    op->recursive = t->flags & PR_TASK_CANCEL_CHILDREN;
    return PR_OK;
}

bool pr_cancel_take(struct pr_context *ctx, pr_index task, bool *recursive)
{
    struct told op = {.task = task};
    if (pr_transact(ctx, take_told, &op) != PR_OK) return false;
    *recursive = op.recursive;
    return true;
}

static enum pr_status asked(struct pr_context *ctx, void *argument)
{
    const struct pr_task *t = pr_task_at(ctx, *(const pr_index *)argument);
    bool ours = t->state == PR_TASK_RUNNING && t->claim == ctx->slot;
    return ours && (t->flags & PR_TASK_CANCELLED) ? PR_OK : PR_EMPTY;
}

bool pr_cancel_asked(struct pr_context *ctx, pr_index task)
{
    return pr_transact(ctx, asked, &task) == PR_OK;
}

static enum pr_status find_untold(struct pr_context *ctx, void *argument)
{
    pr_index *task = argument;
    for (*task = pr_slot_at(ctx, ctx->slot)->running; *task != PR_NONE;
         *task = pr_task_at(ctx, *task)->link)
        if (is_untold(pr_task_at(ctx, *task))) return PR_OK;
    return PR_EMPTY;
}

pr_index pr_cancel_next(struct pr_context *ctx)
{
    pr_index task = PR_NONE;
    return pr_transact(ctx, find_untold, &task) == PR_OK ? task : PR_NONE;
}

static enum pr_status take_interrupt(struct pr_context *ctx, void *argument)
{
    const struct pr_slot *s = pr_slot_at(ctx, *(const pr_index *)argument);
    if (!(s->requests & PR_REQUEST_INTERRUPT)) return PR_EMPTY;
    TX_SET(ctx, s->requests, s->requests & ~(uint32_t)PR_REQUEST_INTERRUPT);
    return PR_OK;
}

bool pr_interrupt_take(struct pr_context *ctx, pr_index slot)
{
    return pr_transact(ctx, take_interrupt, &slot) == PR_OK;
}
