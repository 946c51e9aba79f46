/* Resources and classes of demands. All inside a transaction. */
#ifndef PYRAY_ENGINE_RESOURCES_H
#define PYRAY_ENGINE_RESOURCES_H

#include "engine/engine.h"

/* What tasks of a class have in common. */
struct pr_class_key {
    const struct pr_demand *demand; /* in the order of resources */
    uint32_t demand_count;
    pr_index environment;
    pr_index placement; /* group, or none */
    uint32_t bundle;    /* of that, counted from 1; 0: any */
};

/* The class of this key, made if new. PR_TABLE_FULL when there are too many different ones. */
PR_MUST_CHECK enum pr_status pr_class_find(struct pr_context *ctx, const struct pr_class_key *key,
                                           pr_index *shape);
/* Could this class ever run here? Compares with totals, not with what is free. */
bool pr_class_feasible(const struct pr_context *ctx, pr_index shape);

bool pr_resources_fit(const struct pr_context *ctx, pr_index shape);
/* `holding` belongs to whoever has them, a task or an actor's process: set when taking, and read
 * when giving. A quantity of 1 or more takes whole GPUs; a fraction shares one. */
void pr_resources_take(struct pr_context *ctx, pr_index shape, const struct pr_holding *holding);
/* `lent`: its CPUs are given already. */
void pr_resources_give(struct pr_context *ctx, pr_index shape, struct pr_holding holding,
                       bool lent);
/* Only the CPUs, for as long as their task waits. */
void pr_resources_lend(struct pr_context *ctx, pr_index shape, struct pr_holding holding);
void pr_resources_reclaim(struct pr_context *ctx, pr_index shape, struct pr_holding holding);

#endif
