/* Actors: names, restarts, groups, and calls that are taken and ended many at a time. */
#include "tests/session_fixture.h"

static struct pr_context driver, worker;
static struct pr_ref function, created;
static struct pr_actor_plan plan;

static void open_session(void)
{
    fixture_create(&driver, 1 << 20, 1);
    fixture_worker(&worker, &driver);
    function = fixture_put(&driver, 0);
    plan = (struct pr_actor_plan){0};
}

static void close_session(void)
{
    AUDIT(&driver);
    pr_session_detach(&worker, false);
    pr_session_detach(&driver, false);
}

static enum pr_status try_create(struct pr_ref *actor)
{
    struct pr_submission s = fixture_submission(function, fixture_shape(&driver, 0), 1, &created);
    s.flags = PR_TASK_CREATES_ACTOR;
    s.plan = &plan;
    enum pr_status status = pr_submit(&driver, &s);
    *actor = s.actor;
    return status;
}

static struct pr_ref create(void)
{
    struct pr_taken taken;
    struct pr_ref actor;
    OK(try_create(&actor));
    OK(pr_take(&worker, &taken));
    CHECK(taken.flags & PR_TASK_CREATES_ACTOR);
    CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EMPTY);
    return actor;
}

static struct pr_ref call(struct pr_ref actor, int32_t retries, uint32_t group)
{
    struct pr_ref result;
    struct pr_submission s = fixture_submission(function, fixture_shape(&driver, 0), 1, &result);
    s.flags = PR_TASK_OF_ACTOR | group << PR_GROUP_SHIFT;
    s.actor = actor;
    s.retries = retries;
    OK(pr_submit(&driver, &s));
    return result;
}

static uint32_t cause_of(struct pr_ref result)
{
    struct pr_fetched fetched;
    struct pr_failure failure;
    bool pinned;
    OK(pr_get(&driver, result, 0, &fetched, &pinned));
    if (fetched.kind != PR_KIND_FAILURE) return PR_CAUSE_NONE;
    memcpy(&failure, fetched.value, sizeof failure);
    return failure.cause;
}

/* The process dies; a new one takes its place, and the creation task with it if there is one. */
static void die_and_start_again(bool restarts)
{
    struct pr_taken taken;
    OK(pr_sweep(&driver, worker.slot, 9));
    AUDIT(&driver);
    pr_session_detach(&worker, false);
    fixture_worker(&worker, &driver);
    if (!restarts) return;
    OK(pr_take(&worker, &taken));
    CHECK((taken.flags & PR_TASK_CREATES_ACTOR) && taken.attempt > 1);
    enum pr_status status = fixture_finish(&worker, &taken, 0, &taken);
    while (status == PR_OK) status = fixture_finish(&worker, &taken, taken.attempt, &taken);
    CHECK(status == PR_EMPTY);
    AUDIT(&driver);
}

static void a_name_belongs_to_one_living_actor(void)
{
    struct pr_ref second, handle, about;
    struct pr_name entry;
    uint32_t after = 0;
    open_session();
    plan.name = (struct pr_actor_name){(const uint8_t *)"spacename", 5, 4};
    plan.about = function;
    struct pr_ref first = create();
    CHECK(try_create(&second) == PR_STATE);
    AUDIT(&driver);
    OK(pr_name_find(&driver, &plan.name, &handle, &about));
    CHECK(handle.index == first.index && about.index == function.index);
    struct pr_actor_name other = {(const uint8_t *)"spacename", 4, 5};
    CHECK(pr_name_find(&driver, &other, &handle, &about) == PR_EMPTY);
    OK(pr_name_next(&driver, &after, &entry));
    CHECK(entry.space_size == 5 && entry.name_size == 4);
    CHECK(pr_name_next(&driver, &after, &entry) == PR_EMPTY);
    OK(pr_actor_kill(&driver, first, true));
    CHECK(pr_name_find(&driver, &plan.name, &handle, &about) == PR_EMPTY);
    OK(try_create(&second));
    close_session();
}

static void a_detached_actor_needs_no_handle(void)
{
    struct pr_ref handle, about;
    open_session();
    plan.name = (struct pr_actor_name){(const uint8_t *)"n", 0, 1};
    plan.flags = PR_ACTOR_DETACHED;
    pr_release(&driver, create());
    CHECK(fixture_accounts(&driver).actors == 1);
    OK(pr_name_find(&driver, &plan.name, &handle, &about));
    OK(pr_actor_kill(&driver, handle, true));
    CHECK(fixture_accounts(&driver).actors == 0);
    close_session();
}

static void calls_fail_or_run_again_in_order(void)
{
    struct pr_taken first, second;
    open_session();
    plan.restarts = 1;
    struct pr_ref actor = create();
    struct pr_ref lost = call(actor, 0, 0), kept = call(actor, 1, 0);
    struct pr_ref waits = call(actor, -1, 0), in_doubt = call(actor, 0, 0);
    bool more;
    OK(pr_take(&worker, &first));
    OK(pr_take_of(&worker, 1, &second, &more));
    CHECK(more);
    die_and_start_again(true);
    CHECK(cause_of(lost) == PR_CAUSE_ACTOR_UNAVAILABLE);
    CHECK(cause_of(in_doubt) == PR_CAUSE_ACTOR_UNAVAILABLE);
    CHECK(fixture_number(&driver, kept) == 2);  /* its second attempt */
    CHECK(fixture_number(&driver, waits) == 1); /* had not begun */
    struct pr_ref last = call(actor, -1, 0);
    OK(pr_take(&worker, &first));
    die_and_start_again(false);
    CHECK(cause_of(last) == PR_CAUSE_ACTOR_DIED);
    CHECK(cause_of(call(actor, -1, 0)) == PR_CAUSE_ACTOR_DIED);
    close_session();
}

static void calls_between_wait_if_they_may_be_repeated(void)
{
    struct pr_taken taken;
    open_session();
    plan.restarts = -1;
    struct pr_ref actor = create();
    OK(pr_sweep(&driver, worker.slot, 9));
    struct pr_ref refused = call(actor, 0, 0), waits = call(actor, 1, 0);
    CHECK(cause_of(refused) == PR_CAUSE_ACTOR_UNAVAILABLE);
    pr_session_detach(&worker, false);
    fixture_worker(&worker, &driver);
    OK(pr_take(&worker, &taken));
    OK(fixture_finish(&worker, &taken, 0, &taken));
    CHECK(fixture_finish(&worker, &taken, 7, &taken) == PR_EMPTY);
    CHECK(fixture_number(&driver, waits) == 7);
    pr_release(&driver, actor); /* nobody wants it any more: it does not restart */
    OK(pr_sweep(&driver, worker.slot, 9));
    CHECK(fixture_accounts(&driver).actors == 0);
    close_session();
}

static void a_kill_may_leave_restarts(void)
{
    struct pr_taken taken;
    open_session();
    plan.restarts = 1;
    struct pr_ref actor = create();
    OK(pr_actor_kill(&driver, actor, false));
    struct pr_ref waits = call(actor, 1, 0);
    CHECK(pr_take(&worker, &taken) == PR_EXIT); /* takes no more calls */
    die_and_start_again(true);
    CHECK(fixture_number(&driver, waits) == 1);
    OK(pr_actor_kill(&driver, actor, false));
    CHECK(cause_of(call(actor, 1, 0)) == PR_CAUSE_ACTOR_KILLED);
    close_session();
}

static void an_actor_that_leaves_does_not_restart(void)
{
    struct pr_taken taken;
    open_session();
    plan.restarts = -1;
    struct pr_ref actor = create();
    struct pr_ref running = call(actor, -1, 0), waits = call(actor, -1, 0);
    OK(pr_take(&worker, &taken));
    OK(pr_actor_leave(&worker, actor));
    CHECK(cause_of(waits) == PR_CAUSE_ACTOR_EXITED);
    CHECK(fixture_finish(&worker, &taken, 3, &taken) == PR_EXIT); /* what runs may end */
    CHECK(fixture_number(&driver, running) == 3);
    OK(pr_sweep(&driver, worker.slot, 0));
    CHECK(cause_of(call(actor, -1, 0)) == PR_CAUSE_ACTOR_EXITED);
    close_session();
}

static void a_kill_reaches_what_has_left(void)
{
    struct pr_taken taken;
    open_session();
    struct pr_ref actor = create();
    struct pr_ref running = call(actor, -1, 0);
    OK(pr_take(&worker, &taken));
    OK(pr_actor_leave(&worker, actor));
    CHECK(!(pr_slot_at(&driver, worker.slot)->requests & PR_REQUEST_KILL));
    OK(pr_actor_kill(&driver, actor, true));
    CHECK(pr_slot_at(&driver, worker.slot)->requests & PR_REQUEST_KILL);
    die_and_start_again(false); /* the next process has its slot */
    CHECK(cause_of(running) == PR_CAUSE_ACTOR_EXITED);
    OK(pr_actor_kill(&driver, actor, true));
    CHECK(pr_slot_at(&driver, worker.slot)->requests == 0);
    close_session();
}

static void so_many_restarts_in_a_while_and_no_more(void)
{
    open_session();
    plan.restarts = -1;
    struct pr_ref actor = create();
    for (uint32_t i = 0; i < FIXTURE_RESTARTS; i++) die_and_start_again(true);
    struct pr_ref waits = call(actor, -1, 0);
    die_and_start_again(false);
    CHECK(cause_of(waits) == PR_CAUSE_ACTOR_RESTARTS);
    CHECK(cause_of(call(actor, -1, 0)) == PR_CAUSE_ACTOR_RESTARTS);
    close_session();
}

static void groups_have_mailboxes_of_their_own(void)
{
    struct pr_taken taken[4];
    struct pr_value value = {.kind = 1, .bytes = "v", .size_bytes = 1};
    uint32_t count, free_of[PR_GROUP_MAX] = {1, 2};
    struct pr_ref results[5];
    open_session();
    plan.groups = 2;
    struct pr_ref actor = create();
    uint32_t groups[] = {0, 0, 1, 1, 2};
    for (int i = 0; i < 5; i++) results[i] = call(actor, 0, groups[i]);
    OK(pr_exchange(&worker, NULL, 0, free_of, taken, 4, &count));
    REQUIRE(count == 3); /* one of group 0, two of group 1, none of group 2 */
    struct pr_ended ended[] = {{taken[1].task, 1, &value}, {taken[0].task, 1, &value}};
    free_of[0] = free_of[1] = 0;
    free_of[2] = 1;
    OK(pr_exchange(&worker, ended, 2, free_of, taken, 4, &count));
    CHECK(count == 1 && taken[0].flags >> PR_GROUP_SHIFT == 2);
    CHECK(cause_of(results[0]) == PR_CAUSE_NONE && cause_of(results[2]) == PR_CAUSE_NONE);
    OK(pr_actor_kill(&driver, actor, true));
    OK(pr_sweep(&driver, worker.slot, 9));
    CHECK(cause_of(results[1]) == PR_CAUSE_ACTOR_KILLED); /* waited */
    CHECK(cause_of(results[4]) == PR_CAUSE_ACTOR_KILLED); /* ran */
    pr_release(&driver, actor);
    CHECK(fixture_accounts(&driver).actors == 0 && fixture_accounts(&driver).lanes == 0);
    close_session();
}

static void so_many_calls_and_no_more(void)
{
    struct pr_ref result;
    open_session();
    struct pr_ref actor = create();
    struct pr_submission s = fixture_submission(function, fixture_shape(&driver, 0), 1, &result);
    s.flags = PR_TASK_OF_ACTOR;
    s.actor = actor;
    s.most_calls = 2;
    OK(pr_submit(&driver, &s));
    OK(pr_submit(&driver, &s));
    CHECK(pr_submit(&driver, &s) == PR_LIMIT);
    AUDIT(&driver);
    close_session();
}

static void retries_of_exceptions_and_deaths_share_a_count(void)
{
    struct pr_taken taken;
    open_session();
    plan.restarts = -1;
    struct pr_ref actor = create();
    struct pr_ref result = call(actor, 2, 0);
    OK(pr_take(&worker, &taken));
    OK(pr_task_retry(&worker, taken.task));
    OK(pr_sweep(&driver, worker.slot, 9));
    pr_session_detach(&worker, false);
    fixture_worker(&worker, &driver);
    OK(pr_take(&worker, &taken));
    OK(fixture_finish(&worker, &taken, 0, &taken));
    CHECK(taken.attempt == 3 && taken.retries_left == 0);
    CHECK(pr_task_retry(&worker, taken.task) == PR_EMPTY);
    CHECK(fixture_finish(&worker, &taken, 5, &taken) == PR_EMPTY);
    CHECK(fixture_number(&driver, result) == 5);
    close_session();
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(a_name_belongs_to_one_living_actor);
    RUN(a_detached_actor_needs_no_handle);
    RUN(calls_fail_or_run_again_in_order);
    RUN(calls_between_wait_if_they_may_be_repeated);
    RUN(a_kill_may_leave_restarts);
    RUN(an_actor_that_leaves_does_not_restart);
    RUN(a_kill_reaches_what_has_left);
    RUN(so_many_restarts_in_a_while_and_no_more);
    RUN(groups_have_mailboxes_of_their_own);
    RUN(so_many_calls_and_no_more);
    RUN(retries_of_exceptions_and_deaths_share_a_count);
    return harness_end();
}
