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
    uint64_t serial;      /* of the task; 0: none */
    char name[PR_NAME_BYTES];
};

/* All workers that live, as they are at one moment; at most `capacity`. */
PR_MUST_CHECK enum pr_status pr_workers_view(struct pr_context *ctx, struct pr_worker_view *views,
                                             uint32_t capacity, uint32_t *count);

/* Has a worker killed for what it was seen to do: from now on it takes no task. PR_STATE: it has
 * gone on to another one meanwhile (`serial` is what it ran, 0 for none; an actor's process is
 * judged by being one). It is asked to end after that, and is not to be killed. */
PR_MUST_CHECK enum pr_status pr_worker_condemn(struct pr_context *ctx, pr_index slot,
                                               uint64_t serial, bool is_actor);

/* Serial number of the first task that the process of a slot runs, 0 if none. Without the lock: for
 * a process that is dead. */
uint64_t pr_running_serial(const struct pr_context *ctx, pr_index slot);

#endif
