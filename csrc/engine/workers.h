/* What the workers of a session are doing, for those who look after them. */
#ifndef PYRAY_ENGINE_WORKERS_H
#define PYRAY_ENGINE_WORKERS_H

#include "engine/engine.h"

struct pr_worker_view {
    uint32_t slot;
    uint32_t process_id;
    uint32_t state; /* enum pr_slot_state */
    uint32_t is_actor;
    uint32_t is_running;
    int32_t retries_left; /* of the task; 0 for an actor's */
    uint64_t started_ns;  /* on the monotonic clock */
    char name[PR_NAME_BYTES];
};

/* All workers that live, as they are at one moment; at most `capacity`. */
PR_MUST_CHECK enum pr_status pr_workers_view(struct pr_context *ctx, struct pr_worker_view *views,
                                             uint32_t capacity, uint32_t *count);

/* Serial number of the first task that the process of a slot runs, 0 if none. Without the lock: for
 * a process that is dead. */
uint64_t pr_running_serial(const struct pr_context *ctx, pr_index slot);

#endif
