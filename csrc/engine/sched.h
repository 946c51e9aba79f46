/* Queues of ready tasks, and who gets woken for them. All inside a transaction. */
#ifndef PYRAY_ENGINE_SCHED_H
#define PYRAY_ENGINE_SCHED_H

#include "engine/resources.h"

void pr_queue_push(struct pr_context *ctx, pr_index task);
void pr_queue_push_front(struct pr_context *ctx, pr_index task);
void pr_queue_remove(struct pr_context *ctx, pr_index task);
/* The environment's next task that fits the free resources, off its queue; or none. */
pr_index pr_queue_pop(struct pr_context *ctx, pr_index environment);

void pr_idle_push(struct pr_context *ctx, pr_index slot);
void pr_idle_remove(struct pr_context *ctx, pr_index slot);
/* It is no longer STARTING, WAKING or IDLE: the caller sets what it is now. */
void pr_sched_leave_state(struct pr_context *ctx, pr_index slot);
/* Asks the supervisor for one more worker. */
void pr_sched_request(struct pr_context *ctx, const struct pr_crew *crew);

/* Asks for what only the supervisor does: PR_REQUEST_KILL (with PR_REQUEST_EXIT: no more work until
 * then), PR_REQUEST_INTERRUPT. */
void pr_slot_request(struct pr_context *ctx, pr_index slot, uint32_t requests);

/* After anything that may have made a task runnable: wakes one idle worker, or asks for a new one,
 * if a ready task fits the free resources and nobody is on the way already. One step at a time: the
 * woken worker calls this again when it takes its task. Each environment has its own workers. */
void pr_sched_nudge(struct pr_context *ctx);
/* The same without a look at placement groups, of which some may fit now. */
void pr_sched_send(struct pr_context *ctx);

/* Whether workers of this environment are to leave the next task to those of another one. */
bool pr_sched_is_turn_of_others(const struct pr_context *ctx, pr_index environment);

/* A worker of this crew becomes an actor's: asks for another one if none is idle or on its way, so
 * that the next actor, or task, need not wait for a process to start. */
void pr_sched_spare(struct pr_context *ctx, const struct pr_crew *crew);

#endif
