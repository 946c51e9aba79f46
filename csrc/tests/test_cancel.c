/* Cancellation: before a task runs, while it runs, by force, of calls, of children; a request that
 * comes late. */
#include "tests/session_fixture.h"

static struct pr_context driver, worker, second;
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
    pr_session_detach(&worker, false);
    pr_session_detach(&driver, false);
}

static struct pr_ref submit_child(struct pr_context *by, uint64_t parent,
                                  const struct pr_ref *awaited)
{
    struct pr_ref result;
    struct pr_submission s =
        fixture_submission(function, fixture_shape(&driver, PR_RESOURCE_UNIT), 1, &result);
    s.awaited = awaited;
    s.awaited_count = awaited != NULL;
    s.retries = 3;
    s.parent = parent;
    OK(pr_submit(by, &s));
    return result;
}

static struct pr_ref submit(const struct pr_ref *awaited)
{
    return submit_child(&driver, 0, awaited);
}

static uint32_t cause_of(struct pr_ref result)
{
    struct pr_fetched fetched;
    bool pinned;
    struct pr_failure failure;
    if (pr_get(&driver, result, 0, &fetched, &pinned) != PR_OK) return PR_CAUSE_NONE;
    if (fetched.kind != PR_KIND_FAILURE) return PR_CAUSE_NONE;
    memcpy(&failure, fetched.value, sizeof failure);
    return failure.cause;
}

static void what_has_not_begun_never_does(void)
{
    open_session();
    struct pr_ref ready = submit(NULL), waiting = submit(&ready), last = submit(NULL);
    OK(pr_cancel(&driver, waiting, true, true));
    CHECK(cause_of(waiting) == PR_CAUSE_CANCELLED);
    OK(pr_cancel(&driver, ready, false, false));
    CHECK(cause_of(ready) == PR_CAUSE_CANCELLED);
    OK(pr_cancel(&driver, ready, true, true)); /* again: nothing */
    CHECK(pr_engine_root(&driver)->ready_count == 1);
    OK(pr_take(&worker, &taken));
    CHECK(taken.result.index == last.index);
    CHECK(fixture_finish(&worker, &taken, 4, &taken) == PR_EMPTY);
    OK(pr_cancel(&driver, last, true, true));
    CHECK(fixture_number(&driver, last) == 4);
    OK(pr_cancel(&driver, function, true, true)); /* nobody's result */
    pr_release(&driver, last);
    CHECK(pr_cancel(&driver, last, false, true) == PR_STALE);
    CHECK(fixture_accounts(&driver).tasks == 0);
    CHECK(pr_engine_root(&driver)->signal_requests == 0);
    close_session();
}

static void what_runs_is_told_once_for_each_time(void)
{
    bool recursive = false;
    open_session();
    struct pr_ref result = submit(NULL);
    OK(pr_take(&worker, &taken));
    CHECK(!pr_cancel_take(&worker, taken.task, &recursive) &&
          !pr_cancel_asked(&worker, taken.task));
    for (int i = 0; i < 2; i++) {
        OK(pr_cancel(&driver, result, false, i == 1));
        CHECK(pr_engine_root(&driver)->signal_requests == (uint32_t)i + 1);
        CHECK(pr_interrupt_take(&driver, worker.slot) && !pr_interrupt_take(&driver, worker.slot));
        CHECK(pr_cancel_next(&worker) == taken.task);
        CHECK(!pr_cancel_take(&driver, taken.task, &recursive)); /* not its */
        CHECK(pr_cancel_take(&worker, taken.task, &recursive) && recursive == (i == 1));
        CHECK(!pr_cancel_take(&worker, taken.task, &recursive));
        CHECK(pr_cancel_next(&worker) == PR_NONE && pr_cancel_asked(&worker, taken.task));
    }
    CHECK(fixture_finish(&worker, &taken, 5, &taken) == PR_EMPTY); /* as it likes */
    CHECK(fixture_number(&driver, result) == 5);
    close_session();
}

/* The request is under way when the task ends and the next one begins. */
static void a_late_request_does_not_reach_the_next_task(void)
{
    bool recursive = false;
    open_session();
    struct pr_ref first = submit(NULL), next = submit(NULL);
    OK(pr_take(&worker, &taken));
    OK(pr_cancel(&driver, first, false, true));
    pr_index before = taken.task;
    OK(fixture_finish(&worker, &taken, 1, &taken));
    CHECK(pr_interrupt_take(&driver, worker.slot)); /* the signal is sent now */
    CHECK(!pr_cancel_take(&worker, taken.task, &recursive));
    CHECK(!pr_cancel_take(&worker, before, &recursive));
    CHECK(fixture_finish(&worker, &taken, 2, &taken) == PR_EMPTY);
    CHECK(fixture_number(&driver, next) == 2);
    struct pr_ref again = submit(NULL); /* in the same entry of the table */
    OK(pr_take(&worker, &taken));
    CHECK(!pr_cancel_take(&worker, taken.task, &recursive));
    OK(pr_cancel(&driver, again, false, true));
    CHECK(pr_cancel_take(&worker, taken.task, &recursive));
    close_session();
}

static void the_cancelled_are_not_retried(void)
{
    open_session();
    struct pr_ref forced = submit(NULL);
    OK(pr_take(&worker, &taken));
    OK(pr_cancel(&driver, forced, true, true));
    CHECK(pr_slot_at(&driver, worker.slot)->requests & PR_REQUEST_KILL);
    AUDIT(&driver);
    OK(pr_sweep(&driver, worker.slot, 9));
    CHECK(cause_of(forced) == PR_CAUSE_CANCELLED);
    CHECK(fixture_accounts(&driver).tasks == 0);
    CHECK(pr_engine_root(&driver)->retried == 0);
    fixture_worker(&second, &driver);
    struct pr_ref asked = submit(NULL);
    OK(pr_take(&second, &taken));
    OK(pr_cancel(&driver, asked, false, true));
    OK(pr_sweep(&driver, second.slot, 11)); /* dies otherwise */
    CHECK(cause_of(asked) == PR_CAUSE_CANCELLED);
    pr_session_detach(&second, false);
    close_session();
}

static struct pr_ref call(struct pr_ref actor, const struct pr_ref *awaited)
{
    struct pr_ref result;
    struct pr_submission s = fixture_submission(function, fixture_shape(&driver, 0), 1, &result);
    s.flags = PR_TASK_OF_ACTOR;
    s.actor = actor;
    s.awaited = awaited;
    s.awaited_count = awaited != NULL;
    OK(pr_submit(&driver, &s));
    return result;
}

static void calls_leave_mailbox_and_lane(void)
{
    struct pr_ref created, calls[6], pending, none;
    open_session();
    struct pr_submission s =
        fixture_submission(function, fixture_shape(&driver, PR_RESOURCE_UNIT), 1, &created);
    s.flags = PR_TASK_CREATES_ACTOR;
    OK(pr_submit(&driver, &s));
    OK(pr_cancel(&driver, created, false, true)); /* creations are left alone */
    OK(pr_take(&worker, &taken));
    CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EMPTY);
    pending = submit(NULL);
    none = submit(NULL);
    for (int i = 0; i < 3; i++) calls[i] = call(s.actor, NULL);
    calls[3] = call(s.actor, &pending); /* opens a lane */
    calls[4] = call(s.actor, &none);
    calls[5] = call(s.actor, NULL);
    CHECK(pr_cancel(&driver, calls[1], true, true) == PR_STATE);
    OK(pr_cancel(&driver, calls[1], false, true));
    OK(pr_cancel(&driver, calls[4], false, true));
    CHECK(cause_of(calls[1]) == PR_CAUSE_CANCELLED && cause_of(calls[4]) == PR_CAUSE_CANCELLED);
    CHECK(fixture_accounts(&driver).lanes == 1);
    OK(pr_cancel(&driver, calls[3], false, true)); /* the lane's head: the last one follows */
    CHECK(fixture_accounts(&driver).lanes == 0);
    OK(pr_take(&worker, &taken));
    CHECK(taken.result.index == calls[0].index);
    OK(pr_cancel(&driver, calls[0], false, true)); /* running: told, not interrupted */
    CHECK(!pr_interrupt_take(&driver, worker.slot) && pr_cancel_next(&worker) == taken.task);
    OK(fixture_finish(&worker, &taken, 10, &taken));
    CHECK(taken.result.index == calls[2].index);
    OK(fixture_finish(&worker, &taken, 11, &taken));
    CHECK(taken.result.index == calls[5].index);
    CHECK(fixture_finish(&worker, &taken, 12, &taken) == PR_EMPTY);
    close_session();
}

static void children_go_too(void)
{
    open_session();
    fixture_worker(&second, &driver);
    struct pr_ref parent = submit(NULL), stranger = submit(NULL);
    OK(pr_take(&worker, &taken));
    uint64_t serial = taken.serial;
    OK(pr_take(&second, &taken));
    CHECK(taken.result.index == stranger.index);
    CHECK(fixture_finish(&second, &taken, 1, &taken) == PR_EMPTY);
    struct pr_ref child = submit_child(&worker, serial, NULL);
    OK(pr_take(&second, &taken));
    struct pr_ref grandchild = submit_child(&second, taken.serial, NULL);
    struct pr_ref other = submit(NULL);
    OK(pr_acquire(&driver, &grandchild, 1));
    OK(pr_cancel(&driver, parent, false, false));
    CHECK(cause_of(grandchild) == PR_CAUSE_NONE && !pr_interrupt_take(&driver, second.slot));
    OK(pr_cancel(&driver, parent, false, true));
    CHECK(pr_interrupt_take(&driver, second.slot) && pr_cancel_asked(&second, taken.task));
    CHECK(cause_of(grandchild) == PR_CAUSE_CANCELLED);
    CHECK(fixture_finish(&second, &taken, 2, &taken) == PR_OK);
    CHECK(taken.result.index == other.index && !pr_cancel_asked(&second, taken.task));
    pr_release(&worker, child);
    pr_session_detach(&second, false);
    close_session();
}

/* Killed, it is never told: what it submits after the search for children must not be missed. */
static void a_child_that_comes_late_goes_too(void)
{
    open_session();
    struct pr_ref parent = submit(NULL);
    OK(pr_take(&worker, &taken));
    OK(pr_cancel(&driver, parent, true, true));
    struct pr_ref child = submit_child(&worker, taken.serial, NULL);
    struct pr_ref stranger = submit_child(&worker, 0, NULL);
    OK(pr_acquire(&driver, &child, 1));
    OK(pr_acquire(&driver, &stranger, 1));
    CHECK(cause_of(child) == PR_CAUSE_CANCELLED);
    CHECK(cause_of(stranger) == PR_CAUSE_NONE);
    OK(pr_sweep(&driver, worker.slot, 9));
    CHECK(cause_of(parent) == PR_CAUSE_CANCELLED);
    fixture_worker(&worker, &driver);
    OK(pr_take(&worker, &taken));
    CHECK(taken.result.index == stranger.index);
    close_session();
}

static void what_a_task_submits_to_clean_up_stays(void)
{
    open_session();
    bool recursive = false;
    struct pr_ref parent = submit(NULL);
    OK(pr_take(&worker, &taken));
    struct pr_ref child = submit_child(&worker, taken.serial, NULL);
    uint64_t last = pr_engine_root(&driver)->serial;
    OK(pr_cancel(&driver, parent, false, true));
    CHECK(pr_cancel_take(&worker, taken.task, &recursive) && recursive);
    struct pr_ref late = submit_child(&worker, taken.serial, NULL);
    OK(pr_acquire(&driver, &child, 1));
    OK(pr_acquire(&driver, &late, 1));
    OK(pr_cancel_children(&driver, taken.serial, last, false)); /* a search that takes long */
    CHECK(cause_of(child) == PR_CAUSE_CANCELLED);
    CHECK(cause_of(late) == PR_CAUSE_NONE);
    close_session();
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(what_has_not_begun_never_does);
    RUN(what_runs_is_told_once_for_each_time);
    RUN(a_late_request_does_not_reach_the_next_task);
    RUN(the_cancelled_are_not_retried);
    RUN(calls_leave_mailbox_and_lane);
    RUN(children_go_too);
    RUN(a_child_that_comes_late_goes_too);
    RUN(what_a_task_submits_to_clean_up_stays);
    return harness_end();
}
