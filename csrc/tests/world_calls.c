#include "tests/world_calls.h"

static uint32_t below(struct member *m, uint32_t limit) { return random_below(&m->random, limit); }
static bool one_in(struct member *m, uint32_t n) { return random_one_in(&m->random, n); }

static void listen(struct member *m)
{
    m->seen = pr_latch_sequence(&m->ctx, pr_slot_at(&m->ctx, m->ctx.slot)->latch);
}

void take_another(struct member *m)
{
    bool more;
    if (m->leaving || m->call_count == MEMBER_CALLS) return;
    if (pr_slot_at(&m->ctx, m->ctx.slot)->actor == PR_NONE) return;
    listen(m);
    m->sleeping = false;
    enum pr_status status = pr_take_of(&m->ctx, 1 + below(m, 7), &m->calls[m->call_count], &more);
    if (status == PR_OK)
        m->call_count++;
    else if (status != PR_EMPTY && status != PR_EXIT)
        member_unexpected(m, "take_of", status);
}

static void choose_value(struct member *m, struct pr_value *value)
{
    *value = (struct pr_value){.kind = 1,
                               .flags = one_in(m, 8) ? PR_FLAG_ERROR : 0,
                               .bytes = "result",
                               .size_bytes = below(m, 7)};
}

/* The results of the first calls; of one with many, only the last are left to exchange. */
static uint32_t choose_ended(struct member *m, struct pr_ended *ended, struct pr_value *values)
{
    uint32_t count = 0, limit = below(m, m->call_count + 1);
    for (; count < limit; count++) {
        uint32_t results = m->calls[count].result_count, sealed = 0;
        for (uint32_t j = 0; j < results; j++) choose_value(m, &values[j]);
        if (results > PR_STEP_RESULTS &&
            !member_done(m, "seal_first",
                         pr_seal_first(&m->ctx, m->calls[count].task, values, results, &sealed)))
            break;
        ended[count] = (struct pr_ended){m->calls[count].task, results - sealed, values + sealed};
        values += results;
    }
    return count;
}

static void drop_calls(struct member *m, uint32_t count)
{
    m->call_count -= count;
    memmove(m->calls, m->calls + count, m->call_count * sizeof *m->calls);
}

void exchange(struct member *m)
{
    struct pr_ended ended[MEMBER_CALLS];
    struct pr_value values[MEMBER_CALLS * WORLD_RESULTS];
    uint32_t taken, free_of[PR_GROUP_MAX] = {below(m, 3), below(m, 2), below(m, 3)};
    struct pr_taken new_ones[MEMBER_CALLS];
    if (m->call_count == 0 && pr_slot_at(&m->ctx, m->ctx.slot)->actor == PR_NONE) return;
    uint32_t count = choose_ended(m, ended, values);
    uint32_t room = MEMBER_CALLS - (m->call_count - count);
    listen(m);
    m->sleeping = false;
    enum pr_status status = pr_exchange(&m->ctx, ended, count, free_of, new_ones, room, &taken);
    if (status == PR_TABLE_FULL) return;
    if (status != PR_OK && status != PR_EXIT) {
        member_unexpected(m, "exchange", status);
        return;
    }
    drop_calls(m, count);
    memcpy(m->calls + m->call_count, new_ones, taken * sizeof *new_ones);
    m->call_count += taken;
}

void retry_call(struct member *m)
{
    if (!m->running && m->call_count == 0) return;
    pr_index task = m->running ? m->taken.task : m->calls[0].task;
    enum pr_status status = pr_task_retry(&m->ctx, task);
    if (status != PR_EMPTY) member_done(m, "retry", status);
}
