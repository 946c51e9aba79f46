#include "tests/world_spilling.h"

#include "store/spill_io.h"

static uint32_t below(struct member *m, uint32_t limit) { return random_below(&m->random, limit); }
static bool one_in(struct member *m, uint32_t n) { return random_one_in(&m->random, n); }

void spill_choose(struct member *m)
{
    if (m->spill.count > 0) return;
    m->spill = (struct pr_spill){.need_bytes = 57 + below(m, 1u << (1 + below(m, 13))),
                                 .items = m->spill_items,
                                 .room = 1 + below(m, MEMBER_SPILLS)};
    enum pr_status status = pr_spill_choose(&m->ctx, &m->spill);
    if (status != PR_EMPTY) member_done(m, "spill_choose", status);
}

void spill_end(struct member *m)
{
    enum pr_status status;
    if (m->spill.count == 0) return;
    m->spill.items = m->spill_items;
    while ((status = pr_spill_write(&m->ctx, &m->spill)) == PR_PENDING) continue;
    member_done(m, "spill_write", status);
    if (one_in(m, 4))
        member_done(m, "spill_abort", pr_spill_abort(&m->ctx, &m->spill));
    else
        member_done(m, "spill_end", pr_spill_end(&m->ctx, &m->spill));
    m->spill.count = 0;
}

void restore_begin(struct member *m)
{
    enum pr_status status = PR_STATE;
    if (m->restore.ref.index != PR_NONE || m->ref_count == 0) return;
    for (uint32_t i = below(m, m->ref_count); i < m->ref_count && status == PR_STATE; i++)
        status = pr_restore_begin(&m->ctx, m->refs[i], &m->restore);
    if (status == PR_OK) return;
    m->restore.ref.index = PR_NONE;
    if (status != PR_STATE && status != PR_PENDING) member_done(m, "restore_begin", status);
}

/* Where states of a world are gone back to, another future may have written to the file. */
static bool read_well(struct member *m, enum pr_status status)
{
    bool other_future = false;
#ifdef PR_CRASH_INJECTION
    other_future = m->ctx.keep_files;
#endif
    if (status == PR_DISK && other_future) return false;
    return member_done(m, "restore_read", status);
}

/* The pin is one of the member's own afterwards. */
void restore_end(struct member *m)
{
    enum pr_status status;
    struct pr_ref ref = m->restore.ref;
    if (ref.index == PR_NONE) return;
    while ((status = pr_restore_read(&m->ctx, &m->restore, NULL)) == PR_PENDING) continue;
    bool complete = read_well(m, status) && !one_in(m, 4);
    pr_restore_close(&m->restore);
    m->restore.ref.index = PR_NONE;
    struct pr_restore restore = m->restore;
    restore.ref = ref;
    if (!member_done(m, "restore_end", pr_restore_end(&m->ctx, &restore, complete)) || !complete)
        return;
    if (m->pin_count < MEMBER_PINS)
        m->pins[m->pin_count++] = ref;
    else
        pr_unpin(&m->ctx, ref);
}

void read_spilled(struct member *m)
{
    struct pr_restore restore;
    uint8_t bytes[16384];
    enum pr_status status;
    if (m->ref_count == 0) return;
    status = pr_restore_locate(&m->ctx, m->refs[below(m, m->ref_count)], &restore);
    if (status == PR_STATE || !member_done(m, "restore_locate", status)) return;
    REQUIRE(restore.size_bytes <= sizeof bytes);
    while ((status = pr_restore_read(&m->ctx, &restore, bytes)) == PR_PENDING) continue;
    pr_restore_close(&restore);
    /* alone in its process, a member cannot know whether the file has been deleted meanwhile */
    if (status != PR_DISK || m->world != NULL) read_well(m, status);
}

void spill_clean(struct member *m)
{
    int error;
    if (one_in(m, 4)) {
        enum pr_status dropped = pr_spill_drop_copies(&m->ctx);
        if (dropped != PR_EMPTY) member_done(m, "spill_drop_copies", dropped);
    }
    member_done(m, "spill_clean", pr_spill_clean(&m->ctx, &error));
}
