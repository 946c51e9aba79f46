#include "engine/audit.h"

#include <stdlib.h>

#include "engine/audit_indices.h"
#include "engine/events.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            a->what = #condition;                                                                  \
            return PR_CORRUPT;                                                                     \
        }                                                                                          \
    } while (0)

struct audit {
    struct pr_context *ctx;
    const char *what;
    uint32_t *refs; /* counted per object */
    uint32_t *pins;
    uint8_t *edge_seen;
    uint32_t *task_lists; /* on how many lists a task was found */
    /* Sums of amounts that may be damaged: unsigned, since those may overflow. */
    uint64_t held[PR_RESOURCE_MAX];
    uint64_t gpus[PR_GPU_MAX];            /* held of each */
    uint64_t in_bundles[PR_RESOURCE_MAX]; /* held of what bundles keep */
    uint32_t edges, waits, awaited, latches, claims, lent, graphs, channels;
    uint32_t read; /* channels with a reader that was not found yet */
};

static uint32_t high_water(const struct audit *a, uint32_t pool)
{
    return a->ctx->header->pools[pool].high_water;
}

static enum pr_status check_pools(struct audit *a)
{
    for (uint32_t pool = 0; pool < PR_POOLS; pool++) {
        const struct pr_pool *p = &a->ctx->header->pools[pool];
        CHECK(p->high_water <= p->committed && p->committed <= p->capacity);
        uint32_t free_entries = pr_pool_count_free(a->ctx, pool);
        CHECK(free_entries != UINT32_MAX);
        CHECK(p->used + free_entries + 1 == p->high_water); /* A8 */
    }
    return PR_OK;
}

static enum pr_status count_ref(struct audit *a, pr_index object)
{
    CHECK(object != PR_NONE && object < high_water(a, PR_POOL_OBJECT));
    a->refs[object]++;
    return PR_OK;
}

static enum pr_status walk_edges(struct audit *a, pr_index head, enum pr_edge_kind kind,
                                 pr_index owner)
{
    pr_index previous = PR_NONE;
    for (pr_index i = head; i != PR_NONE; i = pr_edge_at(a->ctx, i)->link) {
        CHECK(i < high_water(a, PR_POOL_EDGE));
        const struct pr_edge *e = pr_edge_at(a->ctx, i);
        CHECK(!a->edge_seen[i]); /* A7 */
        a->edge_seen[i] = 1;
        a->edges++;
        CHECK(e->kind == (uint32_t)kind && e->owner == owner && e->previous == previous);
        CHECK(e->object < high_water(a, PR_POOL_OBJECT));
        if (kind == PR_EDGE_HELD) {
            CHECK(e->flags == PR_HELD_REF || e->flags == PR_HELD_PIN ||
                  e->flags == (PR_HELD_REF | PR_HELD_PIN));
            a->refs[e->object] += (e->flags & PR_HELD_REF) != 0;
            a->pins[e->object] += (e->flags & PR_HELD_PIN) != 0;
        } else if (kind != PR_EDGE_WATCH) {
            a->refs[e->object]++;
        }
        previous = i;
    }
    return PR_OK;
}

static void add_held(struct audit *a, pr_index shape, struct pr_holding holding, bool lent)
{
    const struct pr_engine_root *root = pr_engine_root(a->ctx);
    const struct pr_class *c = pr_class_at(a->ctx, shape);
    bool in_bundle = c->placement != PR_NONE;
    for (uint32_t i = 0; i < c->demand_count; i++)
        if (!lent || c->demand[i].resource + 1 != root->cpu)
            (in_bundle ? a->in_bundles : a->held)[c->demand[i].resource] +=
                (uint64_t)c->demand[i].amount;
    for (uint32_t i = 0; c->gpus != 0 && !in_bundle && i < root->gpu_count; i++)
        if (holding.gpus >> i & 1) a->gpus[i] += (uint64_t)PR_MIN(c->gpus, PR_RESOURCE_UNIT);
}

/* What bundles keep is taken from everybody's, and free or held by the group's users. */
static enum pr_status walk_bundle(struct audit *a, const struct pr_placement *p, pr_index bundle)
{
    const struct pr_engine_root *root = pr_engine_root(a->ctx);
    const struct pr_bundle *b = pr_bundle_at(a->ctx, bundle);
    CHECK(bundle < high_water(a, PR_POOL_BUNDLE) && pr_placement_at(a->ctx, b->placement) == p);
    for (uint32_t i = 0; i < b->share_count; i++) {
        const struct pr_share *s = &b->share[i];
        int64_t of_one = s->amount < PR_RESOURCE_UNIT ? s->kept : PR_RESOURCE_UNIT;
        CHECK(p->state == PR_PLACEMENT_CREATED ? s->kept == s->amount : s->free == 0);
        a->held[s->resource] += (uint64_t)s->kept;
        a->in_bundles[s->resource] -= (uint64_t)s->kept - (uint64_t)s->free;
        for (uint32_t j = 0; s->resource + 1 == root->gpu && j < root->gpu_count; j++)
            if (b->gpus >> j & 1) a->gpus[j] += (uint64_t)of_one;
    }
    return PR_OK;
}

static enum pr_status walk_placements(struct audit *a)
{
    uint32_t bundles = 0, pending = 0, listed = 0;
    for (pr_index i = 1; i < high_water(a, PR_POOL_PLACEMENT); i++) {
        const struct pr_placement *p = pr_placement_at(a->ctx, i);
        uint32_t count = 0;
        if (p->state == PR_PLACEMENT_FREE) continue;
        pending += p->state == PR_PLACEMENT_PENDING;
        for (pr_index b = p->bundles; b != PR_NONE; b = pr_bundle_at(a->ctx, b)->link) {
            CHECK(++count <= p->bundle_count);
            PR_TRY(walk_bundle(a, p, b));
        }
        CHECK(count == p->bundle_count);
        CHECK(p->state != PR_PLACEMENT_REMOVED || p->users > 0);
        bundles += count;
    }
    for (pr_index i = pr_engine_root(a->ctx)->pending_head; i != PR_NONE && listed <= pending;
         i = pr_placement_at(a->ctx, i)->link, listed++)
        CHECK(pr_placement_at(a->ctx, i)->state == PR_PLACEMENT_PENDING);
    pr_index next = pr_engine_root(a->ctx)->pending_next;
    CHECK(next == PR_NONE || pr_placement_at(a->ctx, next)->state == PR_PLACEMENT_PENDING);
    CHECK(listed == pending);
    CHECK(bundles == a->ctx->header->pools[PR_POOL_BUNDLE].used);
    return PR_OK;
}

static enum pr_status walk_slot(struct audit *a, pr_index slot)
{
    const struct pr_slot *s = pr_slot_at(a->ctx, slot);
    if (s->state == PR_SLOT_EMPTY) return PR_OK;
    PR_TRY(walk_edges(a, s->held, PR_EDGE_HELD, slot));
    for (pr_index l = s->latches; l != PR_NONE; l = pr_latch_at(a->ctx, l)->link) {
        CHECK(pr_latch_at(a->ctx, l)->slot == slot);
        CHECK(++a->latches <= high_water(a, PR_POOL_LATCH));
        PR_TRY(walk_edges(a, pr_latch_at(a->ctx, l)->watches, PR_EDGE_WATCH, l));
    }
    for (pr_index o = s->creating; o != PR_NONE; o = pr_object_at(a->ctx, o)->claim_next) {
        CHECK(pr_object_at(a->ctx, o)->state == PR_OBJECT_CREATING &&
              pr_object_at(a->ctx, o)->claim == slot); /* A4 */
        CHECK(++a->claims <= high_water(a, PR_POOL_OBJECT));
    }
    for (pr_index t = s->running; t != PR_NONE; t = pr_task_at(a->ctx, t)->link) {
        CHECK(pr_task_at(a->ctx, t)->state == PR_TASK_RUNNING &&
              pr_task_at(a->ctx, t)->claim == slot); /* A5 */
        CHECK(a->task_lists[t]++ == 0);
    }
    for (pr_index t = s->submitting; t != PR_NONE; t = pr_task_at(a->ctx, t)->link) {
        CHECK(pr_task_at(a->ctx, t)->state == PR_TASK_SUBMITTING &&
              pr_task_at(a->ctx, t)->claim == slot);
        CHECK(a->task_lists[t]++ == 0);
    }
    if (s->shape != PR_NONE) add_held(a, s->shape, s->holding, false);
    if (s->actor != PR_NONE && s->state != PR_SLOT_DEAD) {
        uint32_t state = pr_actor_at(a->ctx, s->actor)->state;
        CHECK((state != PR_ACTOR_ALIVE && state != PR_ACTOR_ENDING) ||
              pr_actor_at(a->ctx, s->actor)->slot == slot);
    }
    return PR_OK;
}

struct crew_count {
    uint32_t idle, starting, waking;
};

static enum pr_status walk_crew(struct audit *a, pr_index environment)
{
    const struct pr_crew *crew = pr_crew_of(a->ctx, environment);
    struct crew_count count = {0};
    uint32_t listed = 0;
    for (pr_index i = 1; i < high_water(a, PR_POOL_SLOT); i++) {
        const struct pr_slot *s = pr_slot_at(a->ctx, i);
        if (s->state == PR_SLOT_EMPTY || s->environment != environment) continue;
        count.idle += s->state == PR_SLOT_IDLE;
        count.starting += s->state == PR_SLOT_STARTING;
        count.waking += s->state == PR_SLOT_WAKING;
    }
    for (pr_index i = crew->idle_head; i != PR_NONE && listed <= count.idle;
         i = pr_slot_at(a->ctx, i)->link) {
        CHECK(pr_slot_at(a->ctx, i)->state == PR_SLOT_IDLE &&
              pr_slot_at(a->ctx, i)->environment == environment);
        listed++;
    }
    CHECK(count.idle == crew->idle_count && listed == count.idle); /* A9 */
    CHECK(count.starting == crew->starting && count.waking == crew->waking);
    return PR_OK;
}

static enum pr_status walk_crews(struct audit *a)
{
    const struct pr_engine_root *root = pr_engine_root(a->ctx);
    uint32_t requests = root->crew.spawn_requests, environments = 0;
    PR_TRY(walk_crew(a, PR_NONE));
    for (pr_index i = root->environments; i != PR_NONE; i = pr_environment_at(a->ctx, i)->link) {
        CHECK(i < high_water(a, PR_POOL_ENVIRONMENT));
        CHECK(++environments <= a->ctx->header->pools[PR_POOL_ENVIRONMENT].used);
        PR_TRY(count_ref(a, pr_environment_at(a->ctx, i)->description));
        PR_TRY(walk_crew(a, i));
        requests += pr_crew_of(a->ctx, i)->spawn_requests;
    }
    CHECK(environments == a->ctx->header->pools[PR_POOL_ENVIRONMENT].used);
    CHECK(requests == root->spawn_requests);
    return PR_OK;
}

static enum pr_status walk_slots(struct audit *a)
{
    uint32_t workers = 0;
    for (pr_index i = 1; i < high_water(a, PR_POOL_SLOT); i++) {
        const struct pr_slot *s = pr_slot_at(a->ctx, i);
        PR_TRY(walk_slot(a, i));
        workers += s->state != PR_SLOT_EMPTY && s->kind == PR_SLOT_WORKER;
    }
    CHECK(a->latches == a->ctx->header->pools[PR_POOL_LATCH].used);
    CHECK(workers == pr_engine_root(a->ctx)->worker_count);
    return walk_crews(a);
}

static enum pr_status walk_queue(struct audit *a, pr_index head, pr_index tail,
                                 enum pr_task_state state, uint32_t *count)
{
    pr_index previous = PR_NONE;
    for (pr_index t = head; t != PR_NONE; t = pr_task_at(a->ctx, t)->link) {
        CHECK(t < high_water(a, PR_POOL_TASK) && ++*count <= high_water(a, PR_POOL_TASK));
        CHECK(pr_task_at(a->ctx, t)->state == (uint32_t)state &&
              pr_task_at(a->ctx, t)->previous == previous);
        a->task_lists[t]++;
        previous = t;
    }
    CHECK(tail == previous);
    return PR_OK;
}

static enum pr_status walk_classes(struct audit *a)
{
    uint32_t ready = 0;
    for (pr_index i = 1; i <= pr_engine_root(a->ctx)->class_count; i++) {
        const struct pr_class *c = pr_class_at(a->ctx, i);
        uint32_t count = 0;
        PR_TRY(walk_queue(a, c->head, c->tail, PR_TASK_READY, &count));
        CHECK(count == c->count);
        ready += count;
    }
    CHECK(ready == pr_engine_root(a->ctx)->ready_count);
    return PR_OK;
}

static enum pr_status walk_mailbox(struct audit *a, const struct pr_actor *actor, uint32_t *lanes,
                                   uint32_t *count)
{
    PR_TRY(walk_queue(a, actor->head, actor->tail, PR_TASK_READY, count));
    PR_TRY(walk_queue(a, actor->doubt_head, actor->doubt_tail, PR_TASK_READY, count));
    for (pr_index l = actor->lanes; l != PR_NONE; l = pr_lane_at(a->ctx, l)->link, ++*lanes) {
        CHECK(*lanes < high_water(a, PR_POOL_LANE));
        PR_TRY(walk_queue(a, pr_lane_at(a->ctx, l)->head, pr_lane_at(a->ctx, l)->tail,
                          PR_TASK_WAITING, count));
    }
    for (pr_index i = actor->groups; i != PR_NONE; i = pr_lane_at(a->ctx, i)->link, ++*lanes) {
        const struct pr_lane *g = pr_lane_at(a->ctx, i);
        CHECK(*lanes < high_water(a, PR_POOL_LANE));
        PR_TRY(walk_queue(a, g->head, g->tail, PR_TASK_READY, count));
        PR_TRY(walk_queue(a, g->doubt_head, g->doubt_tail, PR_TASK_READY, count));
    }
    return PR_OK;
}

/* A11: what an actor keeps (a creation that may run again, a name) keeps to the actor. */
static enum pr_status walk_actor(struct audit *a, pr_index index, uint32_t *lanes)
{
    const struct pr_actor *actor = pr_actor_at(a->ctx, index);
    uint32_t count = 0;
    CHECK(pr_object_at(a->ctx, actor->handle)->producer == index);
    PR_TRY(walk_mailbox(a, actor, lanes, &count));
    CHECK(count <= actor->pending);
    CHECK(actor->recent_restarts <= actor->restarts);
    CHECK(actor->left_slot == PR_NONE || actor->state == PR_ACTOR_DEAD);
    if (actor->creation != PR_NONE) PR_TRY(count_ref(a, actor->creation));
    if (actor->words != PR_NONE) PR_TRY(count_ref(a, actor->words));
    if (actor->flags & PR_ACTOR_DETACHED) PR_TRY(count_ref(a, actor->handle));
    CHECK(actor->state != PR_ACTOR_DEAD ||
          (actor->task == PR_NONE && actor->name == PR_NONE && actor->slot == PR_NONE &&
           !(actor->flags & PR_ACTOR_DETACHED)));
    CHECK((actor->doubt_head == PR_NONE && actor->task == PR_NONE) || actor->on_chores ||
          actor->state == PR_ACTOR_ALIVE || actor->state == PR_ACTOR_ENDING);
    if (actor->task != PR_NONE) {
        CHECK(pr_task_at(a->ctx, actor->task)->state == PR_TASK_KEPT &&
              pr_task_at(a->ctx, actor->task)->actor == index);
        a->task_lists[actor->task]++;
    }
    if (actor->name != PR_NONE) CHECK(pr_name_at(a->ctx, actor->name)->actor == index);
    return PR_OK;
}

static enum pr_status walk_actors(struct audit *a, uint32_t *lanes)
{
    for (pr_index i = 1; i < high_water(a, PR_POOL_ACTOR); i++)
        if (pr_actor_at(a->ctx, i)->state != PR_ACTOR_FREE) PR_TRY(walk_actor(a, i, lanes));
    return PR_OK;
}

static enum pr_status walk_names(struct audit *a)
{
    uint32_t names = 0;
    for (uint32_t bucket = 0; bucket < PR_NAME_BUCKETS; bucket++)
        for (pr_index i = pr_engine_root(a->ctx)->name_buckets[bucket]; i != PR_NONE;
             i = pr_name_at(a->ctx, i)->link) {
            const struct pr_name *name = pr_name_at(a->ctx, i);
            CHECK(i < high_water(a, PR_POOL_NAME) && ++names <= high_water(a, PR_POOL_NAME));
            CHECK(name->actor != PR_NONE && pr_actor_at(a->ctx, name->actor)->name == i);
            CHECK(name->space_size + name->name_size <= PR_NAME_TEXT);
            if (name->about != PR_NONE) PR_TRY(count_ref(a, name->about));
        }
    CHECK(names == a->ctx->header->pools[PR_POOL_NAME].used);
    return PR_OK;
}

/* A14 */
static enum pr_status walk_items(struct audit *a, const struct pr_stream *s)
{
    uint64_t items = 0;
    for (pr_index i = s->head; i != s->tail; i = pr_object_at(a->ctx, i)->next_result, items++) {
        PR_TRY(count_ref(a, i));
        CHECK(pr_object_at(a->ctx, i)->state == PR_OBJECT_SEALED);
        CHECK(items < high_water(a, PR_POOL_OBJECT));
    }
    PR_TRY(count_ref(a, s->tail));
    bool sealed = pr_object_at(a->ctx, s->tail)->state == PR_OBJECT_SEALED;
    CHECK(sealed == (s->task == PR_NONE));
    CHECK(items == s->published - s->taken);
    return PR_OK;
}

static enum pr_status walk_streams(struct audit *a)
{
    uint32_t listed = 0, closed = 0;
    for (pr_index slot = 1; slot < high_water(a, PR_POOL_SLOT); slot++) {
        pr_index previous = PR_NONE;
        if (pr_slot_at(a->ctx, slot)->state == PR_SLOT_EMPTY) continue;
        for (pr_index i = pr_slot_at(a->ctx, slot)->streams; i != PR_NONE;
             previous = i, i = pr_stream_at(a->ctx, i)->link) {
            const struct pr_stream *s = pr_stream_at(a->ctx, i);
            CHECK(i < high_water(a, PR_POOL_STREAM) && ++listed <= high_water(a, PR_POOL_STREAM));
            CHECK(s->consumer == slot && s->previous == previous);
            PR_TRY(walk_items(a, s));
        }
    }
    for (pr_index i = 1; i < high_water(a, PR_POOL_TASK); i++) {
        const struct pr_task *t = pr_task_at(a->ctx, i);
        if (t->state == PR_TASK_FREE || !(t->flags & PR_TASK_STREAMS)) continue;
        const struct pr_stream *s = pr_stream_at(a->ctx, t->stream);
        CHECK(s->task == i);
        if (s->consumer != PR_NONE) continue;
        closed++;
        CHECK(s->head == s->tail);
        PR_TRY(walk_items(a, s));
    }
    CHECK(listed + closed == a->ctx->header->pools[PR_POOL_STREAM].used);
    return PR_OK;
}

/* The creation of an actor that restarts is open again, wherever it is held. */
static bool is_reopened(const struct pr_context *ctx, const struct pr_object *o)
{
    return o->state == PR_OBJECT_PENDING && o->flags & PR_FLAG_RESULT && o->producer != PR_NONE &&
           pr_task_at(ctx, o->producer)->flags & PR_TASK_CREATES_ACTOR;
}

/* A16 */
static enum pr_status walk_channel(struct audit *a, pr_index channel, pr_index graph)
{
    const struct pr_channel *c = pr_channel_at(a->ctx, channel);
    uint32_t count = 0;
    pr_index last = PR_NONE;
    CHECK(channel < high_water(a, PR_POOL_CHANNEL) && c->graph == graph);
    PR_TRY(walk_edges(a, c->head, PR_EDGE_QUEUED, channel));
    for (pr_index e = c->head; e != PR_NONE; last = e, e = pr_edge_at(a->ctx, e)->link, count++) {
        const struct pr_object *o = pr_object_at(a->ctx, pr_edge_at(a->ctx, e)->object);
        CHECK(o->state == PR_OBJECT_SEALED || is_reopened(a->ctx, o));
    }
    CHECK(count == c->count && last == c->tail);
    a->read += c->reader != PR_NONE;
    return PR_OK;
}

static enum pr_status walk_graphs(struct audit *a, pr_index slot)
{
    pr_index previous = PR_NONE;
    for (pr_index i = pr_slot_at(a->ctx, slot)->graphs; i != PR_NONE;
         previous = i, i = pr_graph_at(a->ctx, i)->link) {
        const struct pr_graph *g = pr_graph_at(a->ctx, i);
        CHECK(i < high_water(a, PR_POOL_GRAPH) && ++a->graphs <= high_water(a, PR_POOL_GRAPH));
        CHECK(g->owner == slot && g->previous == previous && g->state != PR_GRAPH_FREE);
        for (pr_index c = g->channels; c != PR_NONE; c = pr_channel_at(a->ctx, c)->link) {
            CHECK(++a->channels <= high_water(a, PR_POOL_CHANNEL));
            PR_TRY(walk_channel(a, c, i));
        }
    }
    return PR_OK;
}

static enum pr_status walk_readers(struct audit *a, pr_index slot)
{
    pr_index previous = PR_NONE;
    for (pr_index i = pr_slot_at(a->ctx, slot)->channels; i != PR_NONE;
         previous = i, i = pr_channel_at(a->ctx, i)->reader_next) {
        const struct pr_channel *c = pr_channel_at(a->ctx, i);
        CHECK(i < high_water(a, PR_POOL_CHANNEL) && a->read-- > 0);
        CHECK(c->reader == slot && c->reader_previous == previous);
    }
    return PR_OK;
}

static enum pr_status walk_all_graphs(struct audit *a)
{
    for (pr_index slot = 1; slot < high_water(a, PR_POOL_SLOT); slot++)
        if (pr_slot_at(a->ctx, slot)->state != PR_SLOT_EMPTY) PR_TRY(walk_graphs(a, slot));
    for (pr_index slot = 1; slot < high_water(a, PR_POOL_SLOT); slot++)
        if (pr_slot_at(a->ctx, slot)->state != PR_SLOT_EMPTY) PR_TRY(walk_readers(a, slot));
    CHECK(a->read == 0);
    CHECK(a->graphs == a->ctx->header->pools[PR_POOL_GRAPH].used);
    CHECK(a->channels == a->ctx->header->pools[PR_POOL_CHANNEL].used);
    return PR_OK;
}

static enum pr_status walk_task_chores(struct audit *a)
{
    uint32_t listed = 0, left_over = 0;
    for (pr_index t = pr_store_root(a->ctx)->task_chores; t != PR_NONE;
         t = pr_task_at(a->ctx, t)->link) {
        CHECK(t < high_water(a, PR_POOL_TASK) && ++listed <= high_water(a, PR_POOL_TASK));
        CHECK(pr_task_at(a->ctx, t)->state == PR_TASK_FAILED ||
              pr_task_at(a->ctx, t)->state == PR_TASK_DONE);
    }
    for (pr_index t = 1; t < high_water(a, PR_POOL_TASK); t++)
        left_over += pr_task_at(a->ctx, t)->state == PR_TASK_FAILED ||
                     pr_task_at(a->ctx, t)->state == PR_TASK_DONE;
    CHECK(listed == left_over); /* A10 */
    return PR_OK;
}

static enum pr_status walk_actor_chores(struct audit *a)
{
    uint32_t listed = 0, left_over = 0;
    for (pr_index i = pr_store_root(a->ctx)->actor_chores; i != PR_NONE;
         i = pr_actor_at(a->ctx, i)->link) {
        CHECK(i < high_water(a, PR_POOL_ACTOR) && ++listed <= high_water(a, PR_POOL_ACTOR));
        CHECK(pr_actor_at(a->ctx, i)->on_chores && pr_actor_at(a->ctx, i)->state != PR_ACTOR_FREE);
    }
    for (pr_index i = 1; i < high_water(a, PR_POOL_ACTOR); i++) {
        const struct pr_actor *actor = pr_actor_at(a->ctx, i);
        if (actor->state == PR_ACTOR_FREE) continue;
        left_over += actor->on_chores;
        CHECK(actor->state != PR_ACTOR_DEAD ||
              (actor->head | actor->lanes | actor->doubt_head) == PR_NONE || actor->on_chores);
    }
    CHECK(listed == left_over);
    return PR_OK;
}

static enum pr_status walk_object_chores(struct audit *a)
{
    uint32_t listed = 0, left_over = 0;
    for (pr_index o = pr_store_root(a->ctx)->object_chores; o != PR_NONE;
         o = pr_object_at(a->ctx, o)->link) {
        CHECK(o < high_water(a, PR_POOL_OBJECT) && ++listed <= high_water(a, PR_POOL_OBJECT));
        CHECK(pr_object_at(a->ctx, o)->flags & PR_FLAG_ON_CHORES);
    }
    for (pr_index i = 1; i < high_water(a, PR_POOL_OBJECT); i++) {
        const struct pr_object *o = pr_object_at(a->ctx, i);
        if (o->state == PR_OBJECT_FREE) continue;
        bool chore = o->flags & PR_FLAG_ON_CHORES;
        left_over += chore;
        CHECK(o->state != PR_OBJECT_FREEING || chore || (o->flags & PR_FLAG_HOOK) ||
              o->residence == PR_SPILLING);
        CHECK(o->state != PR_OBJECT_SEALED || o->waiters == PR_NONE || chore);
    }
    CHECK(listed == left_over);
    return PR_OK;
}

static enum pr_status walk_results(struct audit *a, const struct pr_task *t)
{
    uint32_t count = 0;
    for (pr_index o = t->results; o != PR_NONE; o = pr_object_at(a->ctx, o)->next_result) {
        PR_TRY(count_ref(a, o));
        CHECK(++count <= t->result_count);
    }
    return PR_OK;
}

static enum pr_status walk_task(struct audit *a, pr_index task)
{
    const struct pr_task *t = pr_task_at(a->ctx, task);
    uint32_t awaited = 0, on_lists = a->task_lists[task];
    if (t->state == PR_TASK_FREE) return PR_OK;
    PR_TRY(walk_edges(a, t->edges, PR_EDGE_ARGUMENT, task));
    for (pr_index e = t->edges; e != PR_NONE; e = pr_edge_at(a->ctx, e)->link) {
        bool waits = pr_edge_at(a->ctx, e)->flags & PR_ARGUMENT_AWAITED;
        uint32_t state = pr_object_at(a->ctx, pr_edge_at(a->ctx, e)->object)->state;
        CHECK(!waits || state != PR_OBJECT_SEALED ||
              pr_store_root(a->ctx)->object_chores != PR_NONE);
        awaited += waits;
    }
    CHECK(awaited == t->awaited || t->state == PR_TASK_FAILED || t->state == PR_TASK_DONE); /* A5 */
    a->awaited += awaited;
    PR_TRY(walk_results(a, t));
    PR_TRY(count_ref(a, t->function));
    if (t->arguments != PR_NONE) PR_TRY(count_ref(a, t->arguments));
    if (t->actor != PR_NONE && t->state != PR_TASK_KEPT)
        PR_TRY(count_ref(a, pr_actor_at(a->ctx, t->actor)->handle));
    if (t->flags & PR_TASK_HOLDS) add_held(a, t->shape, t->holding, t->flags & PR_TASK_LENT);
    if (t->flags & PR_TASK_LENT) {
        CHECK(t->state == PR_TASK_RUNNING && (t->flags & PR_TASK_HOLDS));
        a->lent++;
    }
    bool in_lane = t->flags & PR_TASK_IN_LANE;
    if (t->state == PR_TASK_WAITING)
        CHECK(on_lists == (in_lane ? 1u : 0u) && (in_lane || t->awaited > 0));
    if (t->state == PR_TASK_READY || t->state == PR_TASK_RUNNING ||
        t->state == PR_TASK_SUBMITTING || t->state == PR_TASK_KEPT)
        CHECK(on_lists == 1);
    if (t->state == PR_TASK_FAILED || t->state == PR_TASK_DONE) CHECK(on_lists == 0);
    if (t->flags & PR_TASK_CANCELLED)
        CHECK(t->state != PR_TASK_READY && t->state != PR_TASK_WAITING &&
              t->retries_left == 0); /* A12 */
    return PR_OK;
}

static enum pr_status walk_object(struct audit *a, pr_index object)
{
    const struct pr_object *o = pr_object_at(a->ctx, object);
    if (o->state == PR_OBJECT_FREE) return PR_OK;
    pr_index previous = PR_NONE;
    PR_TRY(walk_edges(a, o->children, PR_EDGE_CONTAINED, object));
    for (pr_index e = o->waiters; e != PR_NONE; e = pr_edge_at(a->ctx, e)->wait_next) {
        const struct pr_edge *edge = pr_edge_at(a->ctx, e);
        CHECK(edge->object == object && edge->wait_previous == previous);
        previous = e;
        CHECK(edge->kind == PR_EDGE_WATCH || (edge->flags & PR_ARGUMENT_AWAITED));
        a->waits++;
    }
    CHECK((o->block != PR_NONE) <= (o->state == PR_OBJECT_CREATING ||
                                    o->state == PR_OBJECT_SEALED || o->state == PR_OBJECT_FREEING));
    if (o->block != PR_NONE)
        CHECK(pr_block_at(a->ctx, o->block)->owner == object &&
              !pr_block_at(a->ctx, o->block)->is_free);
    if (o->state == PR_OBJECT_CREATING) a->claims--;
    return PR_OK;
}

static enum pr_status compare_counts(struct audit *a)
{
    uint32_t watches = 0, pinned = 0;
    for (pr_index i = 1; i < high_water(a, PR_POOL_OBJECT); i++) {
        const struct pr_object *o = pr_object_at(a->ctx, i);
        if (o->state == PR_OBJECT_FREE) {
            CHECK(a->refs[i] == 0 && a->pins[i] == 0);
            continue;
        }
        CHECK(o->refs == a->refs[i]); /* A3 */
        CHECK(o->pins == a->pins[i]);
        if (o->pins > 0 && o->block != PR_NONE) pinned += pr_block_at(a->ctx, o->block)->size;
        CHECK((o->refs + o->pins == 0) == (o->state == PR_OBJECT_FREEING));
    }
    CHECK(pr_store_root(a->ctx)->pinned == pinned);
    for (pr_index i = 1; i < high_water(a, PR_POOL_EDGE); i++)
        watches += a->edge_seen[i] && pr_edge_at(a->ctx, i)->kind == PR_EDGE_WATCH;
    CHECK(a->waits == a->awaited + watches); /* A7 */
    CHECK(a->edges == a->ctx->header->pools[PR_POOL_EDGE].used);
    CHECK(a->claims == 0);
    return PR_OK;
}

static enum pr_status check_resources(struct audit *a)
{
    const struct pr_engine_root *root = pr_engine_root(a->ctx);
    for (uint32_t i = 0; i < root->resource_count; i++)
        CHECK((uint64_t)root->resources[i].total - (uint64_t)root->resources[i].free ==
                  a->held[i] &&
              a->in_bundles[i] == 0); /* A6 */
    CHECK(root->lent_count == a->lent);
    int64_t total = root->gpu != 0 ? root->resources[root->gpu - 1].total : 0;
    for (uint32_t i = 0; i < root->gpu_count; i++, total -= PR_RESOURCE_UNIT)
        CHECK((uint64_t)root->gpus[i] + a->gpus[i] == (uint64_t)PR_MIN(total, PR_RESOURCE_UNIT));
    return PR_OK;
}

static enum pr_status walk_all(struct audit *a)
{
    uint32_t lanes = 0;
    PR_TRY(pr_audit_indices(a->ctx, &a->what));
    PR_TRY(pr_heap_audit(a->ctx, &a->what));  /* A2 */
    PR_TRY(pr_spill_audit(a->ctx, &a->what)); /* A13 */
    PR_TRY(walk_task_chores(a));
    PR_TRY(walk_actor_chores(a));
    PR_TRY(walk_object_chores(a));
    PR_TRY(walk_slots(a));
    PR_TRY(walk_classes(a));
    PR_TRY(walk_actors(a, &lanes));
    CHECK(lanes == a->ctx->header->pools[PR_POOL_LANE].used);
    PR_TRY(walk_names(a));
    PR_TRY(walk_streams(a));
    PR_TRY(walk_all_graphs(a));
    for (pr_index i = 1; i < high_water(a, PR_POOL_TASK); i++) PR_TRY(walk_task(a, i));
    for (pr_index i = 1; i < high_water(a, PR_POOL_OBJECT); i++) PR_TRY(walk_object(a, i));
    PR_TRY(walk_placements(a));
    PR_TRY(pr_events_audit(a->ctx, &a->what)); /* A15 */
    PR_TRY(compare_counts(a));
    return check_resources(a);
}

static void read_accounts(const struct pr_context *ctx, struct pr_accounts *accounts)
{
    const struct pr_pool *pools = ctx->header->pools;
    *accounts = (struct pr_accounts){
        .objects = pools[PR_POOL_OBJECT].used,
        .tasks = pools[PR_POOL_TASK].used,
        .actors = pools[PR_POOL_ACTOR].used,
        .edges = pools[PR_POOL_EDGE].used,
        .blocks = pools[PR_POOL_BLOCK].used,
        .slots = pools[PR_POOL_SLOT].used,
        .latches = pools[PR_POOL_LATCH].used,
        .lanes = pools[PR_POOL_LANE].used,
        .files = pools[PR_POOL_FILE].used,
        .streams = pools[PR_POOL_STREAM].used,
        .channels = pools[PR_POOL_GRAPH].used + pools[PR_POOL_CHANNEL].used,
        .heap_used_bytes = (uint64_t)pr_heap_root(ctx)->used * PR_HEAP_UNIT,
    };
}

static enum pr_status audit_locked(struct pr_context *ctx, void *argument)
{
    struct audit *a = argument;
    PR_TRY(check_pools(a)); /* what the following sizes are */
    a->refs = calloc(high_water(a, PR_POOL_OBJECT), sizeof *a->refs);
    a->pins = calloc(high_water(a, PR_POOL_OBJECT), sizeof *a->pins);
    a->edge_seen = calloc(high_water(a, PR_POOL_EDGE), 1);
    a->task_lists = calloc(high_water(a, PR_POOL_TASK), sizeof *a->task_lists);
    enum pr_status status = PR_NO_MEMORY;
    if (a->refs != NULL && a->pins != NULL && a->edge_seen != NULL && a->task_lists != NULL) {
        a->what = "the undo log is not empty"; /* A1 */
        status = ctx->header->undo_count == 0 ? walk_all(a) : PR_CORRUPT;
    }
    free(a->refs);
    free(a->pins);
    free(a->edge_seen);
    free(a->task_lists);
    return status;
}

struct audit_call {
    struct audit audit;
    struct pr_accounts *accounts;
};

static enum pr_status audit_operation(struct pr_context *ctx, void *argument)
{
    struct audit_call *call = argument;
    if (call->accounts != NULL) read_accounts(ctx, call->accounts);
    return audit_locked(ctx, &call->audit);
}

enum pr_status pr_audit(struct pr_context *ctx, struct pr_accounts *accounts, const char **what)
{
    struct audit_call call = {.audit = {.ctx = ctx, .what = ""}, .accounts = accounts};
    enum pr_status status = pr_transact(ctx, audit_operation, &call);
    *what = status == PR_CORRUPT ? call.audit.what : "";
    return status;
}
