/* Cancelling tasks.
 *
 * A task that has not started fails with PR_CAUSE_CANCELLED and never runs. One that runs is marked
 * PR_TASK_CANCELLED: it is not retried, and its process is told. The mark is the task's and not the
 * process's, so that a request which arrives late finds nothing to do: what runs there by then has
 * no mark (pr_cancel_take).
 *
 *   a task        its slot gets PR_REQUEST_INTERRUPT, and the supervisor sends the signal: it alone
 *                 can be sure that the process id is still that worker's
 *   with `force`  the slot gets PR_REQUEST_KILL, as for an actor that is killed
 *   a call        its actor's latch is woken: who runs several calls at a time finds the one with
 *                 pr_cancel_next; one that runs is never interrupted, and never killed
 *
 * Finished tasks, and the creation of actors, are left alone. */
#ifndef PYRAY_ENGINE_CANCEL_H
#define PYRAY_ENGINE_CANCEL_H

#include "engine/task.h"

/* Cancels the task that produces `result`; with `recursive` those that it has submitted as well,
 * and theirs. PR_STATE: `force` on a call of an actor that has not finished. */
PR_MUST_CHECK enum pr_status pr_cancel(struct pr_context *ctx, struct pr_ref result, bool force,
                                       bool recursive);

/* Cancels what the task with this serial number has submitted, and theirs; but no tasks with serial
 * numbers above `last`: a task that has been told may submit others while it cleans up. */
PR_MUST_CHECK enum pr_status pr_cancel_children(struct pr_context *ctx, uint64_t serial,
                                                uint64_t last, bool force);

/* Has somebody cancelled this task, which this process runs? */
bool pr_cancel_asked(struct pr_context *ctx, pr_index task);

/* The same, once for each time that it was cancelled. *recursive: its children are to be cancelled,
 * too. */
bool pr_cancel_take(struct pr_context *ctx, pr_index task, bool *recursive);

/* The next of the tasks that this process runs for which pr_cancel_take would answer true, or none.
 */
pr_index pr_cancel_next(struct pr_context *ctx);

/* The supervisor: is this slot's process to be interrupted? Answers true once for each request. */
bool pr_interrupt_take(struct pr_context *ctx, pr_index slot);

/* Inside a transaction: is this task, which is being submitted here, a child of one that was
 * cancelled with its children, and that does not know it yet? The search for children may have
 * passed. */
bool pr_cancel_reaches(const struct pr_context *ctx, const struct pr_task *child);

/* Inside a transaction: fails a task that has become complete after it was cancelled. */
void pr_cancel_complete(struct pr_context *ctx, pr_index task);
/* Inside a transaction: fails a task that is READY or WAITING, but no creation of an actor. */
void pr_cancel_queued(struct pr_context *ctx, pr_index task, enum pr_cause cause);

#endif
