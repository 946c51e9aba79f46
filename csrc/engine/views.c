#include "engine/views.h"

#include <string.h>

struct look {
    pr_index from;
    void *views;
    uint32_t count;
};

static struct pr_ref name_of(const struct pr_context *ctx, pr_index object)
{
    if (!pr_pool_has(ctx, PR_POOL_OBJECT, object)) return (struct pr_ref){0};
    return (struct pr_ref){object, pr_object_at(ctx, object)->generation};
}

static struct pr_ref handle_of(const struct pr_context *ctx, pr_index actor)
{
    bool known = pr_pool_has(ctx, PR_POOL_ACTOR, actor);
    return name_of(ctx, known ? pr_actor_at(ctx, actor)->handle : PR_NONE);
}

static uint32_t process_of(const struct pr_context *ctx, pr_index slot)
{
    return pr_pool_has(ctx, PR_POOL_SLOT, slot) ? pr_slot_at(ctx, slot)->process_id : 0;
}

static uint64_t id_of(const struct pr_context *ctx, pr_index task)
{
    return pr_pool_has(ctx, PR_POOL_TASK, task) ? pr_task_id(ctx, pr_task_at(ctx, task)) : 0;
}

/* The end of a page that begins at op->from, which is moved there. */
static pr_index end_of_page(const struct pr_context *ctx, struct look *op, uint32_t pool,
                            uint32_t step)
{
    const struct pr_pool *p = &ctx->header->pools[pool];
    pr_index end = PR_MIN(PR_MIN(p->high_water, p->capacity), op->from + step);
    op->count = 0;
    op->from = PR_MAX(end, op->from);
    return end;
}

static enum pr_status look(struct pr_context *ctx, pr_operation operation, pr_index *from,
                           void *views, uint32_t *count)
{
    struct look op = {.from = PR_MAX(*from, 1u), .views = views};
    pr_index begin = op.from;
    PR_TRY(pr_transact(ctx, operation, &op));
    *from = op.from;
    *count = op.count;
    return op.from == begin ? PR_EMPTY : PR_OK;
}

/* ---- tasks ---- */

static void view_task(const struct pr_context *ctx, pr_index task, struct pr_task_view *view)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    const struct pr_note *note = pr_note_at(ctx, task);
    bool runs = t->state == PR_TASK_RUNNING;
    *view = (struct pr_task_view){
        .id = pr_task_id(ctx, t),
        .serial = t->serial,
        .parent = t->parent,
        .submitted_ns = note->submitted_ns,
        .started_ns = runs ? t->started_ns : 0,
        .function = name_of(ctx, t->function),
        .arguments = name_of(ctx, t->arguments),
        .actor = handle_of(ctx, t->actor),
        .state = t->state,
        .flags = t->flags,
        .attempt = runs && t->attempt > 0 ? t->attempt - 1 : t->attempt,
        .retries_left = t->retries_left,
        .label = note->label,
        .shape = t->shape,
        .process_id = runs ? process_of(ctx, t->claim) : 0,
        .job = note->job,
        .awaited = t->awaited,
    };
    memcpy(view->name, t->name, PR_NAME_BYTES);
}

static enum pr_status look_at_tasks(struct pr_context *ctx, void *argument)
{
    struct look *op = argument;
    struct pr_task_view *views = op->views;
    pr_index i = op->from, end = end_of_page(ctx, op, PR_POOL_TASK, PR_VIEW_STEP);
    for (; i < end; i++)
        if (pr_task_at(ctx, i)->state != PR_TASK_FREE) view_task(ctx, i, &views[op->count++]);
    return PR_OK;
}

enum pr_status pr_view_tasks(struct pr_context *ctx, pr_index *from, struct pr_task_view *views,
                             uint32_t *count)
{
    return look(ctx, look_at_tasks, from, views, count);
}

static enum pr_status tally(struct pr_context *ctx, void *argument)
{
    struct look *op = argument;
    uint32_t *counts = op->views;
    pr_index i = op->from, end = end_of_page(ctx, op, PR_POOL_TASK, PR_TALLY_STEP);
    for (; i < end; i++) {
        const struct pr_task *t = pr_task_at(ctx, i);
        uint32_t label = pr_note_at(ctx, i)->label;
        if (t->state == PR_TASK_FREE || t->state >= PR_TALLY_STATES) continue;
        if (label < PR_TALLY_LABELS) counts[label * PR_TALLY_STATES + t->state]++;
    }
    return PR_OK;
}

enum pr_status pr_tally_tasks(struct pr_context *ctx, pr_index *from, uint32_t *counts)
{
    uint32_t none;
    return look(ctx, tally, from, counts, &none);
}

/* ---- objects ---- */

static uint64_t producer_of(const struct pr_context *ctx, const struct pr_object *o)
{
    bool open = o->state == PR_OBJECT_PENDING || o->state == PR_OBJECT_CREATING;
    return open && o->flags & PR_FLAG_RESULT ? id_of(ctx, o->producer) : 0;
}

static void view_object(const struct pr_context *ctx, pr_index object, struct pr_object_view *view)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    const struct pr_birth *birth = pr_birth_at(ctx, object);
    *view = (struct pr_object_view){
        .object = {object, o->generation},
        .size_bytes = o->size_bytes,
        .producer = producer_of(ctx, o),
        .state = o->state,
        .flags = o->flags,
        .refs = o->refs,
        .pins = o->pins,
        .residence = o->residence,
        .in_heap = o->block != PR_NONE,
        .process_id = o->state == PR_OBJECT_CREATING ? process_of(ctx, o->claim) : 0,
        .born = birth->born,
        .site = birth->site,
        .job = birth->job,
    };
}

static enum pr_status look_at_objects(struct pr_context *ctx, void *argument)
{
    struct look *op = argument;
    struct pr_object_view *views = op->views;
    pr_index i = op->from, end = end_of_page(ctx, op, PR_POOL_OBJECT, PR_VIEW_STEP);
    for (; i < end; i++)
        if (pr_object_at(ctx, i)->state != PR_OBJECT_FREE) view_object(ctx, i, &views[op->count++]);
    return PR_OK;
}

enum pr_status pr_view_objects(struct pr_context *ctx, pr_index *from, struct pr_object_view *views,
                               uint32_t *count)
{
    return look(ctx, look_at_objects, from, views, count);
}

static void add_hold(struct look *op, struct pr_hold_view view)
{
    ((struct pr_hold_view *)op->views)[op->count++] = view;
}

static void view_edge(const struct pr_context *ctx, const struct pr_edge *e, struct look *op)
{
    struct pr_hold_view view = {.object = name_of(ctx, e->object)};
    if (e->kind == PR_EDGE_CONTAINED) {
        struct pr_ref owner = name_of(ctx, e->owner);
        view.kind = PR_HOLD_CONTAINED;
        view.holder = (uint64_t)owner.index << 32 | owner.generation;
        add_hold(op, view);
    } else if (e->kind == PR_EDGE_ARGUMENT) {
        view.kind = PR_HOLD_ARGUMENT;
        view.holder = id_of(ctx, e->owner);
        add_hold(op, view);
    } else if (e->kind == PR_EDGE_HELD) {
        view.process_id = process_of(ctx, e->owner);
        view.kind = PR_HOLD_REFERENCE;
        if (e->flags & PR_HELD_REF) add_hold(op, view);
        view.kind = PR_HOLD_VIEW;
        if (e->flags & PR_HELD_PIN) add_hold(op, view);
    }
}

static enum pr_status look_at_edges(struct pr_context *ctx, void *argument)
{
    struct look *op = argument;
    pr_index i = op->from, end = end_of_page(ctx, op, PR_POOL_EDGE, PR_VIEW_STEP);
    for (; i < end; i++) view_edge(ctx, pr_edge_at(ctx, i), op);
    return PR_OK;
}

enum pr_status pr_view_holds(struct pr_context *ctx, pr_index *from, struct pr_hold_view *views,
                             uint32_t *count)
{
    return look(ctx, look_at_edges, from, views, count);
}

/* ---- actors and processes ---- */

static enum pr_status look_at_actors(struct pr_context *ctx, void *argument)
{
    struct look *op = argument;
    struct pr_actor_view *views = op->views;
    pr_index i = op->from, end = end_of_page(ctx, op, PR_POOL_ACTOR, PR_VIEW_STEP);
    for (; i < end; i++)
        if (pr_actor_at(ctx, i)->state != PR_ACTOR_FREE)
            pr_actor_describe(ctx, i, &views[op->count++]);
    return PR_OK;
}

enum pr_status pr_view_actors(struct pr_context *ctx, pr_index *from, struct pr_actor_view *views,
                              uint32_t *count)
{
    return look(ctx, look_at_actors, from, views, count);
}

static void view_slot(const struct pr_context *ctx, pr_index slot, struct pr_slot_view *view)
{
    const struct pr_slot *s = pr_slot_at(ctx, slot);
    *view = (struct pr_slot_view){
        .slot = slot,
        .kind = s->kind,
        .state = s->state,
        .process_id = s->process_id,
        .environment = s->environment,
        .job = s->job,
        .actor = handle_of(ctx, s->actor),
        .tasks_finished = s->tasks_finished,
    };
    if (!pr_pool_has(ctx, PR_POOL_TASK, s->running)) return;
    const struct pr_task *t = pr_task_at(ctx, s->running);
    view->running = pr_task_id(ctx, t);
    memcpy(view->name, t->name, PR_NAME_BYTES);
}

static enum pr_status look_at_slots(struct pr_context *ctx, void *argument)
{
    struct look *op = argument;
    struct pr_slot_view *views = op->views;
    pr_index i = op->from, end = end_of_page(ctx, op, PR_POOL_SLOT, PR_VIEW_STEP);
    for (; i < end; i++)
        if (pr_slot_at(ctx, i)->state != PR_SLOT_EMPTY) view_slot(ctx, i, &views[op->count++]);
    return PR_OK;
}

enum pr_status pr_view_slots(struct pr_context *ctx, pr_index *from, struct pr_slot_view *views,
                             uint32_t *count)
{
    return look(ctx, look_at_slots, from, views, count);
}
