/* Streams: items in order, the end, room, closing, retries, deaths on both sides. */
#include "tests/session_fixture.h"

static struct pr_context driver, worker, second;
static struct pr_ref function, result, stream;
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

static void submit_from(struct pr_context *by, uint32_t limit, int32_t retries)
{
    struct pr_submission s =
        fixture_submission(function, fixture_shape(&driver, PR_RESOURCE_UNIT), 1, &result);
    s.flags = PR_TASK_STREAMS;
    s.stream_limit = limit;
    s.retries = retries;
    OK(pr_submit(by, &s));
    stream = s.stream;
}

static enum pr_status publish(struct pr_context *by, uint64_t number)
{
    struct pr_value value = {.kind = 1, .bytes = &number, .size_bytes = sizeof number};
    return pr_stream_publish(by, taken.task, &value);
}

/* Takes the next item; its number, or UINT64_MAX when it is open, UINT64_MAX - 1 at the end. */
static uint64_t take_next(void)
{
    struct pr_ref item;
    enum pr_status status = pr_stream_next(&driver, stream, true, &item);
    if (status == PR_EXIT) return UINT64_MAX - 1;
    CHECK(status == PR_OK || status == PR_EMPTY);
    uint64_t number = status == PR_OK ? fixture_number(&driver, item) : UINT64_MAX;
    pr_release(&driver, item);
    return number;
}

static bool at_end(void) { return take_next() == UINT64_MAX - 1; }

static void items_come_in_order_and_end(void)
{
    open_session();
    submit_from(&driver, 0, 0);
    CHECK(take_next() == UINT64_MAX);
    OK(pr_take(&worker, &taken));
    for (uint64_t i = 0; i < 100; i++) OK(publish(&worker, i));
    for (uint64_t i = 0; i < 50; i++) CHECK(take_next() == i);
    AUDIT(&driver);
    CHECK(fixture_finish(&worker, &taken, 7, &taken) == PR_EMPTY);
    CHECK(publish(&worker, 1) == PR_STATE);
    for (uint64_t i = 50; i < 100; i++) CHECK(take_next() == i);
    CHECK(at_end() && at_end());
    CHECK(fixture_number(&driver, result) == 7);
    CHECK(fixture_accounts(&driver).objects == 3); /* function, result, mark of the end */
    pr_stream_close(&driver, stream);
    pr_release(&driver, result);
    CHECK(fixture_accounts(&driver).objects == 1 && fixture_accounts(&driver).streams == 0);
    close_session();
}

static void who_waits_for_the_open_item_is_woken(void)
{
    struct pr_ref item, again;
    uint8_t sealed[1];
    uint32_t seen;
    open_session();
    submit_from(&driver, 0, 0);
    OK(pr_take(&worker, &taken));
    for (int i = 0; i < 2; i++) {
        CHECK(pr_stream_next(&driver, stream, true, &item) == PR_EMPTY);
        pr_index latch = pr_slot_at(&driver, driver.slot)->latch;
        struct pr_wait wait = {
            .refs = &item, .count = 1, .need = 1, .latch = latch, .sealed = sealed};
        CHECK(pr_wait_arm(&driver, &wait, &seen) == PR_PENDING);
        if (i == 0)
            OK(publish(&worker, 5));
        else
            CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EMPTY);
        CHECK(pr_latch_sequence(&driver, latch) != seen);
        if (i == 0) OK(pr_stream_next(&driver, stream, true, &again));
        if (i == 0) CHECK(again.index == item.index);
        if (i == 0) pr_release(&driver, again);
        pr_release(&driver, item);
    }
    CHECK(at_end());
    close_session();
}

static void large_items(void)
{
    static const char bytes[5000] = "large";
    struct pr_ref item;
    uint64_t offset;
    open_session();
    submit_from(&driver, 0, 0);
    OK(pr_take(&worker, &taken));
    struct pr_value value = {.kind = 2, .in_block = 1};
    for (int i = 0; i < 3; i++) {
        OK(pr_stream_open_item(&worker, taken.task, &item));
        OK(pr_result_begin(&worker, item, sizeof bytes, &offset));
        OK(pr_heap_write(&worker, offset, bytes, sizeof bytes));
        if (i == 1)
            pr_result_abort(&worker, item); /* it cannot be pickled, say */
        else
            OK(pr_stream_publish(&worker, taken.task, &value));
    }
    OK(pr_stream_open_item(&worker, taken.task, &item));
    OK(pr_result_begin(&worker, item, sizeof bytes, &offset)); /* and then raises */
    CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EMPTY);
    CHECK(fixture_accounts(&driver).heap_used_bytes >= 2 * sizeof bytes &&
          fixture_accounts(&driver).heap_used_bytes < 3 * sizeof bytes);
    pr_stream_close(&driver, stream);
    CHECK(fixture_accounts(&driver).heap_used_bytes == 0);
    close_session();
}

static void a_limit_stops_the_producer(void)
{
    open_session();
    submit_from(&driver, 2, 0);
    OK(pr_take(&worker, &taken));
    pr_index latch = pr_slot_at(&worker, worker.slot)->latch;
    OK(publish(&worker, 1));
    OK(pr_stream_room(&worker, taken.task, latch));
    OK(publish(&worker, 2));
    uint32_t seen = pr_latch_sequence(&worker, latch);
    CHECK(pr_stream_room(&worker, taken.task, latch) == PR_EMPTY);
    CHECK(take_next() == 1);
    CHECK(pr_latch_sequence(&worker, latch) != seen);
    OK(pr_stream_room(&worker, taken.task, latch));
    OK(publish(&worker, 3));
    seen = pr_latch_sequence(&worker, latch);
    CHECK(pr_stream_room(&worker, taken.task, latch) == PR_EMPTY);
    pr_stream_close(&driver, stream);
    CHECK(pr_latch_sequence(&worker, latch) != seen);
    CHECK(pr_stream_room(&worker, taken.task, latch) == PR_EXIT);
    CHECK(publish(&worker, 4) == PR_EXIT);
    AUDIT(&driver);
    CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EMPTY);
    CHECK(fixture_accounts(&driver).streams == 0);
    close_session();
}

static void a_retry_goes_on_where_the_last_attempt_stopped(void)
{
    open_session();
    submit_from(&driver, 0, 1);
    OK(pr_take(&worker, &taken));
    CHECK(taken.published == 0);
    for (uint64_t i = 0; i < 3; i++) OK(publish(&worker, i));
    CHECK(take_next() == 0);
    OK(pr_sweep(&driver, worker.slot, 9));
    fixture_worker(&second, &driver);
    OK(pr_take(&second, &taken));
    CHECK(taken.published == 3);
    OK(publish(&second, 3));
    for (uint64_t i = 1; i < 4; i++) CHECK(take_next() == i);
    OK(pr_sweep(&driver, second.slot, 9)); /* no retry is left */
    CHECK(at_end());
    struct pr_fetched fetched;
    bool pinned;
    OK(pr_get(&driver, result, 0, &fetched, &pinned));
    CHECK(fetched.kind == PR_KIND_FAILURE);
    pr_session_detach(&second, false);
    close_session();
}

static void a_dead_consumer_leaves_nothing(void)
{
    open_session();
    fixture_worker(&second, &driver);
    OK(pr_acquire(&second, &function, 1));
    submit_from(&second, 0, 0);
    OK(pr_take(&worker, &taken));
    for (uint64_t i = 0; i < 80; i++) OK(publish(&worker, i));
    struct pr_ref running = stream, item;
    submit_from(&second, 0, 0); /* never runs */
    CHECK(pr_stream_next(&driver, running, true, &item) == PR_STALE);
    OK(pr_sweep(&driver, second.slot, 9));
    AUDIT(&driver);
    CHECK(publish(&worker, 80) == PR_EXIT);
    CHECK(fixture_finish(&worker, &taken, 0, &taken) == PR_EMPTY);
    struct pr_accounts a = fixture_accounts(&driver);
    CHECK(a.streams == 0 && a.objects == 1 && a.tasks == 0);
    pr_session_detach(&second, false);
    close_session();
}

static void a_cancelled_stream_ends(void)
{
    open_session();
    submit_from(&driver, 0, 3);
    OK(pr_cancel(&driver, result, false, true));
    CHECK(at_end());
    pr_stream_close(&driver, stream);
    pr_release(&driver, result);
    submit_from(&driver, 0, 3);
    OK(pr_take(&worker, &taken));
    OK(publish(&worker, 1));
    OK(pr_cancel(&driver, result, true, true));
    OK(pr_sweep(&driver, worker.slot, 9));
    CHECK(take_next() == 1 && at_end());
    close_session();
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(items_come_in_order_and_end);
    RUN(who_waits_for_the_open_item_is_woken);
    RUN(large_items);
    RUN(a_limit_stops_the_producer);
    RUN(a_retry_goes_on_where_the_last_attempt_stopped);
    RUN(a_dead_consumer_leaves_nothing);
    RUN(a_cancelled_stream_ends);
    return harness_end();
}
