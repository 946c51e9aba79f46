#include "tests/world_channels.h"

static uint32_t below(struct member *m, uint32_t limit) { return random_below(&m->random, limit); }
static bool one_in(struct member *m, uint32_t n) { return random_one_in(&m->random, n); }

static void keep(struct member *m, struct pr_ref ref)
{
    if (m->ref_count == MEMBER_REFS)
        pr_release(&m->ctx, ref);
    else
        m->refs[m->ref_count++] = ref;
}

/* A member with graphs: where members know each other, any of them. */
static struct member *owner(struct member *m)
{
    struct member *other = m->world == NULL ? m : &m->world->member[below(m, WORLD_MEMBERS)];
    return other->role != ABSENT && other->graph_count > 0 ? other : NULL;
}

void new_graph(struct member *m)
{
    struct pr_ref graph;
    if (m->graph_count == MEMBER_GRAPHS) return;
    enum pr_status status =
        pr_graph_new(&m->ctx, &graph, m->channels[m->graph_count], GRAPH_CHANNELS);
    if (member_done(m, "graph", status)) m->graphs[m->graph_count++] = graph;
}

void read_channel(struct member *m)
{
    struct member *other = owner(m);
    if (other == NULL || m->read_count == MEMBER_READS) return;
    uint32_t graph = below(m, other->graph_count);
    struct pr_ref channel = other->channels[graph][below(m, GRAPH_CHANNELS)];
    enum pr_status status = pr_channel_attach(&m->ctx, channel);
    if (status == PR_EXIT || status == PR_STATE || !member_done(m, "attach", status)) return;
    m->reads[m->read_count++] = channel;
}

/* Writes a large value and sends it; what cannot be sent goes. */
static enum pr_status send_large(struct member *m, const struct pr_ref *channels, uint32_t count,
                                 struct pr_value *value)
{
    struct pr_ref ref;
    uint64_t offset, size = 64 + 8 * below(m, 1u << (1 + below(m, 8)));
    enum pr_status status = pr_put_begin(&m->ctx, size, &ref, &offset);
    if (status != PR_OK) return status;
    if (m->check_bytes) {
        OK(pr_heap_write(&m->ctx, offset, &size, 8));
        OK(pr_heap_write(&m->ctx, offset + size - 8, &size, 8));
    }
    value->in_block = 1;
    status = pr_channel_send_block(&m->ctx, channels, count, ref, value);
    if (status != PR_OK) pr_put_abort(&m->ctx, ref);
    return status;
}

void send_value(struct member *m)
{
    struct member *other = owner(m);
    if (other == NULL) return;
    const struct pr_ref *channels = other->channels[below(m, other->graph_count)];
    uint32_t count = 1 + below(m, GRAPH_CHANNELS);
    struct pr_value value = {.kind = 2, .bytes = "value", .size_bytes = below(m, 6)};
    struct pr_ref child;
    enum pr_status status;
    if (m->ref_count > 0 && one_in(m, 3)) {
        child = m->refs[below(m, m->ref_count)];
        value.children = &child;
        value.child_count = 1;
    }
    if (one_in(m, 3) && m->ref_count > 0)
        status = pr_channel_forward(&m->ctx, channels, count, m->refs[below(m, m->ref_count)]);
    else if (one_in(m, 2))
        status = send_large(m, channels, count, &value);
    else
        status = pr_channel_send(&m->ctx, channels, count, &value);
    if (status != PR_EXIT && status != PR_STATE) member_done(m, "send", status);
}

void receive_value(struct member *m)
{
    struct pr_fetched fetched;
    struct pr_ref object;
    if (m->read_count == 0) return;
    uint32_t which = below(m, m->read_count);
    pr_index latch = pr_slot_at(&m->ctx, m->ctx.slot)->latch;
    uint32_t seen = pr_latch_sequence(&m->ctx, latch);
    m->receiving.index = PR_NONE;
    enum pr_status status = pr_channel_receive(&m->ctx, m->reads[which], latch, &fetched, &object);
    if (status == PR_EXIT) {
        pr_channel_detach(&m->ctx, m->reads[which]);
        m->reads[which] = m->reads[--m->read_count];
    } else if (status == PR_EMPTY) {
        m->receiving = m->reads[which];
        m->receive_seen = seen;
    } else if (member_done(m, "receive", status) && object.index != PR_NONE) {
        keep(m, object);
    }
}

void leave_channel(struct member *m)
{
    if (m->read_count == 0) return;
    m->receiving.index = PR_NONE;
    pr_channel_detach(&m->ctx, m->reads[--m->read_count]);
}

void poison_graph(struct member *m)
{
    struct member *other = owner(m);
    struct pr_ref handle;
    if (other == NULL) return;
    struct pr_ref graph = other->graphs[below(m, other->graph_count)];
    pr_graph_poison(&m->ctx, graph, graph);
    enum pr_status status = pr_graph_failed(&m->ctx, graph, &handle);
    CHECK(status == PR_OK || (status == PR_STALE && world_is_interleaved(m)));
}

/* Steps until it is gone or, without force, a reader has not left. */
void close_graph(struct member *m)
{
    if (m->graph_count == 0) return;
    bool force = one_in(m, 2);
    struct pr_ref graph = m->graphs[m->graph_count - 1];
    enum pr_status status;
    while ((status = pr_graph_close(&m->ctx, graph, PR_NONE, force)) == PR_OK)
        ;
    if (status == PR_EMPTY && !force) return;
    CHECK(status == PR_STALE);
    m->graph_count--;
}
