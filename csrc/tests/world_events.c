#include "tests/world_events.h"

#include "engine/views.h"

static uint32_t below(struct member *m, uint32_t limit) { return random_below(&m->random, limit); }

pr_index world_any_label(struct member *m)
{
    return below(m, pr_load_relaxed(&m->ctx.header->pools[PR_POOL_LABEL].high_water));
}

void world_new_label(struct member *m)
{
    char text[PR_LABEL_TEXT] = "a";
    pr_index label = PR_NONE;
    text[0] = (char)('a' + below(m, 12)); /* more than there is room for */
    OK(pr_session_label(&m->ctx, PR_LABEL_TASK, text, &label));
    CHECK(label != PR_NONE);
}

void world_add_text(struct member *m)
{
    static const char words[600] = "ValueError: something is wrong";
    uint64_t number;
    OK(pr_text_add(&m->ctx, words, below(m, sizeof words), &number));
    CHECK(number > 0);
}

void world_add_span(struct member *m)
{
    struct pr_span span = {.begun_ns = 1, .ended_ns = 2, .name = "span"};
    OK(pr_span_add(&m->ctx, &span));
}

static void look_at_records(struct member *m, uint32_t pool, const uint64_t *head)
{
    static __thread uint64_t records[PR_RING_STEP * sizeof(struct pr_text) / 8];
    struct pr_ring_page page = {.pool = pool, .head = head, .records = records};
    enum pr_status status;
    do {
        status = pr_ring_read(&m->ctx, &page);
        const uint64_t *last = NULL;
        for (uint32_t i = 0; i < page.count; i++) {
            const uint64_t *record =
                records + (size_t)i * (m->ctx.header->pools[pool].entry_size / 8);
            CHECK(last == NULL || *last < *record);
            last = record;
        }
    } while (status == PR_OK);
    if (status != PR_EMPTY) member_unexpected(m, "ring_read", status);
}

void world_look(struct member *m)
{
    static __thread union {
        struct pr_task_view tasks[PR_VIEW_STEP];
        struct pr_object_view objects[PR_VIEW_STEP];
        struct pr_hold_view holds[2 * PR_VIEW_STEP];
        struct pr_actor_view actors[PR_VIEW_STEP];
        struct pr_slot_view slots[PR_VIEW_STEP];
        uint32_t tally[64 * PR_TALLY_STATES];
    } views;
    const struct pr_engine_root *root = pr_engine_root(&m->ctx);
    uint32_t count;
    for (pr_index from = 0; pr_view_tasks(&m->ctx, &from, views.tasks, &count) == PR_OK;) continue;
    for (pr_index from = 0; pr_view_objects(&m->ctx, &from, views.objects, &count) == PR_OK;)
        continue;
    for (pr_index from = 0; pr_view_holds(&m->ctx, &from, views.holds, &count) == PR_OK;) continue;
    for (pr_index from = 0; pr_view_actors(&m->ctx, &from, views.actors, &count) == PR_OK;)
        continue;
    for (pr_index from = 0; pr_view_slots(&m->ctx, &from, views.slots, &count) == PR_OK;) continue;
    for (pr_index from = 0; pr_tally_tasks(&m->ctx, &from, views.tally) == PR_OK;) continue;
    look_at_records(m, PR_POOL_EVENT, &root->event_head);
    look_at_records(m, PR_POOL_TEXT, &root->text_head);
    look_at_records(m, PR_POOL_ENDED, &root->ended_head);
    look_at_records(m, PR_POOL_SPAN, &root->span_head);
}
