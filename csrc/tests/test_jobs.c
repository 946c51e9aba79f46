/* Jobs: joining, what ends with a driver and what does not, turns. */
#include <unistd.h>

#include "engine/views.h"
#include "tests/session_fixture.h"

static struct pr_context driver, guest, supervisor, worker, guest_worker;
static struct pr_joined joined;
static struct pr_ref function, guest_function;
static pr_index guest_shape;

static pr_index shape_of(struct pr_context *ctx, uint64_t hash, int64_t cpus)
{
    struct pr_ref description = fixture_put(ctx, hash);
    uint64_t key_hash[2] = {hash, hash};
    struct pr_demand demand = {.amount = cpus * PR_RESOURCE_UNIT};
    struct pr_class_key key = {.demand = &demand, .demand_count = 1};
    pr_index shape;
    OK(pr_session_environment(ctx, key_hash, description, &key.environment));
    pr_release(ctx, description);
    OK(pr_session_class(ctx, &key, &shape));
    return shape;
}

static void open_session(int64_t cpus)
{
    fixture_create(&driver, 1 << 20, 1);
    fixture_attach(&supervisor, &driver, PR_SLOT_SUPERVISOR);
    joined = fixture_join(&guest, &supervisor);
    function = fixture_put(&driver, 0);
    guest_function = fixture_put(&guest, 0);
    guest_shape = shape_of(&guest, 7, cpus);
}

static void close_session(void)
{
    AUDIT(&driver);
    pr_session_detach(&guest, false);
    pr_session_detach(&supervisor, false);
    pr_session_detach(&driver, false);
}

static struct pr_ref submit(struct pr_context *by, pr_index shape, uint32_t flags,
                            struct pr_ref *handle)
{
    struct pr_ref result;
    struct pr_submission s =
        fixture_submission(by == &driver ? function : guest_function, shape, 1, &result);
    struct pr_actor_plan plan = {.flags = flags & PR_TASK_OUTLIVES ? PR_ACTOR_DETACHED : 0};
    s.flags = flags;
    s.plan = &plan;
    OK(pr_submit(by, &s));
    if (handle != NULL) *handle = s.actor;
    return result;
}

static uint32_t cause_of(struct pr_context *ctx, struct pr_ref result)
{
    struct pr_fetched fetched;
    struct pr_failure failure;
    bool pinned;
    if (pr_get(ctx, result, 0, &fetched, &pinned) != PR_OK) return UINT32_MAX;
    if (fetched.kind != PR_KIND_FAILURE) return PR_CAUSE_NONE;
    memcpy(&failure, fetched.value, sizeof failure);
    return failure.cause;
}

static struct pr_job_rest end_job(void)
{
    struct pr_job_rest rest;
    OK(pr_job_end(&supervisor, joined.job, &rest));
    AUDIT(&supervisor);
    return rest;
}

static bool nothing_of(struct pr_job_rest rest)
{
    return rest.tasks + rest.actors + rest.workers == 0;
}

static void jobs_are_numbered_and_observers_have_none(void)
{
    struct pr_joined next, observer;
    open_session(1);
    CHECK(joined.job == PR_FIRST_JOB + 1);
    OK(pr_driver_reserve(&supervisor, 1, false, &next));
    OK(pr_driver_reserve(&supervisor, 1, true, &observer));
    CHECK(next.job == joined.job + 1 && observer.job == PR_NONE);
    OK(pr_sweep(&supervisor, next.slot, 0));
    OK(pr_sweep(&supervisor, observer.slot, 0));
    CHECK(fixture_accounts(&driver).slots == 3);
    close_session();
}

static void slot_of_another_process_is_refused(void)
{
    struct pr_joined next;
    struct pr_context other;
    open_session(1);
    OK(pr_driver_reserve(&supervisor, 1, false, &next));
    const pr_index slots[] = {next.slot, driver.slot + 100, supervisor.slot};
    for (uint32_t i = 0; i < 3; i++) {
        int control = dup(driver.control_fd), heap = dup(driver.heap_fd);
        CHECK(pr_driver_attach(&other, control, heap, slots[i], 1) == PR_STATE);
        close(control);
        close(heap);
    }
    close_session();
}

static void equal_environments_of_two_jobs_are_two(void)
{
    open_session(1);
    pr_index other = shape_of(&driver, 7, 1);
    CHECK(pr_class_at(&driver, other)->environment !=
          pr_class_at(&driver, guest_shape)->environment);
    CHECK(pr_job_of(&driver, pr_class_at(&driver, other)->environment) == PR_FIRST_JOB);
    CHECK(pr_job_of(&driver, pr_class_at(&driver, guest_shape)->environment) == joined.job);
    close_session();
}

static uint32_t job_of_object(struct pr_ref ref)
{
    static struct pr_object_view views[PR_VIEW_STEP];
    pr_index from = ref.index;
    uint32_t count;
    OK(pr_view_objects(&supervisor, &from, views, &count));
    REQUIRE(count > 0 && views[0].object.index == ref.index);
    return views[0].job;
}

static void what_a_driver_makes_is_of_its_job(void)
{
    static struct pr_task_view tasks[PR_VIEW_STEP];
    pr_index from = 0;
    uint32_t count;
    open_session(1);
    struct pr_ref ours = submit(&driver, fixture_shape(&driver, PR_RESOURCE_UNIT), 0, NULL);
    struct pr_ref theirs = submit(&guest, guest_shape, 0, NULL);
    OK(pr_view_tasks(&supervisor, &from, tasks, &count));
    REQUIRE(count == 2);
    CHECK(tasks[0].job == PR_FIRST_JOB && tasks[1].job == joined.job);
    CHECK(job_of_object(ours) == PR_FIRST_JOB && job_of_object(theirs) == joined.job);
    CHECK(job_of_object(function) == PR_FIRST_JOB && job_of_object(guest_function) == joined.job);
    close_session();
}

static void what_waits_ends_with_its_driver_and_nothing_else(void)
{
    open_session(1);
    struct pr_ref theirs = submit(&guest, guest_shape, 0, NULL), held = theirs;
    struct pr_ref ours = submit(&driver, fixture_shape(&driver, PR_RESOURCE_UNIT), 0, NULL);
    OK(pr_acquire(&driver, &held, 1)); /* so that the sweep alone does not end it */
    OK(pr_sweep(&supervisor, joined.slot, 9));
    CHECK(cause_of(&driver, theirs) == UINT32_MAX);
    CHECK(end_job().tasks == 1);
    CHECK(cause_of(&driver, theirs) == PR_CAUSE_OWNER_DIED);
    CHECK(cause_of(&driver, ours) == UINT32_MAX);
    pr_release(&driver, held);
    CHECK(nothing_of(end_job()));
    close_session();
}

static void what_runs_is_to_be_killed_and_not_repeated(void)
{
    struct pr_taken taken;
    open_session(1);
    struct pr_ref theirs = submit(&guest, guest_shape, 0, NULL), held = theirs;
    OK(pr_acquire(&driver, &held, 1));
    fixture_worker(&guest_worker, &supervisor);
    OK(pr_take(&guest_worker, &taken));
    OK(pr_sweep(&supervisor, joined.slot, 9));
    struct pr_job_rest rest = end_job();
    CHECK(rest.tasks == 1 && rest.workers == 1 && rest.outliving == 0);
    CHECK(pr_slot_at(&driver, guest_worker.slot)->requests & PR_REQUEST_KILL);
    OK(pr_sweep(&supervisor, guest_worker.slot, 9));
    CHECK(cause_of(&driver, theirs) == PR_CAUSE_OWNER_DIED);
    CHECK(nothing_of(end_job()));
    CHECK(pr_engine_root(&driver)->environments == PR_NONE);
    pr_session_detach(&guest_worker, false);
    close_session();
}

static void idle_workers_of_the_job_go(void)
{
    struct pr_taken taken;
    open_session(1);
    pr_release(&guest, submit(&guest, guest_shape, 0, NULL));
    fixture_worker(&guest_worker, &supervisor);
    OK(pr_take(&guest_worker, &taken));
    CHECK(fixture_finish(&guest_worker, &taken, 1, &taken) == PR_EMPTY);
    OK(pr_sweep(&supervisor, joined.slot, 9));
    CHECK(end_job().workers == 1);
    CHECK(pr_take(&guest_worker, &taken) == PR_EXIT);
    OK(pr_sweep(&supervisor, guest_worker.slot, 0));
    CHECK(nothing_of(end_job()));
    pr_session_detach(&guest_worker, false);
    close_session();
}

static void actors_end_but_not_detached_ones(void)
{
    struct pr_taken taken;
    struct pr_ref handles[2], held[2];
    open_session(0);
    pr_release(&guest, submit(&guest, guest_shape, PR_TASK_CREATES_ACTOR, &handles[0]));
    pr_release(&guest,
               submit(&guest, guest_shape, PR_TASK_CREATES_ACTOR | PR_TASK_OUTLIVES, &handles[1]));
    for (int i = 0; i < 2; i++) {
        held[i] = handles[i];
        OK(pr_acquire(&driver, &held[i], 1));
    }
    OK(pr_sweep(&supervisor, joined.slot, 9));
    struct pr_job_rest rest = end_job();
    CHECK(rest.actors == 2 && rest.outliving == 2); /* the actor, and its creation */
    pr_index actor;
    OK(pr_actor_find(&driver, handles[0], &actor));
    CHECK(pr_actor_at(&driver, actor)->state == PR_ACTOR_DEAD);
    CHECK(pr_actor_at(&driver, actor)->cause == PR_CAUSE_ACTOR_JOB_ENDED);
    fixture_worker(&guest_worker, &supervisor);
    OK(pr_take(&guest_worker, &taken));
    CHECK(taken.flags & PR_TASK_OUTLIVES);
    CHECK(fixture_finish(&guest_worker, &taken, 1, &taken) == PR_EMPTY);
    rest = end_job();
    CHECK(rest.tasks == 0 && rest.actors == 1 && rest.workers == 1);
    CHECK(!(pr_slot_at(&driver, guest_worker.slot)->requests & PR_REQUEST_EXIT));
    OK(pr_actor_kill(&driver, handles[1], true));
    OK(pr_sweep(&supervisor, guest_worker.slot, 9));
    CHECK(nothing_of(end_job()));
    pr_session_detach(&guest_worker, false);
    close_session();
}

static void environments_are_given_back(void)
{
    open_session(1);
    for (int round = 0; round < 20; round++) { /* the table has room for three */
        struct pr_ref result = submit(&guest, guest_shape, 0, NULL);
        pr_release(&guest, result);
        pr_release(&guest, guest_function);
        OK(pr_sweep(&supervisor, joined.slot, 9));
        end_job();
        CHECK(nothing_of(end_job()));
        pr_session_detach(&guest, false);
        joined = fixture_join(&guest, &supervisor);
        guest_function = fixture_put(&guest, 0);
        guest_shape = shape_of(&guest, 7, 1);
    }
    CHECK(joined.job == 22);
    close_session();
}

/* Each finishes what it has, and takes what it gets. */
static bool run_one(struct pr_context *ctx, struct pr_taken *taken, bool *has)
{
    enum pr_status status = *has ? fixture_finish(ctx, taken, 1, taken) : pr_take(ctx, taken);
    *has = status == PR_OK;
    return *has;
}

static void crews_take_turns_when_there_is_not_enough_for_both(void)
{
    struct pr_taken ours, theirs;
    bool has_ours = false, has_theirs = false;
    uint32_t counts[2] = {0};
    open_session(4);
    fixture_worker(&worker, &driver);
    for (int i = 0; i < 25; i++) {
        pr_release(&driver, submit(&driver, fixture_shape(&driver, 4 * PR_RESOURCE_UNIT), 0, NULL));
        pr_release(&guest, submit(&guest, guest_shape, 0, NULL));
    }
    for (int i = 0; i < 10; i++) { /* nobody of theirs is there: nobody waits for them */
        CHECK(run_one(&worker, &ours, &has_ours));
        pr_os_sleep_ns(2000000);
    }
    fixture_worker(&guest_worker, &supervisor);
    for (int i = 0; i < 200; i++) {
        counts[0] += run_one(&worker, &ours, &has_ours);
        counts[1] += run_one(&guest_worker, &theirs, &has_theirs);
        AUDIT(&driver);
        CHECK(!has_ours || !has_theirs);
        if (counts[0] < 15 && i % 40 == 39) CHECK(counts[1] > 0 && counts[0] > 0);
        pr_os_sleep_ns(2000000);
    }
    CHECK(counts[1] == 25);
    pr_session_detach(&worker, false);
    pr_session_detach(&guest_worker, false);
    close_session();
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(jobs_are_numbered_and_observers_have_none);
    RUN(slot_of_another_process_is_refused);
    RUN(equal_environments_of_two_jobs_are_two);
    RUN(what_a_driver_makes_is_of_its_job);
    RUN(what_waits_ends_with_its_driver_and_nothing_else);
    RUN(what_runs_is_to_be_killed_and_not_repeated);
    RUN(idle_workers_of_the_job_go);
    RUN(actors_end_but_not_detached_ones);
    RUN(environments_are_given_back);
    RUN(crews_take_turns_when_there_is_not_enough_for_both);
    return harness_end();
}
