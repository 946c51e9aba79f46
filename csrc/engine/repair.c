#include "engine/repair.h"

#include "engine/actor.h"
#include "engine/channel.h"
#include "engine/chores.h"
#include "engine/events.h"
#include "engine/placement.h"
#include "engine/sched.h"
#include "engine/stream.h"
#include "engine/submit.h"

struct sweep {
    pr_index slot;
    const struct pr_obituary *obituary;
};

static enum pr_status mark_dead(struct pr_context *ctx, void *argument)
{
    const struct sweep *sweep = argument;
    const struct pr_slot *s = pr_slot_at(ctx, sweep->slot);
    if (s->state == PR_SLOT_EMPTY || s->state == PR_SLOT_DEAD) return PR_OK;
    pr_sched_leave_state(ctx, sweep->slot);
    TX_SET(ctx, s->state, PR_SLOT_DEAD);
    TX_SET(ctx, s->wait_status, sweep->obituary->wait_status);
    TX_SET(ctx, s->cause, sweep->obituary->cause);
    TX_SET(ctx, s->free_retry, s->free_retry || sweep->obituary->free_retry);
    TX_SET(ctx, s->words.index, sweep->obituary->words.index);
    TX_SET(ctx, s->words.generation, sweep->obituary->words.generation);
    TX_ADD(ctx, pr_engine_root(ctx)->deaths, 1);
    pr_sched_nudge(ctx);  /* it may have been on its way to a task; the sweep may take long */
    ctx->wake_all = true; /* it may have committed something and not woken anybody for it */
    return PR_OK;
}

/* ---- what it was doing ---- */

static void record_lost(struct pr_context *ctx, pr_index task, const struct pr_slot *died)
{
    struct pr_end end = {.flags = PR_EVENT_FAILED | PR_EVENT_RETRIED,
                         .process_id = died->process_id,
                         .cause = died->cause,
                         .wait_status = died->wait_status};
    pr_event_ended(ctx, task, &end);
}

static void give_up_creation(struct pr_context *ctx, pr_index task, const struct pr_slot *died)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    if (pr_actor_at(ctx, t->actor)->state == PR_ACTOR_RESTARTING)
        pr_actor_keep_creation(ctx, t->actor, task);
    else
        pr_actor_lost_call(ctx, task, died);
}

/* Of tasks that share a process the first one ran, and those that it helped waited (engine/help.h):
 * they are not to blame. */
static void give_up_running(struct pr_context *ctx, pr_index task, pr_index slot)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    const struct pr_slot *died = pr_slot_at(ctx, slot);
    pr_task_unlink_running(ctx, task);
    if (t->flags & (PR_TASK_OF_ACTOR | PR_TASK_CREATES_ACTOR)) {
        pr_actor_lost(ctx, t->actor, slot);
        if (t->flags & PR_TASK_CREATES_ACTOR)
            give_up_creation(ctx, task, died);
        else
            pr_actor_lost_call(ctx, task, died);
    } else if (t->retries_left != 0) {
        record_lost(ctx, task, died);
        pr_task_again(ctx, task, died->free_retry);
        if (!died->free_retry) TX_SET(ctx, died->free_retry, 1);
        return;
    } else {
        if (!died->free_retry) TX_SET(ctx, died->free_retry, 1);
        uint32_t cause = t->flags & PR_TASK_CANCELLED ? PR_CAUSE_CANCELLED : died->cause;
        if (died->requests & PR_REQUEST_ORPHAN) cause = PR_CAUSE_OWNER_DIED;
        struct pr_failure failure = pr_task_failure(ctx, task, cause, died);
        pr_task_fail(ctx, task, &failure);
    }
    pr_sched_nudge(ctx);
}

/* ---- what it held ---- */

/* A queued task that only the dead process wanted: nobody else holds a result of it. Looks at most
 * at PR_STEP_RESULTS results; a task with more of them simply runs. */
static bool is_orphan(const struct pr_context *ctx, pr_index task, pr_index slot)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    if (t->state != PR_TASK_READY && t->state != PR_TASK_WAITING) return false;
    if (t->actor != PR_NONE || t->submitter != slot) return false;
    if (t->submitter_generation != pr_slot_at(ctx, slot)->generation ||
        t->result_count > PR_STEP_RESULTS)
        return false;
    for (pr_index o = t->results; o != PR_NONE; o = pr_object_at(ctx, o)->next_result)
        if (pr_object_at(ctx, o)->refs > 1) return false;
    return true;
}

static void drop_held(struct pr_context *ctx, pr_index edge, pr_index slot)
{
    const struct pr_edge *e = pr_edge_at(ctx, edge);
    pr_index object = e->object;
    const struct pr_object *o = pr_object_at(ctx, object);
    uint32_t flags = e->flags;
    pr_edge_delete(ctx, &pr_slot_at(ctx, slot)->held, edge);
    bool result_pending = o->state == PR_OBJECT_PENDING && (o->flags & PR_FLAG_RESULT);
    if (flags & PR_HELD_REF) pr_object_unref(ctx, object);
    if (flags & PR_HELD_PIN) pr_object_unpin(ctx, object);
    if (result_pending && is_orphan(ctx, o->producer, slot)) {
        struct pr_failure failure = pr_task_failure(ctx, o->producer, PR_CAUSE_OWNER_DIED, NULL);
        pr_task_cancel(ctx, o->producer, &failure);
    }
}

static enum pr_status drop_some_held(struct pr_context *ctx, pr_index slot)
{
    const struct pr_slot *s = pr_slot_at(ctx, slot);
    for (uint32_t i = 0; i < PR_STEP_RESULTS && s->held != PR_NONE; i++)
        drop_held(ctx, s->held, slot);
    return PR_OK;
}

static void unlink_latch(struct pr_context *ctx, pr_index slot, pr_index latch)
{
    const uint32_t *at = &pr_slot_at(ctx, slot)->latches;
    while (*at != latch) {
        PR_ASSERT(*at != PR_NONE);
        at = &pr_latch_at(ctx, *at)->link;
    }
    TX_SET(ctx, *at, pr_latch_at(ctx, latch)->link);
}

enum pr_status pr_repair_latch(struct pr_context *ctx, pr_index slot, pr_index latch)
{
    const struct pr_latch *l = pr_latch_at(ctx, latch);
    for (uint32_t i = 0; i < PR_STEP_EDGES && l->watches != PR_NONE; i++) {
        pr_edge_unawait(ctx, l->watches);
        pr_edge_delete(ctx, &l->watches, l->watches);
    }
    if (l->watches != PR_NONE) return PR_OK;
    TX_SET(ctx, l->armed, 0);
    unlink_latch(ctx, slot, latch);
    pr_pool_give(ctx, PR_POOL_LATCH, latch);
    return PR_EMPTY;
}

static enum pr_status release_slot(struct pr_context *ctx, pr_index slot)
{
    const struct pr_slot *s = pr_slot_at(ctx, slot);
    if (s->kind == PR_SLOT_WORKER)
        TX_SET(ctx, pr_engine_root(ctx)->worker_count, pr_engine_root(ctx)->worker_count - 1);
    TX_SET(ctx, s->state, PR_SLOT_EMPTY);
    TX_SET(ctx, s->generation, s->generation + 1 == 0 ? 1 : s->generation + 1);
    pr_pool_give(ctx, PR_POOL_SLOT, slot);
    return PR_EMPTY;
}

/* One claim. PR_EMPTY when the slot is free again. */
static enum pr_status sweep_step(struct pr_context *ctx, void *argument)
{
    const struct sweep *sweep = argument;
    const struct pr_slot *s = pr_slot_at(ctx, sweep->slot);
    if (s->state != PR_SLOT_DEAD) return PR_EMPTY;
    if (s->channels != PR_NONE) {
        pr_channel_lost(ctx, s->channels); /* first: it says which actor has died */
    } else if (s->graphs != PR_NONE) {
        pr_graph_lost(ctx, s->graphs);
    } else if (s->creating != PR_NONE) {
        pr_object_abort(ctx, s->creating);
    } else if (s->restoring != PR_NONE) {
        pr_restore_repair(ctx, s->restoring);
    } else if (s->writing != PR_NONE) {
        pr_spill_repair(ctx, s->writing);
    } else if (s->submitting != PR_NONE) {
        pr_task_abandon(ctx, s->submitting);
    } else if (s->running != PR_NONE) {
        give_up_running(ctx, s->running, sweep->slot);
    } else if (s->actor != PR_NONE) {
        pr_actor_lost(ctx, s->actor, sweep->slot); /* takes it off the slot */
    } else if (s->shape != PR_NONE) {
        pr_index group = pr_class_at(ctx, s->shape)->placement;
        pr_resources_give(ctx, s->shape, s->holding, false);
        TX_SET(ctx, s->shape, PR_NONE);
        if (group != PR_NONE) pr_placement_leave(ctx, group);
    } else if (s->streams != PR_NONE) {
        pr_stream_close_step(ctx, s->streams);
    } else if (s->held != PR_NONE) {
        return drop_some_held(ctx, sweep->slot);
    } else if (s->latches != PR_NONE) {
        return pr_repair_latch(ctx, sweep->slot, s->latches) == PR_CORRUPT ? PR_CORRUPT : PR_OK;
    } else {
        return release_slot(ctx, sweep->slot);
    }
    return PR_OK;
}

static enum pr_status nudge(struct pr_context *ctx, void *argument)
{
    pr_sched_nudge(ctx); /* for what its actor kept */
    return PR_OK;
}

enum pr_status pr_sweep(struct pr_context *ctx, pr_index slot, uint32_t wait_status)
{
    struct pr_obituary obituary = {.wait_status = wait_status, .cause = PR_CAUSE_WORKER_DIED};
    return pr_sweep_with(ctx, slot, &obituary);
}

enum pr_status pr_sweep_with(struct pr_context *ctx, pr_index slot,
                             const struct pr_obituary *obituary)
{
    struct sweep sweep = {slot, obituary};
    PR_TRY(pr_operate(ctx, mark_dead, &sweep));
    enum pr_status status;
    while ((status = pr_operate(ctx, sweep_step, &sweep)) == PR_OK) PR_FAILPOINT(ctx, SWEEP_STEP);
    if (status != PR_EMPTY) return status;
    return pr_operate(ctx, nudge, NULL);
}
