/* Resources, queues of ready tasks, and who gets woken for them. All inside a transaction. */
#ifndef PYRAY_ENGINE_SCHED_H
#define PYRAY_ENGINE_SCHED_H

#include "engine/engine.h"

/* The class of a demand vector, made if new. PR_TABLE_FULL when there are too many different ones.
 */
PR_MUST_CHECK enum pr_status pr_class_find(struct pr_context *ctx, const struct pr_demand *demand,
                                           uint32_t demand_count, pr_index *shape);
/* Could this class ever run here? Compares with totals, not with what is free. */
bool pr_class_feasible(const struct pr_context *ctx, pr_index shape);

bool pr_resources_fit(const struct pr_context *ctx, pr_index shape);
void pr_resources_take(struct pr_context *ctx, pr_index shape);
void pr_resources_give(struct pr_context *ctx, pr_index shape);

void pr_queue_push(struct pr_context *ctx, pr_index task);
void pr_queue_push_front(struct pr_context *ctx, pr_index task);
void pr_queue_remove(struct pr_context *ctx, pr_index task);
/* The next task that fits the free resources, off its queue; or none. */
pr_index pr_queue_pop(struct pr_context *ctx);

void pr_idle_push(struct pr_context *ctx, pr_index slot);
void pr_idle_remove(struct pr_context *ctx, pr_index slot);

/* Asks for what only the supervisor does: PR_REQUEST_KILL (with PR_REQUEST_EXIT: no more work until
 * then), PR_REQUEST_INTERRUPT. */
void pr_slot_request(struct pr_context *ctx, pr_index slot, uint32_t requests);

/* After anything that may have made a task runnable: wakes one idle worker, or asks for a new one,
 * if a ready task fits the free resources and nobody is on the way already. One step at a time: the
 * woken worker calls this again when it takes its task. */
void pr_sched_nudge(struct pr_context *ctx);

#endif
