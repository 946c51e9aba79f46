#include "tests/world_waiting.h"

static uint32_t below(struct member *m, uint32_t limit) { return random_below(&m->random, limit); }
static bool one_in(struct member *m, uint32_t n) { return random_one_in(&m->random, n); }

void claim_latch(struct member *m)
{
    if (m->latch == PR_NONE && !member_done(m, "claim", pr_latch_claim(&m->ctx, &m->latch)))
        m->latch = PR_NONE;
}

void unclaim_latch(struct member *m)
{
    if (m->latch == PR_NONE) return;
    if (m->wait_latch == m->latch) m->waiting = false;
    pr_index latch = m->latch;
    m->latch = PR_NONE;
    pr_latch_unclaim(&m->ctx, latch);
}

static uint32_t distinct_refs(struct member *m, struct pr_ref *refs)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < MEMBER_WAITS && m->ref_count > 0; i++) {
        struct pr_ref ref = m->refs[below(m, m->ref_count)];
        bool again = false;
        for (uint32_t j = 0; j < count; j++) again |= refs[j].index == ref.index;
        if (!again) refs[count++] = ref;
    }
    return count;
}

static bool choose_wait(struct member *m, struct pr_wait *wait, uint8_t *sealed)
{
    m->waiting = false;
    m->wait_count = distinct_refs(m, m->wait_refs);
    bool main_latch = m->role == DRIVER && (m->latch == PR_NONE || one_in(m, 2));
    m->wait_latch = main_latch ? pr_slot_at(&m->ctx, m->ctx.slot)->latch : m->latch;
    if (m->wait_count == 0 || m->wait_latch == PR_NONE) return false;
    m->wait_need = 1 + below(m, m->wait_count);
    m->wait_errors = one_in(m, 2);
    *wait = (struct pr_wait){.refs = m->wait_refs,
                             .count = m->wait_count,
                             .need = m->wait_need,
                             .stop_at_error = m->wait_errors,
                             .latch = m->wait_latch,
                             .sealed = sealed};
    return true;
}

void wait_arm(struct member *m)
{
    struct pr_wait wait;
    uint8_t sealed[MEMBER_WAITS];
    if (!choose_wait(m, &wait, sealed)) return;
    if (one_in(m, 4)) {
        enum pr_status polled = pr_wait_poll(&m->ctx, &wait);
        if (polled != PR_OK && polled != PR_PENDING) member_unexpected(m, "wait_poll", polled);
        return;
    }
    enum pr_status status = pr_wait_arm(&m->ctx, &wait, &m->wait_seen);
    m->waiting = status == PR_PENDING;
    if (m->waiting || !member_done(m, "wait_arm", status)) return;
    pr_wait_disarm(&m->ctx, m->wait_latch);
}
