/* After a death: what the dead process held is given back, and nothing else. */
#include "tests/session_fixture.h"

static struct pr_context driver, supervisor, worker, second;
static struct pr_ref function;

static void open_session(void)
{
    fixture_create(&driver, 1 << 20, 1);
    fixture_attach(&supervisor, &driver, PR_SLOT_SUPERVISOR);
    fixture_worker(&worker, &driver);
    function = fixture_put(&driver, 0);
}

/* Everybody dies; only the supervisor is left. */
static void close_session(void)
{
    AUDIT(&supervisor);
    for (pr_index i = 1; i < supervisor.header->pools[PR_POOL_SLOT].high_water; i++)
        if (i != supervisor.slot) OK(pr_sweep(&supervisor, i, 9));
    CHECK(fixture_is_empty(&supervisor, 1));
    pr_session_detach(&worker, false);
    pr_session_detach(&supervisor, false);
    pr_session_detach(&driver, false);
}

static void submit(struct pr_submission *s, struct pr_ref *results, uint32_t count)
{
    *s = fixture_submission(function, fixture_shape(&driver, PR_RESOURCE_UNIT), count, results);
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

static void references_pins_and_puts_come_back(void)
{
    struct pr_fetched fetched;
    struct pr_ref refs[40], creating;
    uint64_t offset;
    bool pinned;
    open_session();
    struct pr_ref large = fixture_put_large(&driver, "0123456789", 10);
    OK(pr_acquire(&worker, &large, 1));
    OK(pr_get(&worker, large, 1, &fetched, &pinned));
    for (uint32_t i = 0; i < 40; i++) refs[i] = fixture_put(&worker, i);
    OK(pr_acquire(&driver, &refs[7], 1));
    OK(pr_put_begin(&worker, 1000, &creating, &offset));
    OK(pr_sweep(&supervisor, worker.slot, 9));
    AUDIT(&driver);
    CHECK(fixture_accounts(&driver).objects == 3 && fixture_accounts(&driver).blocks == 1);
    CHECK(fixture_number(&driver, refs[7]) == 7);
    pr_release(&driver, large);
    CHECK(fixture_accounts(&driver).blocks == 0);
    OK(pr_sweep(&supervisor, worker.slot, 9)); /* again: nothing to do */
    close_session();
}

static void a_task_is_retried_then_failed(void)
{
    struct pr_taken taken;
    struct pr_submission s;
    struct pr_ref result;
    open_session();
    submit(&s, &result, 1);
    s.retries = 1;
    OK(pr_submit(&driver, &s));
    OK(pr_take(&worker, &taken));
    OK(pr_sweep(&supervisor, worker.slot, 11));
    AUDIT(&driver);
    CHECK(pr_engine_root(&driver)->ready_count == 1 && pr_engine_root(&driver)->retried == 1);
    CHECK(pr_engine_root(&driver)->spawn_requests == 1); /* a worker is asked for */
    pr_session_detach(&worker, false);
    fixture_worker(&worker, &driver);
    OK(pr_take(&worker, &taken));
    CHECK(taken.attempt == 2);
    OK(pr_sweep(&supervisor, worker.slot, 11));
    struct pr_failure failure = failure_of(result);
    CHECK(failure.cause == PR_CAUSE_WORKER_DIED && failure.wait_status == 11);
    CHECK(strcmp(failure.name, "task") == 0 && failure.process_id == pr_os_process_id());
    close_session();
}

static void results_of_the_first_attempt_stay(void)
{
    struct pr_taken taken;
    struct pr_submission s;
    struct pr_ref results[20];
    struct pr_value values[20];
    uint64_t offset;
    open_session();
    submit(&s, results, 20);
    s.retries = -1;
    OK(pr_submit(&driver, &s));
    OK(pr_take(&worker, &taken));
    for (int i = 0; i < 20; i++)
        values[i] = (struct pr_value){
            .kind = 1, .bytes = "12345678", .size_bytes = 8, .children = &function};
    OK(pr_result_begin(&worker, results[18], 100, &offset));
    struct pr_ref gone = fixture_put(&worker, 1);
    values[17].children = &gone;
    values[17].child_count = 1;
    pr_release(&worker, gone);
    CHECK(pr_finish(&worker, taken.task, values, 20, &taken) == PR_STALE); /* 16 are sealed */
    taken.task = pr_slot_at(&worker, worker.slot)->running;
    AUDIT(&driver);
    OK(pr_sweep(&supervisor, worker.slot, 9));
    AUDIT(&driver);
    CHECK(fixture_accounts(&driver).blocks == 0);
    pr_session_detach(&worker, false);
    fixture_worker(&worker, &driver);
    OK(pr_take(&worker, &taken));
    CHECK(pr_result_begin(&worker, results[3], 100, &offset) == PR_STATE);
    CHECK(pr_finish(&worker, taken.task, values, 20, &taken) == PR_STALE);
    values[17].child_count = 0;
    CHECK(pr_finish(&worker, s.results == NULL ? 0 : pr_slot_at(&worker, worker.slot)->running,
                    values, 20, &taken) == PR_EMPTY);
    for (int i = 0; i < 20; i++) fixture_number(&driver, results[i]);
    close_session();
}

static void what_a_half_made_result_held_is_given_back(void)
{
    struct pr_taken taken;
    struct pr_submission s;
    struct pr_ref result;
    uint64_t offset;
    open_session();
    struct pr_ref child = fixture_put(&driver, 1);
    submit(&s, &result, 1);
    s.retries = 1;
    OK(pr_submit(&driver, &s));
    OK(pr_take(&worker, &taken));
    OK(pr_result_begin(&worker, result, 100, &offset));
    OK(pr_add_children(&worker, result, &child, 1));
    pr_release(&driver, child);
    CHECK(pr_object_at(&driver, child.index)->refs == 1);
    OK(pr_sweep(&supervisor, worker.slot, 9));
    CHECK(pr_object_at(&driver, child.index)->state == PR_OBJECT_FREE);
    CHECK(pr_object_at(&driver, result.index)->state == PR_OBJECT_PENDING);
    close_session();
}

static void orphans_are_not_run(void)
{
    struct pr_submission s;
    struct pr_ref results[3];
    open_session();
    fixture_attach(&second, &driver, PR_SLOT_DRIVER);
    for (int i = 0; i < 3; i++) {
        submit(&s, &results[i], 1);
        s.awaited = &results[0];
        s.awaited_count = i == 2;
        OK(pr_submit(&second, &s));
    }
    OK(pr_acquire(&driver, &results[0], 1)); /* somebody else wants the first */
    OK(pr_sweep(&supervisor, second.slot, 9));
    AUDIT(&driver);
    CHECK_THAT(pr_engine_root(&driver)->ready_count == 1, "%u",
               pr_engine_root(&driver)->ready_count);
    CHECK(fixture_accounts(&driver).tasks == 1);
    pr_session_detach(&second, false);
    struct pr_taken taken;
    OK(pr_take(&worker, &taken));
    CHECK(taken.result.index == results[0].index);
    CHECK(fixture_finish(&worker, &taken, 1, &taken) == PR_EMPTY);
    close_session();
}

static void waiting_ends_with_the_waiter(void)
{
    struct pr_submission s;
    struct pr_ref results[50];
    uint8_t sealed[50];
    uint32_t seen;
    open_session();
    submit(&s, results, 50);
    OK(pr_submit(&driver, &s));
    OK(pr_acquire(&worker, results, 50));
    struct pr_wait wait = {.refs = results, .count = 50, .need = 50, .sealed = sealed};
    OK(pr_latch_claim(&worker, &wait.latch));
    CHECK(pr_wait_arm(&worker, &wait, &seen) == PR_PENDING);
    CHECK(fixture_accounts(&driver).latches == 4);
    OK(pr_sweep(&supervisor, worker.slot, 9));
    AUDIT(&driver);
    CHECK(fixture_accounts(&driver).latches == 2);
    struct pr_taken taken;
    pr_session_detach(&worker, false);
    fixture_worker(&worker, &driver);
    OK(pr_take(&worker, &taken));
    CHECK(fixture_finish(&worker, &taken, 1, &taken) == PR_EMPTY);
    close_session();
}

static void workers_die_in_every_state(void)
{
    struct pr_taken taken;
    struct pr_submission s;
    struct pr_ref result;
    pr_index slot;
    open_session();
    OK(pr_worker_request(&driver));
    OK(pr_worker_reserve(&supervisor, &slot));
    CHECK(pr_engine_root(&driver)->crew.starting == 2); /* and `worker` */
    OK(pr_sweep(&supervisor, slot, 9));
    AUDIT(&driver);
    CHECK(pr_take(&worker, &taken) == PR_EMPTY);
    OK(pr_sweep(&supervisor, worker.slot, 9)); /* IDLE */
    AUDIT(&driver);
    pr_session_detach(&worker, false);
    fixture_worker(&worker, &driver);
    CHECK(pr_take(&worker, &taken) == PR_EMPTY);
    submit(&s, &result, 1);
    OK(pr_submit(&driver, &s));
    CHECK(pr_slot_at(&driver, worker.slot)->state == PR_SLOT_WAKING);
    OK(pr_sweep(&supervisor, worker.slot, 9));
    AUDIT(&driver);
    CHECK(pr_engine_root(&driver)->spawn_requests == 1);
    pr_session_detach(&worker, false);
    fixture_worker(&worker, &driver);
    OK(pr_take(&worker, &taken));
    CHECK(fixture_finish(&worker, &taken, 1, &taken) == PR_EMPTY);
    close_session();
}

static void everybody_is_woken(void)
{
    open_session();
    uint32_t before = pr_latch_sequence(&driver, pr_slot_at(&driver, driver.slot)->latch);
    OK(pr_sweep(&supervisor, worker.slot, 9));
    CHECK(pr_latch_sequence(&driver, pr_slot_at(&driver, driver.slot)->latch) != before);
    close_session();
}

static void slots_get_new_generations(void)
{
    open_session();
    pr_index slot = worker.slot;
    uint32_t generation = worker.slot_generation;
    OK(pr_sweep(&supervisor, slot, 9));
    pr_session_detach(&worker, false);
    fixture_worker(&worker, &driver);
    CHECK(worker.slot == slot && worker.slot_generation == generation + 1);
    close_session();
}

static struct pr_ref create_actor(struct pr_ref *created)
{
    struct pr_submission s;
    submit(&s, created, 1);
    s.flags = PR_TASK_CREATES_ACTOR;
    OK(pr_submit(&driver, &s));
    return s.actor;
}

#ifdef PR_CRASH_INJECTION
static struct pr_context *newcomer; /* runs between two transactions of the sweep */
static struct pr_ref another;
static uint32_t begins;
static pr_index watched_slot;

/* As soon as the dead actor's entry is free, another process makes an actor of it. */
static void reuse_actor(void *argument)
{
    struct pr_context *ctx = argument;
    begins++;
    if (newcomer == NULL || ctx->header->pools[PR_POOL_ACTOR].used > 0) return;
    struct pr_taken taken;
    struct pr_ref created;
    struct pr_context *worker_now = newcomer;
    newcomer = NULL;
    pr_tx_rollback(ctx);
    another = create_actor(&created);
    OK(pr_take(worker_now, &taken));
    CHECK(fixture_finish(worker_now, &taken, 0, &taken) == PR_EMPTY);
    OK(pr_tx_begin(ctx));
}
#endif

static void a_new_actor_in_a_dead_ones_place_lives(void)
{
#ifdef PR_CRASH_INJECTION
    struct pr_taken taken;
    struct pr_ref created, result;
    open_session();
    struct pr_ref actor = create_actor(&created);
    OK(pr_take(&worker, &taken));
    CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EMPTY);
    struct pr_submission s;
    submit(&s, &result, 1);
    s.flags = PR_TASK_OF_ACTOR;
    s.actor = actor;
    OK(pr_submit(&driver, &s));
    OK(pr_take(&worker, &taken)); /* dies in a call, and nobody has a handle any more */
    pr_release(&driver, actor);
    pr_release(&driver, created);
    fixture_worker(&second, &driver);
    newcomer = &second;
    supervisor.at_begin = reuse_actor;
    supervisor.injection_argument = &supervisor;
    watched_slot = worker.slot;
    OK(pr_sweep(&supervisor, worker.slot, 9));
    supervisor.at_begin = NULL;
    CHECK_THAT(newcomer == NULL, "not reused in %u transactions", begins);
    AUDIT(&driver);
    pr_index index;
    OK(pr_actor_find(&driver, another, &index));
    CHECK(pr_actor_at(&driver, index)->state == PR_ACTOR_ALIVE);
    pr_session_detach(&second, false);
    close_session();
#endif
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(references_pins_and_puts_come_back);
    RUN(a_task_is_retried_then_failed);
    RUN(results_of_the_first_attempt_stay);
    RUN(what_a_half_made_result_held_is_given_back);
    RUN(orphans_are_not_run);
    RUN(waiting_ends_with_the_waiter);
    RUN(workers_die_in_every_state);
    RUN(everybody_is_woken);
    RUN(slots_get_new_generations);
    RUN(a_new_actor_in_a_dead_ones_place_lives);
    return harness_end();
}
