/* What one process and several do with objects: put, get, hold, pin, contain, let go. */
#include "tests/session_fixture.h"

static struct pr_context one, two;

static void open_two(void)
{
    fixture_create(&one, 1 << 20, 1);
    fixture_attach(&two, &one, PR_SLOT_DRIVER);
}

static void close_two(uint32_t objects_left)
{
    AUDIT(&one);
    struct pr_accounts accounts = fixture_accounts(&one);
    CHECK_THAT(accounts.objects == objects_left, "%u objects left", accounts.objects);
    pr_session_detach(&two, false);
    pr_session_detach(&one, false);
}

static void inline_values_of_every_size(void)
{
    uint8_t bytes[PR_INLINE_BYTES];
    struct pr_fetched fetched;
    bool pinned;
    open_two();
    for (uint32_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7 + 1);
    for (uint32_t size = 0; size <= PR_INLINE_BYTES; size++) {
        struct pr_ref ref;
        struct pr_value value = {
            .kind = size, .flags = size & PR_FLAG_ERROR, .bytes = bytes, .size_bytes = size};
        OK(pr_put_inline(&one, &value, &ref));
        OK(pr_get(&two, ref, 1, &fetched, &pinned));
        CHECK(fetched.kind == size && fetched.size_bytes == size && fetched.bytes == NULL &&
              !pinned);
        CHECK((fetched.flags & PR_FLAG_ERROR) == (size & PR_FLAG_ERROR));
        CHECK(memcmp(fetched.value, bytes, size) == 0);
        pr_release(&one, ref);
    }
    close_two(0);
}

static void large_values_and_pins(void)
{
    struct pr_fetched fetched;
    bool pinned;
    open_two();
    struct pr_ref ref = fixture_put_large(&one, "a large value", 14);
    OK(pr_acquire(&two, &ref, 1));
    OK(pr_get(&two, ref, 0, &fetched, &pinned));
    CHECK(!pinned && strcmp((const char *)fetched.bytes, "a large value") == 0);
    OK(pr_get(&two, ref, 15, &fetched, &pinned));
    CHECK(!pinned); /* smaller than what is pinned */
    OK(pr_get(&two, ref, 14, &fetched, &pinned));
    CHECK(pinned);
    OK(pr_get(&two, ref, 14, &fetched, &pinned));
    pr_release(&two, ref);
    pr_release(&one, ref);
    AUDIT(&one);
    CHECK(fixture_accounts(&one).blocks == 1); /* held by the pins alone */
    CHECK(strcmp((const char *)fetched.bytes, "a large value") == 0);
    pr_unpin(&two, ref);
    CHECK(fixture_accounts(&one).blocks == 1);
    pr_unpin(&two, ref);
    CHECK(fixture_accounts(&one).blocks == 0);
    CHECK(pr_get(&two, ref, 0, &fetched, &pinned) == PR_STALE);
    close_two(0);
}

static void an_unsealed_put_is_pending_and_can_be_aborted(void)
{
    struct pr_ref ref;
    uint64_t offset;
    struct pr_fetched fetched;
    bool pinned;
    open_two();
    OK(pr_put_begin(&one, 1000, &ref, &offset));
    CHECK(pr_get(&one, ref, 0, &fetched, &pinned) == PR_PENDING);
    struct pr_value value = {.in_block = 1};
    CHECK(pr_put_end(&two, ref, &value) == PR_STATE); /* not its put */
    AUDIT(&one);
    pr_put_abort(&one, ref);
    CHECK(pr_put_end(&one, ref, &value) == PR_STALE);
    CHECK(fixture_accounts(&one).blocks == 0);
    close_two(0);
}

static void a_full_store_refuses_and_forgets(void)
{
    struct pr_ref ref, big;
    uint64_t offset;
    open_two();
    OK(pr_put_begin(&one, 1 << 20, &big, &offset));
    CHECK(pr_put_begin(&two, 64, &ref, &offset) == PR_FULL);
    CHECK(fixture_accounts(&one).objects == 1);
    pr_put_abort(&one, big);
    OK(pr_put_begin(&two, 64, &ref, &offset));
    pr_put_abort(&two, ref);
    close_two(0);
}

static void references_keep_alive(void)
{
    struct pr_fetched fetched;
    bool pinned;
    open_two();
    struct pr_ref ref = fixture_put(&one, 5), gone = ref, three[3] = {ref, ref, ref};
    OK(pr_acquire(&two, three, 3)); /* the same one three times */
    CHECK(fixture_accounts(&one).edges == 2);
    pr_release(&one, ref);
    OK(pr_acquire(&one, &ref, 1)); /* back again */
    pr_release(&one, ref);
    for (int i = 0; i < 3; i++) {
        CHECK(fixture_number(&two, ref) == 5);
        pr_release(&two, ref);
    }
    CHECK(pr_get(&two, gone, 0, &fetched, &pinned) == PR_STALE);
    CHECK(pr_acquire(&two, &gone, 1) == PR_STALE);
    struct pr_ref reused = fixture_put(&one, 6);
    CHECK(reused.index == gone.index && reused.generation != gone.generation);
    CHECK(pr_acquire(&two, &gone, 1) == PR_STALE);
    close_two(1);
}

static void acquiring_many_is_all_or_nothing(void)
{
    struct pr_ref refs[50];
    open_two();
    for (uint32_t i = 0; i < 50; i++) refs[i] = fixture_put(&one, i);
    OK(pr_acquire(&two, refs, 50));
    for (uint32_t i = 0; i < 50; i++) pr_release(&two, refs[i]);
    struct pr_ref last = refs[49];
    pr_release(&one, last);
    CHECK(pr_acquire(&two, refs, 50) == PR_STALE);
    CHECK(fixture_accounts(&one).edges == 49);
    struct pr_ref foreign = {123456789, 1}, none = {0, 0};
    CHECK(pr_acquire(&two, &foreign, 1) == PR_STALE);
    CHECK(pr_acquire(&two, &none, 1) == PR_STALE);
    close_two(49);
}

/* A list of lists: only the outermost is held. */
static void containers_hold_their_contents(void)
{
    open_two();
    struct pr_ref inner = fixture_put(&one, 1), outer = inner;
    for (int depth = 0; depth < 100; depth++) {
        struct pr_value value = {
            .kind = 3, .children = &inner, .child_count = 1, .bytes = "", .size_bytes = 0};
        OK(pr_put_inline(&one, &value, &outer));
        pr_release(&one, inner);
        inner = outer;
    }
    CHECK(fixture_accounts(&one).objects == 101);
    AUDIT(&one);
    pr_release(&one, outer);
    close_two(0);
}

static void many_children_in_steps(void)
{
    struct pr_ref children[100], list;
    uint64_t offset;
    open_two();
    for (uint32_t i = 0; i < 100; i++) children[i] = fixture_put(&one, i);
    OK(pr_put_begin(&one, 100, &list, &offset));
    struct pr_value value = {.kind = 3, .in_block = 1, .children = children, .child_count = 100};
    OK(pr_put_end(&one, list, &value));
    for (uint32_t i = 0; i < 100; i++) pr_release(&one, children[i]);
    CHECK(fixture_accounts(&one).objects == 101);
    CHECK(fixture_number(&one, children[77]) == 77);
    pr_release(&one, list);
    close_two(0);
}

static void a_stale_child_voids_the_put(void)
{
    struct pr_ref list;
    open_two();
    struct pr_ref children[2] = {fixture_put(&one, 1), fixture_put(&one, 2)};
    pr_release(&one, children[1]);
    struct pr_value value = {.kind = 3, .children = children, .child_count = 2, .bytes = ""};
    CHECK(pr_put_inline(&one, &value, &list) == PR_STALE);
    close_two(1);
}

static void statistics_count_bytes(void)
{
    struct pr_store_stats stats;
    struct pr_fetched fetched;
    bool pinned;
    open_two();
    struct pr_ref ref = fixture_put_large(&one, (uint8_t[1000]){1}, 1000);
    OK(pr_get(&one, ref, 1, &fetched, &pinned));
    OK(pr_store_stats(&two, &stats));
    CHECK(stats.capacity_bytes == 1 << 20 && stats.used_bytes == 1024 &&
          stats.pinned_bytes == 1024);
    CHECK(stats.objects == 1 && stats.edges == 1 && stats.largest_free_bytes == (1 << 20) - 1024);
    pr_unpin(&one, ref);
    pr_release(&one, ref);
    OK(pr_store_stats(&two, &stats));
    CHECK(stats.used_bytes == 0 && stats.pinned_bytes == 0 && stats.peak_bytes == 1024);
    close_two(0);
}

static void full_tables_refuse_and_recover(void)
{
    struct pr_ref refs[200], extra;
    struct pr_value value = {.kind = 1, .bytes = "", .size_bytes = 0};
    uint32_t count = 0;
    open_two();
    while (count < 200 && pr_put_inline(&one, &value, &refs[count]) == PR_OK) count++;
    CHECK_THAT(count == 191, "%u", count);
    CHECK(pr_put_inline(&two, &value, &extra) == PR_TABLE_FULL);
    AUDIT(&one);
    while (count > 0) pr_release(&one, refs[--count]);
    OK(pr_put_inline(&two, &value, &extra));
    pr_release(&two, extra);
    close_two(0);
}

static bool is_freed(struct pr_context *ctx, struct pr_ref ref)
{
    struct pr_fetched fetched;
    bool pinned;
    return pr_get(ctx, ref, 1, &fetched, &pinned) == PR_FREED;
}

static void a_freed_value_goes_and_its_references_stay(void)
{
    open_two();
    struct pr_ref large = fixture_put_large(&one, "a large value", 14),
                  small = fixture_put(&one, 7);
    OK(pr_acquire(&two, &large, 1));
    OK(pr_free_value(&two, large));
    OK(pr_free_value(&two, large)); /* again */
    OK(pr_free_value(&one, small));
    AUDIT(&one);
    CHECK(fixture_accounts(&one).blocks == 0 && fixture_accounts(&one).objects == 2);
    CHECK(is_freed(&one, large) && is_freed(&two, large) && is_freed(&one, small));
    pr_release(&one, large);
    pr_release(&two, large);
    pr_release(&one, small);
    CHECK(pr_free_value(&two, large) == PR_STALE);
    close_two(0);
}

static void a_view_keeps_the_bytes_of_a_freed_value(void)
{
    struct pr_fetched fetched, copied;
    bool pinned;
    open_two();
    struct pr_ref ref = fixture_put_large(&one, "a large value", 14);
    OK(pr_acquire(&two, &ref, 1));
    OK(pr_get(&two, ref, 1, &fetched, &pinned));
    OK(pr_get(&two, ref, 0, &copied, &pinned));
    OK(pr_free_value(&one, ref));
    CHECK(is_freed(&two, ref) && strcmp((const char *)fetched.bytes, "a large value") == 0);
    CHECK(pr_get_held(&two, &copied)); /* they are still there */
    AUDIT(&one);
    pr_unpin(&two, ref);
    AUDIT(&one);
    CHECK(!pr_get_held(&two, &copied)); /* and now perhaps another's */
    CHECK(fixture_accounts(&one).blocks == 0 && is_freed(&one, ref));
    pr_release(&two, ref);
    pr_release(&one, ref);
    close_two(0);
}

static void only_values_are_freed(void)
{
    struct pr_ref pending, code;
    uint64_t offset;
    open_two();
    OK(pr_put_begin(&one, 1000, &pending, &offset));
    struct pr_value value = {.flags = PR_FLAG_CODE, .bytes = "", .size_bytes = 0};
    OK(pr_put_inline(&one, &value, &code));
    CHECK(pr_free_value(&one, pending) == PR_STATE && pr_free_value(&one, code) == PR_STATE);
    pr_put_abort(&one, pending);
    pr_release(&one, code);
    close_two(0);
}

/* The last reference may go in a chore, which anybody performs: the wake must not depend on whose
 * reference it was. */
static void the_end_of_code_wakes_all(void)
{
    struct pr_ref code, container;
    open_two();
    pr_index latch = pr_slot_at(&two, two.slot)->latch;
    struct pr_value value = {.flags = PR_FLAG_CODE, .bytes = "", .size_bytes = 0};
    OK(pr_put_inline(&one, &value, &code));
    struct pr_value holder = {.bytes = "", .size_bytes = 0, .children = &code, .child_count = 1};
    OK(pr_put_inline(&one, &holder, &container));
    uint32_t seen = pr_latch_sequence(&one, latch);
    pr_release(&one, code);
    CHECK(pr_latch_sequence(&one, latch) == seen);
    pr_release(&one, container);
    CHECK(pr_latch_sequence(&one, latch) != seen);
    close_two(0);
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(inline_values_of_every_size);
    RUN(large_values_and_pins);
    RUN(an_unsealed_put_is_pending_and_can_be_aborted);
    RUN(a_full_store_refuses_and_forgets);
    RUN(references_keep_alive);
    RUN(acquiring_many_is_all_or_nothing);
    RUN(containers_hold_their_contents);
    RUN(many_children_in_steps);
    RUN(a_stale_child_voids_the_put);
    RUN(a_freed_value_goes_and_its_references_stay);
    RUN(a_view_keeps_the_bytes_of_a_freed_value);
    RUN(only_values_are_freed);
    RUN(the_end_of_code_wakes_all);
    RUN(statistics_count_bytes);
    RUN(full_tables_refuse_and_recover);
    return harness_end();
}
