/* What is recorded of tasks, actors, texts and spans, and how it is read. */
#include "engine/views.h"
#include "tests/session_fixture.h"

static struct pr_context driver, worker;
static struct pr_ref function;
static pr_index label;

static void open_session(uint32_t small)
{
    static const char name[PR_LABEL_TEXT] = "f";
    fixture_create(&driver, 1 << 16, small);
    fixture_worker(&worker, &driver);
    function = fixture_put(&driver, 1);
    OK(pr_session_label(&driver, PR_LABEL_TASK, name, &label));
}

static void close_session(void)
{
    fixture_audit(&driver, __FILE__, __LINE__);
    pr_session_detach(&worker, false);
    pr_session_detach(&driver, false);
}

static struct pr_ref submit(pr_index with_label, const struct pr_ref *argument)
{
    struct pr_ref result;
    struct pr_submission s =
        fixture_submission(function, fixture_shape(&driver, PR_RESOURCE_UNIT), 1, &result);
    s.label = with_label;
    s.awaited = argument;
    s.awaited_count = argument != NULL;
    OK(pr_submit(&driver, &s));
    return result;
}

static void run(uint32_t flags, uint64_t text)
{
    struct pr_taken taken;
    struct pr_value value = {.kind = 1, .flags = flags, .bytes = "", .text = text};
    REQUIRE(pr_take(&worker, &taken) == PR_OK);
    REQUIRE(pr_finish(&worker, taken.task, &value, 1, &taken) == PR_EMPTY);
}

/* All that are there, at most `room`. */
static uint32_t read_events(uint64_t from, struct pr_event *events, uint32_t room)
{
    static struct pr_event records[PR_RING_STEP];
    struct pr_ring_page page = {.pool = PR_POOL_EVENT,
                                .head = &pr_engine_root(&driver)->event_head,
                                .next = from,
                                .records = records};
    uint32_t count = 0;
    while (pr_ring_read(&driver, &page) == PR_OK)
        for (uint32_t i = 0; i < page.count && count < room; i++) events[count++] = records[i];
    return count;
}

static struct pr_label the_label(void)
{
    struct pr_label labels[8];
    pr_index from = label;
    uint32_t count;
    OK(pr_labels_read(&driver, &from, labels, 8, &count));
    REQUIRE(count == 1);
    return labels[0];
}

static void a_finished_task_leaves_a_record(void)
{
    struct pr_event event;
    open_session(0);
    struct pr_ref argument = fixture_put(&driver, 7);
    struct pr_ref result = submit(label, &argument);
    run(0, 0);
    REQUIRE(read_events(0, &event, 1) == 1);
    CHECK(event.id == ((uint64_t)result.index << 32 | result.generation));
    CHECK(event.submitted_ns > 0 && event.submitted_ns <= event.started_ns);
    CHECK(event.started_ns <= event.ended_ns && event.process_id == worker.process_id);
    CHECK(event.flags == 0 && event.attempt == 0 && strcmp(event.name, "task") == 0);
    CHECK(event.dependency_count == 1);
    CHECK(event.dependency[0] == ((uint64_t)argument.index << 32 | argument.generation));
    CHECK(the_label().finished == 1 && the_label().failed == 0);
    close_session();
}

static void a_task_without_a_label_leaves_none(void)
{
    struct pr_event event;
    open_session(0);
    submit(PR_NONE, NULL);
    run(0, 0);
    CHECK(read_events(0, &event, 1) == 0);
    close_session();
}

static void errors_are_counted_and_have_a_text(void)
{
    struct pr_event event;
    struct pr_text text;
    uint64_t number;
    open_session(0);
    submit(label, NULL);
    OK(pr_text_add(&worker, "ValueError: no", 14, &number));
    run(PR_FLAG_ERROR, number);
    REQUIRE(read_events(0, &event, 1) == 1);
    CHECK(event.flags == PR_EVENT_FAILED && event.text == number);
    OK(pr_text_read(&driver, number, &text));
    CHECK(text.size_bytes == 14 && memcmp(text.bytes, "ValueError: no", 14) == 0);
    CHECK(pr_text_read(&driver, number + 1, &text) == PR_EMPTY);
    CHECK(the_label().finished == 0 && the_label().failed == 1);
    close_session();
}

static void a_death_is_an_attempt_of_its_own(void)
{
    struct pr_event events[2];
    struct pr_taken taken;
    struct pr_ref result;
    open_session(0);
    struct pr_submission s = fixture_submission(function, fixture_shape(&driver, 0), 1, &result);
    s.label = label;
    s.retries = 1;
    OK(pr_submit(&driver, &s));
    REQUIRE(pr_take(&worker, &taken) == PR_OK);
    uint32_t died = worker.process_id;
    OK(pr_sweep(&driver, worker.slot, 9));
    pr_session_detach(&worker, false);
    fixture_worker(&worker, &driver);
    run(0, 0);
    REQUIRE(read_events(0, events, 2) == 2);
    CHECK(events[0].flags == (PR_EVENT_FAILED | PR_EVENT_RETRIED) && events[0].attempt == 0);
    CHECK(events[0].cause == PR_CAUSE_WORKER_DIED && events[0].process_id == died);
    CHECK(events[0].wait_status == 9 && events[1].flags == 0 && events[1].attempt == 1);
    CHECK(events[0].serial == events[1].serial && the_label().finished == 1);
    close_session();
}

static void the_last_records_stay(void)
{
    struct pr_event events[64];
    open_session(1);
    uint32_t room = pr_ring_room(&driver, PR_POOL_EVENT);
    for (uint32_t i = 0; i < 3 * room; i++) {
        pr_release(&driver, submit(label, NULL));
        run(0, 0);
    }
    uint32_t count = read_events(0, events, 64);
    CHECK(count == room && events[count - 1].number == 3 * room);
    for (uint32_t i = 0; i < count; i++) CHECK(events[i].number == 2 * room + 1 + i);
    CHECK(read_events(3 * room, events, 64) == 1 && read_events(3 * room + 1, events, 64) == 0);
    CHECK(the_label().finished == 3 * room);
    close_session();
}

static enum pr_status refuse(struct pr_context *ctx, void *argument)
{
    struct pr_span *record = pr_ring_write(ctx, PR_POOL_SPAN, pr_engine_root(ctx)->span_head + 1);
    if (record != NULL) record->begun_ns = 99;
    TX_SET(ctx, pr_engine_root(ctx)->span_head, pr_engine_root(ctx)->span_head + 1);
    return PR_STATE;
}

static void a_record_of_a_transaction_that_is_taken_back_is_not_read(void)
{
    static struct pr_span records[PR_RING_STEP];
    struct pr_span span = {.begun_ns = 1, .ended_ns = 2, .name = "span"};
    open_session(1);
    for (int i = 0; i < 5; i++) {
        OK(pr_span_add(&driver, &span));
        CHECK(pr_transact(&driver, refuse, NULL) == PR_STATE);
    }
    struct pr_ring_page page = {
        .pool = PR_POOL_SPAN, .head = &pr_engine_root(&driver)->span_head, .records = records};
    OK(pr_ring_read(&driver, &page));
    CHECK(page.count == 2); /* of room for three; the oldest was written over */
    for (uint32_t i = 0; i < page.count; i++) CHECK(records[i].begun_ns == 1);
    close_session();
}

static void other_names_share_a_label_when_the_table_is_full(void)
{
    pr_index got = PR_NONE;
    open_session(1);
    for (char c = 'a'; c <= 'z'; c++) {
        char text[PR_LABEL_TEXT] = {c};
        OK(pr_session_label(&driver, PR_LABEL_TASK, text, &got));
    }
    CHECK(got == PR_LABEL_OTHERS);
    pr_release(&driver, submit(got, NULL));
    run(0, 0);
    CHECK(pr_label_at(&driver, PR_LABEL_OTHERS)->finished == 1);
    close_session();
}

static void views_tell_who_holds_what(void)
{
    struct pr_hold_view holds[2 * PR_VIEW_STEP];
    struct pr_task_view tasks[PR_VIEW_STEP];
    uint32_t tally[16 * PR_TALLY_STATES] = {0};
    uint32_t count, found = 0;
    pr_index from = 0;
    open_session(0);
    struct pr_ref argument = fixture_put(&driver, 7);
    struct pr_ref result = submit(label, &argument);
    OK(pr_view_holds(&driver, &from, holds, &count));
    for (uint32_t i = 0; i < count; i++) {
        if (holds[i].object.index != argument.index) continue;
        if (holds[i].kind == PR_HOLD_ARGUMENT)
            CHECK(holds[i].holder == ((uint64_t)result.index << 32 | result.generation));
        else
            CHECK(holds[i].kind == PR_HOLD_REFERENCE && holds[i].process_id == driver.process_id);
        found++;
    }
    CHECK(found == 2 && pr_view_holds(&driver, &from, holds, &count) == PR_EMPTY);
    from = 0;
    OK(pr_view_tasks(&driver, &from, tasks, &count));
    CHECK(count == 1 && tasks[0].state == PR_TASK_READY && tasks[0].label == label);
    from = 0;
    OK(pr_tally_tasks(&driver, &from, tally));
    CHECK(tally[label * PR_TALLY_STATES + PR_TASK_READY] == 1);
    close_session();
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(a_finished_task_leaves_a_record);
    RUN(a_task_without_a_label_leaves_none);
    RUN(errors_are_counted_and_have_a_text);
    RUN(a_death_is_an_attempt_of_its_own);
    RUN(the_last_records_stay);
    RUN(a_record_of_a_transaction_that_is_taken_back_is_not_read);
    RUN(other_names_share_a_label_when_the_table_is_full);
    RUN(views_tell_who_holds_what);
    return harness_end();
}
