/* After a death: giving back what the dead process held, one claim per transaction.
 * Only the supervisor calls these, except pr_repair_latch. Dying in between is harmless: the sweep
 * goes on from what is left (but when the supervisor dies the session ends anyway). */
#ifndef PYRAY_ENGINE_REPAIR_H
#define PYRAY_ENGINE_REPAIR_H

#include "engine/engine.h"

/* The process of `slot` is dead (reaped, or known to be gone); `wait_status` as from waitpid.
 * Returns when everything it held has been given back, everybody has been woken and the slot is
 * free again. */
PR_MUST_CHECK enum pr_status pr_sweep(struct pr_context *ctx, pr_index slot, uint32_t wait_status);

/* What is known of a death. */
struct pr_obituary {
    uint32_t wait_status;
    enum pr_cause cause; /* PR_CAUSE_WORKER_DIED or PR_CAUSE_OUT_OF_MEMORY */
    bool free_retry;     /* to run its task again costs none of the retries */
    struct pr_ref words; /* a text that the failures refer to, or none; the caller holds it until
                          * the sweep is done */
};
PR_MUST_CHECK enum pr_status pr_sweep_with(struct pr_context *ctx, pr_index slot,
                                           const struct pr_obituary *obituary);

/* Inside a transaction: one bounded step of taking a latch back. PR_EMPTY when it is gone. */
PR_MUST_CHECK enum pr_status pr_repair_latch(struct pr_context *ctx, pr_index slot, pr_index latch);

#endif
