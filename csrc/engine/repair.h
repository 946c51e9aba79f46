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

/* Inside a transaction: one bounded step of taking a latch back. PR_EMPTY when it is gone. */
PR_MUST_CHECK enum pr_status pr_repair_latch(struct pr_context *ctx, pr_index slot, pr_index latch);

#endif
