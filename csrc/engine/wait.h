/* Waiting for objects.
 *
 * A thread that must wait puts a WATCH edge on each object that is not sealed; sealing removes the
 * edge and counts a hit on the thread's latch. Watches stay across calls: wait(1,000 refs) called
 * 1,000 times places 1,000 of them, not 500,000. The latch is armed with the number of hits that
 * could make the condition true, so that get() of 10,000 results wakes its thread once.
 *
 * Why no wake-up is lost: every object of the list was either sealed when its part of the list was
 * scanned, or watched from then on; so sealed-now <= sealed-when-scanned + hits since the scan
 * began, and the latch is armed for that sum. Hits of other objects only wake too early. */
#ifndef PYRAY_ENGINE_WAIT_H
#define PYRAY_ENGINE_WAIT_H

#include "engine/engine.h"

struct pr_wait {
    const struct pr_ref *refs;
    uint32_t count;
    uint32_t need;      /* how many must be sealed */
    bool stop_at_error; /* one sealed error is enough */
    pr_index latch;
    uint8_t *sealed; /* out: per reference, 0 or 1 (2: an error) */
    uint32_t ready;  /* out */
};

/* PR_OK: the condition holds. PR_PENDING: it does not, and nothing has been registered. */
PR_MUST_CHECK enum pr_status pr_wait_poll(struct pr_context *ctx, struct pr_wait *wait);

/* PR_OK: the condition holds. PR_PENDING: sleep on the latch while its sequence is *seen, then call
 * again. */
PR_MUST_CHECK enum pr_status pr_wait_arm(struct pr_context *ctx, struct pr_wait *wait,
                                         uint32_t *seen);

/* After the last sleep: no wake-ups are wanted any more. */
void pr_wait_disarm(struct pr_context *ctx, pr_index latch);

#endif
