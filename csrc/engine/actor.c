#include "engine/actor.h"

#include <string.h>

#include "engine/chores.h"
#include "engine/sched.h"
#include "engine/task.h"

enum pr_status pr_actor_new(struct pr_context *ctx, struct pr_ref *handle, pr_index *edge)
{
    pr_index actor;
    PR_TRY(pr_pool_take(ctx, PR_POOL_ACTOR, &actor));
    PR_TRY(pr_object_new(ctx, PR_OBJECT_PENDING, &handle->index));
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    const struct pr_object *o = pr_object_at(ctx, handle->index);
    handle->generation = o->generation;
    if (a->generation == 0) TX_SET(ctx, a->generation, 1);
    TX_SET(ctx, a->state, PR_ACTOR_PENDING);
    TX_SET(ctx, a->handle, handle->index);
    TX_SET(ctx, a->slot, PR_NONE);
    TX_SET(ctx, a->head, PR_NONE);
    TX_SET(ctx, a->tail, PR_NONE);
    TX_SET(ctx, a->pending, 0);
    TX_SET(ctx, a->lanes, PR_NONE);
    TX_SET(ctx, a->on_chores, 0);
    TX_SET(ctx, a->shape, PR_NONE);
    TX_SET(ctx, a->creation, PR_NONE);
    TX_SET(ctx, a->cause, PR_CAUSE_NONE);
    TX_SET(ctx, a->wait_status, 0);
    TX_SET(ctx, a->process_id, 0);
    pr_object_seal_inline(ctx, handle->index, PR_KIND_FAILURE, 0, "", 0);
    TX_SET(ctx, o->flags, PR_FLAG_HOOK);
    TX_SET(ctx, o->producer, actor);
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

/* ---- lanes ---- */

static pr_index find_lane(const struct pr_context *ctx, pr_index actor, const struct pr_task *t)
{
    for (pr_index lane = pr_actor_at(ctx, actor)->lanes; lane != PR_NONE;
         lane = pr_lane_at(ctx, lane)->link) {
        const struct pr_lane *l = pr_lane_at(ctx, lane);
        if (l->caller == t->submitter && l->caller_generation == t->submitter_generation)
            return lane;
    }
    return PR_NONE;
}

static enum pr_status open_lane(struct pr_context *ctx, pr_index actor, const struct pr_task *t,
                                pr_index *lane)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    PR_TRY(pr_pool_take(ctx, PR_POOL_LANE, lane));
    const struct pr_lane *l = pr_lane_at(ctx, *lane);
    TX_SET(ctx, l->previous, PR_NONE);
    TX_SET(ctx, l->link, a->lanes);
    if (a->lanes != PR_NONE) TX_SET(ctx, pr_lane_at(ctx, a->lanes)->previous, *lane);
    TX_SET(ctx, a->lanes, *lane);
    TX_SET(ctx, l->actor, actor);
    TX_SET(ctx, l->caller, t->submitter);
    TX_SET(ctx, l->caller_generation, t->submitter_generation);
    TX_SET(ctx, l->head, PR_NONE);
    TX_SET(ctx, l->tail, PR_NONE);
    return PR_OK;
}

static void close_lane(struct pr_context *ctx, pr_index lane)
{
    const struct pr_lane *l = pr_lane_at(ctx, lane);
    if (l->link != PR_NONE) TX_SET(ctx, pr_lane_at(ctx, l->link)->previous, l->previous);
    if (l->previous != PR_NONE)
        TX_SET(ctx, pr_lane_at(ctx, l->previous)->link, l->link);
    else
        TX_SET(ctx, pr_actor_at(ctx, l->actor)->lanes, l->link);
    pr_pool_give(ctx, PR_POOL_LANE, lane);
}

static void append(struct pr_context *ctx, const uint32_t *head, const uint32_t *tail,
                   pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    TX_SET(ctx, t->previous, *tail);
    TX_SET(ctx, t->link, PR_NONE);
    if (*tail != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, *tail)->link, task);
    else
        TX_SET(ctx, *head, task);
    TX_SET(ctx, *tail, task);
}

static pr_index take_first(struct pr_context *ctx, const uint32_t *head, const uint32_t *tail)
{
    pr_index task = *head;
    pr_index next = pr_task_at(ctx, task)->link;
    TX_SET(ctx, *head, next);
    if (next != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, next)->previous, PR_NONE);
    else
        TX_SET(ctx, *tail, PR_NONE);
    return task;
}

static void deliver(struct pr_context *ctx, pr_index actor, pr_index task)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    TX_SET(ctx, pr_task_at(ctx, task)->state, PR_TASK_READY);
    append(ctx, &a->head, &a->tail, task);
    if (a->slot != PR_NONE) pr_tx_wake(ctx, pr_slot_at(ctx, a->slot)->latch);
}

/* Moves the ready calls at a lane's head to the mailbox. True when the lane needs no further step
 * now. */
static bool drain_lane(struct pr_context *ctx, pr_index lane)
{
    const struct pr_lane *l = pr_lane_at(ctx, lane);
    while (l->head != PR_NONE && !pr_tx_is_long(ctx)) {
        const struct pr_task *t = pr_task_at(ctx, l->head);
        if (t->awaited > 0) return true;
        pr_index task = take_first(ctx, &l->head, &l->tail);
        TX_SET(ctx, t->flags, t->flags & ~(uint32_t)PR_TASK_IN_LANE);
        deliver(ctx, l->actor, task);
    }
    if (l->head != PR_NONE) return pr_task_at(ctx, l->head)->awaited > 0;
    close_lane(ctx, lane);
    return true;
}

enum pr_status pr_actor_accept(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    pr_index lane = find_lane(ctx, t->actor, t);
    if (lane == PR_NONE && t->awaited == 0) {
        deliver(ctx, t->actor, task);
        return PR_OK;
    }
    if (lane == PR_NONE) PR_TRY(open_lane(ctx, t->actor, t, &lane));
    TX_SET(ctx, t->flags, t->flags | PR_TASK_IN_LANE);
    append(ctx, &pr_lane_at(ctx, lane)->head, &pr_lane_at(ctx, lane)->tail, task);
    return PR_OK;
}

void pr_actor_call_ready(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    pr_index lane = find_lane(ctx, t->actor, t);
    PR_ASSERT(lane != PR_NONE && (t->flags & PR_TASK_IN_LANE));
    if (!drain_lane(ctx, lane)) pr_actor_add_chore(ctx, t->actor);
}

/* ---- life ---- */

pr_index pr_actor_pop(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    return a->head == PR_NONE ? PR_NONE : take_first(ctx, &a->head, &a->tail);
}

static void request_kill(struct pr_context *ctx, pr_index slot)
{
    const struct pr_slot *s = pr_slot_at(ctx, slot);
    if (s->requests & PR_REQUEST_KILL) return;
    TX_SET(ctx, s->requests,
           s->requests | PR_REQUEST_KILL | PR_REQUEST_EXIT); /* no more work until then */
    TX_ADD(ctx, pr_engine_root(ctx)->kill_requests, 1);
    ctx->ring_doorbell = true;
}

void pr_actor_starts(struct pr_context *ctx, pr_index actor, pr_index slot)
{
    PR_ASSERT(pr_actor_at(ctx, actor)->state == PR_ACTOR_PENDING);
    TX_SET(ctx, pr_actor_at(ctx, actor)->slot, slot);
}

void pr_actor_created(struct pr_context *ctx, pr_index actor, pr_index slot, bool failed)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (failed) {
        pr_actor_die(ctx, actor, PR_CAUSE_ACTOR_CREATION, NULL);
    } else if (a->state == PR_ACTOR_PENDING) {
        TX_SET(ctx, a->state, PR_ACTOR_ALIVE);
        TX_SET(ctx, a->process_id, pr_slot_at(ctx, slot)->process_id);
        TX_SET(ctx, pr_slot_at(ctx, slot)->actor, actor);
    }
}

void pr_actor_die(struct pr_context *ctx, pr_index actor, enum pr_cause cause,
                  const struct pr_slot *died)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (a->state == PR_ACTOR_DEAD) return;
    TX_SET(ctx, a->cause, a->cause != PR_CAUSE_NONE ? a->cause : (uint32_t)cause);
    TX_SET(ctx, a->state, PR_ACTOR_DEAD);
    if (a->slot != PR_NONE)
        TX_SET(ctx, pr_slot_at(ctx, a->slot)->actor, PR_NONE); /* the entry may be reused soon */
    TX_SET(ctx, a->slot, PR_NONE);
    if (died != NULL) {
        TX_SET(ctx, a->wait_status, died->wait_status);
        TX_SET(ctx, a->process_id, died->process_id);
    }
    if (a->shape != PR_NONE) {
        pr_resources_give(ctx, a->shape);
        TX_SET(ctx, a->shape, PR_NONE);
    }
    pr_actor_add_chore(ctx, actor);
}

struct pr_failure pr_actor_failure(const struct pr_context *ctx, pr_index actor, const char *name)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    struct pr_failure failure = {
        .cause = a->cause, .process_id = a->process_id, .wait_status = a->wait_status};
    memcpy(failure.name, name, PR_NAME_BYTES);
    if (a->creation != PR_NONE && a->cause == PR_CAUSE_ACTOR_CREATION)
        failure.detail = (struct pr_ref){a->creation, pr_object_at(ctx, a->creation)->generation};
    return failure;
}

/* The next call of a dead actor, from the mailbox or any lane. */
static pr_index next_victim(struct pr_context *ctx, const struct pr_actor *a)
{
    if (a->head != PR_NONE) return take_first(ctx, &a->head, &a->tail);
    while (a->lanes != PR_NONE) {
        const struct pr_lane *l = pr_lane_at(ctx, a->lanes);
        if (l->head != PR_NONE) return take_first(ctx, &l->head, &l->tail);
        close_lane(ctx, a->lanes);
    }
    return PR_NONE;
}

static bool fail_calls(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    while (!pr_tx_is_long(ctx)) {
        pr_index task = next_victim(ctx, a);
        if (task == PR_NONE) return true;
        struct pr_failure failure = pr_actor_failure(ctx, actor, pr_task_at(ctx, task)->name);
        pr_task_fail(ctx, task, &failure);
    }
    return false;
}

static bool drain_lanes(struct pr_context *ctx, pr_index actor)
{
    pr_index next;
    for (pr_index lane = pr_actor_at(ctx, actor)->lanes; lane != PR_NONE; lane = next) {
        next = pr_lane_at(ctx, lane)->link;
        if (!drain_lane(ctx, lane)) return false;
    }
    return true;
}

static bool may_go(const struct pr_context *ctx, const struct pr_actor *a)
{
    return a->state == PR_ACTOR_DEAD && pr_object_at(ctx, a->handle)->state == PR_OBJECT_FREEING;
}

bool pr_actor_chore_step(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    bool done = a->state == PR_ACTOR_DEAD ? fail_calls(ctx, actor) : drain_lanes(ctx, actor);
    if (done && may_go(ctx, a)) pr_object_add_chore(ctx, a->handle);
    return done;
}

bool pr_actor_released(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (a->state != PR_ACTOR_DEAD) {
        PR_ASSERT(a->slot != PR_NONE); /* a creation task would hold the handle */
        const struct pr_slot *s = pr_slot_at(ctx, a->slot);
        TX_SET(ctx, a->state, PR_ACTOR_ENDING);
        TX_SET(ctx, a->cause, PR_CAUSE_ACTOR_EXITED);
        TX_SET(ctx, s->requests, s->requests | PR_REQUEST_EXIT);
        pr_tx_wake(ctx, s->latch);
        return false;
    }
    if (a->on_chores) return false;
    if (a->creation != PR_NONE) pr_object_unref(ctx, a->creation);
    TX_SET(ctx, a->state, PR_ACTOR_FREE);
    TX_SET(ctx, a->generation, a->generation + 1 == 0 ? 1 : a->generation + 1);
    pr_pool_give(ctx, PR_POOL_ACTOR, actor);
    return true;
}

/* ---- kill ---- */

/* The creation task has not been started and will not be. One that is still being submitted finds
 * out when it is complete. */
static void cancel_creation(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (a->creation == PR_NONE) return;
    pr_index task = pr_object_at(ctx, a->creation)->producer;
    struct pr_failure failure = pr_actor_failure(ctx, actor, pr_task_at(ctx, task)->name);
    pr_task_cancel(ctx, task, &failure);
}

static enum pr_status kill_actor(struct pr_context *ctx, void *argument)
{
    const struct pr_ref *handle = argument;
    pr_index actor;
    PR_TRY(pr_actor_find(ctx, *handle, &actor));
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (a->state == PR_ACTOR_DEAD) return PR_OK;
    TX_SET(ctx, a->cause, PR_CAUSE_ACTOR_KILLED);
    if (a->slot != PR_NONE)
        request_kill(ctx, a->slot);
    else
        cancel_creation(ctx, actor);
    pr_actor_die(ctx, actor, PR_CAUSE_ACTOR_KILLED, NULL); /* from now on calls fail */
    pr_sched_nudge(ctx);                                   /* for what it kept */
    return PR_OK;
}

enum pr_status pr_actor_kill(struct pr_context *ctx, struct pr_ref handle)
{
    return pr_operate(ctx, kill_actor, &handle);
}
