#include "tests/world_streams.h"

static uint32_t below(struct member *m, uint32_t limit) { return random_below(&m->random, limit); }
static bool one_in(struct member *m, uint32_t n) { return random_one_in(&m->random, n); }

static void keep(struct member *m, struct pr_ref ref)
{
    if (m->ref_count == MEMBER_REFS)
        pr_release(&m->ctx, ref);
    else
        m->refs[m->ref_count++] = ref;
}

/* ---- streams ---- */

static bool is_crowded(const struct member *m)
{
    return m->world == NULL && pr_load_relaxed(&m->ctx.header->pools[PR_POOL_TASK].used) > 200;
}

void submit_stream(struct member *m)
{
    struct pr_ref results[20];
    if (m->ref_count == 0 || is_crowded(m) || m->stream_count == MEMBER_STREAMS) return;
    uint32_t count = one_in(m, 8) ? 20 : 1 + below(m, 2); /* 20 are not submitted at once */
    struct pr_ref function = m->refs[below(m, m->ref_count)];
    struct pr_ref awaited = m->refs[below(m, m->ref_count)];
    struct pr_submission s =
        fixture_submission(function, m->shapes[below(m, WORLD_SHAPES)], count, results);
    s.awaited = &awaited;
    s.awaited_count = one_in(m, 4);
    s.retries = (int32_t)below(m, 3) - 1;
    s.flags = PR_TASK_STREAMS;
    s.stream_limit = below(m, 3);
    if (m->running) s.parent = m->taken.serial;
    if (m->handle_count > 0 && one_in(m, 3)) {
        s.flags |= PR_TASK_OF_ACTOR;
        s.actor = m->handles[below(m, m->handle_count)];
    }
    if (!member_done(m, "submit", pr_submit(&m->ctx, &s))) return;
    for (uint32_t i = 0; i < count; i++) keep(m, results[i]);
    m->streams[m->stream_count++] = s.stream;
}

/* True when there is a large value to publish. */
static bool write_item(struct member *m, bool *give_up)
{
    struct pr_ref item;
    uint64_t offset, size = 57 + below(m, 1u << (1 + below(m, 13)));
    OK(pr_stream_open_item(&m->ctx, m->taken.task, &item));
    enum pr_status begun = pr_result_begin(&m->ctx, item, size, &offset);
    *give_up = begun != PR_STATE && !member_done(m, "item", begun);
    if (*give_up) return false;
    if (begun == PR_OK && m->check_bytes) {
        OK(pr_heap_write(&m->ctx, offset, &size, 8));
        OK(pr_heap_write(&m->ctx, offset + size - 8, &size, 8));
    }
    if (!one_in(m, 4)) return true;
    *give_up = true; /* not published now, perhaps never */
    if (one_in(m, 2)) pr_result_abort(&m->ctx, item);
    return false;
}

void publish(struct member *m)
{
    bool give_up = false;
    if (!m->running || !(m->taken.flags & PR_TASK_STREAMS)) return;
    m->wants_room = false;
    struct pr_value value = {.kind = 1, .bytes = "item", .size_bytes = below(m, 5)};
    value.flags = one_in(m, 8) ? PR_FLAG_ERROR : 0;
    value.in_block = one_in(m, 2) && write_item(m, &give_up);
    if (give_up) return;
    enum pr_status status = pr_stream_publish(&m->ctx, m->taken.task, &value);
    if (status != PR_EXIT) member_done(m, "publish", status);
}

void ask_room(struct member *m)
{
    if (!m->running || !(m->taken.flags & PR_TASK_STREAMS)) return;
    pr_index latch = pr_slot_at(&m->ctx, m->ctx.slot)->latch;
    m->room_seen = pr_latch_sequence(&m->ctx, latch);
    enum pr_status status = pr_stream_room(&m->ctx, m->taken.task, latch);
    m->wants_room = status == PR_EMPTY;
    if (status != PR_EMPTY && status != PR_EXIT) member_done(m, "room", status);
}

void next_item(struct member *m)
{
    struct pr_ref item;
    if (m->stream_count == 0) return;
    struct pr_ref stream = m->streams[below(m, m->stream_count)];
    enum pr_status status = pr_stream_next(&m->ctx, stream, !one_in(m, 4), &item);
    if (status == PR_EXIT || (status != PR_EMPTY && !member_done(m, "next", status))) return;
    keep(m, item);
}

void close_stream(struct member *m)
{
    struct pr_ref item;
    if (m->stream_count == 0) return;
    struct pr_ref stream = m->streams[--m->stream_count];
    pr_stream_close(&m->ctx, stream);
    CHECK(pr_stream_next(&m->ctx, stream, true, &item) == PR_STALE);
}

/* ---- cancellation ---- */

void cancel(struct member *m)
{
    if (m->ref_count == 0) return;
    bool force = one_in(m, 4);
    enum pr_status status =
        pr_cancel(&m->ctx, m->refs[below(m, m->ref_count)], force, one_in(m, 2));
    if (!force || status != PR_STATE) member_done(m, "cancel", status);
}

void notice_cancel(struct member *m)
{
    bool recursive = false;
    pr_index task = pr_cancel_next(&m->ctx);
    if (task == PR_NONE) return;
    uint64_t serial = pr_task_at(&m->ctx, task)->serial;
    CHECK(pr_cancel_take(&m->ctx, task, &recursive)); /* it is ours, and nobody else takes note */
    CHECK(pr_cancel_asked(&m->ctx, task));
    if (recursive) member_done(m, "cancel", pr_cancel_children(&m->ctx, serial, UINT64_MAX, false));
}

void interrupt(struct member *m)
{
    for (uint32_t i = 0; m->world != NULL && i < WORLD_MEMBERS; i++)
        if (m->world->member[i].role == WORKER)
            pr_interrupt_take(&m->ctx, m->world->member[i].ctx.slot);
}
