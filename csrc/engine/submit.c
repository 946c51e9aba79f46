#include "engine/submit.h"

#include <string.h>

#include "engine/actor.h"
#include "engine/cancel.h"
#include "engine/events.h"
#include "engine/placement.h"
#include "engine/stream.h"

static void unlink_submitting(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    PR_ASSERT(t->state == PR_TASK_SUBMITTING);
    pr_task_unlink(ctx, &pr_slot_at(ctx, t->claim)->submitting, task);
}

struct submit {
    struct pr_submission *s;
    pr_index task;
    uint32_t awaited_done, captured_done, results_done; /* committed in earlier transactions */
    uint32_t awaited, captured, results;                /* this transaction's share */
    pr_index edges[PR_STEP_RESULTS];
    struct pr_ref handle; /* of an actor being created */
    pr_index handle_edge;
    bool start, end;
};

static enum pr_status hold_object(struct pr_context *ctx, struct pr_ref ref)
{
    const struct pr_object *o;
    PR_TRY(pr_object_find(ctx, ref, &o));
    pr_object_ref(ctx, ref.index);
    return PR_OK;
}

static void set_fields(struct pr_context *ctx, const struct pr_task *t,
                       const struct pr_submission *s)
{
    if (t->generation == 0) TX_SET(ctx, t->generation, 1);
    TX_SET(ctx, t->state, PR_TASK_SUBMITTING);
    TX_SET(ctx, t->flags, s->flags);
    TX_SET(ctx, t->function, s->function.index);
    TX_SET(ctx, t->arguments, s->arguments.index);
    TX_SET(ctx, t->edges, PR_NONE);
    TX_SET(ctx, t->awaited, 0);
    TX_SET(ctx, t->results, PR_NONE);
    TX_SET(ctx, t->next_result, PR_NONE);
    TX_SET(ctx, t->result_count, s->result_count);
    TX_SET(ctx, t->shape, s->shape);
    TX_SET(ctx, t->retries_left, s->retries);
    TX_SET(ctx, t->attempt, 0);
    TX_SET(ctx, t->actor, PR_NONE);
    TX_SET(ctx, t->submitter, ctx->slot);
    TX_SET(ctx, t->submitter_generation, ctx->slot_generation);
    TX_SET(ctx, t->size_bytes, s->size_bytes);
    if (t->parent != s->parent) TX_SET(ctx, t->parent, s->parent);
    pr_tx_copy(ctx, t->name, s->name, PR_NAME_BYTES);
    pr_tx_copy(ctx, t->value, s->value, s->size_bytes);
}

static enum pr_status bind_actor(struct pr_context *ctx, struct submit *op)
{
    const struct pr_task *t = pr_task_at(ctx, op->task);
    static const struct pr_actor_plan nothing_special;
    pr_index actor;
    if (op->s->flags & PR_TASK_CREATES_ACTOR) {
        const struct pr_actor_plan *plan = op->s->plan != NULL ? op->s->plan : &nothing_special;
        PR_TRY(pr_actor_new(ctx, plan, &op->handle, &op->handle_edge));
        PR_TRY(pr_actor_find(ctx, op->handle, &actor));
        TX_SET(ctx, pr_actor_at(ctx, actor)->label, plan->label);
        TX_SET(ctx, pr_actor_at(ctx, actor)->shape, op->s->shape);
        if (op->s->flags & PR_TASK_OUTLIVES)
            TX_SET(ctx, pr_actor_at(ctx, actor)->flags, plan->flags | PR_ACTOR_OUTLIVES);
    } else {
        op->handle = op->s->actor;
        PR_TRY(pr_actor_find(ctx, op->handle, &actor));
        if (op->s->most_calls > 0 && pr_actor_calls(ctx, actor) >= op->s->most_calls)
            return PR_LIMIT;
    }
    TX_SET(ctx, t->actor, actor);
    pr_actor_bind(ctx, actor);
    return PR_OK;
}

static enum pr_status submit_start(struct pr_context *ctx, struct submit *op)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    PR_TRY(pr_pool_take(ctx, PR_POOL_TASK, &op->task));
    const struct pr_task *t = pr_task_at(ctx, op->task);
    pr_event_submitted(ctx, op->task, op->s->label);
    set_fields(ctx, t, op->s);
    TX_SET(ctx, t->serial, root->serial + 1);
    TX_SET(ctx, root->serial, root->serial + 1);
    TX_ADD(ctx, root->submitted, 1);
    op->s->serial = t->serial;
    PR_ASSERT(op->s->placement.index == pr_class_at(ctx, op->s->shape)->placement);
    if (op->s->placement.index != PR_NONE) PR_TRY(pr_placement_enter(ctx, op->s->placement));
    PR_TRY(hold_object(ctx, op->s->function));
    if (op->s->arguments.index != PR_NONE) PR_TRY(hold_object(ctx, op->s->arguments));
    if (op->s->flags & (PR_TASK_CREATES_ACTOR | PR_TASK_OF_ACTOR)) PR_TRY(bind_actor(ctx, op));
    if (op->s->flags & PR_TASK_STREAMS)
        PR_TRY(pr_stream_new(ctx, op->task, op->s->stream_limit, &op->s->stream));
    pr_task_link(ctx, &pr_slot_at(ctx, ctx->slot)->submitting, op->task);
    return PR_OK;
}

static enum pr_status add_argument(struct pr_context *ctx, pr_index task, struct pr_ref ref,
                                   bool awaited)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    const struct pr_object *o;
    pr_index edge;
    PR_TRY(pr_object_find(ctx, ref, &o));
    bool waits = awaited && o->state != PR_OBJECT_SEALED;
    PR_TRY(pr_edge_new(ctx, &t->edges, PR_EDGE_ARGUMENT, task, ref.index,
                       waits ? PR_ARGUMENT_AWAITED : 0, &edge));
    pr_object_ref(ctx, ref.index);
    if (waits) {
        pr_edge_await(ctx, edge);
        TX_SET(ctx, t->awaited, t->awaited + 1);
    }
    return PR_OK;
}

/* Appends a result; while SUBMITTING `next_result` is the list's tail. */
static enum pr_status add_result(struct pr_context *ctx, pr_index task, struct pr_ref *ref,
                                 pr_index *edge)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    PR_TRY(pr_object_new(ctx, PR_OBJECT_PENDING, &ref->index));
    const struct pr_object *o = pr_object_at(ctx, ref->index);
    ref->generation = o->generation;
    TX_SET(ctx, o->flags, PR_FLAG_RESULT);
    TX_SET(ctx, o->producer, task);
    TX_SET(ctx, o->refs, 1); /* the task's own */
    if (t->results == PR_NONE) {
        TX_SET(ctx, t->results, ref->index);
    } else {
        TX_SET(ctx, pr_object_at(ctx, t->next_result)->next_result, ref->index);
        pr_object_born_after(ctx, ref->index, t->results);
    }
    TX_SET(ctx, t->next_result, ref->index);
    return pr_hold(ctx, ref->index, PR_HELD_REF, edge);
}

static void fail_call(struct pr_context *ctx, pr_index task, enum pr_cause cause)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    struct pr_failure failure = pr_actor_failure(ctx, t->actor, t->name);
    failure.cause = (uint16_t)cause;
    pr_task_fail(ctx, task, &failure);
}

static enum pr_status call_actor(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    const struct pr_actor *a = pr_actor_at(ctx, t->actor);
    if (a->state == PR_ACTOR_DEAD)
        fail_call(ctx, task, a->cause);
    else if (a->state == PR_ACTOR_RESTARTING && t->retries_left == 0)
        fail_call(ctx, task, PR_CAUSE_ACTOR_UNAVAILABLE);
    else
        return pr_mailbox_accept(ctx, task);
    return PR_OK;
}

static enum pr_status submit_end(struct pr_context *ctx, struct submit *op)
{
    const struct pr_task *t = pr_task_at(ctx, op->task);
    unlink_submitting(ctx, op->task);
    TX_SET(ctx, t->next_result, t->results);
    TX_SET(ctx, t->state, PR_TASK_WAITING);
    if (t->flags & PR_TASK_CREATES_ACTOR) {
        TX_SET(ctx, pr_actor_at(ctx, t->actor)->creation, t->results);
        pr_object_ref(ctx, t->results);
    }
    if ((t->flags & PR_TASK_CANCELLED) || pr_cancel_reaches(ctx, t)) {
        pr_cancel_complete(ctx, op->task);
        return PR_OK;
    }
    if (t->flags & PR_TASK_OF_ACTOR) return call_actor(ctx, op->task);
    if (t->actor != PR_NONE && pr_actor_at(ctx, t->actor)->state == PR_ACTOR_DEAD)
        fail_call(ctx, op->task, pr_actor_at(ctx, t->actor)->cause); /* killed meanwhile */
    else if (t->awaited == 0)
        pr_task_ready(ctx, op->task);
    return PR_OK;
}

static enum pr_status submit_step(struct pr_context *ctx, void *argument)
{
    struct submit *op = argument;
    const struct pr_submission *s = op->s;
    if (op->start) PR_TRY(submit_start(ctx, op));
    for (uint32_t i = 0; i < op->awaited; i++)
        PR_TRY(add_argument(ctx, op->task, s->awaited[op->awaited_done + i], true));
    for (uint32_t i = 0; i < op->captured; i++)
        PR_TRY(add_argument(ctx, op->task, s->captured[op->captured_done + i], false));
    for (uint32_t i = 0; i < op->results; i++)
        PR_TRY(add_result(ctx, op->task, &s->results[op->results_done + i], &op->edges[i]));
    return op->end ? submit_end(ctx, op) : PR_OK;
}

static void remember_results(struct pr_context *ctx, const struct submit *op)
{
    for (uint32_t i = 0; i < op->results; i++) {
        struct pr_ref ref = op->s->results[op->results_done + i];
        *pr_local_of(ctx, ref) =
            (struct pr_local){.generation = ref.generation, .edge = op->edges[i], .refs = 1};
    }
}

static void choose_share(struct submit *op)
{
    const struct pr_submission *s = op->s;
    op->awaited = PR_MIN(s->awaited_count - op->awaited_done, PR_STEP_EDGES);
    op->captured = PR_MIN(s->captured_count - op->captured_done, PR_STEP_EDGES - op->awaited);
    op->results = PR_MIN(s->result_count - op->results_done, PR_STEP_RESULTS);
    op->end = op->awaited_done + op->awaited == s->awaited_count &&
              op->captured_done + op->captured == s->captured_count &&
              op->results_done + op->results == s->result_count;
}

void pr_task_abandon(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    struct pr_failure failure = pr_task_failure(ctx, task, PR_CAUSE_OWNER_DIED, NULL);
    unlink_submitting(ctx, task);
    if (t->flags & PR_TASK_CREATES_ACTOR) pr_actor_die(ctx, t->actor, PR_CAUSE_OWNER_DIED, NULL);
    pr_task_fail(ctx, task, &failure);
}

static enum pr_status abandon(struct pr_context *ctx, void *argument)
{
    const struct submit *op = argument;
    pr_task_abandon(ctx, op->task);
    return PR_OK;
}

static enum pr_status give_up(struct pr_context *ctx, struct submit *op, enum pr_status reason)
{
    if (!op->start) PR_TRY(pr_operate(ctx, abandon, op));
    if (!op->start && (op->s->flags & PR_TASK_STREAMS)) pr_stream_close(ctx, op->s->stream);
    for (uint32_t i = 0; i < op->results_done; i++) pr_release(ctx, op->s->results[i]);
    if (!op->start && (op->s->flags & PR_TASK_CREATES_ACTOR)) pr_release(ctx, op->s->actor);
    return reason;
}

enum pr_status pr_submit(struct pr_context *ctx, struct pr_submission *submission)
{
    struct submit op = {.s = submission, .start = true};
    PR_ASSERT(submission->size_bytes <= PR_TASK_INLINE);
    if (submission->label != PR_NONE) pr_events_make_room(ctx);
    if (submission->flags & PR_TASK_CREATES_ACTOR) pr_actors_make_room(ctx);
    PR_ASSERT(submission->result_count > 0 || !(submission->flags & PR_TASK_CREATES_ACTOR));
    for (;;) {
        choose_share(&op);
        enum pr_status status = pr_operate(ctx, submit_step, &op);
        if (status != PR_OK) return give_up(ctx, &op, status);
        remember_results(ctx, &op);
        if (op.start && (submission->flags & PR_TASK_CREATES_ACTOR)) {
            submission->actor = op.handle;
            *pr_local_of(ctx, op.handle) = (struct pr_local){
                .generation = op.handle.generation, .edge = op.handle_edge, .refs = 1};
        }
        if (op.end) break;
        PR_FAILPOINT(ctx, SUBMIT_STARTED);
        op.start = false;
        op.awaited_done += op.awaited;
        op.captured_done += op.captured;
        op.results_done += op.results;
    }
    PR_FAILPOINT(ctx, SUBMIT_DONE);
    return PR_OK;
}
