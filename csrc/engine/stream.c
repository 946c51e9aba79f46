#include "engine/stream.h"

#include "engine/chores.h"
#include "engine/task.h"
#include "engine/work.h"

/* ---- beginning and end ---- */

static enum pr_status open_item(struct pr_context *ctx, pr_index task, pr_index *item)
{
    PR_TRY(pr_object_new(ctx, PR_OBJECT_PENDING, item));
    const struct pr_object *o = pr_object_at(ctx, *item);
    TX_SET(ctx, o->flags, PR_FLAG_RESULT);
    TX_SET(ctx, o->producer, task);
    TX_SET(ctx, o->refs, 1); /* the stream's */
    return PR_OK;
}

enum pr_status pr_stream_new(struct pr_context *ctx, pr_index task, uint32_t limit,
                             struct pr_ref *stream)
{
    const struct pr_slot *slot = pr_slot_at(ctx, ctx->slot);
    pr_index item;
    PR_TRY(pr_pool_take(ctx, PR_POOL_STREAM, &stream->index));
    PR_TRY(open_item(ctx, task, &item));
    const struct pr_stream *s = pr_stream_at(ctx, stream->index);
    if (s->generation == 0) TX_SET(ctx, s->generation, 1);
    stream->generation = s->generation;
    TX_SET(ctx, s->link, slot->streams);
    TX_SET(ctx, s->previous, PR_NONE);
    if (slot->streams != PR_NONE)
        TX_SET(ctx, pr_stream_at(ctx, slot->streams)->previous, stream->index);
    TX_SET(ctx, slot->streams, stream->index);
    TX_SET(ctx, s->consumer, ctx->slot);
    TX_SET(ctx, s->task, task);
    TX_SET(ctx, s->head, item);
    TX_SET(ctx, s->tail, item);
    TX_SET(ctx, s->limit, limit);
    TX_SET(ctx, s->latch, PR_NONE);
    TX_SET(ctx, s->published, 0);
    TX_SET(ctx, s->taken, 0);
    TX_SET(ctx, pr_task_at(ctx, task)->stream, stream->index);
    return PR_OK;
}

static void free_stream(struct pr_context *ctx, pr_index stream)
{
    const struct pr_stream *s = pr_stream_at(ctx, stream);
    TX_SET(ctx, s->generation, s->generation + 1 == 0 ? 1 : s->generation + 1);
    pr_pool_give(ctx, PR_POOL_STREAM, stream);
}

void pr_stream_end(struct pr_context *ctx, pr_index task)
{
    pr_index stream = pr_task_at(ctx, task)->stream;
    const struct pr_stream *s = pr_stream_at(ctx, stream);
    struct pr_failure mark = pr_task_failure(ctx, task, PR_CAUSE_STREAM_ENDED, NULL);
    PR_ASSERT(s->task == task);
    pr_task_seal_failure(ctx, s->tail, &mark);
    TX_SET(ctx, s->task, PR_NONE);
    if (s->consumer != PR_NONE) return;
    pr_object_unref(ctx, s->tail); /* the only one */
    free_stream(ctx, stream);
}

/* ---- the producer ---- */

static bool find_ours(const struct pr_context *ctx, pr_index task, const struct pr_stream **stream)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    bool ours = t->state == PR_TASK_RUNNING && t->claim == ctx->slot;
    if (!ours || !(t->flags & PR_TASK_STREAMS)) return false;
    *stream = pr_stream_at(ctx, t->stream);
    return true;
}

struct publish {
    pr_index task;
    const struct pr_value *value;
    struct pr_ref item;
};

static enum pr_status read_open_item(struct pr_context *ctx, void *argument)
{
    struct publish *op = argument;
    const struct pr_stream *s;
    if (!find_ours(ctx, op->task, &s)) return PR_STATE;
    op->item = (struct pr_ref){s->tail, pr_object_at(ctx, s->tail)->generation};
    return PR_OK;
}

enum pr_status pr_stream_open_item(struct pr_context *ctx, pr_index task, struct pr_ref *item)
{
    struct publish op = {.task = task};
    PR_TRY(pr_transact(ctx, read_open_item, &op));
    *item = op.item;
    return PR_OK;
}

static enum pr_status publish(struct pr_context *ctx, void *argument)
{
    const struct publish *op = argument;
    const struct pr_stream *s;
    pr_index next;
    if (!find_ours(ctx, op->task, &s)) return PR_STATE;
    if (s->consumer == PR_NONE) return PR_EXIT;
    PR_TRY(open_item(ctx, op->task, &next));
    pr_index item = s->tail;
    TX_SET(ctx, pr_object_at(ctx, item)->next_result, next);
    TX_SET(ctx, s->tail, next);
    TX_SET(ctx, s->published, s->published + 1);
    return pr_result_seal(ctx, item, op->value);
}

enum pr_status pr_stream_publish(struct pr_context *ctx, pr_index task,
                                 const struct pr_value *value)
{
    struct publish op = {.task = task, .value = value};
    PR_FAILPOINT(ctx, PUBLISH_BEFORE);
    return pr_operate(ctx, publish, &op);
}

static bool has_room(const struct pr_stream *s)
{
    return s->limit == 0 || s->published - s->taken < s->limit;
}

struct room {
    pr_index task, latch;
};

static enum pr_status ask_room(struct pr_context *ctx, void *argument)
{
    const struct room *op = argument;
    const struct pr_stream *s;
    if (!find_ours(ctx, op->task, &s)) return PR_STATE;
    if (s->consumer == PR_NONE) return PR_EXIT;
    if (has_room(s)) return PR_OK;
    if (s->latch != op->latch && op->latch != PR_NONE) TX_SET(ctx, s->latch, op->latch);
    return PR_EMPTY;
}

enum pr_status pr_stream_room(struct pr_context *ctx, pr_index task, pr_index latch)
{
    struct room op = {task, latch};
    return pr_transact(ctx, ask_room, &op);
}

/* A latch that is another's by now is woken in vain. */
static void wake_producer(struct pr_context *ctx, const struct pr_stream *s)
{
    if (s->latch == PR_NONE) return;
    pr_tx_wake(ctx, s->latch);
    TX_SET(ctx, s->latch, PR_NONE);
}

/* ---- the consumer ---- */

static enum pr_status find_stream(const struct pr_context *ctx, struct pr_ref stream,
                                  const struct pr_stream **found)
{
    if (!pr_pool_has(ctx, PR_POOL_STREAM, stream.index)) return PR_STALE;
    *found = pr_stream_at(ctx, stream.index);
    bool ours = (*found)->generation == stream.generation && (*found)->consumer == ctx->slot;
    return ours ? PR_OK : PR_STALE;
}

struct next {
    struct pr_ref stream;
    bool take;
    struct pr_ref item;
    pr_index edge;
};

static enum pr_status next_item(struct pr_context *ctx, void *argument)
{
    struct next *op = argument;
    const struct pr_stream *s;
    PR_TRY(find_stream(ctx, op->stream, &s));
    if (s->head == s->tail && s->task == PR_NONE) return PR_EXIT;
    pr_index item = s->head;
    const struct pr_object *o = pr_object_at(ctx, item);
    op->item = (struct pr_ref){item, o->generation};
    PR_TRY(pr_hold(ctx, item, PR_HELD_REF, &op->edge));
    if (o->state != PR_OBJECT_SEALED) return PR_EMPTY;
    if (!op->take) return PR_OK;
    TX_SET(ctx, s->head, o->next_result);
    TX_SET(ctx, s->taken, s->taken + 1);
    pr_object_unref(ctx, item);
    if (has_room(s)) wake_producer(ctx, s);
    return PR_OK;
}

enum pr_status pr_stream_next(struct pr_context *ctx, struct pr_ref stream, bool take,
                              struct pr_ref *item)
{
    struct next op = {.stream = stream, .take = take};
    enum pr_status status = pr_operate(ctx, next_item, &op);
    if (status != PR_OK && status != PR_EMPTY) return status;
    struct pr_local *local = pr_local_of(ctx, op.item);
    local->edge = op.edge;
    local->refs++;
    *item = op.item;
    return status;
}

static void unlink_stream(struct pr_context *ctx, const struct pr_stream *s)
{
    if (s->link != PR_NONE) TX_SET(ctx, pr_stream_at(ctx, s->link)->previous, s->previous);
    if (s->previous != PR_NONE)
        TX_SET(ctx, pr_stream_at(ctx, s->previous)->link, s->link);
    else
        TX_SET(ctx, pr_slot_at(ctx, s->consumer)->streams, s->link);
    TX_SET(ctx, s->consumer, PR_NONE);
}

void pr_stream_close_step(struct pr_context *ctx, pr_index stream)
{
    const struct pr_stream *s = pr_stream_at(ctx, stream);
    for (uint32_t i = 0; i < PR_STEP_EDGES && s->head != s->tail; i++) {
        pr_index item = s->head;
        TX_SET(ctx, s->head, pr_object_at(ctx, item)->next_result);
        TX_SET(ctx, s->taken, s->taken + 1);
        pr_object_unref(ctx, item);
    }
    if (s->head != s->tail) return;
    unlink_stream(ctx, s);
    wake_producer(ctx, s);
    if (s->task != PR_NONE) return;
    pr_object_unref(ctx, s->tail);
    free_stream(ctx, stream);
}

static enum pr_status close_step(struct pr_context *ctx, void *argument)
{
    const struct pr_ref *stream = argument;
    const struct pr_stream *s;
    PR_TRY(find_stream(ctx, *stream, &s));
    pr_stream_close_step(ctx, stream->index);
    return PR_OK;
}

void pr_stream_close(struct pr_context *ctx, struct pr_ref stream)
{
    while (pr_operate(ctx, close_step, &stream) == PR_OK) PR_FAILPOINT(ctx, CLOSE_STEP);
}
