/* A task that waits for another which has not started may run it itself, in the same process.
 *
 * Without that every level of nesting blocks one more process: a recursion 1,000 deep would need
 * 1,000 of them. It is done only when many tasks wait already (pr_session_config.help_from) and no
 * worker is idle, since the two tasks then share a process: globals, the current directory, and
 * death. Hence also:
 *
 *   - both are plain tasks, without streams (a producer may have to wait for who waits), with the
 *     same demands, none of them GPUs; the helped one runs on what the waiting one holds, which is
 *     not lent meanwhile, and holds nothing of its own;
 *   - both run for the first time and may be retried: should the process die of the one, both run
 *     again, each in a process of its own. It costs a retry of the one that ran, and none of those
 *     that waited for it; none at all if the process was killed because one of them was cancelled.
 *
 * A helped task that wants to leave the process (sys.exit) does not take the others with it: it
 * goes back to the queue, one retry less, and leaves a process of its own next time.
 */
#ifndef PYRAY_ENGINE_HELP_H
#define PYRAY_ENGINE_HELP_H

#include "engine/work.h"

#define PR_HELP_DEPTH 32u /* how far a chain of arguments is followed */

/* Takes the task that makes `awaited`, or the first one of those that it needs in turn, for the
 * process that runs `waiting`. PR_EMPTY: none may be. */
PR_MUST_CHECK enum pr_status pr_help_take(struct pr_context *ctx, pr_index waiting,
                                          struct pr_ref awaited, struct pr_taken *taken);

/* The helped task is not finished here: it runs again, in a process of its own. Its results are as
 * at the beginning. PR_STATE: it is not this process's. */
PR_MUST_CHECK enum pr_status pr_help_give_back(struct pr_context *ctx, pr_index task);

/* For a driver without workers: takes the plain task that makes `result`, whatever it demands; it
 * holds nothing. PR_EMPTY: it waits for arguments, or has been taken or ended. */
PR_MUST_CHECK enum pr_status pr_help_start(struct pr_context *ctx, struct pr_ref result,
                                           struct pr_taken *taken);

#endif
