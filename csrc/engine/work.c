#include "engine/work.h"

#include <string.h>

#include "engine/actor.h"
#include "engine/events.h"
#include "engine/placement.h"
#include "engine/sched.h"
#include "engine/session.h"

/* ---- taking ---- */

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
    if (t->flags & PR_TASK_STREAMS) {
        taken->stream_limit = pr_stream_at(ctx, t->stream)->limit;
        taken->published = pr_stream_at(ctx, t->stream)->published;
    }
    taken->function = ref_of(ctx, t->function);
    taken->arguments = ref_of(ctx, t->arguments);
    taken->result = ref_of(ctx, t->results);
    taken->actor =
        t->actor != PR_NONE ? ref_of(ctx, pr_actor_at(ctx, t->actor)->handle) : (struct pr_ref){0};
    taken->retries_left = t->retries_left;
    bool has_gpus = (t->flags & PR_TASK_HOLDS) && pr_class_at(ctx, t->shape)->gpus != 0;
    taken->gpus = has_gpus ? t->holding.gpus : 0;
    taken->shape = t->shape;
    taken->size_bytes = t->size_bytes;
    memcpy(taken->name, t->name, PR_NAME_BYTES);
    memcpy(taken->value, t->value, t->size_bytes);
}

static void make_running(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    TX_SET(ctx, t->state, PR_TASK_RUNNING);
    TX_SET(ctx, t->attempt, t->attempt + 1);
    TX_SET(ctx, t->started_ns, pr_tx_now(ctx));
    pr_task_link(ctx, &pr_slot_at(ctx, ctx->slot)->running, task);
}

void pr_work_start(struct pr_context *ctx, pr_index task, struct pr_taken *taken)
{
    make_running(ctx, task);
    describe(ctx, task, taken);
}

static void start_task(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    make_running(ctx, task);
    if (t->flags & PR_TASK_OF_ACTOR) return;
    if (t->flags & PR_TASK_CREATES_ACTOR) {
        pr_actor_starts(ctx, t->actor, ctx->slot);
        pr_sched_spare(ctx, pr_crew_of(ctx, pr_slot_at(ctx, ctx->slot)->environment));
    }
    pr_resources_take(ctx, t->shape, &t->holding);
    TX_SET(ctx, t->flags, t->flags | PR_TASK_HOLDS);
}

static bool is_leaving(const struct pr_context *ctx, const struct pr_slot *s)
{
    return pr_session_ending(ctx) || (s->requests & PR_REQUEST_EXIT);
}

/* The task's placement group was removed while it was queued. */
static bool refuse(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    if (!pr_placement_is_removed(ctx, t->shape)) return false;
    struct pr_failure failure = pr_task_failure(ctx, task, PR_CAUSE_PLACEMENT_REMOVED, NULL);
    if (t->flags & PR_TASK_CREATES_ACTOR) {
        pr_actor_die(ctx, t->actor, PR_CAUSE_ACTOR_PLACEMENT_REMOVED, NULL);
        failure = pr_actor_failure(ctx, t->actor, t->name);
    }
    pr_task_fail(ctx, task, &failure);
    return true;
}

static pr_index next_task(struct pr_context *ctx, const struct pr_slot *s, uint32_t groups)
{
    if (pr_session_ending(ctx) || (s->requests & PR_REQUEST_KILL)) return PR_NONE;
    if (pr_placement_is_removed(ctx, s->shape)) return PR_NONE; /* it is about to be killed */
    if (s->actor != PR_NONE) return pr_mailbox_pop(ctx, s->actor, groups);
    if (s->requests & PR_REQUEST_EXIT) return PR_NONE;
    pr_index task = pr_queue_pop(ctx, s->environment);
    while (task != PR_NONE && refuse(ctx, task))
        task = pr_tx_is_long(ctx) ? PR_NONE : pr_queue_pop(ctx, s->environment);
    return task;
}

/* PR_EXIT must not roll the transaction back, so it travels as a mark in `taken`. */
#define TAKEN_EXIT UINT32_MAX

static enum pr_status take(struct pr_context *ctx, uint32_t groups, struct pr_taken *taken)
{
    const struct pr_slot *s = pr_slot_at(ctx, ctx->slot);
    pr_sched_leave_state(ctx, ctx->slot);
    if (s->state != PR_SLOT_BUSY) TX_SET(ctx, s->state, PR_SLOT_BUSY);
    bool leaving = is_leaving(ctx, s);
    pr_index task = next_task(ctx, s, groups);
    if (task != PR_NONE) {
        start_task(ctx, task);
        describe(ctx, task, taken);
    } else {
        taken->task = leaving ? TAKEN_EXIT : PR_NONE;
    }
    bool idles = task == PR_NONE && !leaving && s->actor == PR_NONE;
    if (idles) pr_idle_push(ctx, ctx->slot);
    /* What this worker gave back or was woken for may be another's; but when it found nothing there
     * is nobody else to wake either, unless workers or groups differ. */
    const struct pr_engine_root *root = pr_engine_root(ctx);
    bool differ = root->environments != PR_NONE || ctx->header->pools[PR_POOL_PLACEMENT].used > 0;
    if (!idles || differ) pr_sched_nudge(ctx);
    return task != PR_NONE ? PR_OK : PR_EMPTY;
}

static enum pr_status take_operation(struct pr_context *ctx, void *argument)
{
    return take(ctx, UINT32_MAX, argument);
}

static enum pr_status answer(struct pr_context *ctx, enum pr_status status,
                             const struct pr_taken *taken)
{
    if (status == PR_OK) PR_FAILPOINT(ctx, TAKE_DONE);
    return status == PR_EMPTY && taken->task == TAKEN_EXIT ? PR_EXIT : status;
}

enum pr_status pr_take(struct pr_context *ctx, struct pr_taken *taken)
{
    return answer(ctx, pr_operate(ctx, take_operation, taken), taken);
}

struct take_of {
    uint32_t groups;
    struct pr_taken *taken;
    bool more;
};

static enum pr_status take_of(struct pr_context *ctx, void *argument)
{
    struct take_of *op = argument;
    enum pr_status status = take(ctx, op->groups, op->taken);
    const struct pr_slot *s = pr_slot_at(ctx, ctx->slot);
    op->more = s->actor != PR_NONE && pr_mailbox_has_calls(ctx, s->actor);
    return status;
}

enum pr_status pr_take_of(struct pr_context *ctx, uint32_t groups, struct pr_taken *taken,
                          bool *more)
{
    struct take_of op = {.groups = groups, .taken = taken};
    enum pr_status status = pr_operate(ctx, take_of, &op);
    *more = op.more;
    return answer(ctx, status, taken);
}
/* ---- finishing ---- */

struct results_query {
    pr_index task;
    const struct pr_ref *after;
    struct pr_ref *results;
    uint32_t count;
};

static enum pr_status read_results(struct pr_context *ctx, void *argument)
{
    const struct results_query *query = argument;
    const struct pr_object *last;
    pr_index object = pr_task_at(ctx, query->task)->results;
    if (query->after != NULL) {
        PR_TRY(pr_object_find(ctx, *query->after, &last));
        object = last->next_result;
    }
    for (uint32_t i = 0; i < query->count && object != PR_NONE; i++) {
        query->results[i] = ref_of(ctx, object);
        object = pr_object_at(ctx, object)->next_result;
    }
    return PR_OK;
}

enum pr_status pr_task_results(struct pr_context *ctx, pr_index task, const struct pr_ref *after,
                               struct pr_ref *results, uint32_t count)
{
    struct results_query query = {task, after, results, count};
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

enum pr_status pr_result_begin(struct pr_context *ctx, struct pr_ref result, uint64_t size_bytes,
                               uint64_t *offset)
{
    struct result_begin op = {.result = result, .size_bytes = size_bytes};
    PR_TRY(pr_operate(ctx, result_begin, &op));
    *offset = op.offset;
    PR_FAILPOINT(ctx, PUT_CREATED);
    return PR_OK;
}

struct result_adopt {
    struct pr_ref result;
    struct pr_ref source;
};

static enum pr_status result_adopt(struct pr_context *ctx, void *argument)
{
    const struct result_adopt *op = argument;
    const struct pr_object *result, *source;
    PR_TRY(pr_object_find(ctx, op->result, &result));
    PR_TRY(pr_object_find(ctx, op->source, &source));
    if (result->state != PR_OBJECT_PENDING) return PR_STATE;
    if (source->state != PR_OBJECT_CREATING || source->claim != ctx->slot ||
        source->children != PR_NONE)
        return PR_STATE;
    pr_object_move(ctx, op->source.index, op->result.index);
    return PR_OK;
}

enum pr_status pr_result_adopt(struct pr_context *ctx, struct pr_ref result, struct pr_ref source)
{
    struct result_adopt op = {result, source};
    return pr_operate(ctx, result_adopt, &op);
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

enum pr_status pr_result_seal(struct pr_context *ctx, pr_index object, const struct pr_value *value)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    if (o->state == PR_OBJECT_SEALED) return PR_OK; /* by an earlier attempt */
    if (o->state == PR_OBJECT_CREATING && !value->in_block)
        pr_object_abort(ctx, object); /* began, then raised */
    if (value->in_block) {
        pr_object_seal_block(ctx, object, value->kind, value->flags);
    } else {
        PR_ASSERT(value->child_count <= PR_STEP_EDGES);
        PR_TRY(pr_object_contain(ctx, object, value->children, value->child_count));
        pr_object_seal_inline(ctx, object, value->kind, value->flags, value->bytes,
                              (uint32_t)value->size_bytes);
    }
    if (o->waiters != PR_NONE && !pr_resolve_step(ctx, object)) pr_object_add_chore(ctx, object);
    return PR_OK;
}

struct finish {
    pr_index task;
    const struct pr_value *results;
    uint32_t count;
    bool first; /* begins at the first result, also when a call before gave up half way */
    bool last;
    struct pr_taken *next; /* NULL: take none */
    struct pr_end end;
};

static void note_error(struct finish *op, const struct pr_value *result)
{
    op->end.flags = PR_EVENT_FAILED;
    op->end.text = result->text;
    if (result->kind == PR_KIND_FAILURE)
        op->end.cause = ((const struct pr_failure *)result->bytes)->cause;
}

static enum pr_status seal_share(struct pr_context *ctx, struct finish *op)
{
    const struct pr_task *t = pr_task_at(ctx, op->task);
    for (uint32_t i = 0; i < op->count; i++) {
        pr_index object = t->next_result;
        PR_ASSERT(object != PR_NONE);
        TX_SET(ctx, t->next_result, pr_object_at(ctx, object)->next_result);
        PR_TRY(pr_result_seal(ctx, object, &op->results[i]));
        if (PR_UNLIKELY(op->results[i].flags & PR_FLAG_ERROR)) note_error(op, &op->results[i]);
    }
    return PR_OK;
}

/* True when the task may run again and is kept for that. */
static bool finish_creation(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    const struct pr_actor *a = pr_actor_at(ctx, t->actor);
    bool killed = a->state == PR_ACTOR_DEAD; /* meanwhile */
    bool failed = killed || (pr_object_at(ctx, t->results)->flags & PR_FLAG_ERROR);
    if (!failed && (t->flags & PR_TASK_KEEPS)) {
        const struct pr_slot *s = pr_slot_at(ctx, ctx->slot);
        pr_index group = pr_class_at(ctx, t->shape)->placement;
        if (t->flags & PR_TASK_LENT) pr_task_take_back(ctx, task);
        if (group != PR_NONE) pr_placement_use(ctx, group);
        TX_SET(ctx, s->shape, t->shape);
        TX_SET(ctx, s->holding.gpus, t->holding.gpus);
        TX_SET(ctx, s->holding.bundle, t->holding.bundle);
        TX_SET(ctx, t->flags, t->flags & ~(uint32_t)PR_TASK_HOLDS); /* the process has them now */
    }
    pr_actor_created(ctx, t->actor, ctx->slot, failed);
    return !failed && a->restarts_left != 0;
}

/* The results of a RUNNING task are sealed. */
static void end_running(struct pr_context *ctx, pr_index task, struct pr_end *end)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    PR_ASSERT(t->next_result ==
              PR_NONE); /* a result that nobody seals would be waited for in vain */
    end->process_id = ctx->process_id;
    pr_event_ended(ctx, task, end);
    bool keep = (t->flags & PR_TASK_CREATES_ACTOR) && finish_creation(ctx, task);
    pr_task_unlink_running(ctx, task);
    if (keep)
        pr_actor_keep_creation(ctx, t->actor, task);
    else
        pr_task_end(ctx, task);
    TX_ADD(ctx, pr_slot_at(ctx, ctx->slot)->tasks_finished, 1);
    TX_ADD(ctx, pr_engine_root(ctx)->finished, 1);
}

static bool is_ours(const struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    return t->state == PR_TASK_RUNNING && t->claim == ctx->slot;
}

static enum pr_status finish(struct pr_context *ctx, void *argument)
{
    struct finish *op = argument;
    const struct pr_task *t = pr_task_at(ctx, op->task);
    if (!is_ours(ctx, op->task)) return PR_STATE;
    if (op->first && t->next_result != t->results) TX_SET(ctx, t->next_result, t->results);
    PR_TRY(seal_share(ctx, op));
    if (!op->last) return PR_OK;
    end_running(ctx, op->task, &op->end);
    if (op->next != NULL) return take(ctx, UINT32_MAX, op->next);
    pr_sched_nudge(ctx); /* what waited for the results */
    return PR_OK;
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

/* Seals all but the last share of the results in transactions of their own. */
static enum pr_status seal_first(struct pr_context *ctx, struct finish *op, uint32_t count)
{
    for (; (op->count = choose_results(op->results, count)) < count; count -= op->count) {
        PR_TRY(pr_operate(ctx, finish, op));
        op->first = false;
        op->results += op->count;
    }
    return PR_OK;
}

enum pr_status pr_finish(struct pr_context *ctx, pr_index task, const struct pr_value *results,
                         uint32_t count, struct pr_taken *next)
{
    PR_FAILPOINT(ctx, FINISH_BEFORE);
    struct finish op = {.task = task, .results = results, .first = true};
    PR_TRY(seal_first(ctx, &op, count));
    op.last = true;
    op.next = next;
    enum pr_status status = pr_operate(ctx, finish, &op);
    PR_FAILPOINT(ctx, FINISH_AFTER);
    return next == NULL ? status : answer(ctx, status, next);
}

enum pr_status pr_seal_first(struct pr_context *ctx, pr_index task, const struct pr_value *results,
                             uint32_t count, uint32_t *sealed)
{
    struct finish op = {.task = task, .results = results, .first = true};
    PR_TRY(seal_first(ctx, &op, count));
    *sealed = (uint32_t)(op.results - results);
    return PR_OK;
}

/* ---- many at a time ---- */

struct exchange {
    const struct pr_ended *ended;
    uint32_t ended_count;
    const uint32_t *free_of;
    struct pr_taken *taken;
    uint32_t room;
    uint32_t taken_count;
    bool leaving;
};

static enum pr_status end_one(struct pr_context *ctx, const struct pr_ended *ended)
{
    const struct pr_task *t = pr_task_at(ctx, ended->task);
    struct finish op = {
        .task = ended->task, .results = ended->results, .count = ended->result_count};
    if (!is_ours(ctx, ended->task)) return PR_STATE;
    bool all = ended->result_count == t->result_count; /* else pr_seal_first sealed the others */
    if (all && t->next_result != t->results) TX_SET(ctx, t->next_result, t->results);
    PR_TRY(seal_share(ctx, &op));
    end_running(ctx, ended->task, &op.end);
    return PR_OK;
}

static uint32_t groups_with_room(const uint32_t *free_of)
{
    uint32_t groups = 0;
    for (uint32_t i = 0; i < PR_GROUP_MAX; i++) groups |= (uint32_t)(free_of[i] > 0) << i;
    return groups;
}

static enum pr_status exchange(struct pr_context *ctx, void *argument)
{
    struct exchange *op = argument;
    const struct pr_slot *s = pr_slot_at(ctx, ctx->slot);
    uint32_t free_of[PR_GROUP_MAX];
    memcpy(free_of, op->free_of, sizeof free_of);
    op->taken_count = 0;
    for (uint32_t i = 0; i < op->ended_count; i++) PR_TRY(end_one(ctx, &op->ended[i]));
    for (; op->taken_count < op->room; op->taken_count++) {
        uint32_t groups = groups_with_room(free_of);
        pr_index task = s->actor == PR_NONE ? PR_NONE : next_task(ctx, s, groups);
        if (task == PR_NONE) break;
        free_of[pr_task_at(ctx, task)->flags >> PR_GROUP_SHIFT]--;
        start_task(ctx, task);
        describe(ctx, task, &op->taken[op->taken_count]);
    }
    op->leaving = is_leaving(ctx, s);
    pr_sched_nudge(ctx); /* what waited for the results */
    return PR_OK;
}

enum pr_status pr_exchange(struct pr_context *ctx, const struct pr_ended *ended,
                           uint32_t ended_count, const uint32_t free_of[PR_GROUP_MAX],
                           struct pr_taken *taken, uint32_t room, uint32_t *taken_count)
{
    struct exchange op = {.ended = ended,
                          .ended_count = ended_count,
                          .free_of = free_of,
                          .taken = taken,
                          .room = room};
    PR_ASSERT(ended_count <= PR_EXCHANGE_MAX && room <= PR_EXCHANGE_MAX);
    if (ended_count > 0) PR_FAILPOINT(ctx, FINISH_BEFORE);
    PR_TRY(pr_operate(ctx, exchange, &op));
    if (ended_count > 0) PR_FAILPOINT(ctx, FINISH_AFTER);
    *taken_count = op.taken_count;
    if (op.taken_count > 0) PR_FAILPOINT(ctx, TAKE_DONE);
    return op.leaving && op.taken_count == 0 ? PR_EXIT : PR_OK;
}

static enum pr_status retry(struct pr_context *ctx, void *argument)
{
    const pr_index *task = argument;
    const struct pr_task *t = pr_task_at(ctx, *task);
    if (!is_ours(ctx, *task)) return PR_STATE;
    if (t->retries_left == 0) return PR_EMPTY;
    if (t->retries_left > 0) TX_SET(ctx, t->retries_left, t->retries_left - 1);
    struct pr_end end = {.flags = PR_EVENT_FAILED | PR_EVENT_RETRIED,
                         .process_id = ctx->process_id};
    pr_event_ended(ctx, *task, &end);
    TX_SET(ctx, t->attempt, t->attempt + 1);
    TX_SET(ctx, t->started_ns, pr_tx_now(ctx));
    TX_ADD(ctx, pr_engine_root(ctx)->retried, 1);
    return PR_OK;
}

enum pr_status pr_task_retry(struct pr_context *ctx, pr_index task)
{
    return pr_transact(ctx, retry, &task);
}
