/* Left-over work: what an operation could not finish within one bounded transaction, kept on lists
 * in the tables so that anybody can go on with it: objects to free or whose waiters must be told,
 * tasks whose results must be failed or whose edges dropped, actors whose mailbox must be failed.
 */
#ifndef PYRAY_ENGINE_CHORES_H
#define PYRAY_ENGINE_CHORES_H

#include "engine/engine.h"

void pr_chores_run(struct pr_context *ctx);

/* Inside a transaction. */
void pr_task_add_chore(struct pr_context *ctx, pr_index task);
void pr_actor_add_chore(struct pr_context *ctx, pr_index actor);

#endif
