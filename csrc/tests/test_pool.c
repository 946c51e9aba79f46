/* Pools: entries, the free list, and growth, also by several processes at once. */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/pool.h"
#include "tests/session_fixture.h"

/* Entries of 256 bytes: one step of growth is 4,096 of them. Pool 1 grows in one short step to its
 * end. */
static const struct pr_pool_plan plans[2] = {{256, 10000, 16, 0, 0}, {256, 2000, 16, 0, 0}};

struct take_call {
    uint32_t pool;
    pr_index index;
};

static enum pr_status take(struct pr_context *ctx, void *argument)
{
    struct take_call *call = argument;
    return pr_pool_take(ctx, call->pool, &call->index);
}

static enum pr_status take_from(struct pr_context *ctx, uint32_t pool, pr_index *index)
{
    struct take_call call = {pool, PR_NONE};
    enum pr_status status = pr_transact(ctx, take, &call);
    *index = call.index;
    return status;
}

struct give_call {
    uint32_t pool;
    pr_index index;
};

static enum pr_status give(struct pr_context *ctx, void *argument)
{
    const struct give_call *call = argument;
    pr_pool_give(ctx, call->pool, call->index);
    return PR_OK;
}

static void give_to(struct pr_context *ctx, uint32_t pool, pr_index index)
{
    struct give_call call = {pool, index};
    OK(pr_transact(ctx, give, &call));
}

static void last_given_is_first_taken(void)
{
    struct pr_context ctx;
    pr_index a, b, c;
    OK(pr_segment_create(&ctx, plans, 2, 1 << 16));
    OK(take_from(&ctx, 0, &a));
    OK(take_from(&ctx, 0, &b));
    CHECK(a == 1 && b == 2 && ctx.header->pools[0].used == 2);
    CHECK(!pr_pool_has(&ctx, 0, PR_NONE) && pr_pool_has(&ctx, 0, 2) && !pr_pool_has(&ctx, 0, 3));
    give_to(&ctx, 0, a);
    give_to(&ctx, 0, b);
    CHECK(pr_pool_count_free(&ctx, 0) == 2);
    OK(take_from(&ctx, 0, &c));
    CHECK(c == b);
    OK(take_from(&ctx, 0, &c));
    CHECK(c == a && pr_pool_count_free(&ctx, 0) == 0);
    pr_segment_detach(&ctx, false);
}

static void growth_goes_to_capacity_and_no_further(void)
{
    struct pr_context ctx;
    pr_index index;
    OK(pr_segment_create(&ctx, plans, 2, 1 << 16));
    for (pr_index i = 1; i < 10000; i++) {
        OK(take_from(&ctx, 0, &index));
        REQUIRE(index == i);
        memset(pr_writable_at(&ctx, pr_entry(&ctx, 0, index)), 1, 256); /* the pages are there */
    }
    CHECK(take_from(&ctx, 0, &index) == PR_TABLE_FULL);
    CHECK(ctx.header->pools[0].committed == 10000);
    give_to(&ctx, 0, 5000);
    OK(take_from(&ctx, 0, &index));
    CHECK(index == 5000);
    pr_segment_detach(&ctx, false);
}

/* Another process grows the pool to its capacity while this one, told to grow, has not come to it.
 */
static enum pr_status ask_to_grow(struct pr_context *ctx, void *argument)
{
    pr_index *index = argument;
    enum pr_status status = pr_pool_take(ctx, 1, index);
    REQUIRE(status == PR_GROW);
    return PR_STATE; /* as PR_GROW, but pr_transact does not go on */
}

static void growth_by_another_counts(void)
{
    struct pr_context ctx, other;
    pr_index index;
    OK(pr_segment_create(&ctx, plans, 2, 1 << 16));
    OK(pr_segment_attach(&other, plans, 2, dup(ctx.control_fd), dup(ctx.heap_fd)));
    for (int i = 1; i < 16; i++) OK(take_from(&ctx, 1, &index));
    CHECK(pr_transact(&ctx, ask_to_grow, &index) == PR_STATE);
    OK(take_from(&other, 1, &index)); /* grows pool 1 to its end */
    CHECK(ctx.header->pools[1].committed == 2000);
    OK(pr_pool_grow(&ctx, 1)); /* there is room: not PR_TABLE_FULL */
    OK(take_from(&ctx, 1, &index));
    pr_segment_detach(&other, false);
    pr_segment_detach(&ctx, false);
}

static void several_processes_grow(void)
{
    struct pr_context ctx;
    OK(pr_segment_create(&ctx, plans, 2, 1 << 16));
    for (int i = 0; i < 4; i++) {
        if (fork() > 0) continue;
        pr_index index;
        for (int j = 0; j < 2499; j++)
            if (take_from(&ctx, 0, &index) != PR_OK) _exit(1);
        _exit(0);
    }
    for (int i = 0; i < 4; i++) {
        int status;
        REQUIRE(wait(&status) > 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CHECK(ctx.header->pools[0].used == 9996 && ctx.header->pools[0].high_water == 9997);
    CHECK(pr_pool_count_free(&ctx, 0) == 0);
    pr_segment_detach(&ctx, false);
}

static void a_damaged_list_is_noticed(void)
{
    struct pr_context ctx;
    pr_index a, b;
    OK(pr_segment_create(&ctx, plans, 2, 1 << 16));
    OK(take_from(&ctx, 0, &a));
    OK(take_from(&ctx, 0, &b));
    give_to(&ctx, 0, a);
    give_to(&ctx, 0, b);
    uint32_t *link = pr_writable_at(&ctx, pr_entry(&ctx, 0, a));
    *link = b; /* a ring */
    CHECK(pr_pool_count_free(&ctx, 0) == UINT32_MAX);
    *link = 9999; /* outside */
    CHECK(pr_pool_count_free(&ctx, 0) == UINT32_MAX);
    pr_segment_detach(&ctx, false);
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(last_given_is_first_taken);
    RUN(growth_goes_to_capacity_and_no_further);
    RUN(growth_by_another_counts);
    RUN(several_processes_grow);
    RUN(a_damaged_list_is_noticed);
    return harness_end();
}
