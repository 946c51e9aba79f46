/* Actors: a process with a mailbox of its own (engine/mailbox.h). All inside a transaction, except
 * where it says otherwise. */
#ifndef PYRAY_ENGINE_ACTOR_H
#define PYRAY_ENGINE_ACTOR_H

#include "engine/mailbox.h"
#include "engine/names.h"

/* What an actor is given when it is made. */
struct pr_actor_plan {
    struct pr_actor_name name; /* text NULL: none */
    struct pr_ref about;       /* for those who find it by name */
    uint32_t flags;            /* enum pr_actor_flag */
    uint32_t groups;           /* concurrency groups but the default one */
    int32_t restarts;          /* -1: for ever */
    pr_index label;            /* of its creation (engine/labels.h), or none */
};

/* Makes the entry and its handle object, which gets one HELD reference of this process. PR_STATE:
 * the name is taken. */
PR_MUST_CHECK enum pr_status pr_actor_new(struct pr_context *ctx, const struct pr_actor_plan *plan,
                                          struct pr_ref *handle, pr_index *edge);
/* The actor that a handle object stands for. */
PR_MUST_CHECK enum pr_status pr_actor_find(const struct pr_context *ctx, struct pr_ref handle,
                                           pr_index *actor);
/* A task of this actor holds its handle from now on, or no more. */
void pr_actor_bind(struct pr_context *ctx, pr_index actor);
void pr_actor_unbind(struct pr_context *ctx, pr_index actor);
/* Calls that are not finished. */
uint32_t pr_actor_calls(const struct pr_context *ctx, pr_index actor);

/* One bounded step of what the actor has left over: calls to fail, to keep or to move. */
bool pr_actor_chore_step(struct pr_context *ctx, pr_index actor);

/* The creation task starts in this slot: from now on there is a process to kill. */
void pr_actor_starts(struct pr_context *ctx, pr_index actor, pr_index slot);
/* The creation task ended in this slot. */
void pr_actor_created(struct pr_context *ctx, pr_index actor, pr_index slot, bool failed);
/* Its creation task, off all lists, has done its work or died with its process, and may run again.
 */
void pr_actor_keep_creation(struct pr_context *ctx, pr_index actor, pr_index task);
/* Its process, that of `slot`, died by itself: the actor restarts or dies. */
void pr_actor_lost(struct pr_context *ctx, pr_index actor, pr_index slot);
/* A call, off all lists, was running when the process died: it runs again or fails. */
void pr_actor_lost_call(struct pr_context *ctx, pr_index task, const struct pr_slot *died);
/* No more calls, no restart. */
void pr_actor_die(struct pr_context *ctx, pr_index actor, enum pr_cause cause,
                  const struct pr_slot *died);
/* The same for one that is not dead, and its process is to be killed. */
void pr_actor_end(struct pr_context *ctx, pr_index actor, enum pr_cause cause);
/* Nobody holds the handle object. True when the entry is gone and the object may go too. */
bool pr_actor_released(struct pr_context *ctx, pr_index actor);

/* Its handle object, or none. */
struct pr_ref pr_actor_handle(const struct pr_context *ctx, pr_index actor);
struct pr_failure pr_actor_failure(const struct pr_context *ctx, pr_index actor, const char *name);

/* ---- outside transactions ---- */

/* ray.kill: the supervisor kills its process, if it has one. With `no_restart`, or when no restart
 * is left, calls fail from now on. */
PR_MUST_CHECK enum pr_status pr_actor_kill(struct pr_context *ctx, struct pr_ref handle,
                                           bool no_restart);
/* The actor of this process ends by its own wish: its calls fail, and there is no restart. Calls
 * that run in this process may still be finished. */
PR_MUST_CHECK enum pr_status pr_actor_leave(struct pr_context *ctx, struct pr_ref handle);

#endif
