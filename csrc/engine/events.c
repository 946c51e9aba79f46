#include "engine/events.h"

#include <string.h>

#include "engine/actor.h"

uint64_t pr_task_id(const struct pr_context *ctx, const struct pr_task *t)
{
    if (!pr_pool_has(ctx, PR_POOL_OBJECT, t->results)) return t->serial | 1ull << 63;
    return (uint64_t)t->results << 32 | pr_object_at(ctx, t->results)->generation;
}

/* ---- tasks ---- */

static void list_dependencies(const struct pr_context *ctx, const struct pr_task *t,
                              struct pr_event *event)
{
    uint32_t count = 0;
    for (pr_index i = t->edges; i != PR_NONE && count < PR_EVENT_DEPENDENCIES; count++) {
        const struct pr_edge *e = pr_edge_at(ctx, i);
        uint32_t generation = pr_object_at(ctx, e->object)->generation;
        event->dependency[count] = (uint64_t)e->object << 32 | generation;
        i = e->link;
    }
    event->dependency_count = count;
}

static void fill(struct pr_context *ctx, pr_index task, const struct pr_end *end,
                 struct pr_event *event)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    const struct pr_note *note = pr_note_at(ctx, task);
    bool ran = t->state == PR_TASK_RUNNING;
    event->id = pr_task_id(ctx, t);
    event->serial = t->serial;
    event->parent = t->parent;
    event->submitted_ns = note->submitted_ns;
    event->started_ns = ran ? t->started_ns : 0;
    event->ended_ns = pr_tx_now(ctx);
    event->text = end->text;
    event->actor = (struct pr_ref){0};
    if (t->actor != PR_NONE) {
        pr_index handle = pr_actor_at(ctx, t->actor)->handle;
        event->actor = (struct pr_ref){handle, pr_object_at(ctx, handle)->generation};
    }
    event->label = note->label;
    event->shape = t->shape;
    event->process_id = ran ? end->process_id : 0;
    event->job = note->job;
    event->attempt = ran && t->attempt > 0 ? t->attempt - 1 : t->attempt;
    event->flags = end->flags;
    event->task_flags = t->flags;
    event->cause = end->cause;
    event->wait_status = end->wait_status;
    memcpy(event->name, t->name, PR_NAME_BYTES);
    list_dependencies(ctx, t, event);
}

void pr_event_ended(struct pr_context *ctx, pr_index task, const struct pr_end *end)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    pr_index label = pr_note_at(ctx, task)->label;
    if (label == PR_NONE) return;
    struct pr_event *event = pr_ring_write(ctx, PR_POOL_EVENT, root->event_head + 1);
    if (PR_LIKELY(event != NULL)) fill(ctx, task, end, event);
    TX_SET(ctx, root->event_head, root->event_head + 1);
    if (end->flags & PR_EVENT_RETRIED) return;
    const struct pr_label *l = pr_label_at(ctx, label);
    if (end->flags & PR_EVENT_FAILED)
        TX_SET(ctx, l->failed, l->failed + 1);
    else
        TX_SET(ctx, l->finished, l->finished + 1);
}

/* ---- actors ---- */

static void describe_name(const struct pr_name *name, struct pr_actor_view *view)
{
    if (name->space_size > PR_NAME_TEXT || name->name_size > PR_NAME_TEXT - name->space_size)
        return;
    view->space_size = name->space_size;
    view->name_size = name->name_size;
    memcpy(view->text, name->text, name->space_size + name->name_size);
}

void pr_actor_describe(const struct pr_context *ctx, pr_index actor, struct pr_actor_view *view)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    *view = (struct pr_actor_view){
        .handle = pr_actor_handle(ctx, actor),
        .created_ns = a->created_ns,
        .state = a->state,
        .cause = a->cause,
        .process_id = pr_pool_has(ctx, PR_POOL_SLOT, a->slot) ? pr_slot_at(ctx, a->slot)->process_id
                                                              : a->process_id,
        .wait_status = a->wait_status,
        .restarts = a->restarts,
        .restarts_left = a->restarts_left,
        .pending = a->pending,
        .flags = a->flags,
        .label = a->label,
        .shape = a->shape,
        .job = a->job,
    };
    if (pr_pool_has(ctx, PR_POOL_NAME, a->name)) describe_name(pr_name_at(ctx, a->name), view);
}

void pr_event_actor_died(struct pr_context *ctx, pr_index actor)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    struct pr_ended_actor *record = pr_ring_write(ctx, PR_POOL_ENDED, root->ended_head + 1);
    if (record != NULL) {
        pr_actor_describe(ctx, actor, &record->view);
        record->view.ended_ns = pr_tx_now(ctx);
    }
    TX_SET(ctx, root->ended_head, root->ended_head + 1);
}

/* ---- texts and spans ---- */

struct text_query {
    const char *bytes;
    uint32_t size_bytes;
    uint64_t number;
    struct pr_text *copy;
};

static enum pr_status add_text(struct pr_context *ctx, void *argument)
{
    struct text_query *query = argument;
    const struct pr_engine_root *root = pr_engine_root(ctx);
    query->number = root->text_head + 1;
    struct pr_text *text = pr_ring_write(ctx, PR_POOL_TEXT, query->number);
    if (text != NULL) {
        text->size_bytes = PR_MIN(query->size_bytes, PR_TEXT_BYTES);
        memcpy(text->bytes, query->bytes, text->size_bytes);
    }
    TX_SET(ctx, root->text_head, query->number);
    return PR_OK;
}

enum pr_status pr_text_add(struct pr_context *ctx, const char *text, uint32_t size_bytes,
                           uint64_t *number)
{
    struct text_query query = {.bytes = text, .size_bytes = size_bytes};
    pr_ring_make_room(ctx, PR_POOL_TEXT, &pr_engine_root(ctx)->text_head, 16);
    PR_TRY(pr_transact(ctx, add_text, &query));
    *number = query.number;
    return PR_OK;
}

static enum pr_status read_text(struct pr_context *ctx, void *argument)
{
    const struct text_query *query = argument;
    pr_index place = pr_ring_place(ctx, PR_POOL_TEXT, query->number);
    bool known = query->number > 0 && query->number <= pr_engine_root(ctx)->text_head;
    if (!known || place >= ctx->header->pools[PR_POOL_TEXT].committed) return PR_EMPTY;
    const struct pr_text *text = pr_entry(ctx, PR_POOL_TEXT, place);
    if (text->number != query->number) return PR_EMPTY;
    *query->copy = *text;
    query->copy->size_bytes = PR_MIN(text->size_bytes, PR_TEXT_BYTES);
    return PR_OK;
}

enum pr_status pr_text_read(struct pr_context *ctx, uint64_t number, struct pr_text *text)
{
    struct text_query query = {.number = number, .copy = text};
    return pr_transact(ctx, read_text, &query);
}

static enum pr_status add_span(struct pr_context *ctx, void *argument)
{
    const struct pr_span *span = argument;
    const struct pr_engine_root *root = pr_engine_root(ctx);
    uint64_t number = root->span_head + 1;
    struct pr_span *record = pr_ring_write(ctx, PR_POOL_SPAN, number);
    if (record != NULL) {
        memcpy(&record->begun_ns, &span->begun_ns, sizeof *span - sizeof span->number);
        record->process_id = ctx->process_id;
        record->job = ctx->job;
    }
    TX_SET(ctx, root->span_head, number);
    return PR_OK;
}

enum pr_status pr_span_add(struct pr_context *ctx, const struct pr_span *span)
{
    struct pr_span copy = *span;
    pr_ring_make_room(ctx, PR_POOL_SPAN, &pr_engine_root(ctx)->span_head, 16);
    return pr_transact(ctx, add_span, &copy);
}
