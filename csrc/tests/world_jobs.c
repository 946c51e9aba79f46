/* Operations of tests/world.h on jobs. */
#include "tests/world.h"

/* Of the driver that had joined, once it is dead. A pass ends what it finds. */
void world_end_job(struct member *m)
{
    struct pr_job_rest rest;
    if (m->world == NULL || m->world->member[WORLD_GUEST].role == DRIVER) return;
    member_done(m, "end_job", pr_job_end(&m->ctx, WORLD_GUESTS_JOB, &rest));
}

/* For a process that dies before it has come in. */
void world_reserve_driver(struct member *m)
{
    struct pr_joined joined;
    bool observes = random_one_in(&m->random, 2);
    if (m->world == NULL) return;
    if (!member_done(m, "reserve", pr_driver_reserve(&m->ctx, 1, observes, &joined))) return;
    CHECK((joined.job == PR_NONE) == observes);
    member_done(m, "sweep", pr_sweep(&m->ctx, joined.slot, 0));
}
