/* Actors: creation, calls in order, waiting calls and lanes, failure, kill, end, resources. */
#include "tests/session_fixture.h"

static struct pr_context driver, worker, second;
static struct pr_ref function, created;

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

static struct pr_ref create_actor(int64_t cpus, uint32_t flags)
{
    struct pr_submission s =
        fixture_submission(function, fixture_shape(&driver, cpus), 1, &created);
    s.flags = PR_TASK_CREATES_ACTOR | flags;
    OK(pr_submit(&driver, &s));
    return s.actor;
}

static struct pr_ref call_from(struct pr_context *caller, struct pr_ref actor,
                               const struct pr_ref *awaited)
{
    struct pr_ref result;
    struct pr_submission s = fixture_submission(function, fixture_shape(&driver, 0), 1, &result);
    s.flags = PR_TASK_OF_ACTOR;
    s.actor = actor;
    s.awaited = awaited;
    s.awaited_count = awaited != NULL;
    OK(pr_submit(caller, &s));
    return result;
}

static struct pr_ref call(struct pr_ref actor, const struct pr_ref *awaited)
{
    return call_from(&driver, actor, awaited);
}

static struct pr_failure failure_of(struct pr_ref result)
{
    struct pr_fetched fetched;
    bool pinned;
    struct pr_failure failure;
    OK(pr_get(&driver, result, 0, &fetched, &pinned));
    CHECK(fetched.kind == PR_KIND_FAILURE && (fetched.flags & PR_FLAG_ERROR));
    memcpy(&failure, fetched.value, sizeof failure);
    return failure;
}

/* The worker, an actor now, runs what its mailbox holds; results are numbered from `number` on. */
static uint32_t run_mailbox(struct pr_taken *taken, uint64_t number)
{
    uint32_t count = 0;
    enum pr_status status = pr_take(&worker, taken);
    for (; status == PR_OK; count++) status = fixture_finish(&worker, taken, number++, taken);
    return count;
}

static void calls_run_in_order(void)
{
    struct pr_taken taken;
    struct pr_ref results[3];
    open_session();
    struct pr_ref actor = create_actor(PR_RESOURCE_UNIT, 0);
    for (int i = 0; i < 3; i++) results[i] = call(actor, NULL); /* before it exists */
    OK(pr_take(&worker, &taken));
    CHECK(taken.flags & PR_TASK_CREATES_ACTOR);
    OK(fixture_finish(&worker, &taken, 0, &taken));
    CHECK(taken.flags & PR_TASK_OF_ACTOR);
    CHECK(taken.actor.index == actor.index);
    OK(fixture_finish(&worker, &taken, 10, &taken));
    OK(fixture_finish(&worker, &taken, 11, &taken));
    CHECK(fixture_finish(&worker, &taken, 12, &taken) == PR_EMPTY);
    for (uint64_t i = 0; i < 3; i++) CHECK(fixture_number(&driver, results[i]) == 10 + i);
    CHECK(pr_slot_at(&worker, worker.slot)->state == PR_SLOT_BUSY);
    CHECK(pr_engine_root(&driver)->resources[0].free == 4 * PR_RESOURCE_UNIT); /* creation's only */
    close_session();
}

/* Creation gives its resources back: a task that waited for them must be told. */
static void created_actors_make_room_for_tasks(void)
{
    struct pr_taken taken;
    struct pr_ref result;
    open_session();
    fixture_worker(&second, &driver);
    create_actor(4 * PR_RESOURCE_UNIT, 0);
    OK(pr_take(&worker, &taken));
    struct pr_submission s =
        fixture_submission(function, fixture_shape(&driver, PR_RESOURCE_UNIT), 1, &result);
    OK(pr_submit(&driver, &s));
    CHECK(pr_take(&second, &taken) == PR_EMPTY);
    uint32_t before = pr_latch_sequence(&second, pr_slot_at(&second, second.slot)->latch);
    taken.task = pr_slot_at(&worker, worker.slot)->running;
    taken.result_count = 1;
    CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EMPTY);
    CHECK(pr_latch_sequence(&second, pr_slot_at(&second, second.slot)->latch) != before);
    pr_session_detach(&second, false);
    close_session();
}

static void waiting_calls_hold_back_their_caller_only(void)
{
    struct pr_taken taken;
    struct pr_ref pending, results[4];
    open_session();
    fixture_attach(&second, &driver, PR_SLOT_DRIVER);
    struct pr_ref actor = create_actor(0, 0);
    OK(pr_take(&worker, &taken));
    CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EMPTY);
    fixture_worker(&second, &driver);
    struct pr_submission s = fixture_submission(function, fixture_shape(&driver, 0), 1, &pending);
    OK(pr_submit(&driver, &s));
    results[0] = call(actor, NULL);
    results[1] = call(actor, &pending);
    results[2] = call(actor, NULL);               /* behind it */
    results[3] = call_from(&second, actor, NULL); /* another caller's */
    CHECK(fixture_accounts(&driver).lanes == 1);
    CHECK(run_mailbox(&taken, 10) == 2);
    CHECK(fixture_number(&driver, results[0]) == 10 && fixture_number(&driver, results[3]) == 11);
    OK(pr_take(&second, &taken));
    CHECK(fixture_finish(&second, &taken, 5, &taken) == PR_EMPTY);
    CHECK(fixture_accounts(&driver).lanes == 0);
    CHECK(run_mailbox(&taken, 20) == 2);
    CHECK(fixture_number(&driver, results[1]) == 20 && fixture_number(&driver, results[2]) == 21);
    pr_session_detach(&second, false);
    close_session();
}

static void a_failed_construction_fails_calls_with_its_error(void)
{
    struct pr_taken taken;
    open_session();
    struct pr_ref actor = create_actor(PR_RESOURCE_UNIT, PR_TASK_KEEPS);
    struct pr_ref before = call(actor, NULL);
    OK(pr_take(&worker, &taken));
    struct pr_value error = {.kind = 1, .flags = PR_FLAG_ERROR, .bytes = "no", .size_bytes = 2};
    CHECK(pr_finish(&worker, taken.task, &error, 1, &taken) == PR_EMPTY);
    CHECK(pr_slot_at(&worker, worker.slot)->state == PR_SLOT_IDLE); /* an ordinary worker still */
    struct pr_ref after = call(actor, NULL);
    CHECK(failure_of(before).cause == PR_CAUSE_ACTOR_CREATION &&
          failure_of(after).cause == PR_CAUSE_ACTOR_CREATION);
    CHECK(failure_of(before).detail.index == created.index);
    CHECK(pr_engine_root(&driver)->resources[0].free == 4 * PR_RESOURCE_UNIT);
    pr_release(&driver, created);
    pr_release(&driver, before);
    pr_release(&driver, after);
    pr_release(&driver, actor);
    CHECK(fixture_accounts(&driver).objects == 1 && fixture_accounts(&driver).actors == 0);
    close_session();
}

static void an_actor_without_handles_ends(void)
{
    struct pr_taken taken;
    open_session();
    struct pr_ref actor = create_actor(PR_RESOURCE_UNIT, PR_TASK_KEEPS);
    struct pr_ref result = call(actor, NULL);
    pr_release(&driver, actor); /* the call still holds it */
    OK(pr_take(&worker, &taken));
    OK(fixture_finish(&worker, &taken, 0, &taken));
    CHECK(pr_engine_root(&driver)->resources[0].free == 3 * PR_RESOURCE_UNIT);
    AUDIT(&driver);
    CHECK(fixture_finish(&worker, &taken, 7, &taken) == PR_EMPTY);
    CHECK(pr_take(&worker, &taken) == PR_EXIT);
    OK(pr_sweep(&driver, worker.slot, 0));
    CHECK(pr_engine_root(&driver)->resources[0].free == 4 * PR_RESOURCE_UNIT);
    CHECK(fixture_number(&driver, result) == 7);
    CHECK(fixture_accounts(&driver).actors == 0);
    close_session();
}

static void killed_actors_fail_their_calls(void)
{
    struct pr_taken taken;
    open_session();
    struct pr_ref actor = create_actor(PR_RESOURCE_UNIT, PR_TASK_KEEPS);
    OK(pr_take(&worker, &taken));
    CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EMPTY);
    struct pr_ref running = call(actor, NULL), waiting = call(actor, NULL);
    OK(pr_take(&worker, &taken));
    OK(pr_actor_kill(&driver, actor, true));
    OK(pr_actor_kill(&driver, actor, true));
    CHECK(pr_slot_at(&driver, worker.slot)->requests & PR_REQUEST_KILL);
    CHECK(pr_engine_root(&driver)->signal_requests == 1);
    CHECK(failure_of(waiting).cause == PR_CAUSE_ACTOR_KILLED); /* at once */
    AUDIT(&driver);
    OK(pr_sweep(&driver, worker.slot, 9));
    CHECK(failure_of(running).cause == PR_CAUSE_ACTOR_KILLED);
    OK(pr_actor_kill(&driver, actor, true));
    struct pr_ref late = call(actor, NULL);
    CHECK(failure_of(late).cause == PR_CAUSE_ACTOR_KILLED);
    CHECK(pr_engine_root(&driver)->resources[0].free == 4 * PR_RESOURCE_UNIT);
    CHECK(pr_actor_kill(&driver, function, true) == PR_STATE);
    pr_release(&driver, actor);
    CHECK(fixture_accounts(&driver).actors == 0);
    close_session();
}

static void a_killed_actor_makes_room_for_tasks(void)
{
    struct pr_taken taken;
    struct pr_ref result;
    open_session();
    fixture_worker(&second, &driver);
    struct pr_ref actor = create_actor(4 * PR_RESOURCE_UNIT, PR_TASK_KEEPS);
    OK(pr_take(&worker, &taken));
    CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EMPTY);
    pr_index shape = fixture_shape(&driver, PR_RESOURCE_UNIT);
    struct pr_submission s = fixture_submission(function, shape, 1, &result);
    OK(pr_submit(&driver, &s));
    CHECK(pr_take(&second, &taken) == PR_EMPTY);
    uint32_t before = pr_latch_sequence(&second, pr_slot_at(&second, second.slot)->latch);
    OK(pr_actor_kill(&driver, actor, true));
    CHECK(pr_take(&worker, &taken) == PR_EXIT); /* not a worker like any other */
    CHECK(pr_latch_sequence(&second, pr_slot_at(&second, second.slot)->latch) == before);
    OK(pr_sweep(&driver, worker.slot, 9)); /* its resources are its process's until then */
    CHECK(pr_latch_sequence(&second, pr_slot_at(&second, second.slot)->latch) != before);
    OK(pr_take(&second, &taken));
    pr_session_detach(&second, false);
    close_session();
}

/* A kill while the constructor runs: requested at once, and calls fail from then on. */
static struct pr_ref kill_during_construction(struct pr_taken *taken)
{
    open_session();
    struct pr_ref actor = create_actor(PR_RESOURCE_UNIT, PR_TASK_KEEPS);
    struct pr_ref before = call(actor, NULL);
    OK(pr_take(&worker, taken));
    OK(pr_actor_kill(&driver, actor, true));
    OK(pr_actor_kill(&driver, actor, true));
    CHECK(pr_slot_at(&driver, worker.slot)->requests & PR_REQUEST_KILL);
    CHECK(pr_engine_root(&driver)->signal_requests == 1);
    struct pr_ref after = call(actor, NULL);
    CHECK(failure_of(before).cause == PR_CAUSE_ACTOR_KILLED);
    CHECK(failure_of(after).cause == PR_CAUSE_ACTOR_KILLED);
    AUDIT(&driver);
    pr_release(&driver, before);
    pr_release(&driver, after);
    return actor;
}

static void check_actor_is_gone(struct pr_ref actor)
{
    OK(pr_sweep(&driver, worker.slot, 9));
    pr_release(&driver, actor);
    pr_release(&driver, created);
    CHECK(pr_engine_root(&driver)->resources[0].free == 4 * PR_RESOURCE_UNIT);
    CHECK(fixture_accounts(&driver).actors == 0 && fixture_accounts(&driver).tasks == 0);
    CHECK(fixture_accounts(&driver).objects == 1);
    close_session();
}

static void a_kill_during_construction_acts_at_once(void)
{
    struct pr_taken taken;
    struct pr_ref actor = kill_during_construction(&taken);
    OK(pr_sweep(&driver, worker.slot, 9));
    CHECK(failure_of(created).cause == PR_CAUSE_ACTOR_KILLED);
    check_actor_is_gone(actor);
}

/* The constructor returned before the supervisor came: the dead actor keeps nothing. */
static void a_constructor_that_returns_after_the_kill(void)
{
    struct pr_taken taken;
    struct pr_ref actor = kill_during_construction(&taken);
    CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EXIT);
    CHECK(pr_slot_at(&driver, worker.slot)->actor == PR_NONE);
    CHECK(pr_engine_root(&driver)->resources[0].free == 4 * PR_RESOURCE_UNIT);
    AUDIT(&driver);
    check_actor_is_gone(actor);
}

static void a_constructor_that_raises_after_the_kill(void)
{
    struct pr_taken taken;
    struct pr_ref actor = kill_during_construction(&taken);
    struct pr_value error = {.kind = 1, .flags = PR_FLAG_ERROR, .bytes = "no", .size_bytes = 2};
    CHECK(pr_finish(&worker, taken.task, &error, 1, &taken) == PR_EXIT);
    struct pr_ref late = call(actor, NULL);
    CHECK(failure_of(late).cause == PR_CAUSE_ACTOR_KILLED);
    pr_release(&driver, late);
    check_actor_is_gone(actor);
}

static void a_kill_takes_a_queued_creation_off_its_queue(void)
{
    struct pr_taken taken;
    open_session();
    struct pr_ref actor = create_actor(PR_RESOURCE_UNIT, PR_TASK_KEEPS);
    struct pr_ref before = call(actor, NULL);
    CHECK(pr_engine_root(&driver)->ready_count == 1);
    OK(pr_actor_kill(&driver, actor, true));
    CHECK(pr_engine_root(&driver)->ready_count == 0);
    CHECK(pr_engine_root(&driver)->signal_requests == 0);
    CHECK(failure_of(created).cause == PR_CAUSE_ACTOR_KILLED);
    CHECK(failure_of(before).cause == PR_CAUSE_ACTOR_KILLED);
    CHECK(pr_take(&worker, &taken) == PR_EMPTY);
    AUDIT(&driver);
    pr_release(&driver, before);
    check_actor_is_gone(actor);
}

static void a_kill_fails_a_creation_that_waits_for_an_argument(void)
{
    struct pr_taken taken;
    struct pr_ref pending;
    open_session();
    struct pr_submission p = fixture_submission(function, fixture_shape(&driver, 0), 1, &pending);
    OK(pr_submit(&driver, &p));
    struct pr_submission s = fixture_submission(function, fixture_shape(&driver, 0), 1, &created);
    s.flags = PR_TASK_CREATES_ACTOR;
    s.awaited = &pending;
    s.awaited_count = 1;
    OK(pr_submit(&driver, &s));
    OK(pr_actor_kill(&driver, s.actor, true));
    CHECK(failure_of(created).cause == PR_CAUSE_ACTOR_KILLED);
    AUDIT(&driver);
    OK(pr_take(&worker, &taken));
    CHECK(!(taken.flags & PR_TASK_CREATES_ACTOR));
    CHECK(fixture_finish(&worker, &taken, 5, &taken) == PR_EMPTY);
    pr_release(&driver, pending);
    check_actor_is_gone(s.actor);
}

/* Resources lent by a constructor that waits are taken back when the actor keeps them. */
static void kept_resources_that_were_lent(void)
{
    struct pr_taken taken;
    open_session();
    create_actor(PR_RESOURCE_UNIT, PR_TASK_KEEPS);
    OK(pr_take(&worker, &taken));
    pr_task_lend(&worker, taken.task);
    CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EMPTY);
    CHECK(pr_engine_root(&driver)->resources[0].free == 3 * PR_RESOURCE_UNIT);
    close_session();
}

/* One argument that 40 callers' lanes of 40 calls wait for: delivered in steps, none forgotten. */
static void many_lanes_are_drained(void)
{
    enum { CALLERS = 40, CALLS = 40 };
    static struct pr_context callers[CALLERS];
    struct pr_taken taken;
    struct pr_ref pending;
    fixture_create(&driver, 1 << 20, 0);
    fixture_worker(&worker, &driver);
    fixture_worker(&second, &driver);
    function = fixture_put(&driver, 0);
    struct pr_ref actor = create_actor(0, 0);
    OK(pr_take(&worker, &taken));
    CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EMPTY);
    struct pr_submission s = fixture_submission(function, fixture_shape(&driver, 0), 1, &pending);
    OK(pr_submit(&driver, &s));
    for (int i = 0; i < CALLERS; i++) {
        fixture_attach(&callers[i], &driver, PR_SLOT_DRIVER);
        for (int j = 0; j < CALLS; j++) call_from(&callers[i], actor, j == 0 ? &pending : NULL);
    }
    CHECK(fixture_accounts(&driver).lanes == CALLERS);
    OK(pr_take(&second, &taken));
    CHECK(fixture_finish(&second, &taken, 5, &taken) == PR_EMPTY);
    CHECK_THAT(fixture_accounts(&driver).lanes == 0, "%u", fixture_accounts(&driver).lanes);
    CHECK(run_mailbox(&taken, 0) == CALLERS * CALLS);
    for (int i = 0; i < CALLERS; i++) pr_session_detach(&callers[i], false);
    pr_session_detach(&second, false);
    close_session();
}

/* A lane that is drained in steps, behind many that still wait for something else. */
static void a_long_lane_behind_waiting_ones(void)
{
    enum { CALLERS = 40, CALLS = 400 };
    static struct pr_context callers[CALLERS];
    struct pr_taken taken;
    struct pr_ref pending[2];
    fixture_create(&driver, 1 << 20, 0);
    fixture_worker(&worker, &driver);
    fixture_worker(&second, &driver);
    function = fixture_put(&driver, 0);
    struct pr_ref actor = create_actor(0, 0);
    OK(pr_take(&worker, &taken));
    CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EMPTY);
    for (int i = 0; i < 2; i++) {
        struct pr_submission s =
            fixture_submission(function, fixture_shape(&driver, 0), 1, &pending[i]);
        OK(pr_submit(&driver, &s));
    }
    for (int i = 0; i < CALLS; i++) call(actor, i == 0 ? &pending[0] : NULL);
    for (int i = 0; i < CALLERS; i++) {
        fixture_attach(&callers[i], &driver, PR_SLOT_DRIVER);
        call_from(&callers[i], actor, &pending[1]);
    }
    OK(pr_take(&second, &taken));
    OK(fixture_finish(&second, &taken, 5, &taken));
    CHECK_THAT(fixture_accounts(&driver).lanes == CALLERS, "%u", fixture_accounts(&driver).lanes);
    CHECK(run_mailbox(&taken, 0) == CALLS);
    for (int i = 0; i < CALLERS; i++) pr_session_detach(&callers[i], false);
    pr_session_detach(&second, false);
    close_session();
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(calls_run_in_order);
    RUN(created_actors_make_room_for_tasks);
    RUN(waiting_calls_hold_back_their_caller_only);
    RUN(a_failed_construction_fails_calls_with_its_error);
    RUN(an_actor_without_handles_ends);
    RUN(killed_actors_fail_their_calls);
    RUN(a_killed_actor_makes_room_for_tasks);
    RUN(a_kill_during_construction_acts_at_once);
    RUN(a_constructor_that_returns_after_the_kill);
    RUN(a_constructor_that_raises_after_the_kill);
    RUN(a_kill_takes_a_queued_creation_off_its_queue);
    RUN(a_kill_fails_a_creation_that_waits_for_an_argument);
    RUN(kept_resources_that_were_lent);
    RUN(many_lanes_are_drained);
    RUN(a_long_lane_behind_waiting_ones);
    return harness_end();
}
