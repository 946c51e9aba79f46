#include "engine/task.h"

#include <string.h>

#include "engine/actor.h"
#include "engine/chores.h"
#include "engine/sched.h"
#include "engine/session.h"

/* ---- lists of a slot -------------------------------------------------------------------------------- */

static void list_add(struct pr_context *ctx, const uint32_t *head, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    TX_SET(ctx, t->previous, PR_NONE);
    TX_SET(ctx, t->link, *head);
    if (*head != PR_NONE) TX_SET(ctx, pr_task_at(ctx, *head)->previous, task);
    TX_SET(ctx, *head, task);
    TX_SET(ctx, t->claim, ctx->slot);
}

static void list_drop(struct pr_context *ctx, const uint32_t *head, pr_index task)
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
    list_drop(ctx, &pr_slot_at(ctx, t->claim)->running, task);
    if ((t->flags & PR_TASK_HOLDS) && !(t->flags & PR_TASK_LENT)) pr_resources_give(ctx, t->shape);
    TX_SET(ctx, t->flags, t->flags & ~(uint32_t)(PR_TASK_HOLDS | PR_TASK_LENT));
}

static void unlink_submitting(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    PR_ASSERT(t->state == PR_TASK_SUBMITTING);
    list_drop(ctx, &pr_slot_at(ctx, t->claim)->submitting, task);
}

/* ---- submission ------------------------------------------------------------------------------------- */

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

static void set_fields(struct pr_context *ctx, const struct pr_task *t, const struct pr_submission *s)
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
    pr_tx_copy(ctx, t->name, s->name, PR_NAME_BYTES);
    pr_tx_copy(ctx, t->value, s->value, s->size_bytes);
}

static enum pr_status bind_actor(struct pr_context *ctx, struct submit *op)
{
    const struct pr_task *t = pr_task_at(ctx, op->task);
    pr_index actor;
    if (op->s->flags & PR_TASK_CREATES_ACTOR) {
        PR_TRY(pr_actor_new(ctx, &op->handle, &op->handle_edge));
        PR_TRY(pr_actor_find(ctx, op->handle, &actor));
    } else {
        op->handle = op->s->actor;
        PR_TRY(pr_actor_find(ctx, op->handle, &actor));
    }
    TX_SET(ctx, t->actor, actor);
    TX_ADD(ctx, pr_actor_at(ctx, actor)->pending, 1);
    pr_object_ref(ctx, op->handle.index);
    return PR_OK;
}

static enum pr_status submit_start(struct pr_context *ctx, struct submit *op)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    PR_TRY(pr_pool_take(ctx, PR_POOL_TASK, &op->task));
    const struct pr_task *t = pr_task_at(ctx, op->task);
    set_fields(ctx, t, op->s);
    TX_SET(ctx, t->serial, root->serial + 1);
    TX_SET(ctx, root->serial, root->serial + 1);
    TX_ADD(ctx, root->submitted, 1);
    op->s->serial = t->serial;
    PR_TRY(hold_object(ctx, op->s->function));
    if (op->s->arguments.index != PR_NONE) PR_TRY(hold_object(ctx, op->s->arguments));
    if (op->s->flags & (PR_TASK_CREATES_ACTOR | PR_TASK_OF_ACTOR)) PR_TRY(bind_actor(ctx, op));
    list_add(ctx, &pr_slot_at(ctx, ctx->slot)->submitting, op->task);
    return PR_OK;
}

static enum pr_status add_argument(struct pr_context *ctx, pr_index task, struct pr_ref ref, bool awaited)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    const struct pr_object *o;
    pr_index edge;
    PR_TRY(pr_object_find(ctx, ref, &o));
    bool waits = awaited && o->state != PR_OBJECT_SEALED;
    PR_TRY(pr_edge_new(ctx, &t->edges, PR_EDGE_ARGUMENT, task, ref.index, waits ? PR_ARGUMENT_AWAITED : 0, &edge));
    pr_object_ref(ctx, ref.index);
    if (waits) {
        pr_edge_await(ctx, edge);
        TX_SET(ctx, t->awaited, t->awaited + 1);
    }
    return PR_OK;
}

/* Appends a result; while SUBMITTING `next_result` is the list's tail. */
static enum pr_status add_result(struct pr_context *ctx, pr_index task, struct pr_ref *ref, pr_index *edge)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    PR_TRY(pr_object_new(ctx, PR_OBJECT_PENDING, &ref->index));
    const struct pr_object *o = pr_object_at(ctx, ref->index);
    ref->generation = o->generation;
    TX_SET(ctx, o->flags, PR_FLAG_RESULT);
    TX_SET(ctx, o->producer, task);
    TX_SET(ctx, o->refs, 1); /* the task's own */
    if (t->results == PR_NONE)
        TX_SET(ctx, t->results, ref->index);
    else
        TX_SET(ctx, pr_object_at(ctx, t->next_result)->next_result, ref->index);
    TX_SET(ctx, t->next_result, ref->index);
    return pr_hold(ctx, ref->index, PR_HELD_REF, edge);
}

static void fail_call_to_dead_actor(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    struct pr_failure failure = pr_actor_failure(ctx, t->actor, t->name);
    pr_task_fail(ctx, task, &failure);
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
    if (t->flags & PR_TASK_OF_ACTOR) {
        if (pr_actor_at(ctx, t->actor)->state != PR_ACTOR_DEAD) return pr_actor_accept(ctx, op->task);
        fail_call_to_dead_actor(ctx, op->task);
        return PR_OK;
    }
    if (t->awaited == 0) pr_task_ready(ctx, op->task);
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
        *pr_local_of(ctx, ref) = (struct pr_local){.generation = ref.generation, .edge = op->edges[i], .refs = 1};
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
    for (uint32_t i = 0; i < op->results_done; i++) pr_release(ctx, op->s->results[i]);
    if (!op->start && (op->s->flags & PR_TASK_CREATES_ACTOR)) pr_release(ctx, op->s->actor);
    return reason;
}

enum pr_status pr_submit(struct pr_context *ctx, struct pr_submission *submission)
{
    struct submit op = {.s = submission, .start = true};
    PR_ASSERT(submission->size_bytes <= PR_TASK_INLINE);
    PR_ASSERT(submission->result_count > 0 || !(submission->flags & PR_TASK_CREATES_ACTOR));
    for (;;) {
        choose_share(&op);
        enum pr_status status = pr_operate(ctx, submit_step, &op);
        if (status != PR_OK) return give_up(ctx, &op, status);
        remember_results(ctx, &op);
        if (op.start && (submission->flags & PR_TASK_CREATES_ACTOR)) {
            submission->actor = op.handle;
            *pr_local_of(ctx, op.handle) =
                (struct pr_local){.generation = op.handle.generation, .edge = op.handle_edge, .refs = 1};
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

void pr_task_ready(struct pr_context *ctx, pr_index task)
{
    if (pr_task_at(ctx, task)->flags & PR_TASK_OF_ACTOR) {
        pr_actor_call_ready(ctx, task);
        return;
    }
    pr_queue_push(ctx, task);
    pr_sched_nudge(ctx);
}

/* ---- sealing and telling waiters -------------------------------------------------------------------- */

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

static enum pr_status seal_result(struct pr_context *ctx, pr_index object, const struct pr_value *value)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    if (o->state == PR_OBJECT_SEALED) return PR_OK; /* by an earlier attempt */
    if (o->state == PR_OBJECT_CREATING && !value->in_block) pr_object_abort(ctx, object); /* began, then raised */
    if (value->in_block) {
        pr_object_seal_block(ctx, object, value->kind, value->flags);
    } else {
        PR_ASSERT(value->child_count <= PR_STEP_EDGES);
        PR_TRY(pr_object_contain(ctx, object, value->children, value->child_count));
        pr_object_seal_inline(ctx, object, value->kind, value->flags, value->bytes, (uint32_t)value->size_bytes);
    }
    if (o->waiters != PR_NONE && !pr_resolve_step(ctx, object)) pr_object_add_chore(ctx, object);
    return PR_OK;
}

/* ---- the end of a task ------------------------------------------------------------------------------ */

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
    pr_object_unref(ctx, t->function);
    if (t->arguments != PR_NONE) pr_object_unref(ctx, t->arguments);
    if (t->actor != PR_NONE) {
        TX_SET(ctx, pr_actor_at(ctx, t->actor)->pending, pr_actor_at(ctx, t->actor)->pending - 1);
        pr_object_unref(ctx, pr_actor_at(ctx, t->actor)->handle);
    }
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

static void end_task(struct pr_context *ctx, pr_index task)
{
    TX_SET(ctx, pr_task_at(ctx, task)->state, PR_TASK_DONE);
    if (!cleanup_step(ctx, task)) pr_task_add_chore(ctx, task);
}

static void seal_failure(struct pr_context *ctx, pr_index object, const struct pr_failure *failure)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    if (o->state == PR_OBJECT_SEALED) return;
    if (o->state == PR_OBJECT_CREATING) pr_object_abort(ctx, object);
    struct pr_failure copy = *failure;
    const struct pr_object *detail;
    pr_index edge;
    bool keep = copy.detail.index != PR_NONE && copy.detail.index != object &&
                pr_object_find(ctx, copy.detail, &detail) == PR_OK &&
                pr_edge_new(ctx, &o->children, PR_EDGE_CONTAINED, object, copy.detail.index, 0, &edge) == PR_OK;
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
        seal_failure(ctx, object, &failure);
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
    pr_tx_copy(ctx, t->value, failure, sizeof *failure);
    TX_SET(ctx, t->state, PR_TASK_FAILED);
    TX_SET(ctx, t->next_result, t->results);
    TX_ADD(ctx, pr_engine_root(ctx)->failed, 1);
    pr_task_add_chore(ctx, task);
}

struct pr_failure pr_task_failure(const struct pr_context *ctx, pr_index task, enum pr_cause cause,
                                  const struct pr_slot *died)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    struct pr_failure failure = {.cause = cause};
    memcpy(failure.name, t->name, PR_NAME_BYTES);
    if (died != NULL) {
        failure.process_id = died->process_id;
        failure.wait_status = died->wait_status;
        failure.ran_ms = (uint32_t)((pr_os_monotonic_ns() - t->started_ns) / 1000000u);
    }
    return failure;
}

/* ---- taking ----------------------------------------------------------------------------------------- */

static struct pr_ref ref_of(const struct pr_context *ctx, pr_index object)
{
    if (object == PR_NONE) return (struct pr_ref){0};
    return (struct pr_ref){object, pr_object_at(ctx, object)->generation};
}

static void describe(const struct pr_context *ctx, pr_index task, struct pr_taken *taken)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    taken->task = task;
    taken->flags = t->flags;
    taken->attempt = t->attempt;
    taken->result_count = t->result_count;
    taken->serial = t->serial;
    taken->function = ref_of(ctx, t->function);
    taken->arguments = ref_of(ctx, t->arguments);
    taken->result = ref_of(ctx, t->results);
    taken->actor = t->actor != PR_NONE ? ref_of(ctx, pr_actor_at(ctx, t->actor)->handle) : (struct pr_ref){0};
    taken->size_bytes = t->size_bytes;
    memcpy(taken->name, t->name, PR_NAME_BYTES);
    memcpy(taken->value, t->value, t->size_bytes);
}

static void start_task(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    TX_SET(ctx, t->state, PR_TASK_RUNNING);
    TX_SET(ctx, t->attempt, t->attempt + 1);
    TX_SET(ctx, t->started_ns, pr_os_monotonic_ns());
    list_add(ctx, &pr_slot_at(ctx, ctx->slot)->running, task);
    if (t->flags & PR_TASK_OF_ACTOR) return;
    pr_resources_take(ctx, t->shape);
    TX_SET(ctx, t->flags, t->flags | PR_TASK_HOLDS);
}

static void leave_arrival_state(struct pr_context *ctx, const struct pr_slot *s)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    if (s->state == PR_SLOT_STARTING) TX_SET(ctx, root->starting, root->starting - 1);
    if (s->state == PR_SLOT_WAKING) TX_SET(ctx, root->waking, root->waking - 1);
    if (s->state == PR_SLOT_IDLE) pr_idle_remove(ctx, ctx->slot);
    if (s->state != PR_SLOT_BUSY) TX_SET(ctx, s->state, PR_SLOT_BUSY);
}

static pr_index next_task(struct pr_context *ctx, const struct pr_slot *s)
{
    if (pr_session_ending(ctx)) return PR_NONE;
    if (s->actor != PR_NONE) return pr_actor_pop(ctx, s->actor);
    return s->requests & PR_REQUEST_EXIT ? PR_NONE : pr_queue_pop(ctx);
}

/* PR_EXIT must not roll the transaction back, so it travels as a mark in `taken`. */
#define TAKEN_EXIT UINT32_MAX

static enum pr_status take(struct pr_context *ctx, struct pr_taken *taken)
{
    const struct pr_slot *s = pr_slot_at(ctx, ctx->slot);
    leave_arrival_state(ctx, s);
    bool leaving = pr_session_ending(ctx) || (s->requests & PR_REQUEST_EXIT);
    pr_index task = next_task(ctx, s);
    if (task != PR_NONE) {
        start_task(ctx, task);
        describe(ctx, task, taken);
    } else {
        taken->task = leaving ? TAKEN_EXIT : PR_NONE;
    }
    if (task == PR_NONE && !leaving && s->actor == PR_NONE)
        pr_idle_push(ctx, ctx->slot); /* nothing fits, so there is nobody to wake either */
    else
        pr_sched_nudge(ctx); /* what this worker gave back or was woken for may be another's */
    return task != PR_NONE ? PR_OK : PR_EMPTY;
}

static enum pr_status take_operation(struct pr_context *ctx, void *argument) { return take(ctx, argument); }

static enum pr_status answer(struct pr_context *ctx, enum pr_status status, const struct pr_taken *taken)
{
    if (status == PR_OK) PR_FAILPOINT(ctx, TAKE_DONE);
    return status == PR_EMPTY && taken->task == TAKEN_EXIT ? PR_EXIT : status;
}

enum pr_status pr_take(struct pr_context *ctx, struct pr_taken *taken)
{
    return answer(ctx, pr_operate(ctx, take_operation, taken), taken);
}

/* ---- finishing -------------------------------------------------------------------------------------- */

struct results_query {
    pr_index task;
    uint32_t first, count;
    struct pr_ref *results;
};

static enum pr_status read_results(struct pr_context *ctx, void *argument)
{
    const struct results_query *query = argument;
    pr_index object = pr_task_at(ctx, query->task)->results;
    for (uint32_t i = 0; i < query->first + query->count && object != PR_NONE; i++) {
        if (i >= query->first) query->results[i - query->first] = ref_of(ctx, object);
        object = pr_object_at(ctx, object)->next_result;
    }
    return PR_OK;
}

enum pr_status pr_task_results(struct pr_context *ctx, pr_index task, uint32_t first, struct pr_ref *results,
                               uint32_t count)
{
    struct results_query query = {task, first, count, results};
    return pr_transact(ctx, read_results, &query);
}

struct result_begin {
    struct pr_ref result;
    uint64_t size_bytes;
    uint64_t offset;
};

static enum pr_status result_begin(struct pr_context *ctx, void *argument)
{
    struct result_begin *op = argument;
    const struct pr_object *o;
    PR_TRY(pr_object_find(ctx, op->result, &o));
    if (o->state != PR_OBJECT_PENDING) return PR_STATE;
    PR_TRY(pr_object_claim(ctx, op->result.index, ctx->slot, op->size_bytes));
    op->offset = pr_block_offset_bytes(ctx, o->block);
    return PR_OK;
}

enum pr_status pr_result_begin(struct pr_context *ctx, struct pr_ref result, uint64_t size_bytes, uint64_t *offset)
{
    struct result_begin op = {.result = result, .size_bytes = size_bytes};
    PR_TRY(pr_operate(ctx, result_begin, &op));
    *offset = op.offset;
    PR_FAILPOINT(ctx, PUT_CREATED);
    return PR_OK;
}

static enum pr_status result_abort(struct pr_context *ctx, void *argument)
{
    const struct pr_ref *result = argument;
    const struct pr_object *o;
    PR_TRY(pr_object_find(ctx, *result, &o));
    if (o->state != PR_OBJECT_CREATING || o->claim != ctx->slot) return PR_STATE;
    pr_object_abort(ctx, result->index);
    return PR_OK;
}

void pr_result_abort(struct pr_context *ctx, struct pr_ref result)
{
    PR_ASSERT(pr_operate(ctx, result_abort, &result) != PR_GROW);
}

struct finish {
    pr_index task;
    const struct pr_value *results;
    uint32_t count;
    bool first;            /* begins at the first result, also when a call before gave up half way */
    struct pr_taken *next; /* NULL: more results follow */
};

static enum pr_status seal_share(struct pr_context *ctx, const struct finish *op)
{
    const struct pr_task *t = pr_task_at(ctx, op->task);
    for (uint32_t i = 0; i < op->count; i++) {
        pr_index object = t->next_result;
        PR_ASSERT(object != PR_NONE);
        TX_SET(ctx, t->next_result, pr_object_at(ctx, object)->next_result);
        PR_TRY(seal_result(ctx, object, &op->results[i]));
    }
    return PR_OK;
}

static void finish_creation(struct pr_context *ctx, const struct pr_task *t)
{
    bool failed = pr_object_at(ctx, t->results)->flags & PR_FLAG_ERROR;
    if (!failed && (t->flags & PR_TASK_KEEPS)) {
        if (t->flags & PR_TASK_LENT) pr_resources_take(ctx, t->shape);
        TX_SET(ctx, pr_actor_at(ctx, t->actor)->shape, t->shape);
        TX_SET(ctx, t->flags, t->flags & ~(uint32_t)(PR_TASK_HOLDS | PR_TASK_LENT)); /* the actor has them now */
    }
    pr_actor_created(ctx, t->actor, ctx->slot, failed);
}

static enum pr_status finish(struct pr_context *ctx, void *argument)
{
    const struct finish *op = argument;
    const struct pr_task *t = pr_task_at(ctx, op->task);
    if (t->state != PR_TASK_RUNNING || t->claim != ctx->slot) return PR_STATE;
    if (op->first && t->next_result != t->results) TX_SET(ctx, t->next_result, t->results);
    PR_TRY(seal_share(ctx, op));
    if (op->next == NULL) return PR_OK;
    PR_ASSERT(t->next_result == PR_NONE); /* a result that nobody seals would be waited for in vain */
    if (t->flags & PR_TASK_CREATES_ACTOR) finish_creation(ctx, t);
    pr_task_unlink_running(ctx, op->task);
    end_task(ctx, op->task);
    TX_ADD(ctx, pr_slot_at(ctx, ctx->slot)->tasks_finished, 1);
    TX_ADD(ctx, pr_engine_root(ctx)->finished, 1);
    return take(ctx, op->next);
}

/* How many of the results go into one transaction. */
static uint32_t choose_results(const struct pr_value *results, uint32_t count)
{
    uint32_t chosen = 0, children = 0;
    for (; chosen < PR_MIN(count, PR_STEP_RESULTS); chosen++) {
        if (results[chosen].in_block) continue;
        children += results[chosen].child_count;
        if (chosen > 0 && children > PR_STEP_EDGES) break;
    }
    return chosen;
}

enum pr_status pr_finish(struct pr_context *ctx, pr_index task, const struct pr_value *results, uint32_t count,
                         struct pr_taken *next)
{
    PR_FAILPOINT(ctx, FINISH_BEFORE);
    struct finish op = {.task = task, .results = results, .first = true};
    for (; (op.count = choose_results(op.results, count)) < count; count -= op.count) {
        PR_TRY(pr_operate(ctx, finish, &op));
        op.first = false;
        op.results += op.count;
    }
    op.next = next;
    enum pr_status status = pr_operate(ctx, finish, &op);
    PR_FAILPOINT(ctx, FINISH_AFTER);
    return answer(ctx, status, next);
}

/* ---- lending ---------------------------------------------------------------------------------------- */

static enum pr_status lend(struct pr_context *ctx, void *argument)
{
    const pr_index *task = argument;
    const struct pr_task *t = pr_task_at(ctx, *task);
    if (t->state != PR_TASK_RUNNING || (t->flags & PR_TASK_LENT) || !(t->flags & PR_TASK_HOLDS)) return PR_OK;
    TX_SET(ctx, t->flags, t->flags | PR_TASK_LENT);
    pr_resources_give(ctx, t->shape);
    pr_sched_nudge(ctx);
    return PR_OK;
}

static enum pr_status reclaim(struct pr_context *ctx, void *argument)
{
    const pr_index *task = argument;
    const struct pr_task *t = pr_task_at(ctx, *task);
    if (t->state != PR_TASK_RUNNING || !(t->flags & PR_TASK_LENT)) return PR_OK;
    TX_SET(ctx, t->flags, t->flags & ~(uint32_t)PR_TASK_LENT);
    pr_resources_take(ctx, t->shape);
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
