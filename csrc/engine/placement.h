/* Placement groups: bundles of resources that are reserved together, for tasks that ask for them.
 *
 * group    PENDING (on a list, first come first served) -> CREATED (its bundles have their
 *          resources) -> REMOVED (what is free goes back at once, the rest as its users end) ->
 *          FREE when nobody uses it.
 *          INFEASIBLE: more than this machine has, for ever.
 *
 * A class belongs to a group and perhaps to one of its bundles. Users are the tasks of such classes
 * and the processes of actors that keep what their creation took. Tasks of a removed group are
 * failed by the workers that take them; its running ones are killed by the supervisor. */
#ifndef PYRAY_ENGINE_PLACEMENT_H
#define PYRAY_ENGINE_PLACEMENT_H

#include "engine/engine.h"

struct pr_bundle_plan {
    uint32_t demand_count;
    struct pr_demand demand[PR_DEMAND_MAX];
};

struct pr_placement_plan {
    uint32_t strategy;
    uint32_t bundle_count; /* at most PR_BUNDLE_MAX */
    bool is_detached;      /* does not end with the job */
    const struct pr_bundle_plan *bundles;
    char name[PR_PLACEMENT_NAME]; /* "": none */
};

/* A new group, created at once if there is room. PR_STATE: the name is taken. */
PR_MUST_CHECK enum pr_status pr_placement_new(struct pr_context *ctx,
                                              const struct pr_placement_plan *plan,
                                              struct pr_ref *group);
/* PR_STALE if it is gone. */
PR_MUST_CHECK enum pr_status pr_placement_remove(struct pr_context *ctx, struct pr_ref group);
/* What the tables say: the group of this index (PR_STALE: there is none) and up to `room` bundles.
 */
PR_MUST_CHECK enum pr_status pr_placement_read(struct pr_context *ctx, pr_index group,
                                               struct pr_placement *copy, struct pr_bundle *bundles,
                                               uint32_t room);
/* All groups have indices from 1 to below this. */
pr_index pr_placement_end(const struct pr_context *ctx);
/* The supervisor: whether this process uses a group that was removed, and must be killed. */
bool pr_placement_kills(struct pr_context *ctx, pr_index slot);

/* ---- inside a transaction ---- */

/* Does this class, or none, belong to a group that was removed? */
bool pr_placement_is_removed(const struct pr_context *ctx, pr_index shape);
/* A task of the group's class begins to exist, or ceases to. */
PR_MUST_CHECK enum pr_status pr_placement_enter(struct pr_context *ctx, struct pr_ref group);
void pr_placement_use(struct pr_context *ctx, pr_index group);
void pr_placement_leave(struct pr_context *ctx, pr_index group);
/* Removes a group that has not been removed. */
void pr_placement_end_group(struct pr_context *ctx, pr_index group);
/* Something was given back: creates pending groups that fit now. Where many wait, a chore goes on
 * with it. */
void pr_placement_look(struct pr_context *ctx);
/* That chore, one step: false if there is nothing to do. */
bool pr_placement_advance(struct pr_context *ctx);

/* For a class of a group: as the functions of resources.h. A removed group's tasks always fit. */
bool pr_placement_fits(const struct pr_context *ctx, const struct pr_class *c);
void pr_placement_take(struct pr_context *ctx, const struct pr_class *c,
                       const struct pr_holding *holding);
void pr_placement_give(struct pr_context *ctx, const struct pr_class *c, struct pr_holding holding,
                       bool lent);
void pr_placement_lend(struct pr_context *ctx, const struct pr_class *c, pr_index bundle,
                       int64_t sign);

#endif
