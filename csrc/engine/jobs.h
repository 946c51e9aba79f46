/* Jobs: a driver, and what it has brought about.
 *
 * The driver that made the session is job PR_FIRST_JOB, whose crew is in the root; when it goes,
 * the session ends. Each driver that joins later gets a number of its own, and an environment of
 * its own before its first task: so workers, classes and their queues belong to one job, and what a
 * task belongs to its class says. An observer has a slot like a driver's, and no job.
 *
 * When a driver has gone, the supervisor ends its job in passes (pr_job_end), until nothing of it
 * is left but what descends from detached actors (PR_TASK_OUTLIVES). Nothing about this is stored:
 * a pass looks at what is there.
 *
 * Dying inside: the slot is the supervisor's until the driver adopts it, and has the driver's
 * process id from the beginning; so whoever watches that process knows what to sweep. */
#ifndef PYRAY_ENGINE_JOBS_H
#define PYRAY_ENGINE_JOBS_H

#include "engine/session.h"

struct pr_joined {
    pr_index slot;
    uint32_t job;
};

/* The supervisor: a slot for a process that asks to join; as an observer, or as the driver of a new
 * job. */
PR_MUST_CHECK enum pr_status pr_driver_reserve(struct pr_context *ctx, uint32_t process_id,
                                               bool observes, struct pr_joined *joined);
/* That process: maps the session, and is in. PR_STATE: the slot is not its own. On failure the
 * descriptors are still the caller's. */
PR_MUST_CHECK enum pr_status pr_driver_attach(struct pr_context *ctx, int control_fd, int heap_fd,
                                              pr_index slot, uint32_t small_tables);

/* What is left of a job. */
struct pr_job_rest {
    uint32_t tasks;
    uint32_t actors;
    uint32_t workers;
    uint32_t outliving; /* of the above, what may live on: descendants of detached actors */
};

/* The supervisor, after the driver has gone: one pass. What waits fails, what runs is asked to be
 * killed, actors die, idle workers are asked to end, placement groups are removed. When nothing is
 * left, the job's environments are given back. */
PR_MUST_CHECK enum pr_status pr_job_end(struct pr_context *ctx, uint32_t job,
                                        struct pr_job_rest *rest);

#endif
