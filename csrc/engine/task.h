/* What tasks do once they exist: wait, become ready, fail, end. Submitting them is in submit.h,
 * running them in work.h. */
#ifndef PYRAY_ENGINE_TASK_H
#define PYRAY_ENGINE_TASK_H

#include "engine/engine.h"

/* While this process waits for objects its task's CPUs serve others. */
void pr_task_lend(struct pr_context *ctx, pr_index task);
void pr_task_reclaim(struct pr_context *ctx, pr_index task);

/* ---- inside a transaction ---- */

/* One bounded step of telling a sealed object's waiters; true when all are told. */
bool pr_resolve_step(struct pr_context *ctx, pr_index object);
/* Puts a task whose arguments are all there where a worker will find it. */
void pr_task_ready(struct pr_context *ctx, pr_index task);
/* Gives up a task that is on no list: results will be sealed with the failure. */
void pr_task_fail(struct pr_context *ctx, pr_index task, const struct pr_failure *failure);
/* The same for one that is READY on its class's queue, or WAITING. */
void pr_task_cancel(struct pr_context *ctx, pr_index task, const struct pr_failure *failure);
/* A slot's lists of tasks (running, submitting): the claim is set and cleared with the membership.
 */
void pr_task_link(struct pr_context *ctx, const uint32_t *head, pr_index task);
void pr_task_unlink(struct pr_context *ctx, const uint32_t *head, pr_index task);
/* Reclaims what the task has lent. */
void pr_task_take_back(struct pr_context *ctx, pr_index task);
/* Off the list of running tasks; gives its resources back. */
void pr_task_unlink_running(struct pr_context *ctx, pr_index task);
/* One that ran here, and is off the list of those, is queued to run again; `is_free`: that is none
 * of its retries. */
void pr_task_again(struct pr_context *ctx, pr_index task, bool is_free);
/* Seals a result, unless it is sealed. */
void pr_task_seal_failure(struct pr_context *ctx, pr_index object,
                          const struct pr_failure *failure);
/* The task has ended and its results are sealed: drops everything that it held. */
void pr_task_end(struct pr_context *ctx, pr_index task);
/* One bounded step of failing or cleaning up; true when the entry is gone. */
bool pr_task_chore_step(struct pr_context *ctx, pr_index task);

struct pr_failure pr_task_failure(const struct pr_context *ctx, pr_index task, enum pr_cause cause,
                                  const struct pr_slot *died);

#endif
