/* The payload allocator: sizes, classes, merging, recycling, and long random sequences. */
#include "tests/random.h"
#include "tests/session_fixture.h"

struct call {
    uint64_t size_bytes;
    pr_index block;
};

static enum pr_status take_operation(struct pr_context *ctx, void *argument)
{
    struct call *call = argument;
    return pr_heap_take(ctx, call->size_bytes, 0, &call->block);
}

static enum pr_status give_operation(struct pr_context *ctx, void *argument)
{
    const pr_index *block = argument;
    pr_heap_give(ctx, *block);
    return PR_OK;
}

static enum pr_status take(struct pr_context *ctx, uint64_t size_bytes, pr_index *block)
{
    struct call call = {size_bytes, PR_NONE};
    enum pr_status status = pr_transact(ctx, take_operation, &call);
    *block = call.block;
    return status;
}

static void give(struct pr_context *ctx, pr_index block)
{
    OK(pr_transact(ctx, give_operation, &block));
}

static void audit(struct pr_context *ctx)
{
    const char *what = "";
    CHECK_THAT(pr_heap_audit(ctx, &what) == PR_OK, "%s", what);
}

static uint64_t offset(struct pr_context *ctx, pr_index block)
{
    return pr_block_offset_bytes(ctx, block);
}

static void blocks_are_aligned_and_apart(void)
{
    struct pr_context ctx;
    pr_index block[4];
    fixture_create(&ctx, 1 << 20, 1);
    uint64_t sizes[4] = {1, 64, 65, 1000};
    for (int i = 0; i < 4; i++) {
        OK(take(&ctx, sizes[i], &block[i]));
        CHECK(offset(&ctx, block[i]) % PR_HEAP_UNIT == 0);
        if (i > 0) CHECK(offset(&ctx, block[i]) >= offset(&ctx, block[i - 1]) + sizes[i - 1]);
    }
    CHECK(pr_heap_root(&ctx)->used == 1 + 1 + 2 + 16);
    audit(&ctx);
    for (int i = 0; i < 4; i++) give(&ctx, block[i]);
    CHECK(pr_heap_root(&ctx)->used == 0 && pr_heap_root(&ctx)->top == 0);
    CHECK(pr_heap_root(&ctx)->peak == 20);
    audit(&ctx);
    pr_session_detach(&ctx, false);
}

/* Every order of freeing three neighbours ends in an empty heap. */
static void neighbours_merge_in_every_order(void)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct pr_context ctx;
    fixture_create(&ctx, 1 << 20, 1);
    for (int i = 0; i < 6; i++) {
        pr_index block[3], guard;
        for (int j = 0; j < 3; j++) OK(take(&ctx, 100 * (uint64_t)(j + 1), &block[j]));
        OK(take(&ctx, 64, &guard));
        for (int j = 0; j < 3; j++) {
            give(&ctx, block[orders[i][j]]);
            audit(&ctx);
        }
        CHECK(ctx.header->pools[PR_POOL_BLOCK].used == 2);
        give(&ctx, guard);
        CHECK(pr_heap_root(&ctx)->top == 0 && ctx.header->pools[PR_POOL_BLOCK].used == 0);
    }
    pr_session_detach(&ctx, false);
}

static void freed_memory_comes_back_first(void)
{
    struct pr_context ctx;
    pr_index a, b, c;
    fixture_create(&ctx, 1 << 20, 1);
    OK(take(&ctx, 4096, &a));
    OK(take(&ctx, 64, &b));
    uint64_t where = offset(&ctx, a), top = pr_heap_root(&ctx)->top;
    give(&ctx, a);
    OK(take(&ctx, 4096, &c));
    CHECK(offset(&ctx, c) == where && pr_heap_root(&ctx)->top == top);
    give(&ctx, c);
    OK(take(&ctx, 1024, &c)); /* a larger free block is cut */
    CHECK(offset(&ctx, c) == where && pr_heap_root(&ctx)->top == top);
    audit(&ctx);
    pr_session_detach(&ctx, false);
}

static void full_is_an_answer(void)
{
    struct pr_context ctx;
    pr_index all, none;
    fixture_create(&ctx, 1 << 20, 1);
    CHECK(take(&ctx, (1 << 20) + 1, &none) == PR_FULL);
    CHECK(take(&ctx, UINT64_MAX - 63, &none) == PR_FULL);
    CHECK(pr_heap_largest_bytes(&ctx) == 1 << 20);
    OK(take(&ctx, 1 << 20, &all));
    CHECK(pr_heap_largest_bytes(&ctx) == 0);
    CHECK(take(&ctx, 1, &none) == PR_FULL);
    audit(&ctx);
    give(&ctx, all);
    OK(take(&ctx, 1, &none));
    pr_session_detach(&ctx, false);
}

/* Around every border of a size class: a freed block serves exactly the sizes that fit it. */
static void class_borders(void)
{
    struct pr_context ctx;
    fixture_create(&ctx, 64 << 20, 1);
    for (uint32_t bit = 0; bit < 19; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            int64_t units = (1ll << bit) + delta;
            pr_index block, guard, again;
            if (units < 1) continue;
            OK(take(&ctx, (uint64_t)units * PR_HEAP_UNIT, &block));
            OK(take(&ctx, 1, &guard));
            uint64_t where = offset(&ctx, block);
            give(&ctx, block);
            audit(&ctx);
            OK(take(&ctx, (uint64_t)units * PR_HEAP_UNIT, &again));
            CHECK_THAT(offset(&ctx, again) == where, "%lld units", (long long)units);
            give(&ctx, again);
            give(&ctx, guard);
        }
    }
    CHECK(pr_heap_root(&ctx)->top == 0);
    pr_session_detach(&ctx, false);
}

static uint64_t random_size(struct random *random)
{
    uint64_t magnitude = 1ull << random_below(random, 15);
    return 1 + random_below(random, (uint32_t)magnitude);
}

enum { UNITS = (1 << 18) / PR_HEAP_UNIT };

/* Marks the units of a block; all of them must have been `before`. */
static void mark(uint8_t *owner, const struct pr_block *b, uint8_t before, uint8_t after)
{
    for (uint32_t unit = b->offset; unit < b->offset + b->size; unit++) {
        CHECK(owner[unit] == before);
        owner[unit] = after;
    }
}

/* Random takes and gives against a shadow of who owns which unit. */
static void random_sequence(void)
{
    enum { SLOTS = 100 };
    static uint8_t owner[UNITS];
    struct pr_context ctx;
    struct random random = {harness_seed()};
    pr_index block[SLOTS] = {0};
    fixture_create(&ctx, 1 << 18, 1);
    for (int step = 0; step < 20000 && harness.failures == 0; step++) {
        uint32_t i = random_below(&random, SLOTS);
        if (block[i] != PR_NONE) {
            mark(owner, pr_block_at(&ctx, block[i]), (uint8_t)(i + 1), 0);
            give(&ctx, block[i]);
            block[i] = PR_NONE;
        } else {
            uint64_t size = random_size(&random);
            enum pr_status status = take(&ctx, size, &block[i]);
            CHECK(status == PR_OK || status == PR_FULL);
            if (status == PR_OK)
                mark(owner, pr_block_at(&ctx, block[i]), 0, (uint8_t)(i + 1));
            else
                block[i] = PR_NONE;
        }
        if (step % 16 == 0) audit(&ctx);
    }
    pr_session_detach(&ctx, false);
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(blocks_are_aligned_and_apart);
    RUN(neighbours_merge_in_every_order);
    RUN(freed_memory_comes_back_first);
    RUN(full_is_an_answer);
    RUN(class_borders);
    RUN(random_sequence);
    return harness_end();
}
