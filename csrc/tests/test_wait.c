/* Waiting: polls, watches, arming, errors, threads with latches of their own. */
#include "tests/session_fixture.h"

static struct pr_context driver, worker;
static struct pr_ref function, pending[40];
static struct pr_taken taken;
static uint8_t sealed[40];

static void open_session(uint32_t count)
{
    fixture_create(&driver, 1 << 20, 1);
    fixture_worker(&worker, &driver);
    function = fixture_put(&driver, 0);
    for (uint32_t i = 0; i < count; i++) {
        struct pr_submission s =
            fixture_submission(function, fixture_shape(&driver, 0), 1, &pending[i]);
        OK(pr_submit(&driver, &s));
    }
    OK(pr_take(&worker, &taken));
}

static void close_session(void)
{
    AUDIT(&driver);
    pr_session_detach(&worker, false);
    pr_session_detach(&driver, false);
}

/* Ends the oldest task with a number or an error. */
static void finish_one(bool error)
{
    struct pr_value value = {
        .kind = 1, .flags = error ? PR_FLAG_ERROR : 0, .bytes = "12345678", .size_bytes = 8};
    enum pr_status status = pr_finish(&worker, taken.task, &value, 1, &taken);
    CHECK(status == PR_OK || status == PR_EMPTY);
}

static struct pr_wait wait_for(uint32_t count, uint32_t need, bool stop_at_error)
{
    return (struct pr_wait){.refs = pending,
                            .count = count,
                            .need = need,
                            .stop_at_error = stop_at_error,
                            .latch = pr_slot_at(&driver, driver.slot)->latch,
                            .sealed = sealed};
}

static bool woken(const struct pr_wait *wait, uint32_t seen)
{
    return pr_latch_sequence(&driver, wait->latch) != seen;
}

static void polling_registers_nothing(void)
{
    open_session(3);
    struct pr_wait wait = wait_for(3, 1, false);
    uint32_t edges = fixture_accounts(&driver).edges;
    CHECK(pr_wait_poll(&driver, &wait) == PR_PENDING && wait.ready == 0);
    CHECK(fixture_accounts(&driver).edges == edges);
    finish_one(false);
    finish_one(true);
    wait.need = 2;
    CHECK(pr_wait_poll(&driver, &wait) == PR_OK && wait.ready == 2);
    CHECK(sealed[0] == 1 && sealed[1] == 2 && sealed[2] == 0);
    close_session();
}

static void woken_when_enough_are_sealed_and_not_before(void)
{
    uint32_t seen;
    open_session(5);
    struct pr_wait wait = wait_for(5, 3, false);
    CHECK(pr_wait_arm(&driver, &wait, &seen) == PR_PENDING);
    finish_one(false);
    finish_one(true);
    CHECK(!woken(&wait, seen));
    finish_one(false);
    CHECK(woken(&wait, seen));
    CHECK(pr_wait_arm(&driver, &wait, &seen) == PR_OK && wait.ready == 3);
    close_session();
}

static void an_error_ends_a_get_early(void)
{
    uint32_t seen;
    open_session(5);
    struct pr_wait wait = wait_for(5, 5, true);
    CHECK(pr_wait_arm(&driver, &wait, &seen) == PR_PENDING);
    finish_one(false);
    CHECK(!woken(&wait, seen));
    finish_one(true);
    CHECK(woken(&wait, seen));
    CHECK(pr_wait_arm(&driver, &wait, &seen) == PR_OK);
    CHECK(sealed[1] == 2);
    close_session();
}

static void watches_stay_and_do_not_multiply(void)
{
    uint32_t seen;
    open_session(4);
    struct pr_wait wait = wait_for(4, 4, false);
    CHECK(pr_wait_arm(&driver, &wait, &seen) == PR_PENDING);
    uint32_t edges = fixture_accounts(&driver).edges;
    for (int i = 0; i < 5; i++) CHECK(pr_wait_arm(&driver, &wait, &seen) == PR_PENDING);
    CHECK(fixture_accounts(&driver).edges == edges);
    pr_wait_disarm(&driver, wait.latch);
    finish_one(false);
    CHECK(!woken(&wait, seen));
    close_session();
}

static void two_threads_wait_for_the_same_object(void)
{
    uint32_t seen[2];
    pr_index latch;
    open_session(1);
    OK(pr_latch_claim(&driver, &latch));
    struct pr_wait one = wait_for(1, 1, false), two = one;
    two.latch = latch;
    CHECK(pr_wait_arm(&driver, &one, &seen[0]) == PR_PENDING);
    CHECK(pr_wait_arm(&driver, &two, &seen[1]) == PR_PENDING);
    uint32_t edges = fixture_accounts(&driver).edges;
    for (int i = 0; i < 10; i++) { /* both time out and come again */
        CHECK(pr_wait_arm(&driver, &one, &seen[0]) == PR_PENDING);
        CHECK(pr_wait_arm(&driver, &two, &seen[1]) == PR_PENDING);
    }
    CHECK_THAT(fixture_accounts(&driver).edges == edges, "%u more edges",
               fixture_accounts(&driver).edges - edges);
    finish_one(false);
    CHECK(woken(&one, seen[0]) && woken(&two, seen[1]));
    pr_latch_unclaim(&driver, latch);
    close_session();
}

/* A thread that ends leaves its latch to the next one, and with it no belief in watches that are
 * gone. */
static void a_latch_used_again_watches_again(void)
{
    uint32_t seen;
    pr_index latch, again;
    open_session(1);
    OK(pr_latch_claim(&driver, &latch));
    struct pr_wait wait = wait_for(1, 1, false);
    wait.latch = latch;
    CHECK(pr_wait_arm(&driver, &wait, &seen) == PR_PENDING);
    pr_latch_unclaim(&driver, latch);
    OK(pr_latch_claim(&driver, &again));
    REQUIRE(again == latch);
    CHECK(pr_wait_arm(&driver, &wait, &seen) == PR_PENDING);
    finish_one(false);
    CHECK(woken(&wait, seen));
    pr_latch_unclaim(&driver, again);
    close_session();
}

#ifdef PR_CRASH_INJECTION
static int begins_until_finish;

/* Runs as the driver's n-th transaction begins; the lock is the driver's then, so the worker's
 * finish, which takes it too, happens just before: the driver gives it back, and begins again. */
static void finish_between(void *argument)
{
    struct pr_context *ctx = argument;
    if (--begins_until_finish != 0) return;
    pr_tx_rollback(ctx);
    finish_one(true);
    if (pr_tx_begin(ctx) != PR_OK) abort();
}
#endif

/* An error sealed at any moment of pr_wait_arm is not slept over. */
static void an_error_while_arming_is_not_missed(void)
{
#ifdef PR_CRASH_INJECTION
    for (int when = 1; when <= 4; when++) {
        uint32_t seen;
        open_session(5);
        struct pr_wait wait = wait_for(5, 5, true);
        begins_until_finish = when;
        driver.at_begin = finish_between;
        driver.injection_argument = &driver;
        enum pr_status status = pr_wait_arm(&driver, &wait, &seen);
        driver.at_begin = NULL;
        if (begins_until_finish > 0) finish_one(true); /* after it all */
        CHECK_THAT(status == PR_OK || woken(&wait, seen), "error before transaction %d: %s", when,
                   pr_status_text(status));
        close_session();
    }
#endif
}

static void sleeping_ends_by_wake_time_and_change(void)
{
    open_session(1);
    pr_index latch = pr_slot_at(&driver, driver.slot)->latch;
    uint32_t seen = pr_latch_sequence(&driver, latch);
    uint64_t before = pr_os_monotonic_ns();
    CHECK(pr_latch_sleep(&driver, latch, seen, 5000000) == PR_TIMEOUT);
    CHECK(pr_os_monotonic_ns() - before >= 5000000);
    pr_latch_wake(&driver, latch);
    CHECK(pr_latch_sleep(&driver, latch, seen, -1) == PR_OK); /* the sequence is another one */
    close_session();
}

static void releasing_a_watched_object_is_no_harm(void)
{
    uint32_t seen;
    open_session(2);
    struct pr_wait wait = wait_for(2, 2, false);
    CHECK(pr_wait_arm(&driver, &wait, &seen) == PR_PENDING);
    pr_release(&driver, pending[0]);
    AUDIT(&driver);
    finish_one(false);
    finish_one(false);
    AUDIT(&driver);
    close_session();
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(polling_registers_nothing);
    RUN(woken_when_enough_are_sealed_and_not_before);
    RUN(an_error_ends_a_get_early);
    RUN(watches_stay_and_do_not_multiply);
    RUN(two_threads_wait_for_the_same_object);
    RUN(a_latch_used_again_watches_again);
    RUN(an_error_while_arming_is_not_missed);
    RUN(sleeping_ends_by_wake_time_and_change);
    RUN(releasing_a_watched_object_is_no_harm);
    return harness_end();
}
