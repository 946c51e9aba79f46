/* Tasks that share a process: whose retries a death costs, and leaving without the others. */
#include "engine/help.h"

#include "tests/session_fixture.h"

#define DEPTH 3u

static struct pr_context driver, worker, second;
static struct pr_ref function, result[DEPTH];
static struct pr_taken taken[DEPTH];

static struct pr_ref submit_by(struct pr_context *by, uint64_t parent)
{
    struct pr_ref ref;
    struct pr_submission s =
        fixture_submission(function, fixture_shape(&driver, PR_RESOURCE_UNIT), 1, &ref);
    s.retries = 3;
    s.parent = parent;
    OK(pr_submit(by, &s));
    return ref;
}

/* Each of the tasks has submitted the next one, waits for it, and runs it. */
static void open_chain(void)
{
    fixture_create(&driver, 1 << 20, 1);
    fixture_worker(&worker, &driver);
    function = fixture_put(&driver, 0);
    result[0] = submit_by(&driver, 0);
    OK(pr_take(&worker, &taken[0]));
    pr_task_lend(&worker, taken[0].task);
    for (uint32_t i = 1; i < DEPTH; i++) {
        result[i] = submit_by(&worker, taken[i - 1].serial);
        OK(pr_help_take(&worker, taken[i - 1].task, result[i], &taken[i]));
        CHECK(taken[i].result.index == result[i].index);
        OK(pr_acquire(&driver, &result[i], 1));
    }
    AUDIT(&driver);
}

static void close_session(void)
{
    AUDIT(&driver);
    pr_session_detach(&driver, false);
}

static uint32_t cause_of(struct pr_ref ref)
{
    struct pr_fetched fetched;
    struct pr_failure failure;
    bool pinned;
    if (pr_get(&driver, ref, 0, &fetched, &pinned) != PR_OK || fetched.kind != PR_KIND_FAILURE)
        return PR_CAUSE_NONE;
    memcpy(&failure, fetched.value, sizeof failure);
    return failure.cause;
}

static int32_t retries_of(uint32_t i) { return pr_task_at(&driver, taken[i].task)->retries_left; }
static bool is_ready(uint32_t i)
{
    return pr_task_at(&driver, taken[i].task)->state == PR_TASK_READY;
}

static void who_ran_is_to_blame_and_nobody_else(void)
{
    open_chain();
    OK(pr_sweep(&driver, worker.slot, 11));
    CHECK(is_ready(0) && is_ready(1) && is_ready(2));
    CHECK(retries_of(2) == 2 && retries_of(1) == 3 && retries_of(0) == 3);
    close_session();
}

static void a_forced_cancel_costs_the_others_nothing(void)
{
    for (uint32_t victim = 1; victim < DEPTH; victim++) {
        open_chain();
        OK(pr_cancel(&driver, result[victim], true, false));
        CHECK(pr_slot_at(&driver, worker.slot)->requests & PR_REQUEST_KILL);
        OK(pr_sweep(&driver, worker.slot, 9));
        CHECK(cause_of(result[victim]) == PR_CAUSE_CANCELLED);
        for (uint32_t i = 0; i < DEPTH; i++)
            if (i != victim) CHECK(is_ready(i) && retries_of(i) == 3);
        close_session();
    }
}

static void the_doomed_take_nothing(void)
{
    open_chain();
    struct pr_taken more;
    struct pr_ref child = submit_by(&worker, taken[2].serial);
    OK(pr_cancel(&driver, result[1], true, false));
    CHECK(pr_help_take(&worker, taken[2].task, child, &more) == PR_EMPTY);
    OK(pr_sweep(&driver, worker.slot, 9));
    close_session();
}

static void who_leaves_runs_again_elsewhere(void)
{
    open_chain();
    OK(pr_help_give_back(&worker, taken[2].task));
    CHECK(pr_help_give_back(&worker, taken[2].task) == PR_STATE);
    CHECK(is_ready(2) && retries_of(2) == 2 && retries_of(1) == 3);
    struct pr_taken again;
    CHECK(pr_help_take(&worker, taken[1].task, result[2], &again) == PR_EMPTY); /* not here */
    fixture_worker(&second, &driver);
    OK(pr_take(&second, &again));
    CHECK(again.result.index == result[2].index && again.attempt == 2);
    CHECK(fixture_finish(&second, &again, 7, &again) == PR_EMPTY);
    CHECK(fixture_number(&worker, result[2]) == 7);
    pr_session_detach(&second, false);
    OK(pr_sweep(&driver, worker.slot, 9));
    close_session();
}

static void who_leaves_when_cancelled_does_not_run_again(void)
{
    open_chain();
    OK(pr_cancel(&driver, result[2], false, false));
    OK(pr_help_give_back(&worker, taken[2].task));
    CHECK(cause_of(result[2]) == PR_CAUSE_CANCELLED);
    OK(pr_sweep(&driver, worker.slot, 9));
    close_session();
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(who_ran_is_to_blame_and_nobody_else);
    RUN(a_forced_cancel_costs_the_others_nothing);
    RUN(the_doomed_take_nothing);
    RUN(who_leaves_runs_again_elsewhere);
    RUN(who_leaves_when_cancelled_does_not_run_again);
    return harness_end();
}
