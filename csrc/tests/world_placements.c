/* Operations of tests/world.h on placement groups. Groups are found in the tables: any process may
 * use any. */
#include "tests/world.h"

static bool any_group(struct member *m, struct pr_ref *group)
{
    uint32_t high_water = pr_load_relaxed(&m->ctx.header->pools[PR_POOL_PLACEMENT].high_water);
    if (high_water < 2) return false;
    group->index = 1 + random_below(&m->random, high_water - 1);
    group->generation = pr_load_relaxed(&pr_placement_at(&m->ctx, group->index)->generation);
    return true;
}

static void check(enum pr_status status, enum pr_status other)
{
    bool expected = status == PR_OK || status == other || status == PR_STALE || status == PR_FULL ||
                    status == PR_TABLE_FULL;
    CHECK_THAT(expected, "placement group: %s", pr_status_text(status));
}

void world_new_group(struct member *m)
{
    struct pr_bundle_plan bundles[3] = {0};
    struct pr_ref group;
    struct pr_placement_plan plan = {.strategy = random_below(&m->random, 4),
                                     .bundle_count = 1 + random_below(&m->random, 3),
                                     .bundles = bundles};
    for (uint32_t i = 0; i < plan.bundle_count; i++) {
        uint32_t units = random_below(&m->random, 3);
        bundles[i].demand_count = 1 + random_below(&m->random, 2);
        bundles[i].demand[0].amount = units * PR_RESOURCE_UNIT;
        bundles[i].demand[1].resource = 1;
        bundles[i].demand[1].amount = PR_RESOURCE_UNIT / 2 * random_below(&m->random, 3);
    }
    if (random_one_in(&m->random, 4)) plan.name[0] = 'a';
    check(pr_placement_new(&m->ctx, &plan, &group), PR_STATE);
}

void world_remove_group(struct member *m)
{
    struct pr_ref group;
    if (any_group(m, &group)) check(pr_placement_remove(&m->ctx, group), PR_OK);
}

void world_submit_to_group(struct member *m)
{
    struct pr_ref group, results[2];
    uint32_t tasks = pr_load_relaxed(&m->ctx.header->pools[PR_POOL_TASK].used);
    if (m->world == NULL && tasks > 200) return; /* they would submit faster than they run */
    if (m->ref_count == 0 || !any_group(m, &group)) return;
    struct pr_demand demand = {.resource = group.index % 2, .amount = PR_RESOURCE_UNIT / 2};
    struct pr_class_key key = {
        .demand = &demand, .demand_count = 1, .placement = group.index, .bundle = group.index % 3};
    pr_index shape;
    enum pr_status status = pr_session_class(&m->ctx, &key, &shape);
    check(status, PR_OK);
    if (status != PR_OK) return;
    struct pr_submission s = fixture_submission(m->refs[0], shape, 2, results);
    s.placement = group;
    s.retries = (int32_t)random_below(&m->random, 2);
    bool creates =
        m->handle_count < MEMBER_HANDLES && random_one_in(&m->random, m->world == NULL ? 30 : 4);
    if (creates) s.flags = PR_TASK_CREATES_ACTOR | PR_TASK_KEEPS;
    status = pr_submit(&m->ctx, &s);
    check(status, PR_OK);
    if (status != PR_OK) return;
    if (creates) m->handles[m->handle_count++] = s.actor;
    for (uint32_t i = 0; i < 2; i++) pr_release(&m->ctx, results[i]);
}

/* Every group goes, and those that use one are to be killed. False: that failed. */
bool world_remove_groups(struct pr_context *ctx)
{
    for (pr_index i = 1; i < ctx->header->pools[PR_POOL_PLACEMENT].high_water; i++) {
        struct pr_ref group = {i, pr_placement_at(ctx, i)->generation};
        enum pr_status status = pr_placement_remove(ctx, group);
        if (status != PR_OK && status != PR_STALE) return false;
    }
    return true;
}
