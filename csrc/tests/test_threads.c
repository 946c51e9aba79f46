/* Processes as threads, each with a context of its own, for ThreadSanitizer and for lost wake-ups.
 *
 * A sanitizer knows an address, not the page behind it: with a mapping for each context, and two of
 * the tables in each, it sees little of what is shared. So every case runs twice: with mappings of
 * their own as in real life, and with all contexts using the first one's writable mapping for
 * everything.
 *
 *     test_threads [--seed=N] [--seconds=N]
 */
#include <pthread.h>
#include <unistd.h>

#include "tests/world.h"

enum { WORKERS = 3, DRIVERS = 2, THREADS = WORKERS + DRIVERS, BATCH = 20 };

static struct pr_context first, supervisor;
static struct member members[THREADS];
static pthread_t threads[THREADS];
static struct pr_ref function;
static uint64_t deadline;
static bool one_mapping;
static uint32_t failures, ended, stop[THREADS];

/* ---- contexts ---- */

/* The mappings a context came with, while it borrows another's. */
static struct pr_context own[THREADS + 1];

static void borrow_mapping(struct pr_context *ctx, struct pr_context *saved,
                           const struct pr_context *from)
{
    *saved = *ctx;
    if (!one_mapping) return;
    ctx->writable = from->writable;
    ctx->header = (const struct pr_header *)from->writable;
    ctx->undo = (const struct pr_undo *)(from->writable + PR_UNDO_OFFSET);
    ctx->heap_writable = from->heap_writable;
    ctx->heap = from->heap_writable;
}

static void detach(struct pr_context *ctx, const struct pr_context *saved)
{
    ctx->writable = saved->writable;
    ctx->header = saved->header;
    ctx->undo = saved->undo;
    ctx->heap_writable = saved->heap_writable;
    ctx->heap = saved->heap;
    pr_session_detach(ctx, false);
}

/* No more workers than threads: a worker that is asked for would be waited for in vain. */
static void create_session(uint64_t heap_bytes)
{
    struct pr_session_config config = {.heap_bytes = heap_bytes,
                                       .cpus = 2,
                                       .worker_limit = WORKERS,
                                       .help_from = 1,
                                       .resource_count = 2};
    strcpy(config.resources[0].name, "CPU");
    config.resources[0].amount = 4 * PR_RESOURCE_UNIT;
    strcpy(config.resources[1].name, "GPU"); /* the operations ask for it, too */
    config.resources[1].amount = PR_RESOURCE_UNIT;
    OK(pr_session_create(&first, &config));
    first.spill_fd = fixture_directory();
    if (one_mapping) first.header = (const struct pr_header *)first.writable;
}

static void open_session(void)
{
    create_session(8 << 20);
    fixture_attach(&supervisor, &first, PR_SLOT_SUPERVISOR);
    borrow_mapping(&supervisor, &own[THREADS], &first);
    function = fixture_put(&first, 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        struct member *m = &members[i];
        *m = (struct member){.random = {harness_seed() + i},
                             .role = i < DRIVERS ? DRIVER : WORKER,
                             .check_bytes = true};
        if (m->role == DRIVER)
            fixture_attach(&m->ctx, &first, PR_SLOT_DRIVER);
        else
            fixture_worker(&m->ctx, &first);
        borrow_mapping(&m->ctx, &own[i], &first);
        for (uint32_t j = 0; j < WORLD_SHAPES; j++)
            m->shapes[j] = fixture_shape(&first, (int64_t)j * PR_RESOURCE_UNIT);
        __atomic_store_n(&stop[i], 0, __ATOMIC_RELAXED);
    }
    ended = 0;
}

/* Everybody "dies"; what is left is run by one worker more; in the end nothing may be left. */
static void close_session(void)
{
    static struct world world;
    world.reaper = supervisor;
    world.member[WORLD_MEMBERS - 1].ctx = members[THREADS - 1].ctx;
    const char *wrong = world_end(&world);
    CHECK_THAT(wrong == NULL, "%s", wrong);
    members[THREADS - 1].ctx = world.member[WORLD_MEMBERS - 1].ctx;
    supervisor = world.reaper;
    for (uint32_t i = 0; i < THREADS; i++) detach(&members[i].ctx, &own[i]);
    detach(&supervisor, &own[THREADS]);
    if (one_mapping)
        first.header = NULL; /* its read-only mapping stays until the end of the program */
    pr_session_detach(&first, false);
}

static void fail(const char *what)
{
    __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
    fprintf(stderr, "  thread: %s\n", what);
}

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) fail(#condition);                                                        \
    } while (0)

static bool time_is_up(void) { return pr_os_monotonic_ns() > deadline; }

/* ---- tasks that answer, with real sleeping ---- */

static uint64_t answer_to(uint64_t question) { return question * question + 1; }

static bool is_large(uint64_t question) { return question % 16 == 0; }

/* Large answers are 1,000 times the number, others the number. */
static void finish_one(struct member *m, enum pr_status *status)
{
    uint64_t question, answer, offset, words[1000];
    memcpy(&question, m->taken.value, 8);
    answer = answer_to(question);
    struct pr_value value = {.kind = 1, .bytes = &answer, .size_bytes = 8};
    if (is_large(question) &&
        pr_result_begin(&m->ctx, m->taken.result, sizeof words, &offset) == PR_OK) {
        for (int i = 0; i < 1000; i++) words[i] = answer;
        OK(pr_heap_write(&m->ctx, offset, words, sizeof words));
        value.in_block = 1;
    }
    *status = pr_finish(&m->ctx, m->taken.task, &value, 1, &m->taken);
}

static void *work(void *argument)
{
    struct member *m = argument;
    pr_index latch = pr_slot_at(&m->ctx, m->ctx.slot)->latch;
    uint32_t seen = pr_latch_sequence(&m->ctx, latch);
    bool overslept = false;
    enum pr_status status = pr_take(&m->ctx, &m->taken);
    while (status != PR_EXIT) {
        if (status == PR_OK) {
            if (overslept) fail("a worker slept although there was a task");
            seen = pr_latch_sequence(&m->ctx, latch);
            overslept = false;
            finish_one(m, &status);
        } else {
            EXPECT(status == PR_EMPTY);
            overslept = pr_latch_sleep(&m->ctx, latch, seen, 3000000000) == PR_TIMEOUT &&
                        pr_latch_sequence(&m->ctx, latch) == seen;
            seen = pr_latch_sequence(&m->ctx, latch);
            status = pr_take(&m->ctx, &m->taken);
        }
    }
    return NULL;
}

static bool wait_for_all(struct member *m, const struct pr_ref *refs, uint32_t count)
{
    uint8_t sealed[BATCH];
    uint32_t seen;
    struct pr_wait wait = {.refs = refs, .count = count, .need = count, .sealed = sealed};
    wait.latch = pr_slot_at(&m->ctx, m->ctx.slot)->latch;
    wait.stop_at_error = random_one_in(&m->random, 2);
    while (pr_wait_arm(&m->ctx, &wait, &seen) == PR_PENDING)
        if (pr_latch_sleep(&m->ctx, wait.latch, seen, 3000000000) == PR_TIMEOUT) {
            fail(pr_wait_poll(&m->ctx, &wait) == PR_OK ? "a driver slept although all was there"
                                                       : "no answers");
            return false;
        }
    pr_wait_disarm(&m->ctx, wait.latch);
    return true;
}

static void check_answer(struct member *m, struct pr_ref ref, uint64_t question)
{
    struct pr_fetched fetched;
    bool pinned = false;
    uint64_t answer;
    EXPECT(pr_get(&m->ctx, ref, 1, &fetched, &pinned) == PR_OK);
    const uint8_t *bytes = fetched.bytes != NULL ? fetched.bytes : fetched.value;
    memcpy(&answer, bytes + fetched.size_bytes - 8, 8);
    EXPECT(answer == answer_to(question));
    EXPECT(pinned == is_large(question));
    if (pinned) pr_unpin(&m->ctx, ref);
}

static void *ask(void *argument)
{
    struct member *m = argument;
    struct pr_ref results[BATCH];
    uint64_t questions[BATCH];
    for (uint64_t batches = 0; !time_is_up() && __atomic_load_n(&failures, __ATOMIC_RELAXED) == 0;
         batches++) {
        uint32_t count = 1 + random_below(&m->random, BATCH);
        for (uint32_t i = 0; i < count; i++) {
            questions[i] = random_below(&m->random, 1000000);
            struct pr_submission s = fixture_submission(
                function, m->shapes[random_below(&m->random, 2)], 1, &results[i]);
            s.value = &questions[i];
            s.size_bytes = 8;
            s.awaited = results;
            s.awaited_count = i > 0 && random_one_in(&m->random, 3);
            OK(pr_submit(&m->ctx, &s));
        }
        if (!wait_for_all(m, results, count)) break;
        for (uint32_t i = 0; i < count; i++) {
            check_answer(m, results[i], questions[i]);
            pr_release(&m->ctx, results[i]);
        }
    }
    return NULL;
}

static void questions_are_answered(void)
{
    open_session();
    for (uint32_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, i < DRIVERS ? ask : work, &members[i]) == 0);
    for (uint32_t i = 0; i < DRIVERS; i++) pthread_join(threads[i], NULL);
    pr_session_end(&first);
    for (uint32_t i = DRIVERS; i < THREADS; i++) pthread_join(threads[i], NULL);
    printf("  %llu tasks\n", (unsigned long long)pr_engine_root(&first)->finished);
    CHECK(failures == 0);
    AUDIT(&first);
    CHECK(fixture_accounts(&first).objects == 1); /* the function */
    uint32_t *ending = pr_writable_at(&first, &pr_engine_root(&first)->ending);
    __atomic_store_n(ending, 0, __ATOMIC_RELAXED); /* the heir has to work */
    close_session();
}

/* ---- random operations ---- */

static void *hammer(void *argument)
{
    struct member *m = argument;
    uint32_t i = (uint32_t)(m - members);
    while (!m->leaving && !__atomic_load_n(&stop[i], __ATOMIC_RELAXED) && !time_is_up())
        member_operate(m);
    __atomic_store_n(&stop[i], 2, __ATOMIC_RELEASE);
    return NULL;
}

static enum pr_status kill_requested(struct pr_context *ctx, void *argument)
{
    const pr_index *slot = argument;
    return pr_slot_at(ctx, *slot)->requests & PR_REQUEST_KILL ? PR_OK : PR_EMPTY;
}

static void start_again(uint32_t i)
{
    struct member *m = &members[i];
    pthread_join(threads[i], NULL);
    OK(pr_sweep(&supervisor, m->ctx.slot, 9));
    member_forget(m);
    ended++;
    if (pr_load_relaxed(&pr_engine_root(&supervisor)->spawn_requests) == 0)
        (void)!pr_worker_request(&supervisor);
    REQUIRE(member_join(m, &supervisor));
    __atomic_store_n(&stop[i], 0, __ATOMIC_RELAXED);
    REQUIRE(pthread_create(&threads[i], NULL, hammer, m) == 0);
}

static void random_operations(void)
{
    open_session();
    for (uint32_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, hammer, &members[i]) == 0);
    while (!time_is_up()) {
        pr_os_sleep_ns(200000);
        for (uint32_t i = DRIVERS; i < THREADS && !time_is_up(); i++) {
            if (__atomic_load_n(&stop[i], __ATOMIC_ACQUIRE) == 2)
                start_again(i);
            else if (pr_transact(&supervisor, kill_requested, &members[i].ctx.slot) == PR_OK)
                __atomic_store_n(&stop[i], 1, __ATOMIC_RELAXED);
        }
    }
    for (uint32_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    printf("  %llu tasks, %u workers ended\n", (unsigned long long)pr_engine_root(&first)->finished,
           ended);
    AUDIT(&supervisor);
    close_session();
}

/* ---- both, twice ---- */

static void run_for(uint64_t share, bool together, void (*test)(void))
{
    uint64_t seconds = harness_number("seconds", "PYRAY_TEST_SECONDS", 6);
    deadline = pr_os_monotonic_ns() + seconds * 1000000000u / share;
    one_mapping = together;
    failures = 0;
    test();
}

static void answers_with_own_mappings(void) { run_for(4, false, questions_are_answered); }
static void answers_with_one_mapping(void) { run_for(4, true, questions_are_answered); }
static void random_operations_with_own_mappings(void) { run_for(4, false, random_operations); }
static void random_operations_with_one_mapping(void) { run_for(4, true, random_operations); }

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(answers_with_own_mappings);
    RUN(answers_with_one_mapping);
    RUN(random_operations_with_own_mappings);
    RUN(random_operations_with_one_mapping);
    return harness_end();
}
