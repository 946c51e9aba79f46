/* Submitting, taking, finishing, resources, and who is woken for a task. */
#include "tests/session_fixture.h"

static struct pr_context driver, worker, second;
static struct pr_ref function;

static void open_session(void)
{
    fixture_create(&driver, 1 << 20, 1);
    fixture_worker(&worker, &driver);
    function = fixture_put(&driver, 0);
}

static void close_session(void)
{
    AUDIT(&driver);
    pr_session_detach(&worker, false);
    pr_session_detach(&driver, false);
}

static void submit(struct pr_ref *results, uint32_t count, int64_t cpus)
{
    struct pr_submission s =
        fixture_submission(function, fixture_shape(&driver, cpus), count, results);
    OK(pr_submit(&driver, &s));
}

static enum pr_slot_state state_of(const struct pr_context *ctx)
{
    return (enum pr_slot_state)pr_slot_at(ctx, ctx->slot)->state;
}

static uint32_t main_sequence(const struct pr_context *ctx)
{
    return pr_latch_sequence(ctx, pr_slot_at(ctx, ctx->slot)->latch);
}

static void a_task_runs(void)
{
    struct pr_taken taken;
    struct pr_ref result;
    open_session();
    CHECK(pr_take(&worker, &taken) == PR_EMPTY);
    CHECK(state_of(&worker) == PR_SLOT_IDLE);
    uint32_t before = main_sequence(&worker);
    struct pr_submission s =
        fixture_submission(function, fixture_shape(&driver, PR_RESOURCE_UNIT), 1, &result);
    s.value = "arguments";
    s.size_bytes = 9;
    OK(pr_submit(&driver, &s));
    CHECK(main_sequence(&worker) != before && state_of(&worker) == PR_SLOT_WAKING);
    OK(pr_take(&worker, &taken));
    CHECK(taken.size_bytes == 9 && memcmp(taken.value, "arguments", 9) == 0);
    CHECK(taken.serial == s.serial && taken.attempt == 1 && strcmp(taken.name, "task") == 0);
    CHECK(taken.function.index == function.index && taken.result.index == result.index);
    CHECK(pr_engine_root(&driver)->resources[0].free == 3 * PR_RESOURCE_UNIT);
    AUDIT(&driver);
    CHECK(fixture_finish(&worker, &taken, 42, &taken) == PR_EMPTY);
    CHECK(pr_engine_root(&driver)->resources[0].free == 4 * PR_RESOURCE_UNIT);
    CHECK(fixture_number(&driver, result) == 42);
    pr_release(&driver, result);
    CHECK(fixture_accounts(&driver).objects == 1 && fixture_accounts(&driver).tasks == 0);
    close_session();
}

static void arguments_are_awaited(void)
{
    struct pr_taken taken;
    struct pr_ref results[3];
    open_session();
    submit(&results[0], 1, 0);
    submit(&results[1], 1, 0);
    struct pr_submission s =
        fixture_submission(function, fixture_shape(&driver, 0), 1, &results[2]);
    s.awaited = results;
    s.awaited_count = 2;
    s.captured = &function;
    s.captured_count = 1;
    OK(pr_submit(&driver, &s));
    CHECK(pr_engine_root(&driver)->ready_count == 2);
    pr_release(&driver, results[0]);
    pr_release(&driver, results[1]); /* the task holds them */
    OK(pr_take(&worker, &taken));
    OK(fixture_finish(&worker, &taken, 1, &taken));
    AUDIT(&driver);
    OK(fixture_finish(&worker, &taken, 2, &taken));
    CHECK(taken.serial == s.serial);
    CHECK(fixture_finish(&worker, &taken, 3, &taken) == PR_EMPTY);
    CHECK(fixture_number(&driver, results[2]) == 3);
    CHECK(fixture_accounts(&driver).objects == 2);
    close_session();
}

static void many_references_and_results_go_in_steps(void)
{
    struct pr_taken taken;
    struct pr_ref results[60], arguments[80], copy[60];
    open_session();
    for (uint32_t i = 0; i < 80; i++) arguments[i] = fixture_put(&driver, i);
    struct pr_submission s = fixture_submission(function, fixture_shape(&driver, 0), 60, results);
    s.awaited = arguments;
    s.awaited_count = 40;
    s.captured = arguments + 40;
    s.captured_count = 40;
    OK(pr_submit(&driver, &s));
    AUDIT(&driver);
    for (uint32_t i = 0; i < 80; i++) pr_release(&driver, arguments[i]);
    OK(pr_take(&worker, &taken));
    for (uint32_t i = 0; i < 60; i += 16)
        OK(pr_task_results(&worker, taken.task, i > 0 ? &copy[i - 1] : NULL, copy + i,
                           PR_MIN(16u, 60 - i)));
    CHECK(memcmp(copy, results, sizeof results) == 0);
    CHECK(fixture_finish(&worker, &taken, 9, &taken) == PR_EMPTY);
    for (uint32_t i = 0; i < 60; i++) {
        CHECK(fixture_number(&driver, results[i]) == 9);
        pr_release(&driver, results[i]);
    }
    CHECK(fixture_accounts(&driver).objects == 1);
    close_session();
}

static void a_submission_that_fails_late_is_given_up(void)
{
    struct pr_taken taken;
    struct pr_ref results[20], arguments[40];
    open_session();
    for (uint32_t i = 0; i < 40; i++) arguments[i] = fixture_put(&driver, i);
    struct pr_submission s = fixture_submission(function, fixture_shape(&driver, 0), 20, results);
    s.captured = arguments;
    s.captured_count = 40;
    struct pr_ref stale = arguments[39];
    pr_release(&driver, stale);
    CHECK(pr_submit(&driver, &s) == PR_STALE);
    CHECK(fixture_accounts(&driver).tasks == 0 && fixture_accounts(&driver).objects == 40);
    CHECK(pr_take(&worker, &taken) == PR_EMPTY);
    s.flags = PR_TASK_CREATES_ACTOR | PR_TASK_KEEPS;
    CHECK(pr_submit(&driver, &s) == PR_STALE); /* and so is the actor */
    CHECK(fixture_accounts(&driver).tasks == 0 && fixture_accounts(&driver).actors == 0);
    CHECK(fixture_accounts(&driver).objects == 40);
    close_session();
}

static void large_results_and_errors(void)
{
    struct pr_taken taken;
    struct pr_ref results[3];
    struct pr_fetched fetched;
    bool pinned;
    uint64_t offset;
    open_session();
    submit(results, 3, 0);
    OK(pr_take(&worker, &taken));
    OK(pr_result_begin(&worker, results[0], 100, &offset));
    OK(pr_heap_write(&worker, offset, "large", 6));
    CHECK(pr_result_begin(&worker, results[0], 100, &offset) == PR_STATE);
    OK(pr_result_begin(&worker, results[1], 100, &offset)); /* began, then raised */
    AUDIT(&driver);
    struct pr_ref child = fixture_put(&worker, 77);
    struct pr_value values[3] = {
        {.kind = 2, .in_block = 1, .size_bytes = 100},
        {.kind = 1, .flags = PR_FLAG_ERROR, .bytes = "oh", .size_bytes = 2},
        {.kind = 1, .bytes = "", .children = &child, .child_count = 1},
    };
    CHECK(pr_finish(&worker, taken.task, values, 3, &taken) == PR_EMPTY);
    pr_release(&worker, child);
    OK(pr_get(&driver, results[0], 0, &fetched, &pinned));
    CHECK(strcmp((const char *)fetched.bytes, "large") == 0);
    OK(pr_get(&driver, results[1], 0, &fetched, &pinned));
    CHECK(fetched.flags & PR_FLAG_ERROR);
    CHECK(fixture_accounts(&driver).blocks == 1);
    CHECK(fixture_number(&driver, child) == 77);
    for (int i = 0; i < 3; i++) pr_release(&driver, results[i]);
    CHECK(fixture_accounts(&driver).objects == 1);
    close_session();
}

static void only_the_claimant_finishes(void)
{
    struct pr_taken taken;
    struct pr_ref result;
    open_session();
    submit(&result, 1, 0);
    OK(pr_take(&worker, &taken));
    CHECK(fixture_finish(&driver, &taken, 1, &taken) == PR_STATE);
    CHECK(fixture_finish(&worker, &taken, 1, &taken) == PR_EMPTY);
    CHECK(fixture_finish(&worker, &taken, 1, &taken) == PR_STATE);
    close_session();
}

static void resources_are_respected_and_lent(void)
{
    struct pr_taken first, other;
    struct pr_ref results[2];
    open_session();
    fixture_worker(&second, &driver);
    submit(&results[0], 1, 3 * PR_RESOURCE_UNIT);
    submit(&results[1], 1, 2 * PR_RESOURCE_UNIT);
    OK(pr_take(&worker, &first));
    uint32_t before = main_sequence(&second);
    CHECK(pr_take(&second, &other) == PR_EMPTY); /* does not fit */
    pr_task_lend(&worker, first.task);
    CHECK(main_sequence(&second) != before);
    OK(pr_take(&second, &other));
    pr_task_reclaim(&worker, first.task);
    CHECK(pr_engine_root(&driver)->resources[0].free == -PR_RESOURCE_UNIT);
    AUDIT(&driver);
    CHECK(fixture_finish(&worker, &first, 1, &first) == PR_EMPTY);
    CHECK(fixture_finish(&second, &other, 1, &other) == PR_EMPTY);
    CHECK(pr_engine_root(&driver)->resources[0].free == 4 * PR_RESOURCE_UNIT);
    pr_session_detach(&second, false);
    close_session();
}

static void nothing_needed_always_fits(void)
{
    struct pr_taken first, other;
    struct pr_ref results[3];
    open_session();
    fixture_worker(&second, &driver);
    submit(&results[0], 1, 4 * PR_RESOURCE_UNIT);
    OK(pr_take(&worker, &first));
    pr_task_lend(&worker, first.task);
    submit(&results[1], 1, PR_RESOURCE_UNIT);
    OK(pr_take(&second, &other));
    pr_task_reclaim(&worker, first.task); /* less than nothing is free now */
    submit(&results[2], 1, 0);
    OK(fixture_finish(&second, &other, 1, &other));
    pr_session_detach(&second, false);
    close_session();
}

/* A worker that is told to go must not be counted on to run what came meanwhile. */
static void a_leaving_worker_passes_the_wake_up_on(void)
{
    struct pr_taken taken;
    struct pr_ref result;
    open_session();
    fixture_worker(&second, &driver);
    CHECK(pr_take(&worker, &taken) == PR_EMPTY);
    CHECK(pr_take(&second, &taken) == PR_EMPTY);
    for (int i = 0; i < 6; i++) OK(pr_worker_request(&driver)); /* no more workers than these */
    pr_index slot;
    while (pr_worker_reserve(&driver, &slot) == PR_OK) OK(pr_sweep(&driver, slot, 0));
    OK(pr_worker_trim(&driver, 1)); /* the longest idle one: `worker` */
    uint32_t before = main_sequence(&second);
    submit(&result, 1, 0);
    CHECK(pr_take(&worker, &taken) == PR_EXIT);
    CHECK(main_sequence(&second) != before);
    OK(pr_take(&second, &taken));
    pr_session_detach(&second, false);
    close_session();
}

static void a_worker_that_retires_ends_after_its_task(void)
{
    struct pr_taken taken;
    struct pr_ref results[2];
    open_session();
    CHECK(pr_worker_retire(&worker) == PR_STATE); /* it runs nothing */
    submit(&results[0], 1, 0);
    submit(&results[1], 1, 0);
    OK(pr_take(&worker, &taken));
    OK(pr_worker_retire(&worker));
    CHECK(fixture_finish(&worker, &taken, 1, &taken) == PR_EXIT);
    const struct pr_engine_root *root = pr_engine_root(&driver);
    CHECK(root->spawn_requests + root->crew.starting > 0); /* for the other task */
    close_session();
}

/* Starting a process takes long; a worker that idles meanwhile is not kept waiting for it. */
static void idle_workers_are_woken_while_others_start(void)
{
    struct pr_taken taken;
    struct pr_ref results[2];
    open_session();
    submit(&results[0], 1, 0);
    CHECK(pr_engine_root(&driver)->crew.starting == 1); /* `worker`, which has not arrived yet */
    OK(pr_worker_request(&driver));
    OK(pr_take(&worker, &taken));
    CHECK(fixture_finish(&worker, &taken, 1, &taken) == PR_EMPTY);
    CHECK(pr_engine_root(&driver)->spawn_requests == 1);
    uint32_t before = main_sequence(&worker);
    submit(&results[1], 1, 0);
    CHECK(main_sequence(&worker) != before);
    close_session();
}

/* More different demands than buckets: each has a class of its own, and is found again. */
static void many_different_demands(void)
{
    enum { DEMANDS = 6000 };
    fixture_create(&driver, 1 << 20, 0);
    for (pr_index i = 1; i <= DEMANDS; i++) CHECK(fixture_shape(&driver, i) == i);
    for (pr_index i = 1; i <= DEMANDS; i++) CHECK(fixture_shape(&driver, i) == i);
    CHECK(pr_engine_root(&driver)->class_count == DEMANDS);
    AUDIT(&driver);
    pr_session_detach(&driver, false);
}

static void a_session_that_ends_sends_workers_home(void)
{
    struct pr_taken taken;
    struct pr_ref result;
    open_session();
    CHECK(pr_take(&worker, &taken) == PR_EMPTY);
    uint32_t before = main_sequence(&worker);
    submit(&result, 1, 0);
    pr_session_end(&driver);
    CHECK(pr_session_ending(&worker) && main_sequence(&worker) != before);
    CHECK(pr_take(&worker, &taken) == PR_EXIT);
    close_session();
}

static uint32_t longest; /* transaction, in logged stores */

static void note_length(void *argument, int step)
{
    const struct pr_context *ctx = argument;
    if (step == 1) longest = PR_MAX(longest, ctx->header->undo_count);
}

/* One task with as many results as one transaction takes, each awaited by as many tasks as one
 * transaction tells: the worst a finish can meet. */
static void no_transaction_is_long(void)
{
#ifdef PR_CRASH_INJECTION
    static struct pr_ref results[16], more[16][40];
    struct pr_taken taken;
    fixture_create(&driver, 1 << 20, 0);
    fixture_worker(&worker, &driver);
    function = fixture_put(&driver, 0);
    submit(results, 16, 0);
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 40; j++) {
            struct pr_submission s =
                fixture_submission(function, fixture_shape(&driver, 0), 1, &more[i][j]);
            s.awaited = &results[i];
            s.awaited_count = 1;
            OK(pr_submit(&driver, &s));
        }
    OK(pr_take(&worker, &taken));
    struct pr_ref children[16 * 32];
    struct pr_value values[16];
    for (int i = 0; i < 16 * 32; i++) children[i] = fixture_put(&worker, 1);
    for (int i = 0; i < 16; i++)
        values[i] = (struct pr_value){
            .kind = 1, .bytes = "", .children = children + i * 32, .child_count = 32};
    worker.at_store = note_length;
    worker.injection_argument = &worker;
    OK(pr_finish(&worker, taken.task, values, 16, &taken));
    worker.at_store = NULL;
    CHECK_THAT(longest <= 4000, "%u stores in one transaction", longest);
    CHECK_THAT(pr_engine_root(&driver)->ready_count == 16 * 40 - 1, "%u",
               pr_engine_root(&driver)->ready_count);
    close_session();
#else
    (void)note_length;
#endif
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(a_task_runs);
    RUN(arguments_are_awaited);
    RUN(many_references_and_results_go_in_steps);
    RUN(a_submission_that_fails_late_is_given_up);
    RUN(large_results_and_errors);
    RUN(only_the_claimant_finishes);
    RUN(resources_are_respected_and_lent);
    RUN(nothing_needed_always_fits);
    RUN(a_leaving_worker_passes_the_wake_up_on);
    RUN(a_worker_that_retires_ends_after_its_task);
    RUN(idle_workers_are_woken_while_others_start);
    RUN(many_different_demands);
    RUN(a_session_that_ends_sends_workers_home);
    RUN(no_transaction_is_long);
    return harness_end();
}
