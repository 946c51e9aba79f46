/* An actor's calls until they run: the mailbox, one for each concurrency group, and the lanes. All
 * inside a transaction.
 *
 * Calls of one caller run in the order made: a call whose arguments are not ready opens a lane for
 * its caller, and later calls of that caller queue there behind it; without such a call no lane
 * exists and calls go straight to the mailbox. Of an actor that runs calls out of order only those
 * are in a lane whose arguments are not ready.
 *
 * When the process dies and the actor restarts, what the mailbox holds is in doubt: its caller may
 * not want it to run on the new instance. The whole list is set aside in one step, then sorted in
 * bounded ones; calls that come in meanwhile queue behind it. */
#ifndef PYRAY_ENGINE_MAILBOX_H
#define PYRAY_ENGINE_MAILBOX_H

#include "engine/engine.h"

/* Mailboxes for the groups 1 to `count`. */
PR_MUST_CHECK enum pr_status pr_mailbox_open_groups(struct pr_context *ctx, pr_index actor,
                                                    uint32_t count);
void pr_mailbox_close_groups(struct pr_context *ctx, pr_index actor);

/* A call that has just been submitted, its arguments ready or not. */
PR_MUST_CHECK enum pr_status pr_mailbox_accept(struct pr_context *ctx, pr_index task);
/* A call's last awaited argument was sealed. */
void pr_mailbox_call_ready(struct pr_context *ctx, pr_index task);
/* A call that ran and will run again: before all others. */
void pr_mailbox_return(struct pr_context *ctx, pr_index task);
/* The next call of one of the groups whose bit is set, off its list; or none. */
pr_index pr_mailbox_pop(struct pr_context *ctx, pr_index actor, uint32_t groups);
/* Takes a call that has not started out of the mailbox or its lane. */
void pr_mailbox_remove(struct pr_context *ctx, pr_index task);
bool pr_mailbox_has_calls(const struct pr_context *ctx, pr_index actor);

/* Moves ready calls from lanes to the mailbox, in bounded steps; true when done. */
bool pr_mailbox_drain_lanes(struct pr_context *ctx, pr_index actor);
/* Sets aside what the mailbox holds. */
void pr_mailbox_doubt(struct pr_context *ctx, pr_index actor);
/* The next call in doubt, off its list; or none. */
pr_index pr_mailbox_next_doubt(struct pr_context *ctx, pr_index actor);
/* Back into the mailbox, behind those that are there. */
void pr_mailbox_keep(struct pr_context *ctx, pr_index task);
/* The next call of a dead actor, from anywhere, off its list; or none. */
pr_index pr_mailbox_next_victim(struct pr_context *ctx, pr_index actor);

#endif
