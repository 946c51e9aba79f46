/* Bytes of a session's tables, header and spill files are changed at random; then what a process
 * does that only looks must answer a status: no crash, no hang. What changes tables asserts instead
 * and aborts, since to go on with wrong ones would be worse (base/check.h).
 *
 *     fuzz_tables --cases=N --seconds=N --seed=N
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "engine/placement.h"
#include "engine/views.h"
#include "engine/workers.h"
#include "store/spill_io.h"
#include "tests/world_snapshot.h"

enum { WORLD_STEPS = 400, CASES_PER_WORLD = 5000, HANG_S = 5, MOST_FLIPS = 6, VIEWS = 64 };
enum { ROOTS_SIZE = PR_ROOT_SIZE + PR_ENGINE_ROOT_OFFSET + sizeof(struct pr_engine_root) };

static struct world world;
static struct random random_numbers;
static sigjmp_buf back;
static uint64_t found, cases;

static uint32_t below(uint32_t limit) { return random_below(&random_numbers, limit); }

static void caught(int number) { siglongjmp(back, number); }

static void catch_all(void)
{
    struct sigaction action = {.sa_handler = caught, .sa_flags = SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGABRT, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
}

static void set_alarm(int seconds)
{
    struct itimerval timer = {.it_value.tv_sec = seconds};
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* ---- changing ---- */

struct flip {
    uint64_t offset;
    uint8_t old;
};

/* Entries of rings, and of followers, are used without being taken. */
static bool is_ring(ptrdiff_t pool)
{
    return pool == PR_POOL_EVENT || pool == PR_POOL_TEXT || pool == PR_POOL_ENDED ||
           pool == PR_POOL_SPAN || pool == PR_POOL_NOTE || pool == PR_POOL_BIRTH;
}

/* A byte of an entry in use, of a root, or of the counts of a table. Not of the lock: who scribbles
 * on that has stopped everybody, and nobody can tell. */
static uint64_t choose_offset(const struct pr_header *header)
{
    uint32_t kind = below(16);
    if (kind == 0) /* what changes in it: the rest is looked at by who attaches */
        return offsetof(struct pr_header, pools) + below(PR_POOLS) * sizeof(struct pr_pool) +
               offsetof(struct pr_pool, committed) +
               below(sizeof(struct pr_pool) - offsetof(struct pr_pool, committed));
    if (kind < 4) return PR_ROOT_OFFSET + below(ROOTS_SIZE);
    for (;;) {
        const struct pr_pool *pool = &header->pools[below(PR_POOLS)];
        uint32_t end =
            is_ring(pool - header->pools) ? PR_MIN(pool->committed, 32) : pool->high_water;
        if (end < 2) continue;
        uint32_t index = 1 + below(end - 1);
        return pool->offset + (uint64_t)index * pool->entry_size + below(pool->entry_size);
    }
}

/* Small changes meet wrong entries, large ones none at all. */
static uint8_t change(uint8_t byte)
{
    switch (below(4)) {
    case 0: return byte ^ (uint8_t)(1u << below(8));
    case 1: return (uint8_t)(byte + 1 + below(4));
    case 2: return (uint8_t)(byte - 1 - below(4));
    default: return (uint8_t)below(256);
    }
}

static uint32_t flip_some(uint8_t *tables, struct flip *flips)
{
    uint32_t count = 1 + below(MOST_FLIPS);
    const struct pr_header *header = world.reaper.header;
    for (uint32_t i = 0; i < count; i++) flips[i].offset = choose_offset(header);
    for (uint32_t i = 0; i < count; i++) {
        flips[i].old = tables[flips[i].offset];
        tables[flips[i].offset] = change(flips[i].old);
    }
    return count;
}

static void flip_back(uint8_t *tables, const struct flip *flips, uint32_t count)
{
    while (count-- > 0) tables[flips[count].offset] = flips[count].old;
}

/* ---- looking ---- */

/* All pages of a table, or of a ring. */
#define LOOK_AT_ALL(read, type, room)                                                              \
    do {                                                                                           \
        static type views_[room];                                                                  \
        uint32_t count_;                                                                           \
        pr_index from_ = 0;                                                                        \
        while (read(ctx, &from_, views_, &count_) == PR_OK) CHECK(count_ <= (room));               \
    } while (0)

static enum pr_status read_labels(struct pr_context *ctx, pr_index *from, struct pr_label *labels,
                                  uint32_t *count)
{
    return pr_labels_read(ctx, from, labels, PR_VIEW_STEP, count);
}

static void look_at_ring(struct pr_context *ctx, uint32_t pool, const uint64_t *head)
{
    static struct pr_text records[PR_RING_STEP]; /* the largest ones */
    struct pr_ring_page page = {.pool = pool, .head = head, .records = records};
    while (pr_ring_read(ctx, &page) == PR_OK) CHECK(page.count <= PR_RING_STEP);
}

static void look_at_records(struct pr_context *ctx)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    struct pr_text text;
    look_at_ring(ctx, PR_POOL_EVENT, &root->event_head);
    look_at_ring(ctx, PR_POOL_ENDED, &root->ended_head);
    look_at_ring(ctx, PR_POOL_SPAN, &root->span_head);
    for (uint64_t number = 0; number < 8; number++)
        if (pr_text_read(ctx, number, &text) == PR_OK) CHECK(text.size_bytes <= PR_TEXT_BYTES);
}

static void look_at_tables(struct pr_context *ctx)
{
    static uint32_t tally[PR_TALLY_LABELS * PR_TALLY_STATES];
    static struct pr_bundle bundles[PR_BUNDLE_MAX];
    struct pr_placement group;
    pr_index from = 0, end = pr_placement_end(ctx);
    LOOK_AT_ALL(pr_view_tasks, struct pr_task_view, PR_VIEW_STEP);
    LOOK_AT_ALL(pr_view_objects, struct pr_object_view, PR_VIEW_STEP);
    LOOK_AT_ALL(pr_view_holds, struct pr_hold_view, 2 * PR_VIEW_STEP);
    LOOK_AT_ALL(pr_view_actors, struct pr_actor_view, PR_VIEW_STEP);
    LOOK_AT_ALL(pr_view_slots, struct pr_slot_view, PR_VIEW_STEP);
    LOOK_AT_ALL(read_labels, struct pr_label, PR_VIEW_STEP);
    while (pr_tally_tasks(ctx, &from, tally) == PR_OK) continue;
    for (pr_index i = 1; i < end; i++)
        (void)!pr_placement_read(ctx, i, &group, bundles, PR_BUNDLE_MAX);
}

static void look(struct pr_context *ctx)
{
    static struct pr_worker_view views[VIEWS];
    struct pr_store_stats stats;
    struct pr_holder holder;
    const char *what;
    uint32_t count;
    enum pr_status status = pr_audit(ctx, NULL, &what);
    CHECK_THAT(status == PR_OK || status == PR_CORRUPT || status == PR_NO_MEMORY, "audit: %s",
               pr_status_text(status));
    if (pr_workers_view(ctx, views, VIEWS, &count) == PR_OK) CHECK(count <= VIEWS);
    (void)!pr_store_stats(ctx, &stats);
    for (pr_index i = 1; i < 8; i++) (void)!pr_holder_of(ctx, i, &holder);
    look_at_tables(ctx);
    look_at_records(ctx);
}

static void one_case(struct pr_context *ctx)
{
    struct flip flips[MOST_FLIPS];
    volatile uint32_t count = flip_some(ctx->writable, flips);
    int number = sigsetjmp(back, 1);
    if (number == 0) {
        set_alarm(HANG_S);
        look(ctx);
    } else if (found++ < 5) {
        harness_fail(__FILE__, __LINE__, "case %llu: signal %d; first byte %llu",
                     (unsigned long long)cases, number, (unsigned long long)flips[0].offset);
    }
    set_alarm(0);
    flip_back(ctx->writable, flips, count);
    if (number != 0) exit(1); /* it has the lock for ever */
}

static uint64_t until_ns;

static bool goes_on(uint64_t most)
{
    return cases < most && found == 0 && harness.failures == 0 && pr_os_monotonic_ns() < until_ns;
}

static void start(void)
{
    uint64_t seconds = harness_number("seconds", "PYRAY_TEST_SECONDS", 3);
    until_ns = pr_os_monotonic_ns() + seconds * 1000000000u;
    random_numbers = (struct random){harness_seed()};
    catch_all();
    cases = 0;
}

static void make_world(void)
{
    world_create(&world, harness_seed() + cases);
    for (int step = 0; step < WORLD_STEPS; step++) world_operate(&world);
}

static void tables_with_wrong_bytes(void)
{
    uint64_t most = harness_number("cases", NULL, UINT64_MAX);
    const char *what;
    start();
    while (goes_on(most)) {
        make_world();
        for (uint32_t i = 0; i < CASES_PER_WORLD && goes_on(most); i++, cases++)
            one_case(&world.reaper);
        CHECK(pr_audit(&world.reaper, NULL, &what) == PR_OK); /* all is as it was */
        world_destroy(&world);
    }
    printf("  %llu cases\n", (unsigned long long)cases);
}

/* What the header says of sizes and places; not the session's number, which may be any. */
static uint64_t choose_in_header(void)
{
    uint32_t nonce = offsetof(struct pr_header, nonce);
    uint32_t offset = below(offsetof(struct pr_header, pool_count) + 4 - sizeof(uint64_t));
    if (below(2) == 0) return offset < nonce ? offset : offset + sizeof(uint64_t);
    uint32_t pool = below(PR_POOLS);
    return offsetof(struct pr_header, pools) + pool * sizeof(struct pr_pool) +
           below(offsetof(struct pr_pool, committed));
}

static void attach_to_changed(struct pr_context *to)
{
    struct pr_context ctx;
    uint64_t offset = choose_in_header();
    uint8_t *byte = to->writable + offset, old = *byte;
    *byte = change(old);
    bool same = *byte == old;
    int control = dup(to->control_fd), heap = dup(to->heap_fd);
    enum pr_status status = pr_session_attach(&ctx, control, heap, PR_SLOT_DRIVER, true);
    CHECK_THAT(status == PR_BAD_SEGMENT || (status == PR_OK && same), "byte %llu: %s",
               (unsigned long long)offset, pr_status_text(status));
    *byte = old;
    if (status == PR_OK) {
        pr_index slot = ctx.slot;
        pr_session_detach(&ctx, false);
        OK(pr_sweep(to, slot, 0));
    } else {
        close(control);
        close(heap);
    }
}

static void headers_with_wrong_bytes(void)
{
    struct pr_context ctx;
    start();
    fixture_create(&ctx, 1 << 20, 1);
    for (; cases < 20000 && goes_on(UINT64_MAX); cases++) attach_to_changed(&ctx);
    pr_session_detach(&ctx, false);
    printf("  %llu cases\n", (unsigned long long)cases);
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(tables_with_wrong_bytes);
    RUN(headers_with_wrong_bytes);
    return harness_end();
}
