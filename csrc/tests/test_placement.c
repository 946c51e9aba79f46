/* Placement groups that wait: many that do not fit must not hide one that does. */
#include "engine/placement.h"

#include "engine/workers.h"
#include "tests/session_fixture.h"

#define MANY 400u /* more than are looked at in one transaction */

static struct pr_context driver;

static struct pr_ref new_group(int64_t cpus)
{
    struct pr_bundle_plan bundle = {.demand_count = 1};
    struct pr_placement_plan plan = {.bundle_count = 1, .bundles = &bundle};
    struct pr_ref group;
    bundle.demand[0] = (struct pr_demand){.resource = 0, .amount = cpus * PR_RESOURCE_UNIT};
    OK(pr_placement_new(&driver, &plan, &group));
    return group;
}

static bool is_created(struct pr_ref group)
{
    return pr_placement_at(&driver, group.index)->state == PR_PLACEMENT_CREATED;
}

static void remove_group(struct pr_ref group) { OK(pr_placement_remove(&driver, group)); }

static void many_that_do_not_fit_hide_none_that_does(void)
{
    static struct pr_ref waiting[MANY];
    fixture_create(&driver, 1 << 20, 0);
    struct pr_ref three = new_group(3);
    for (uint32_t i = 0; i < MANY; i++) waiting[i] = new_group(2);
    CHECK(is_created(three) && !is_created(waiting[0]));
    struct pr_ref small = new_group(1);
    CHECK(is_created(small)); /* at once */
    struct pr_ref last = new_group(1);
    CHECK(!is_created(last));
    AUDIT(&driver);
    remove_group(small); /* again only the last one fits */
    CHECK(is_created(last) && !is_created(waiting[0]));
    CHECK(pr_engine_root(&driver)->pending_next == PR_NONE);
    remove_group(three); /* first come, first served */
    CHECK(is_created(waiting[0]) && !is_created(waiting[1]));
    for (uint32_t i = 0; i < MANY; i++) remove_group(waiting[i]);
    remove_group(last);
    CHECK(pr_engine_root(&driver)->resources[0].free == 4 * PR_RESOURCE_UNIT);
    AUDIT(&driver);
    pr_session_detach(&driver, false);
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(many_that_do_not_fit_hide_none_that_does);
    return harness_end();
}
