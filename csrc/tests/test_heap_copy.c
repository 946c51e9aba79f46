/* Payload writes: every change of a granule's state, odd sizes, two threads, contents compared. */
#include <pthread.h>

#include "tests/random.h"
#include "tests/session_fixture.h"

enum { GRANULE = 64 << 10, LARGE = 256 << 10, HEAP = 40 << 20 };

static uint8_t *source;

static void fill_source(uint64_t seed)
{
    struct random random = {seed};
    if (source == NULL) source = malloc(HEAP);
    for (uint64_t i = 0; i < HEAP; i += 8) {
        uint64_t word = random_next(&random);
        memcpy(source + i, &word, 8);
    }
}

static void write_and_compare(struct pr_context *ctx, uint64_t offset, uint64_t size)
{
    OK(pr_heap_write(ctx, offset, source + offset, size));
    CHECK_THAT(memcmp(ctx->heap + offset, source + offset, size) == 0, "offset %llu size %llu",
               (unsigned long long)offset, (unsigned long long)size);
}

static void create(struct pr_context *ctx)
{
    fill_source(harness_seed());
    fixture_create(ctx, HEAP, 1);
}

enum { UNTOUCHED, WRITTEN, MAPPED };

static void states_follow_the_writes(void)
{
    struct pr_context ctx;
    create(&ctx);
    write_and_compare(&ctx, 0, LARGE); /* pwrite */
    for (int i = 0; i < 4; i++) CHECK(ctx.heap_granules[i] == WRITTEN);
    CHECK(ctx.heap_granules[4] == UNTOUCHED);
    write_and_compare(&ctx, 0, LARGE); /* populate and copy */
    for (int i = 0; i < 4; i++) CHECK(ctx.heap_granules[i] == MAPPED);
    write_and_compare(&ctx, 0, LARGE);     /* copy */
    write_and_compare(&ctx, 1 << 20, 100); /* small: mapped at once */
    CHECK(ctx.heap_granules[16] == MAPPED && ctx.heap_granules[17] == UNTOUCHED);
    write_and_compare(&ctx, (2 << 20) + 64, LARGE + GRANULE); /* parts of granules stay untouched */
    CHECK(ctx.heap_granules[32] == UNTOUCHED && ctx.heap_granules[33] == WRITTEN);
    CHECK(ctx.heap_granules[36] == WRITTEN && ctx.heap_granules[37] == UNTOUCHED);
    pr_session_detach(&ctx, false);
}

/* A write across every pair of neighbouring states. */
static void writes_cross_states(void)
{
    static const uint64_t at[3] = {1 << 20, 3 << 20, 5 << 20};
    for (int left = UNTOUCHED; left <= MAPPED; left++) {
        for (int right = UNTOUCHED; right <= MAPPED; right++) {
            struct pr_context ctx;
            create(&ctx);
            for (int i = 0; i < 3; i++) {
                uint64_t size = (uint64_t)LARGE << i, border = at[i] + size;
                for (int n = 0; n < left; n++) write_and_compare(&ctx, at[i], size);
                for (int n = 0; n < right; n++) write_and_compare(&ctx, border, size);
                fill_source(harness_seed() + 1);
                write_and_compare(&ctx, border - size + 1, 2 * size - 3);
            }
            pr_session_detach(&ctx, false);
        }
    }
}

static void ends_of_the_heap(void)
{
    struct pr_context ctx;
    create(&ctx);
    write_and_compare(&ctx, HEAP - 1, 1);
    write_and_compare(&ctx, HEAP - GRANULE - 7, GRANULE + 7);
    write_and_compare(&ctx, HEAP - LARGE, LARGE);
    write_and_compare(&ctx, 0, HEAP);
    write_and_compare(&ctx, 0, HEAP);
    OK(pr_heap_write(&ctx, 0, NULL, 0));
    pr_session_detach(&ctx, false);
}

static void a_heap_of_odd_size(void)
{
    struct pr_context ctx;
    fill_source(harness_seed());
    fixture_create(&ctx, 3 * GRANULE + 5000, 1); /* ends inside a granule */
    uint64_t size = ctx.header->heap_size;
    write_and_compare(&ctx, size - 10, 10);
    write_and_compare(&ctx, 0, size);
    pr_session_detach(&ctx, false);
}

static void two_threads_meet_at_any_offset(void)
{
    struct pr_context ctx;
    create(&ctx);
    static const uint64_t offsets[] = {0, 64, GRANULE - 64, GRANULE, 3 * GRANULE + 128};
    static const uint64_t extra[] = {0, 1, 63, 4095, GRANULE - 1, GRANULE + 1};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
        for (size_t j = 0; j < sizeof extra / sizeof *extra; j++) {
            if (j % 3 == 0) pr_heap_forget(&ctx);
            fill_source(harness_seed() + i * 10 + j);
            write_and_compare(&ctx, offsets[i], PR_COPY_PARALLEL_BYTES + extra[j]);
        }
    pr_session_detach(&ctx, false);
}

/* Two threads take shares of a write whose pages have been touched here and there. */
static void shares_cross_states(void)
{
    struct pr_context ctx;
    struct random random = {harness_seed()};
    create(&ctx);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 20; i++) {
            uint64_t size = LARGE + random_below(&random, LARGE);
            write_and_compare(&ctx, random_below(&random, (uint32_t)(HEAP - size)), size);
        }
        fill_source(harness_seed() + 100 + (uint64_t)round);
        uint64_t from = random_below(&random, 3 * GRANULE);
        write_and_compare(&ctx, from, HEAP - from - random_below(&random, 3 * GRANULE));
        if (round == 1) pr_heap_forget(&ctx);
    }
    pr_session_detach(&ctx, false);
}

static void random_writes(void)
{
    struct pr_context ctx;
    struct random random = {harness_seed()};
    create(&ctx);
    uint8_t *shadow = calloc(1, HEAP);
    for (int i = 0; i < 400; i++) {
        uint64_t size = 1 + random_below(&random, 1u << (1 + random_below(&random, 22)));
        uint32_t room = (uint32_t)(HEAP - size);
        uint64_t to = random_below(&random, room), from = random_below(&random, room);
        OK(pr_heap_write(&ctx, to, source + from, size));
        memcpy(shadow + to, source + from, size);
    }
    CHECK(memcmp(ctx.heap, shadow, HEAP) == 0);
    free(shadow);
    pr_session_detach(&ctx, false);
}

struct writer {
    struct pr_context *ctx;
    uint64_t first;
};

/* Blocks of 1,000 bytes in turn: neighbours in a granule belong to different threads. */
static void *write_every_fourth(void *argument)
{
    const struct writer *writer = argument;
    for (uint64_t i = writer->first; i < 4000; i += 4)
        if (pr_heap_write(writer->ctx, i * 1024, source + i * 1024, 1000) != PR_OK) abort();
    return NULL;
}

static void threads_of_one_process_write_at_once(void)
{
    struct pr_context ctx;
    pthread_t threads[4];
    struct writer writers[4];
    create(&ctx);
    for (uint64_t i = 0; i < 4; i++) {
        writers[i] = (struct writer){&ctx, i};
        REQUIRE(pthread_create(&threads[i], NULL, write_every_fourth, &writers[i]) == 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (uint64_t i = 0; i < 4000; i++)
        CHECK(memcmp(ctx.heap + i * 1024, source + i * 1024, 1000) == 0);
    pr_session_detach(&ctx, false);
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(states_follow_the_writes);
    RUN(writes_cross_states);
    RUN(ends_of_the_heap);
    RUN(a_heap_of_odd_size);
    RUN(two_threads_meet_at_any_offset);
    RUN(shares_cross_states);
    RUN(random_writes);
    RUN(threads_of_one_process_write_at_once);
    return harness_end();
}
