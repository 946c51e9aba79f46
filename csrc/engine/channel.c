#include "engine/channel.h"

#include "store/store.h"

static enum pr_status find_graph(const struct pr_context *ctx, struct pr_ref ref,
                                 const struct pr_graph **graph)
{
    if (!pr_pool_has(ctx, PR_POOL_GRAPH, ref.index)) return PR_STALE;
    *graph = pr_graph_at(ctx, ref.index);
    bool found = (*graph)->state != PR_GRAPH_FREE && (*graph)->generation == ref.generation;
    return found ? PR_OK : PR_STALE;
}

static bool find_channel(const struct pr_context *ctx, struct pr_ref ref,
                         const struct pr_channel **channel)
{
    if (!pr_pool_has(ctx, PR_POOL_CHANNEL, ref.index)) return false;
    *channel = pr_channel_at(ctx, ref.index);
    return (*channel)->generation == ref.generation && (*channel)->graph != PR_NONE;
}

/* PR_EXIT: closed, or gone with its graph. */
static enum pr_status find_open(const struct pr_context *ctx, struct pr_ref ref,
                                const struct pr_channel **channel)
{
    if (!find_channel(ctx, ref, channel)) return PR_EXIT;
    return pr_graph_at(ctx, (*channel)->graph)->state == PR_GRAPH_OPEN ? PR_OK : PR_EXIT;
}

static uint32_t next_generation(uint32_t generation)
{
    return generation + 1 == 0 ? 1 : generation + 1;
}

/* A latch that is another's by now is woken in vain. */
static void wake(struct pr_context *ctx, const uint32_t *latch)
{
    if (*latch == PR_NONE) return;
    pr_tx_wake(ctx, *latch);
    TX_SET(ctx, *latch, PR_NONE);
}

/* ---- making a graph ---- */

struct make {
    struct pr_ref graph;
    struct pr_ref *channels;
    uint32_t count;
};

static enum pr_status new_graph(struct pr_context *ctx, void *argument)
{
    struct make *op = argument;
    const struct pr_slot *slot = pr_slot_at(ctx, ctx->slot);
    PR_TRY(pr_pool_take(ctx, PR_POOL_GRAPH, &op->graph.index));
    const struct pr_graph *g = pr_graph_at(ctx, op->graph.index);
    if (g->generation == 0) TX_SET(ctx, g->generation, 1);
    op->graph.generation = g->generation;
    TX_SET(ctx, g->link, slot->graphs);
    TX_SET(ctx, g->previous, PR_NONE);
    if (slot->graphs != PR_NONE)
        TX_SET(ctx, pr_graph_at(ctx, slot->graphs)->previous, op->graph.index);
    TX_SET(ctx, slot->graphs, op->graph.index);
    TX_SET(ctx, g->state, PR_GRAPH_OPEN);
    TX_SET(ctx, g->owner, ctx->slot);
    TX_SET(ctx, g->channels, PR_NONE);
    TX_SET(ctx, g->latch, PR_NONE);
    TX_SET(ctx, g->failed.index, PR_NONE);
    TX_SET(ctx, g->failed.generation, 0);
    return PR_OK;
}

static enum pr_status new_channel(struct pr_context *ctx, pr_index graph, struct pr_ref *channel)
{
    const struct pr_graph *g = pr_graph_at(ctx, graph);
    PR_TRY(pr_pool_take(ctx, PR_POOL_CHANNEL, &channel->index));
    const struct pr_channel *c = pr_channel_at(ctx, channel->index);
    if (c->generation == 0) TX_SET(ctx, c->generation, 1);
    channel->generation = c->generation;
    TX_SET(ctx, c->link, g->channels);
    TX_SET(ctx, g->channels, channel->index);
    TX_SET(ctx, c->graph, graph);
    TX_SET(ctx, c->reader, PR_NONE);
    TX_SET(ctx, c->head, PR_NONE);
    TX_SET(ctx, c->tail, PR_NONE);
    TX_SET(ctx, c->count, 0);
    TX_SET(ctx, c->latch, PR_NONE);
    return PR_OK;
}

static enum pr_status new_channels(struct pr_context *ctx, void *argument)
{
    const struct make *op = argument;
    const struct pr_graph *g;
    PR_TRY(find_graph(ctx, op->graph, &g));
    for (uint32_t i = 0; i < op->count; i++)
        PR_TRY(new_channel(ctx, op->graph.index, &op->channels[i]));
    return PR_OK;
}

enum pr_status pr_graph_new(struct pr_context *ctx, struct pr_ref *graph, struct pr_ref *channels,
                            uint32_t count)
{
    struct make op = {.count = count};
    enum pr_status status = pr_transact(ctx, new_graph, &op);
    *graph = op.graph;
    for (uint32_t done = 0; done < count && status == PR_OK; done += PR_STEP_RESULTS) {
        op.channels = channels + done;
        op.count = PR_MIN(count - done, PR_STEP_RESULTS);
        status = pr_transact(ctx, new_channels, &op);
        if (status == PR_OK) continue;
        while (pr_graph_close(ctx, op.graph, PR_NONE, true) == PR_OK)
            ;
    }
    return status;
}

/* ---- closing one ---- */

static const struct pr_ref nobody = {PR_NONE, 0};

static void poison(struct pr_context *ctx, const struct pr_graph *g, struct pr_ref handle)
{
    if (g->state != PR_GRAPH_OPEN) return;
    TX_SET(ctx, g->failed.index, handle.index);
    TX_SET(ctx, g->failed.generation, handle.generation);
    TX_SET(ctx, g->state, PR_GRAPH_CLOSED);
    ctx->wake_all = true; /* whoever waits for a value of it */
}

struct failed {
    struct pr_ref graph, handle;
};

static enum pr_status poison_graph(struct pr_context *ctx, void *argument)
{
    const struct failed *op = argument;
    const struct pr_graph *g;
    PR_TRY(find_graph(ctx, op->graph, &g));
    poison(ctx, g, op->handle);
    return PR_OK;
}

void pr_graph_poison(struct pr_context *ctx, struct pr_ref graph, struct pr_ref handle)
{
    struct failed op = {graph, handle};
    (void)!pr_transact(ctx, poison_graph, &op); /* gone, or the session is beyond repair */
}

static void unlink_reader(struct pr_context *ctx, const struct pr_channel *c)
{
    const uint32_t *head = &pr_slot_at(ctx, c->reader)->channels;
    if (c->reader_next != PR_NONE)
        TX_SET(ctx, pr_channel_at(ctx, c->reader_next)->reader_previous, c->reader_previous);
    if (c->reader_previous != PR_NONE)
        TX_SET(ctx, pr_channel_at(ctx, c->reader_previous)->reader_next, c->reader_next);
    else
        TX_SET(ctx, *head, c->reader_next);
    TX_SET(ctx, c->reader, PR_NONE);
    TX_SET(ctx, c->latch, PR_NONE);
}

static pr_index pop(struct pr_context *ctx, const struct pr_channel *c)
{
    pr_index edge = c->tail, object = pr_edge_at(ctx, edge)->object;
    TX_SET(ctx, c->tail, pr_edge_at(ctx, edge)->previous);
    pr_edge_delete(ctx, &c->head, edge);
    TX_SET(ctx, c->count, c->count - 1);
    return object;
}

/* Frees the graph's first channel, if that can be done in one step. */
static void free_channel(struct pr_context *ctx, const struct pr_graph *g)
{
    pr_index channel = g->channels;
    const struct pr_channel *c = pr_channel_at(ctx, channel);
    for (uint32_t i = 0; i < PR_STEP_EDGES && c->count > 0 && !pr_tx_is_long(ctx); i++)
        pr_object_unref(ctx, pop(ctx, c));
    if (c->count > 0) return;
    if (c->reader != PR_NONE) unlink_reader(ctx, c);
    TX_SET(ctx, g->channels, c->link);
    TX_SET(ctx, c->graph, PR_NONE);
    TX_SET(ctx, c->generation, next_generation(c->generation));
    pr_pool_give(ctx, PR_POOL_CHANNEL, channel);
}

static void free_graph(struct pr_context *ctx, pr_index graph)
{
    const struct pr_graph *g = pr_graph_at(ctx, graph);
    if (g->link != PR_NONE) TX_SET(ctx, pr_graph_at(ctx, g->link)->previous, g->previous);
    if (g->previous != PR_NONE)
        TX_SET(ctx, pr_graph_at(ctx, g->previous)->link, g->link);
    else
        TX_SET(ctx, pr_slot_at(ctx, g->owner)->graphs, g->link);
    TX_SET(ctx, g->state, PR_GRAPH_FREE);
    TX_SET(ctx, g->generation, next_generation(g->generation));
    pr_pool_give(ctx, PR_POOL_GRAPH, graph);
}

static void take_apart(struct pr_context *ctx, pr_index graph)
{
    const struct pr_graph *g = pr_graph_at(ctx, graph);
    poison(ctx, g, nobody);
    if (g->channels != PR_NONE)
        free_channel(ctx, g);
    else
        free_graph(ctx, graph);
}

/* Has the channel that would go next a reader other than the owner? */
static bool is_read(const struct pr_context *ctx, const struct pr_graph *g)
{
    if (g->channels == PR_NONE) return false;
    pr_index reader = pr_channel_at(ctx, g->channels)->reader;
    return reader != PR_NONE && reader != g->owner;
}

struct close {
    struct pr_ref graph;
    pr_index latch;
    bool force;
};

static enum pr_status close_step(struct pr_context *ctx, void *argument)
{
    const struct close *op = argument;
    const struct pr_graph *g;
    PR_TRY(find_graph(ctx, op->graph, &g));
    if (g->owner != ctx->slot) return PR_STALE;
    if (g->state == PR_GRAPH_OPEN) {
        poison(ctx, g, nobody);
    } else if (!op->force && is_read(ctx, g)) {
        if (g->latch != op->latch) TX_SET(ctx, g->latch, op->latch);
        return PR_EMPTY;
    } else {
        take_apart(ctx, op->graph.index);
    }
    return PR_OK;
}

enum pr_status pr_graph_close(struct pr_context *ctx, struct pr_ref graph, pr_index latch,
                              bool force)
{
    struct close op = {graph, latch, force};
    PR_FAILPOINT(ctx, GRAPH_CLOSE);
    return pr_operate(ctx, close_step, &op);
}

static enum pr_status read_failed(struct pr_context *ctx, void *argument)
{
    struct failed *op = argument;
    const struct pr_graph *g;
    PR_TRY(find_graph(ctx, op->graph, &g));
    op->handle = g->failed;
    return PR_OK;
}

enum pr_status pr_graph_failed(struct pr_context *ctx, struct pr_ref graph, struct pr_ref *handle)
{
    struct failed op = {.graph = graph};
    enum pr_status status = pr_transact(ctx, read_failed, &op);
    *handle = op.handle;
    return status;
}

/* ---- reading ---- */

static enum pr_status attach(struct pr_context *ctx, void *argument)
{
    const struct pr_ref *channel = argument;
    const struct pr_slot *slot = pr_slot_at(ctx, ctx->slot);
    const struct pr_channel *c;
    PR_TRY(find_open(ctx, *channel, &c));
    if (c->reader != PR_NONE) return PR_STATE;
    TX_SET(ctx, c->reader, ctx->slot);
    TX_SET(ctx, c->reader_next, slot->channels);
    TX_SET(ctx, c->reader_previous, PR_NONE);
    if (slot->channels != PR_NONE)
        TX_SET(ctx, pr_channel_at(ctx, slot->channels)->reader_previous, channel->index);
    TX_SET(ctx, slot->channels, channel->index);
    return PR_OK;
}

enum pr_status pr_channel_attach(struct pr_context *ctx, struct pr_ref channel)
{
    return pr_transact(ctx, attach, &channel);
}

static enum pr_status detach(struct pr_context *ctx, void *argument)
{
    const struct pr_ref *channel = argument;
    const struct pr_channel *c;
    if (!find_channel(ctx, *channel, &c) || c->reader != ctx->slot) return PR_STATE;
    unlink_reader(ctx, c);
    wake(ctx, &pr_graph_at(ctx, c->graph)->latch);
    return PR_OK;
}

void pr_channel_detach(struct pr_context *ctx, struct pr_ref channel)
{
    (void)!pr_transact(ctx, detach, &channel); /* it has been taken apart, or never was ours */
}

struct receive {
    struct pr_ref channel;
    pr_index latch;
    struct pr_fetched *fetched;
    struct pr_ref object;
    pr_index edge;
};

/* A small value is copied; of another one this process becomes a holder. */
static enum pr_status read_value(struct pr_context *ctx, struct receive *op, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    op->object = (struct pr_ref){PR_NONE, 0};
    if (o->size_bytes > PR_INLINE_BYTES || o->children != PR_NONE || o->block != PR_NONE) {
        op->object = (struct pr_ref){object, o->generation};
        return pr_hold(ctx, object, PR_HELD_REF, &op->edge);
    }
    op->fetched->kind = o->kind;
    op->fetched->flags = o->flags;
    op->fetched->size_bytes = o->size_bytes;
    op->fetched->bytes = NULL;
    const uint64_t *from = (const uint64_t *)o->value;
    uint64_t *to = (uint64_t *)op->fetched->value;
    for (uint32_t i = 0; i < (o->size_bytes + 7) / 8; i++) to[i] = from[i];
    return PR_OK;
}

static enum pr_status receive(struct pr_context *ctx, void *argument)
{
    struct receive *op = argument;
    const struct pr_channel *c;
    PR_TRY(find_open(ctx, op->channel, &c));
    if (c->reader != ctx->slot) return PR_STATE;
    if (c->count == 0) {
        if (c->latch != op->latch) TX_SET(ctx, c->latch, op->latch);
        return PR_EMPTY;
    }
    PR_TRY(read_value(ctx, op, pr_edge_at(ctx, c->tail)->object));
    pr_object_unref(ctx, pop(ctx, c));
    return PR_OK;
}

enum pr_status pr_channel_receive(struct pr_context *ctx, struct pr_ref channel, pr_index latch,
                                  struct pr_fetched *fetched, struct pr_ref *object)
{
    struct receive op = {.channel = channel, .latch = latch, .fetched = fetched};
    enum pr_status status = pr_operate(ctx, receive, &op);
    if (status != PR_OK) return status;
    *object = op.object;
    if (op.object.index != PR_NONE) {
        struct pr_local *local = pr_local_of(ctx, op.object);
        local->edge = op.edge;
        local->refs++;
    }
    PR_FAILPOINT(ctx, CHANNEL_RECEIVED);
    return PR_OK;
}

/* ---- writing ---- */

struct send {
    const struct pr_ref *channels;
    uint32_t count;
    const struct pr_value *value;
    struct pr_ref object;
};

static enum pr_status push(struct pr_context *ctx, struct pr_ref channel, pr_index object)
{
    const struct pr_channel *c;
    pr_index edge;
    PR_TRY(find_open(ctx, channel, &c));
    PR_TRY(pr_edge_new(ctx, &c->head, PR_EDGE_QUEUED, channel.index, object, 0, &edge));
    pr_object_ref(ctx, object);
    if (c->count == 0) TX_SET(ctx, c->tail, edge);
    TX_SET(ctx, c->count, c->count + 1);
    wake(ctx, &c->latch);
    return PR_OK;
}

static enum pr_status push_all(struct pr_context *ctx, const struct send *op, pr_index object)
{
    for (uint32_t i = 0; i < op->count; i++) PR_TRY(push(ctx, op->channels[i], object));
    return PR_OK;
}

static enum pr_status send(struct pr_context *ctx, void *argument)
{
    const struct send *op = argument;
    const struct pr_value *v = op->value;
    pr_index object;
    PR_TRY(pr_object_new(ctx, PR_OBJECT_PENDING, &object));
    PR_TRY(push_all(ctx, op, object));
    PR_TRY(pr_object_contain(ctx, object, v->children, v->child_count));
    pr_object_seal_inline(ctx, object, v->kind, v->flags, v->bytes, (uint32_t)v->size_bytes);
    return PR_OK;
}

enum pr_status pr_channel_send(struct pr_context *ctx, const struct pr_ref *channels,
                               uint32_t count, const struct pr_value *value)
{
    struct send op = {.channels = channels, .count = count, .value = value};
    PR_ASSERT(count > 0 && count <= PR_STEP_EDGES && value->child_count <= PR_STEP_EDGES);
    PR_FAILPOINT(ctx, CHANNEL_SEND);
    return pr_operate(ctx, send, &op);
}

static enum pr_status send_block(struct pr_context *ctx, void *argument)
{
    const struct send *op = argument;
    const struct pr_object *o;
    PR_TRY(pr_object_find(ctx, op->object, &o));
    if (o->state != PR_OBJECT_CREATING || o->claim != ctx->slot) return PR_STATE;
    PR_TRY(push_all(ctx, op, op->object.index));
    pr_object_seal_block(ctx, op->object.index, op->value->kind, op->value->flags);
    pr_edge_delete(ctx, &pr_slot_at(ctx, ctx->slot)->held, ctx->local[op->object.index].edge);
    pr_object_unref(ctx, op->object.index);
    return PR_OK;
}

enum pr_status pr_channel_send_block(struct pr_context *ctx, const struct pr_ref *channels,
                                     uint32_t count, struct pr_ref object,
                                     const struct pr_value *value)
{
    struct send op = {channels, count, value, object};
    struct pr_local *local = pr_local_of(ctx, object);
    PR_ASSERT(count > 0 && count <= PR_STEP_EDGES && local->refs == 1 && local->pins == 0);
    PR_FAILPOINT(ctx, CHANNEL_SEND);
    PR_TRY(pr_operate(ctx, send_block, &op));
    local->refs = 0;
    local->edge = PR_NONE;
    return PR_OK;
}

static enum pr_status forward(struct pr_context *ctx, void *argument)
{
    const struct send *op = argument;
    const struct pr_object *o = pr_object_at(ctx, op->object.index);
    /* What this process pins is there even if nobody refers to it any more. */
    const struct pr_local *local = pr_local_of(ctx, op->object);
    if (local->pins == 0) PR_TRY(pr_object_find(ctx, op->object, &o));
    return o->state == PR_OBJECT_SEALED ? push_all(ctx, op, op->object.index) : PR_STATE;
}

enum pr_status pr_channel_forward(struct pr_context *ctx, const struct pr_ref *channels,
                                  uint32_t count, struct pr_ref object)
{
    struct send op = {.channels = channels, .count = count, .object = object};
    PR_ASSERT(count > 0 && count <= PR_STEP_EDGES);
    PR_FAILPOINT(ctx, CHANNEL_SEND);
    return pr_operate(ctx, forward, &op);
}

/* ---- deaths ---- */

void pr_channel_lost(struct pr_context *ctx, pr_index channel)
{
    const struct pr_channel *c = pr_channel_at(ctx, channel);
    const struct pr_graph *g = pr_graph_at(ctx, c->graph);
    pr_index actor = pr_slot_at(ctx, c->reader)->actor;
    struct pr_ref handle = nobody;
    if (actor != PR_NONE) handle.index = pr_actor_at(ctx, actor)->handle;
    if (actor != PR_NONE) handle.generation = pr_object_at(ctx, handle.index)->generation;
    poison(ctx, g, handle);
    unlink_reader(ctx, c);
    wake(ctx, &g->latch);
}

void pr_graph_lost(struct pr_context *ctx, pr_index graph) { take_apart(ctx, graph); }
