/* Named actors: a name in a namespace stands for at most one actor that is not dead.
 *
 * An entry belongs to its actor, which names it; it goes in the transaction in which the actor
 * dies, so that the name is free for the next one. It does not keep the actor alive. */
#ifndef PYRAY_ENGINE_NAMES_H
#define PYRAY_ENGINE_NAMES_H

#include "engine/engine.h"

struct pr_actor_name {
    const uint8_t *text; /* the namespace, then the name */
    uint32_t space_size;
    uint32_t name_size;
};

/* Inside a transaction: names an actor. PR_STATE when the name is taken. `about` is held by the
 * entry (index none: nothing). */
PR_MUST_CHECK enum pr_status pr_name_add(struct pr_context *ctx, pr_index actor,
                                         const struct pr_actor_name *name, struct pr_ref about);
/* Inside a transaction: the actor is dead. */
void pr_name_remove(struct pr_context *ctx, pr_index actor);

/* The handle of the actor of that name, and what its creator said about it. Neither is held: the
 * actor may die before the caller acquires them. PR_EMPTY: nobody has that name. */
PR_MUST_CHECK enum pr_status pr_name_find(struct pr_context *ctx, const struct pr_actor_name *name,
                                          struct pr_ref *handle, struct pr_ref *about);
/* The first name behind the entry `*after` (0 at first), which is set to it. PR_EMPTY: no more. */
PR_MUST_CHECK enum pr_status pr_name_next(struct pr_context *ctx, uint32_t *after,
                                          struct pr_name *copy);

#endif
