/* A worker that is to be killed for its task: only while it runs that one. */
#include "engine/workers.h"

#include "tests/session_fixture.h"

static struct pr_context driver, worker;
static struct pr_ref function;
static struct pr_taken taken;

static void open_session(void)
{
    fixture_create(&driver, 1 << 20, 1);
    fixture_worker(&worker, &driver);
    function = fixture_put(&driver, 0);
}

static void close_session(void)
{
    AUDIT(&driver);
    pr_session_detach(&driver, false);
}

static struct pr_ref submit(uint32_t flags)
{
    struct pr_ref result;
    struct pr_submission s =
        fixture_submission(function, fixture_shape(&driver, PR_RESOURCE_UNIT), 1, &result);
    s.flags = flags;
    s.retries = 1;
    OK(pr_submit(&driver, &s));
    return result;
}

static struct pr_worker_view look(void)
{
    struct pr_worker_view view;
    uint32_t count;
    OK(pr_workers_view(&driver, &view, 1, &count));
    REQUIRE(count == 1);
    return view;
}

static void what_was_seen_is_killed_and_takes_no_other(void)
{
    open_session();
    submit(0);
    struct pr_ref next = submit(0);
    OK(pr_take(&worker, &taken));
    struct pr_worker_view seen = look();
    CHECK(seen.serial == taken.serial);
    OK(pr_worker_condemn(&driver, seen.slot, seen.serial, seen.is_actor));
    CHECK(pr_slot_at(&driver, worker.slot)->requests & PR_REQUEST_KILL);
    CHECK(fixture_finish(&worker, &taken, 1, &taken) == PR_EXIT); /* before it was killed */
    OK(pr_sweep(&driver, worker.slot, 9));
    fixture_worker(&worker, &driver);
    OK(pr_take(&worker, &taken));
    CHECK(taken.result.index == next.index && taken.attempt == 1);
    OK(pr_sweep(&driver, worker.slot, 9));
    close_session();
}

static void who_has_gone_on_is_not_killed_but_ends(void)
{
    open_session();
    submit(0);
    struct pr_worker_view idle = look();
    OK(pr_take(&worker, &taken));
    CHECK(pr_worker_condemn(&driver, idle.slot, idle.serial, idle.is_actor) == PR_STATE);
    CHECK(!(pr_slot_at(&driver, worker.slot)->requests & PR_REQUEST_KILL));
    struct pr_worker_view seen = look();
    CHECK(fixture_finish(&worker, &taken, 1, &taken) == PR_EXIT);
    CHECK(pr_worker_condemn(&driver, seen.slot, seen.serial, seen.is_actor) == PR_STATE);
    pr_session_detach(&worker, false);
    close_session();
}

static void an_actor_is_judged_whatever_it_runs(void)
{
    open_session();
    submit(PR_TASK_CREATES_ACTOR);
    OK(pr_take(&worker, &taken));
    struct pr_worker_view seen = look();
    CHECK(seen.is_actor && seen.serial == taken.serial);
    CHECK(fixture_finish(&worker, &taken, 1, &taken) == PR_EMPTY);
    OK(pr_worker_condemn(&driver, seen.slot, seen.serial, seen.is_actor));
    OK(pr_sweep(&driver, worker.slot, 9));
    close_session();
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(what_was_seen_is_killed_and_takes_no_other);
    RUN(who_has_gone_on_is_not_killed_but_ends);
    RUN(an_actor_is_judged_whatever_it_runs);
    return harness_end();
}
