#include "engine/wait.h"

#define SCAN_STEP 1024u /* read only */
#define WATCH_STEP 128u /* with registration */

struct scan {
    struct pr_wait *wait;
    uint32_t from, to;
    uint32_t ready;
    bool error;
    bool watch;
};

/* The private mark says so, or, when another thread's watch has taken its place, one of the first
 * waiters. A watch that is not found is placed again: its second hit wakes too early, no more. */
static bool is_watched(const struct pr_context *ctx, struct pr_ref ref, pr_index latch)
{
    const struct pr_local *local = &ctx->local[ref.index];
    if (local->watch == latch && local->generation == ref.generation) return true;
    pr_index edge = pr_object_at(ctx, ref.index)->waiters;
    for (uint32_t i = 0; i < PR_STEP_EDGES && edge != PR_NONE;
         i++, edge = pr_edge_at(ctx, edge)->wait_next)
        if (pr_edge_at(ctx, edge)->kind == PR_EDGE_WATCH && pr_edge_at(ctx, edge)->owner == latch)
            return true;
    return false;
}

static enum pr_status add_watch(struct pr_context *ctx, struct pr_ref ref, pr_index latch)
{
    const struct pr_latch *l = pr_latch_at(ctx, latch);
    pr_index edge;
    if (is_watched(ctx, ref, latch)) return PR_OK;
    PR_TRY(pr_edge_new(ctx, &l->watches, PR_EDGE_WATCH, latch, ref.index, 0, &edge));
    pr_edge_await(ctx, edge);
    return PR_OK;
}

static enum pr_status scan_step(struct pr_context *ctx, void *argument)
{
    struct scan *scan = argument;
    const struct pr_wait *wait = scan->wait;
    scan->ready = 0;
    scan->error = false;
    for (uint32_t i = scan->from; i < scan->to; i++) {
        const struct pr_object *o;
        PR_TRY(pr_object_find(ctx, wait->refs[i], &o));
        bool sealed = o->state == PR_OBJECT_SEALED;
        bool error = sealed && (o->flags & PR_FLAG_ERROR);
        wait->sealed[i] = (uint8_t)(sealed + error);
        scan->ready += sealed;
        scan->error |= error;
        if (!sealed && scan->watch) PR_TRY(add_watch(ctx, wait->refs[i], wait->latch));
    }
    return PR_OK;
}

/* Private marks follow the commit: the operation may have been rolled back and run again. */
static void mark_watched(struct pr_context *ctx, const struct scan *scan)
{
    for (uint32_t i = scan->from; i < scan->to; i++)
        if (!scan->wait->sealed[i])
            pr_local_of(ctx, scan->wait->refs[i])->watch = scan->wait->latch;
}

/* Scans until the condition holds or the list ends. A list of distinct references is the caller's
 * duty. */
static enum pr_status scan_all(struct pr_context *ctx, struct pr_wait *wait, bool watch)
{
    uint32_t step = watch ? WATCH_STEP : SCAN_STEP;
    wait->ready = 0;
    for (uint32_t from = 0; from < wait->count; from += step) {
        struct scan scan = {
            .wait = wait, .from = from, .to = PR_MIN(from + step, wait->count), .watch = watch};
        PR_TRY(pr_transact(ctx, scan_step, &scan));
        if (watch) mark_watched(ctx, &scan);
        wait->ready += scan.ready;
        if (wait->ready >= wait->need || (scan.error && wait->stop_at_error)) {
            for (uint32_t i = scan.to; i < wait->count; i++) wait->sealed[i] = 0;
            return PR_OK;
        }
    }
    return wait->ready >= wait->need ? PR_OK : PR_PENDING;
}

enum pr_status pr_wait_poll(struct pr_context *ctx, struct pr_wait *wait)
{
    return scan_all(ctx, wait, false);
}

struct arm {
    pr_index latch;
    uint32_t wake_at;
    uint32_t flags;
};

static enum pr_status arm(struct pr_context *ctx, void *argument)
{
    const struct arm *arm = argument;
    const struct pr_latch *l = pr_latch_at(ctx, arm->latch);
    if ((int32_t)(l->hits - arm->wake_at) >= 0)
        return PR_STATE; /* enough happened since the scan */
    TX_SET(ctx, l->wake_at, arm->wake_at);
    TX_SET(ctx, l->armed, arm->flags);
    return PR_OK;
}

/* An error that is sealed after its part of the list was scanned must wake, too: armed for errors
 * from the start. */
static enum pr_status start_scan(struct pr_context *ctx, void *argument)
{
    struct arm *a = argument;
    const struct pr_latch *l = pr_latch_at(ctx, a->latch);
    a->wake_at = l->hits;
    if ((a->flags & PR_LATCH_ERRORS) && l->armed != PR_LATCH_ERRORS)
        TX_SET(ctx, l->armed, PR_LATCH_ERRORS);
    return PR_OK;
}

enum pr_status pr_wait_arm(struct pr_context *ctx, struct pr_wait *wait, uint32_t *seen)
{
    for (;;) {
        struct arm op = {wait->latch, 0,
                         PR_LATCH_ARMED | (wait->stop_at_error ? PR_LATCH_ERRORS : 0)};
        *seen =
            pr_latch_sequence(ctx, wait->latch); /* before anything is checked: see shm/latch.h */
        PR_TRY(pr_transact(ctx, start_scan, &op));
        enum pr_status status = scan_all(ctx, wait, true);
        if (status != PR_PENDING) return status;
        op.wake_at += wait->need - wait->ready;
        status = pr_transact(ctx, arm, &op);
        if (status == PR_OK) PR_FAILPOINT(ctx, WAIT_BEFORE_SLEEP);
        if (status == PR_OK) return PR_PENDING;
        if (status != PR_STATE) return status;
    }
}

static enum pr_status disarm(struct pr_context *ctx, void *argument)
{
    const pr_index *latch = argument;
    if (pr_latch_at(ctx, *latch)->armed) TX_SET(ctx, pr_latch_at(ctx, *latch)->armed, 0);
    return PR_OK;
}

void pr_wait_disarm(struct pr_context *ctx, pr_index latch)
{
    PR_ASSERT(pr_transact(ctx, disarm, &latch) != PR_STATE);
}
