/* Channels of compiled graphs: values in order, waking, closing, deaths of readers and owners. */
#include "tests/session_fixture.h"

static struct pr_context driver, worker, second;
static struct pr_ref graph, channels[40];

static void open_session(uint32_t count)
{
    fixture_create(&driver, 1 << 20, 0);
    fixture_worker(&worker, &driver);
    fixture_worker(&second, &driver);
    OK(pr_graph_new(&driver, &graph, channels, count));
}

static void close_session(void)
{
    AUDIT(&driver);
    pr_session_detach(&worker, false);
    pr_session_detach(&second, false);
    pr_session_detach(&driver, false);
}

static pr_index latch_of(struct pr_context *ctx) { return pr_slot_at(ctx, ctx->slot)->latch; }

static enum pr_status close_graph(bool force)
{
    enum pr_status status;
    while ((status = pr_graph_close(&driver, graph, latch_of(&driver), force)) == PR_OK)
        ;
    return status;
}

static enum pr_status send(uint32_t first, uint32_t count, uint64_t number)
{
    struct pr_value value = {.kind = 1, .bytes = &number, .size_bytes = sizeof number};
    return pr_channel_send(&driver, channels + first, count, &value);
}

static enum pr_status receive(struct pr_context *ctx, uint32_t which, uint64_t *number)
{
    struct pr_fetched fetched;
    struct pr_ref object;
    PR_TRY(pr_channel_receive(ctx, channels[which], latch_of(ctx), &fetched, &object));
    if (object.index == PR_NONE) {
        memcpy(number, fetched.value, sizeof *number);
        return PR_OK;
    }
    *number = fixture_number(ctx, object);
    pr_release(ctx, object);
    return PR_OK;
}

static void values_come_in_order(void)
{
    uint64_t number = 0;
    open_session(2);
    OK(pr_channel_attach(&worker, channels[0]));
    OK(pr_channel_attach(&second, channels[1]));
    CHECK(pr_channel_attach(&second, channels[0]) == PR_STATE);
    for (uint64_t i = 0; i < 20; i++) OK(send(0, 2, i));
    CHECK(fixture_accounts(&driver).objects == 20);
    for (uint64_t i = 0; i < 20; i++) {
        OK(receive(&worker, 0, &number));
        CHECK(number == i);
    }
    CHECK(receive(&worker, 0, &number) == PR_EMPTY);
    CHECK(receive(&worker, 1, &number) == PR_STATE);
    AUDIT(&driver);
    for (uint64_t i = 0; i < 20; i++) {
        OK(receive(&second, 1, &number));
        CHECK(number == i);
    }
    CHECK(fixture_accounts(&driver).objects == 0);
    CHECK(close_graph(true) == PR_STALE);
    CHECK(fixture_accounts(&driver).channels == 0);
    close_session();
}

static void large_and_forwarded_values(void)
{
    static const uint64_t bytes[700] = {41};
    uint64_t offset, number = 0;
    struct pr_ref ref;
    struct pr_fetched fetched;
    bool pinned;
    open_session(1);
    OK(pr_channel_attach(&worker, channels[0]));
    OK(pr_put_begin(&driver, sizeof bytes, &ref, &offset));
    OK(pr_heap_write(&driver, offset, bytes, sizeof bytes));
    struct pr_value value = {.kind = 2, .in_block = 1};
    OK(pr_channel_send_block(&driver, channels, 1, ref, &value));
    CHECK(fixture_accounts(&driver).objects == 1);
    AUDIT(&driver);
    OK(pr_channel_receive(&worker, channels[0], PR_NONE, &fetched, &ref));
    OK(pr_get(&worker, ref, 0, &fetched, &pinned));
    CHECK(fetched.size_bytes == sizeof bytes && *(const uint64_t *)fetched.bytes == 41);
    pr_release(&worker, ref);
    CHECK(fixture_accounts(&driver).objects == 0);

    ref = fixture_put(&driver, 42);
    OK(pr_channel_forward(&driver, channels, 1, ref));
    pr_release(&driver, ref);
    OK(receive(&worker, 0, &number));
    CHECK(number == 42);
    CHECK(pr_channel_forward(&driver, channels, 1, ref) == PR_STALE);
    CHECK(fixture_accounts(&driver).objects == 0);
    close_session();
}

static void a_reference_inside_a_value_is_held_until_it_is_read(void)
{
    struct pr_fetched fetched;
    open_session(1);
    OK(pr_channel_attach(&worker, channels[0]));
    struct pr_ref child = fixture_put(&driver, 7), object;
    struct pr_value value = {
        .kind = 1, .bytes = "", .size_bytes = 0, .children = &child, .child_count = 1};
    OK(pr_channel_send(&driver, channels, 1, &value));
    pr_release(&driver, child);
    CHECK(fixture_accounts(&driver).objects == 2);
    OK(pr_channel_receive(&worker, channels[0], PR_NONE, &fetched, &object));
    CHECK(object.index != PR_NONE);
    OK(pr_acquire(&worker, &child, 1));
    pr_release(&worker, object);
    CHECK(fixture_number(&worker, child) == 7);
    close_session();
}

static void who_waits_is_woken(void)
{
    uint64_t number;
    open_session(1);
    OK(pr_channel_attach(&worker, channels[0]));
    uint32_t seen = pr_latch_sequence(&worker, latch_of(&worker));
    CHECK(receive(&worker, 0, &number) == PR_EMPTY);
    OK(send(0, 1, 3));
    CHECK(pr_latch_sequence(&worker, latch_of(&worker)) != seen);
    OK(receive(&worker, 0, &number));
    seen = pr_latch_sequence(&worker, latch_of(&worker));
    CHECK(receive(&worker, 0, &number) == PR_EMPTY);
    pr_graph_poison(&second, graph, (struct pr_ref){5, 6});
    CHECK(pr_latch_sequence(&worker, latch_of(&worker)) != seen);
    CHECK(receive(&worker, 0, &number) == PR_EXIT);
    CHECK(send(0, 1, 3) == PR_EXIT);
    struct pr_ref handle;
    OK(pr_graph_failed(&driver, graph, &handle));
    CHECK(handle.index == 5 && handle.generation == 6);
    close_session();
}

static void closing_waits_for_readers(void)
{
    uint64_t number;
    open_session(40);
    OK(pr_channel_attach(&worker, channels[5]));
    OK(pr_channel_attach(&second, channels[39]));
    OK(pr_channel_attach(&driver, channels[0]));
    for (uint64_t i = 0; i < 5; i++) OK(send(0, 20, i));
    CHECK(close_graph(false) == PR_EMPTY);
    CHECK(receive(&worker, 5, &number) == PR_EXIT);
    uint32_t seen = pr_latch_sequence(&driver, latch_of(&driver));
    pr_channel_detach(&second, channels[39]);
    CHECK(pr_latch_sequence(&driver, latch_of(&driver)) != seen);
    CHECK(close_graph(false) == PR_EMPTY);
    AUDIT(&driver);
    pr_channel_detach(&worker, channels[5]);
    CHECK(close_graph(false) == PR_STALE);
    CHECK(receive(&worker, 5, &number) == PR_EXIT);
    CHECK(pr_channel_attach(&worker, channels[5]) == PR_EXIT);
    CHECK(fixture_accounts(&driver).channels == 0 && fixture_accounts(&driver).objects == 0);
    close_session();
}

static void only_the_owner_takes_it_apart(void)
{
    open_session(1);
    CHECK(pr_graph_close(&worker, graph, PR_NONE, true) == PR_STALE);
    OK(send(0, 1, 1));
    CHECK(close_graph(false) == PR_STALE);
    CHECK(fixture_accounts(&driver).objects == 0);
    close_session();
}

static void the_death_of_a_reader_closes_its_graph(void)
{
    uint64_t number;
    struct pr_ref handle;
    open_session(2);
    OK(pr_channel_attach(&worker, channels[0]));
    OK(pr_channel_attach(&second, channels[1]));
    OK(send(0, 2, 1));
    uint32_t seen = pr_latch_sequence(&driver, latch_of(&driver));
    OK(pr_sweep(&driver, worker.slot, 9));
    AUDIT(&driver);
    CHECK(pr_latch_sequence(&driver, latch_of(&driver)) != seen);
    CHECK(receive(&second, 1, &number) == PR_EXIT);
    OK(pr_graph_failed(&driver, graph, &handle));
    CHECK(handle.index == PR_NONE); /* it was no actor's process */
    CHECK(close_graph(false) == PR_EMPTY);
    pr_channel_detach(&second, channels[1]);
    CHECK(close_graph(false) == PR_STALE);
    CHECK(pr_graph_failed(&driver, graph, &handle) == PR_STALE);
    CHECK(fixture_accounts(&driver).objects == 0);
    close_session();
}

static void the_death_of_the_owner_takes_it_apart(void)
{
    uint64_t number;
    open_session(1);
    OK(pr_graph_new(&worker, &graph, channels, 40));
    OK(pr_channel_attach(&second, channels[20]));
    for (uint64_t i = 0; i < 20; i++) OK(send(10, 20, i));
    OK(pr_sweep(&driver, worker.slot, 9));
    AUDIT(&driver);
    CHECK(receive(&second, 20, &number) == PR_EXIT);
    pr_channel_detach(&second, channels[20]);
    CHECK(fixture_accounts(&driver).channels == 2 && fixture_accounts(&driver).objects == 0);
    close_session();
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(values_come_in_order);
    RUN(large_and_forwarded_values);
    RUN(a_reference_inside_a_value_is_held_until_it_is_read);
    RUN(who_waits_is_woken);
    RUN(closing_waits_for_readers);
    RUN(only_the_owner_takes_it_apart);
    RUN(the_death_of_a_reader_closes_its_graph);
    RUN(the_death_of_the_owner_takes_it_apart);
    return harness_end();
}
