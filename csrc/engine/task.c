#include "engine/task.h"

#include <string.h>

#include "engine/actor.h"
#include "engine/chores.h"
#include "engine/events.h"
#include "engine/placement.h"
#include "engine/sched.h"
#include "engine/stream.h"

/* ---- lists of a slot ---- */

void pr_task_link(struct pr_context *ctx, const uint32_t *head, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    TX_SET(ctx, t->previous, PR_NONE);
    TX_SET(ctx, t->link, *head);
    if (*head != PR_NONE) TX_SET(ctx, pr_task_at(ctx, *head)->previous, task);
    TX_SET(ctx, *head, task);
    TX_SET(ctx, t->claim, ctx->slot);
}

void pr_task_unlink(struct pr_context *ctx, const uint32_t *head, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    if (t->link != PR_NONE) TX_SET(ctx, pr_task_at(ctx, t->link)->previous, t->previous);
    if (t->previous != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, t->previous)->link, t->link);
    else
        TX_SET(ctx, *head, t->link);
    TX_SET(ctx, t->claim, PR_NONE);
}

void pr_task_unlink_running(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    PR_ASSERT(t->state == PR_TASK_RUNNING);
    pr_task_unlink(ctx, &pr_slot_at(ctx, t->claim)->running, task);
    if (t->flags & PR_TASK_LENT)
        TX_SET(ctx, pr_engine_root(ctx)->lent_count, pr_engine_root(ctx)->lent_count - 1);
    if (t->flags & PR_TASK_HOLDS)
        pr_resources_give(ctx, t->shape, t->holding, t->flags & PR_TASK_LENT);
    TX_SET(ctx, t->flags, t->flags & ~(uint32_t)(PR_TASK_HOLDS | PR_TASK_LENT));
}

void pr_task_ready(struct pr_context *ctx, pr_index task)
{
    if (pr_task_at(ctx, task)->flags & PR_TASK_OF_ACTOR) {
        pr_mailbox_call_ready(ctx, task);
        return;
    }
    pr_queue_push(ctx, task);
    pr_sched_nudge(ctx);
}

/* ---- telling waiters ---- */

static void hit_latch(struct pr_context *ctx, pr_index edge, bool is_error)
{
    const struct pr_edge *e = pr_edge_at(ctx, edge);
    pr_index latch = e->owner;
    const struct pr_latch *l = pr_latch_at(ctx, latch);
    TX_SET(ctx, l->hits, l->hits + 1);
    pr_edge_delete(ctx, &l->watches, edge);
    bool enough = (l->armed & PR_LATCH_ARMED) && (int32_t)(l->hits - l->wake_at) >= 0;
    if (!enough && !(is_error && (l->armed & PR_LATCH_ERRORS))) return;
    TX_SET(ctx, l->armed, 0);
    pr_tx_wake(ctx, latch);
}

static void argument_sealed(struct pr_context *ctx, pr_index edge)
{
    const struct pr_edge *e = pr_edge_at(ctx, edge);
    const struct pr_task *t = pr_task_at(ctx, e->owner);
    PR_ASSERT(t->awaited > 0);
    TX_SET(ctx, e->flags, 0);
    TX_SET(ctx, t->awaited, t->awaited - 1);
    if (t->awaited == 0 && t->state == PR_TASK_WAITING) pr_task_ready(ctx, e->owner);
}

bool pr_resolve_step(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    while (o->waiters != PR_NONE && !pr_tx_is_long(ctx)) {
        pr_index edge = o->waiters;
        pr_edge_unawait(ctx, edge);
        if (pr_edge_at(ctx, edge)->kind == PR_EDGE_WATCH)
            hit_latch(ctx, edge, o->flags & PR_FLAG_ERROR);
        else
            argument_sealed(ctx, edge);
    }
    return o->waiters == PR_NONE;
}

/* ---- the end of a task ---- */

static bool drop_edges(struct pr_context *ctx, const struct pr_task *t)
{
    while (t->edges != PR_NONE && !pr_tx_is_long(ctx)) {
        pr_index edge = t->edges;
        const struct pr_edge *e = pr_edge_at(ctx, edge);
        pr_index object = e->object;
        if (e->flags & PR_ARGUMENT_AWAITED) pr_edge_unawait(ctx, edge);
        pr_edge_delete(ctx, &t->edges, edge);
        pr_object_unref(ctx, object);
    }
    return t->edges == PR_NONE;
}

static bool drop_results(struct pr_context *ctx, const struct pr_task *t)
{
    while (t->results != PR_NONE && !pr_tx_is_long(ctx)) {
        pr_index object = t->results;
        TX_SET(ctx, t->results, pr_object_at(ctx, object)->next_result);
        pr_object_unref(ctx, object);
    }
    return t->results == PR_NONE;
}

static void free_task(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    if (t->flags & PR_TASK_STREAMS) pr_stream_end(ctx, task);
    pr_object_unref(ctx, t->function);
    if (t->arguments != PR_NONE) pr_object_unref(ctx, t->arguments);
    if (t->actor != PR_NONE) pr_actor_unbind(ctx, t->actor);
    pr_index group = pr_class_at(ctx, t->shape)->placement;
    if (group != PR_NONE) pr_placement_leave(ctx, group);
    TX_SET(ctx, t->state, PR_TASK_FREE);
    TX_SET(ctx, t->generation, t->generation + 1 == 0 ? 1 : t->generation + 1);
    pr_pool_give(ctx, PR_POOL_TASK, task);
}

static bool cleanup_step(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    PR_ASSERT(t->state == PR_TASK_DONE);
    if (!drop_edges(ctx, t) || !drop_results(ctx, t)) return false;
    free_task(ctx, task);
    return true;
}

void pr_task_end(struct pr_context *ctx, pr_index task)
{
    TX_SET(ctx, pr_task_at(ctx, task)->state, PR_TASK_DONE);
    if (!cleanup_step(ctx, task)) pr_task_add_chore(ctx, task);
}

void pr_task_seal_failure(struct pr_context *ctx, pr_index object, const struct pr_failure *failure)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    if (o->state == PR_OBJECT_SEALED) return;
    if (o->state == PR_OBJECT_CREATING) pr_object_abort(ctx, object);
    struct pr_failure copy = *failure;
    const struct pr_object *detail;
    pr_index edge;
    bool keep = copy.detail.index != PR_NONE && copy.detail.index != object &&
                pr_object_find(ctx, copy.detail, &detail) == PR_OK &&
                pr_edge_new(ctx, &o->children, PR_EDGE_CONTAINED, object, copy.detail.index, 0,
                            &edge) == PR_OK;
    if (keep)
        pr_object_ref(ctx, copy.detail.index);
    else
        copy.detail = (struct pr_ref){0}; /* the text goes without its detail */
    pr_object_seal_inline(ctx, object, PR_KIND_FAILURE, PR_FLAG_ERROR, &copy, sizeof copy);
    if (o->waiters != PR_NONE && !pr_resolve_step(ctx, object)) pr_object_add_chore(ctx, object);
}

static bool fail_step(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    struct pr_failure failure;
    memcpy(&failure, t->value, sizeof failure);
    while (t->next_result != PR_NONE && !pr_tx_is_long(ctx)) {
        pr_index object = t->next_result;
        TX_SET(ctx, t->next_result, pr_object_at(ctx, object)->next_result);
        pr_task_seal_failure(ctx, object, &failure);
    }
    if (t->next_result != PR_NONE) return false;
    TX_SET(ctx, t->state, PR_TASK_DONE);
    return true;
}

bool pr_task_chore_step(struct pr_context *ctx, pr_index task)
{
    if (pr_task_at(ctx, task)->state == PR_TASK_FAILED && !fail_step(ctx, task)) return false;
    return cleanup_step(ctx, task);
}

void pr_task_fail(struct pr_context *ctx, pr_index task, const struct pr_failure *failure)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    struct pr_end end = {.flags = PR_EVENT_FAILED,
                         .process_id = failure->process_id,
                         .cause = failure->cause,
                         .wait_status = failure->wait_status};
    pr_event_ended(ctx, task, &end);
    pr_tx_copy(ctx, t->value, failure, sizeof *failure);
    TX_SET(ctx, t->state, PR_TASK_FAILED);
    TX_SET(ctx, t->next_result, t->results);
    TX_ADD(ctx, pr_engine_root(ctx)->failed, 1);
    pr_task_add_chore(ctx, task);
}

void pr_task_cancel(struct pr_context *ctx, pr_index task, const struct pr_failure *failure)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    PR_ASSERT(t->state == PR_TASK_READY || t->state == PR_TASK_WAITING);
    if (t->state == PR_TASK_READY) pr_queue_remove(ctx, task);
    pr_task_fail(ctx, task, failure);
}

struct pr_failure pr_task_failure(const struct pr_context *ctx, pr_index task, enum pr_cause cause,
                                  const struct pr_slot *died)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    struct pr_failure failure = {.cause = (uint16_t)cause};
    memcpy(failure.name, t->name, PR_NAME_BYTES);
    if (died != NULL) {
        failure.process_id = died->process_id;
        failure.wait_status = (uint16_t)died->wait_status;
        failure.detail = died->words;
        failure.ran_ms = (uint32_t)((pr_os_monotonic_ns() - t->started_ns) / 1000000u);
    }
    return failure;
}

void pr_task_again(struct pr_context *ctx, pr_index task, bool is_free)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    if (t->retries_left > 0 && !is_free) TX_SET(ctx, t->retries_left, t->retries_left - 1);
    TX_SET(ctx, t->next_result, t->results);
    TX_ADD(ctx, pr_engine_root(ctx)->retried, 1);
    pr_queue_push_front(ctx, task);
    pr_sched_nudge(ctx);
}

/* ---- lending ---- */

static enum pr_status lend(struct pr_context *ctx, void *argument)
{
    const pr_index *task = argument;
    const struct pr_task *t = pr_task_at(ctx, *task);
    if (t->state != PR_TASK_RUNNING || (t->flags & PR_TASK_LENT) || !(t->flags & PR_TASK_HOLDS))
        return PR_OK;
    TX_SET(ctx, t->flags, t->flags | PR_TASK_LENT);
    TX_ADD(ctx, pr_engine_root(ctx)->lent_count, 1);
    pr_resources_lend(ctx, t->shape, t->holding);
    pr_sched_nudge(ctx);
    return PR_OK;
}

void pr_task_take_back(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    TX_SET(ctx, t->flags, t->flags & ~(uint32_t)PR_TASK_LENT);
    TX_SET(ctx, pr_engine_root(ctx)->lent_count, pr_engine_root(ctx)->lent_count - 1);
    pr_resources_reclaim(ctx, t->shape, t->holding);
}

static enum pr_status reclaim(struct pr_context *ctx, void *argument)
{
    const pr_index *task = argument;
    const struct pr_task *t = pr_task_at(ctx, *task);
    if (t->state != PR_TASK_RUNNING || !(t->flags & PR_TASK_LENT)) return PR_OK;
    pr_task_take_back(ctx, *task);
    return PR_OK;
}

void pr_task_lend(struct pr_context *ctx, pr_index task)
{
    if (task != PR_NONE) PR_ASSERT(pr_operate(ctx, lend, &task) != PR_CORRUPT);
}

void pr_task_reclaim(struct pr_context *ctx, pr_index task)
{
    if (task != PR_NONE) PR_ASSERT(pr_operate(ctx, reclaim, &task) != PR_CORRUPT);
}
