#include "engine/actor.h"

#include <string.h>

#include "engine/chores.h"
#include "engine/events.h"
#include "engine/sched.h"
#include "engine/task.h"

static void set_fields(struct pr_context *ctx, const struct pr_actor *a,
                       const struct pr_actor_plan *plan)
{
    if (a->generation == 0) TX_SET(ctx, a->generation, 1);
    TX_SET(ctx, a->state, PR_ACTOR_PENDING);
    TX_SET(ctx, a->slot, PR_NONE);
    TX_SET(ctx, a->head, PR_NONE);
    TX_SET(ctx, a->tail, PR_NONE);
    TX_SET(ctx, a->pending, 0);
    TX_SET(ctx, a->lanes, PR_NONE);
    TX_SET(ctx, a->on_chores, 0);
    TX_SET(ctx, a->creation, PR_NONE);
    TX_SET(ctx, a->cause, PR_CAUSE_NONE);
    TX_SET(ctx, a->wait_status, 0);
    TX_SET(ctx, a->process_id, 0);
    TX_SET(ctx, a->flags, plan->flags);
    TX_SET(ctx, a->doubt_head, PR_NONE);
    TX_SET(ctx, a->doubt_tail, PR_NONE);
    TX_SET(ctx, a->groups, PR_NONE);
    TX_SET(ctx, a->task, PR_NONE);
    TX_SET(ctx, a->restarts_left, plan->restarts);
    TX_SET(ctx, a->restarts, 0);
    TX_SET(ctx, a->name, PR_NONE);
    TX_SET(ctx, a->words, PR_NONE);
    TX_SET(ctx, a->created_ns, pr_tx_now(ctx));
    TX_SET(ctx, a->recent_restarts, 0);
    TX_SET(ctx, a->recent_since_ms, 0);
    TX_SET(ctx, a->left_slot, PR_NONE);
    TX_SET(ctx, a->left_generation, 0);
    TX_SET(ctx, a->job, ctx->job);
}

enum pr_status pr_actor_new(struct pr_context *ctx, const struct pr_actor_plan *plan,
                            struct pr_ref *handle, pr_index *edge)
{
    pr_index actor;
    PR_TRY(pr_pool_take(ctx, PR_POOL_ACTOR, &actor));
    PR_TRY(pr_object_new(ctx, PR_OBJECT_PENDING, &handle->index));
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    const struct pr_object *o = pr_object_at(ctx, handle->index);
    handle->generation = o->generation;
    set_fields(ctx, a, plan);
    TX_SET(ctx, a->handle, handle->index);
    pr_object_seal_inline(ctx, handle->index, PR_KIND_FAILURE, 0, "", 0);
    TX_SET(ctx, o->flags, PR_FLAG_HOOK);
    TX_SET(ctx, o->producer, actor);
    if (plan->flags & PR_ACTOR_DETACHED) pr_object_ref(ctx, handle->index);
    if (plan->groups > 0) PR_TRY(pr_mailbox_open_groups(ctx, actor, plan->groups));
    if (plan->name.text != NULL) PR_TRY(pr_name_add(ctx, actor, &plan->name, plan->about));
    return pr_hold(ctx, handle->index, PR_HELD_REF, edge);
}

enum pr_status pr_actor_find(const struct pr_context *ctx, struct pr_ref handle, pr_index *actor)
{
    const struct pr_object *o;
    PR_TRY(pr_object_find(ctx, handle, &o));
    if (!(o->flags & PR_FLAG_HOOK)) return PR_STATE;
    *actor = o->producer;
    return PR_OK;
}

void pr_actor_bind(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    TX_SET(ctx, a->pending, a->pending + 1);
    pr_object_ref(ctx, a->handle);
}

void pr_actor_unbind(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    TX_SET(ctx, a->pending, a->pending - 1);
    pr_object_unref(ctx, a->handle);
}

uint32_t pr_actor_calls(const struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    bool creating =
        a->state == PR_ACTOR_PENDING || (a->state == PR_ACTOR_RESTARTING && a->task == PR_NONE);
    return a->pending - (creating && a->pending > 0);
}

struct pr_ref pr_actor_handle(const struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (!pr_pool_has(ctx, PR_POOL_OBJECT, a->handle)) return (struct pr_ref){0};
    return (struct pr_ref){a->handle, pr_object_at(ctx, a->handle)->generation};
}

struct pr_failure pr_actor_failure(const struct pr_context *ctx, pr_index actor, const char *name)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    struct pr_failure failure = {.cause = (uint16_t)a->cause,
                                 .wait_status = (uint16_t)a->wait_status,
                                 .process_id = a->process_id,
                                 .actor = pr_actor_handle(ctx, actor)};
    memcpy(failure.name, name, PR_NAME_BYTES);
    if (a->creation != PR_NONE && a->cause == PR_CAUSE_ACTOR_CREATION)
        failure.detail = (struct pr_ref){a->creation, pr_object_at(ctx, a->creation)->generation};
    else if (a->words != PR_NONE)
        failure.detail = (struct pr_ref){a->words, pr_object_at(ctx, a->words)->generation};
    return failure;
}

/* ---- beginning ---- */

void pr_actor_starts(struct pr_context *ctx, pr_index actor, pr_index slot)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    PR_ASSERT(a->state == PR_ACTOR_PENDING || a->state == PR_ACTOR_RESTARTING);
    TX_SET(ctx, a->slot, slot);
}

void pr_actor_created(struct pr_context *ctx, pr_index actor, pr_index slot, bool failed)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (failed) {
        pr_actor_die(ctx, actor, PR_CAUSE_ACTOR_CREATION, NULL);
    } else if (a->state == PR_ACTOR_PENDING || a->state == PR_ACTOR_RESTARTING) {
        TX_SET(ctx, a->state, PR_ACTOR_ALIVE);
        TX_SET(ctx, a->process_id, pr_slot_at(ctx, slot)->process_id);
        TX_SET(ctx, pr_slot_at(ctx, slot)->actor, actor);
    }
}

/* ---- end of the process ---- */

static void leave_slot(struct pr_context *ctx, const struct pr_actor *a)
{
    if (a->slot == PR_NONE) return;
    TX_SET(ctx, pr_slot_at(ctx, a->slot)->actor, PR_NONE); /* the entry may be reused soon */
    TX_SET(ctx, a->slot, PR_NONE);
}

/* The creation task will not run again. If it has never come to its end, its results are
 * pending. */
static void end_creation(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    pr_index task = a->task;
    if (task == PR_NONE) return;
    struct pr_failure failure = pr_actor_failure(ctx, actor, pr_task_at(ctx, task)->name);
    TX_SET(ctx, a->task, PR_NONE);
    TX_SET(ctx, pr_task_at(ctx, task)->actor, PR_NONE);
    if (pr_object_at(ctx, a->creation)->state == PR_OBJECT_SEALED)
        pr_task_end(ctx, task);
    else
        pr_task_fail(ctx, task, &failure);
}

static void keep_words(struct pr_context *ctx, const struct pr_actor *a, struct pr_ref words)
{
    const struct pr_object *text;
    if (words.index == PR_NONE || pr_object_find(ctx, words, &text) != PR_OK) return;
    pr_object_ref(ctx, words.index);
    TX_SET(ctx, a->words, words.index);
}

void pr_actor_die(struct pr_context *ctx, pr_index actor, enum pr_cause cause,
                  const struct pr_slot *died)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (a->state == PR_ACTOR_DEAD) return;
    TX_SET(ctx, a->cause, a->cause != PR_CAUSE_NONE ? a->cause : (uint32_t)cause);
    TX_SET(ctx, a->state, PR_ACTOR_DEAD);
    leave_slot(ctx, a);
    if (died != NULL) {
        TX_SET(ctx, a->wait_status, died->wait_status);
        TX_SET(ctx, a->process_id, died->process_id);
        keep_words(ctx, a, died->words);
    }
    pr_event_actor_died(ctx, actor);
    pr_name_remove(ctx, actor);
    end_creation(ctx, actor);
    pr_actor_add_chore(ctx, actor);
    if (a->flags & PR_ACTOR_DETACHED) {
        TX_SET(ctx, a->flags, a->flags & ~(uint32_t)PR_ACTOR_DETACHED);
        pr_object_unref(ctx, a->handle);
    }
}

void pr_actor_keep_creation(struct pr_context *ctx, pr_index actor, pr_index task)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    TX_SET(ctx, pr_task_at(ctx, task)->state, PR_TASK_KEPT);
    TX_SET(ctx, a->task, task);
    pr_actor_unbind(ctx, actor);
}

static bool is_wanted(const struct pr_context *ctx, const struct pr_actor *a)
{
    return pr_object_at(ctx, a->handle)->refs > 0 && a->state != PR_ACTOR_ENDING &&
           a->cause == PR_CAUSE_NONE;
}

/* Counts one more restart, unless there have been too many of late. */
static bool may_restart(struct pr_context *ctx, const struct pr_actor *a)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    uint32_t now = (uint32_t)(pr_tx_now(ctx) / 1000000u);
    if (a->recent_restarts == 0 || now - a->recent_since_ms > root->restart_window_ms) {
        TX_SET(ctx, a->recent_since_ms, now);
        TX_SET(ctx, a->recent_restarts, 0);
    }
    if (root->restart_limit > 0 && a->recent_restarts >= root->restart_limit) return false;
    TX_SET(ctx, a->recent_restarts, a->recent_restarts + 1);
    if (a->restarts_left > 0) TX_SET(ctx, a->restarts_left, a->restarts_left - 1);
    TX_SET(ctx, a->restarts, a->restarts + 1);
    return true;
}

void pr_actor_lost(struct pr_context *ctx, pr_index actor, pr_index slot)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (a->state == PR_ACTOR_DEAD || a->slot != slot) return;
    const struct pr_slot *died = pr_slot_at(ctx, slot);
    if (a->restarts_left == 0 || !is_wanted(ctx, a)) {
        bool memory = died->cause == PR_CAUSE_OUT_OF_MEMORY;
        pr_actor_die(ctx, actor, memory ? PR_CAUSE_ACTOR_OUT_OF_MEMORY : PR_CAUSE_ACTOR_DIED, died);
        return;
    }
    if (!may_restart(ctx, a)) {
        pr_actor_die(ctx, actor, PR_CAUSE_ACTOR_RESTARTS, died);
        return;
    }
    TX_SET(ctx, a->state, PR_ACTOR_RESTARTING);
    TX_SET(ctx, a->wait_status, died->wait_status);
    TX_SET(ctx, a->process_id, died->process_id);
    leave_slot(ctx, a);
    pr_mailbox_doubt(ctx, actor);
    pr_actor_add_chore(ctx, actor);
}

static void fail_unavailable(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    struct pr_failure failure = pr_actor_failure(ctx, t->actor, t->name);
    failure.cause = PR_CAUSE_ACTOR_UNAVAILABLE;
    pr_task_fail(ctx, task, &failure);
}

void pr_actor_lost_call(struct pr_context *ctx, pr_index task, const struct pr_slot *died)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    if (pr_actor_at(ctx, t->actor)->state == PR_ACTOR_DEAD) {
        struct pr_failure failure = pr_actor_failure(ctx, t->actor, t->name);
        pr_task_fail(ctx, task, &failure);
    } else if (t->retries_left == 0) {
        struct pr_failure failure = pr_task_failure(ctx, task, PR_CAUSE_ACTOR_UNAVAILABLE, died);
        failure.actor = pr_actor_handle(ctx, t->actor);
        pr_task_fail(ctx, task, &failure);
    } else {
        if (t->retries_left > 0) TX_SET(ctx, t->retries_left, t->retries_left - 1);
        TX_SET(ctx, t->next_result, t->results);
        TX_ADD(ctx, pr_engine_root(ctx)->retried, 1);
        pr_mailbox_return(ctx, task);
    }
}

/* ---- left-over work ---- */

static bool fail_calls(struct pr_context *ctx, pr_index actor)
{
    while (!pr_tx_is_long(ctx)) {
        pr_index task = pr_mailbox_next_victim(ctx, actor);
        if (task == PR_NONE) return true;
        struct pr_failure failure = pr_actor_failure(ctx, actor, pr_task_at(ctx, task)->name);
        pr_task_fail(ctx, task, &failure);
    }
    return false;
}

static bool settle_doubts(struct pr_context *ctx, pr_index actor)
{
    while (!pr_tx_is_long(ctx)) {
        pr_index task = pr_mailbox_next_doubt(ctx, actor);
        if (task == PR_NONE) return true;
        if (pr_task_at(ctx, task)->retries_left == 0)
            fail_unavailable(ctx, task);
        else
            pr_mailbox_keep(ctx, task);
    }
    return false;
}

/* The creation task goes on its queue once more, unless nobody wants the actor any more. */
static void create_again(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    pr_index task = a->task;
    if (task == PR_NONE) return; /* on its way already */
    if (!is_wanted(ctx, a) || !pr_object_reopen(ctx, a->creation)) {
        pr_actor_die(ctx, actor, PR_CAUSE_ACTOR_DIED, NULL);
        return;
    }
    TX_SET(ctx, a->task, PR_NONE);
    TX_SET(ctx, pr_task_at(ctx, task)->next_result, pr_task_at(ctx, task)->results);
    pr_actor_bind(ctx, actor);
    pr_queue_push_front(ctx, task);
    pr_sched_nudge(ctx);
}

static bool restart_step(struct pr_context *ctx, pr_index actor)
{
    if (!settle_doubts(ctx, actor) || !pr_mailbox_drain_lanes(ctx, actor)) return false;
    create_again(ctx, actor);
    return true;
}

static bool may_go(const struct pr_context *ctx, const struct pr_actor *a)
{
    return a->state == PR_ACTOR_DEAD && pr_object_at(ctx, a->handle)->state == PR_OBJECT_FREEING;
}

bool pr_actor_chore_step(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    bool done;
    if (a->state == PR_ACTOR_DEAD)
        done = fail_calls(ctx, actor);
    else if (a->state == PR_ACTOR_RESTARTING)
        done = restart_step(ctx, actor);
    else
        done = pr_mailbox_drain_lanes(ctx, actor);
    if (done && may_go(ctx, a)) pr_object_add_chore(ctx, a->handle);
    return done;
}

bool pr_actor_released(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (a->state != PR_ACTOR_DEAD && a->slot == PR_NONE) { /* about to restart */
        pr_actor_die(ctx, actor, PR_CAUSE_ACTOR_EXITED, NULL);
        return false;
    }
    if (a->state != PR_ACTOR_DEAD) {
        const struct pr_slot *s = pr_slot_at(ctx, a->slot);
        TX_SET(ctx, a->state, PR_ACTOR_ENDING);
        TX_SET(ctx, a->cause, PR_CAUSE_ACTOR_EXITED);
        TX_SET(ctx, s->requests, s->requests | PR_REQUEST_EXIT);
        pr_tx_wake(ctx, s->latch);
        return false;
    }
    if (a->on_chores) return false;
    if (a->creation != PR_NONE) pr_object_unref(ctx, a->creation);
    if (a->words != PR_NONE) pr_object_unref(ctx, a->words);
    pr_mailbox_close_groups(ctx, actor);
    TX_SET(ctx, a->state, PR_ACTOR_FREE);
    TX_SET(ctx, a->generation, a->generation + 1 == 0 ? 1 : a->generation + 1);
    pr_pool_give(ctx, PR_POOL_ACTOR, actor);
    return true;
}

/* ---- kill and leave ---- */

/* The creation task has not been started and will not be. One that is still being submitted finds
 * out when it is complete; one that is KEPT goes with the actor. */
static void cancel_creation(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (a->creation == PR_NONE || a->task != PR_NONE) return;
    pr_index task = pr_object_at(ctx, a->creation)->producer;
    struct pr_failure failure = pr_actor_failure(ctx, actor, pr_task_at(ctx, task)->name);
    pr_task_cancel(ctx, task, &failure);
}

/* The process of an actor that has left by itself, if it is still there: calls may run in it. */
static void kill_what_it_left(struct pr_context *ctx, const struct pr_actor *a)
{
    if (a->left_slot == PR_NONE) return;
    const struct pr_slot *s = pr_slot_at(ctx, a->left_slot);
    if (s->generation == a->left_generation && s->state != PR_SLOT_DEAD)
        pr_slot_request(ctx, a->left_slot, PR_REQUEST_KILL | PR_REQUEST_EXIT);
}

void pr_actor_end(struct pr_context *ctx, pr_index actor, enum pr_cause cause)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    TX_SET(ctx, a->cause, cause);
    if (a->slot != PR_NONE)
        pr_slot_request(ctx, a->slot, PR_REQUEST_KILL | PR_REQUEST_EXIT);
    else
        cancel_creation(ctx, actor);
    pr_actor_die(ctx, actor, cause, NULL); /* from now on calls fail */
    pr_sched_nudge(ctx);
}

struct kill {
    struct pr_ref handle;
    bool no_restart;
};

static enum pr_status kill_actor(struct pr_context *ctx, void *argument)
{
    const struct kill *op = argument;
    pr_index actor;
    PR_TRY(pr_actor_find(ctx, op->handle, &actor));
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (a->state == PR_ACTOR_DEAD) {
        kill_what_it_left(ctx, a);
        return PR_OK;
    }
    if (!op->no_restart && a->restarts_left != 0 && is_wanted(ctx, a)) {
        if (a->slot != PR_NONE)
            pr_slot_request(ctx, a->slot,
                            PR_REQUEST_KILL |
                                PR_REQUEST_EXIT); /* else it is about to start anyway */
        return PR_OK;
    }
    pr_actor_end(ctx, actor, PR_CAUSE_ACTOR_KILLED);
    return PR_OK;
}

enum pr_status pr_actor_kill(struct pr_context *ctx, struct pr_ref handle, bool no_restart)
{
    struct kill op = {handle, no_restart};
    return pr_operate(ctx, kill_actor, &op);
}

static enum pr_status leave(struct pr_context *ctx, void *argument)
{
    const struct pr_ref *handle = argument;
    pr_index actor;
    PR_TRY(pr_actor_find(ctx, *handle, &actor));
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (a->slot != ctx->slot) return PR_OK; /* dead already */
    const struct pr_slot *s = pr_slot_at(ctx, ctx->slot);
    TX_SET(ctx, s->requests, s->requests | PR_REQUEST_EXIT);
    pr_tx_wake(ctx, s->latch); /* another thread than this one may sleep on it */
    pr_actor_die(ctx, actor, PR_CAUSE_ACTOR_EXITED, NULL);
    TX_SET(ctx, a->left_slot, ctx->slot);
    TX_SET(ctx, a->left_generation, s->generation);
    return PR_OK;
}

enum pr_status pr_actor_leave(struct pr_context *ctx, struct pr_ref handle)
{
    return pr_operate(ctx, leave, &handle);
}
