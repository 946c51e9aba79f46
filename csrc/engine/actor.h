/* Actors: a process with a mailbox of its own. All inside a transaction.
 *
 * Calls of one caller run in the order made: a call whose arguments are not ready opens a lane for
 * its caller, and later calls of that caller queue there behind it; without such a call no lane
 * exists and calls go straight to the mailbox. */
#ifndef PYRAY_ENGINE_ACTOR_H
#define PYRAY_ENGINE_ACTOR_H

#include "engine/engine.h"

/* Makes the entry and its handle object, which gets one HELD reference of this process. */
PR_MUST_CHECK enum pr_status pr_actor_new(struct pr_context *ctx, struct pr_ref *handle,
                                          pr_index *edge);
/* The actor that a handle object stands for. */
PR_MUST_CHECK enum pr_status pr_actor_find(const struct pr_context *ctx, struct pr_ref handle,
                                           pr_index *actor);

/* A call that has just been submitted, its arguments ready or not. */
PR_MUST_CHECK enum pr_status pr_actor_accept(struct pr_context *ctx, pr_index task);
/* A call's last awaited argument was sealed. */
void pr_actor_call_ready(struct pr_context *ctx, pr_index task);
/* Moves calls from a lane to the mailbox, in bounded steps. */
bool pr_actor_chore_step(struct pr_context *ctx, pr_index actor);

pr_index pr_actor_pop(struct pr_context *ctx, pr_index actor);

/* The creation task starts in this slot: from now on there is a process to kill. */
void pr_actor_starts(struct pr_context *ctx, pr_index actor, pr_index slot);
/* The creation task ended in this slot. */
void pr_actor_created(struct pr_context *ctx, pr_index actor, pr_index slot, bool failed);
/* Its process is gone (or never came): no more calls. */
void pr_actor_die(struct pr_context *ctx, pr_index actor, enum pr_cause cause,
                  const struct pr_slot *died);
/* Nobody holds the handle object. True when the entry is gone and the object may go too. */
bool pr_actor_released(struct pr_context *ctx, pr_index actor);

struct pr_failure pr_actor_failure(const struct pr_context *ctx, pr_index actor, const char *name);

/* ray.kill: the supervisor kills its process, if it has one; calls fail from now on. Outside
 * transactions. */
PR_MUST_CHECK enum pr_status pr_actor_kill(struct pr_context *ctx, struct pr_ref handle);

#endif
