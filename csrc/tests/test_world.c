/* Random operations of several processes without any death: the tables stay sound, nobody
 * oversleeps, and in the end nothing is left. The same operations are crashed in test_crash.c. */
#include "tests/world.h"

static struct world world;

static void random_operations(void)
{
    uint32_t worlds = (uint32_t)harness_number("worlds", "PYRAY_TEST_WORLDS", 100);
    for (uint32_t i = 0; i < worlds && harness.failures == 0; i++) {
        world_create(&world, harness_seed() + i);
        for (int step = 0; step < 300 && harness.failures == 0; step++) {
            const char *what = "", *name = world_operate(&world);
            CHECK_THAT(pr_audit(&world.reaper, NULL, &what) == PR_OK,
                       "world %u step %d, after %s: %s", i, step, name, what);
            what = world_check_wakes(&world);
            CHECK_THAT(what == NULL, "world %u step %d, after %s: %s", i, step, name, what);
        }
        const char *wrong = world_end(&world);
        CHECK_THAT(wrong == NULL, "world %u: %s", i, wrong);
        world_destroy(&world);
    }
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(random_operations);
    return harness_end();
}
