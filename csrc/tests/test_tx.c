/* Transactions: commit, rollback, repair after a death, retry, wake-ups, bounds. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/pool.h"
#include "shm/tx.h"
#include "tests/session_fixture.h"

static const struct pr_pool_plan plans[1] = {{64, 64, 64, 0, 0}};

/* Words to store to: the first bytes of root 0, which nothing uses in a bare segment. */
static const uint32_t *word(const struct pr_context *ctx, uint32_t i)
{
    return (const uint32_t *)pr_root(ctx, 0) + i;
}

static void create(struct pr_context *ctx) { OK(pr_segment_create(ctx, plans, 1, 1 << 16)); }

static void commit_keeps(void)
{
    struct pr_context ctx;
    create(&ctx);
    OK(pr_tx_begin(&ctx));
    TX_SET(&ctx, *word(&ctx, 0), 7);
    CHECK(ctx.header->undo_count == 1);
    TX_ADD(&ctx, *word(&ctx, 0), 5);
    pr_tx_commit(&ctx);
    CHECK(*word(&ctx, 0) == 12 && ctx.header->undo_count == 0);
    pr_segment_detach(&ctx, false);
}

static void rollback_restores_in_reverse(void)
{
    struct pr_context ctx;
    create(&ctx);
    OK(pr_tx_begin(&ctx));
    TX_SET(&ctx, *word(&ctx, 0), 1);
    pr_tx_commit(&ctx);
    OK(pr_tx_begin(&ctx));
    for (uint32_t i = 2; i < 10; i++) TX_SET(&ctx, *word(&ctx, 0), i);
    TX_SET(&ctx, *(const uint64_t *)word(&ctx, 2), UINT64_MAX);
    pr_tx_rollback(&ctx);
    CHECK(*word(&ctx, 0) == 1 && *word(&ctx, 2) == 0 && *word(&ctx, 3) == 0);
    CHECK(ctx.header->undo_count == 0);
    OK(pr_tx_begin(&ctx)); /* the lock is free */
    pr_tx_commit(&ctx);
    pr_segment_detach(&ctx, false);
}

static void copies_are_logged(void)
{
    struct pr_context ctx;
    create(&ctx);
    for (uint32_t size = 0; size <= 24; size++) {
        OK(pr_tx_begin(&ctx));
        pr_tx_copy(&ctx, word(&ctx, 0), "abcdefghijklmnopqrstuvwxyz", size);
        CHECK(memcmp(word(&ctx, 0), "abcdefghijklmnopqrstuvwxyz", size) == 0);
        CHECK(ctx.header->undo_count == (size + 7) / 8);
        pr_tx_rollback(&ctx);
        for (uint32_t i = 0; i < 8; i++) CHECK(*word(&ctx, i) == 0);
    }
    pr_segment_detach(&ctx, false);
}

static enum pr_status refuse(struct pr_context *ctx, void *argument)
{
    const enum pr_status *status = argument;
    TX_SET(ctx, *word(ctx, 0), 99);
    pr_tx_wake(ctx, 1);
    return *status;
}

static void a_refused_operation_has_no_effect(void)
{
    struct pr_context ctx;
    create(&ctx);
    for (int i = PR_PENDING; i <= PR_OS; i++) {
        enum pr_status status = (enum pr_status)i;
        if (status == PR_EMPTY || status == PR_GROW) continue;
        CHECK(pr_transact(&ctx, refuse, &status) == status);
        CHECK(*word(&ctx, 0) == 0 && ctx.wake_count == 0);
    }
    enum pr_status empty = PR_EMPTY;
    CHECK(pr_transact(&ctx, refuse, &empty) == PR_EMPTY);
    CHECK(*word(&ctx, 0) == 99);
    pr_segment_detach(&ctx, false);
}

static void wakes_are_named_once_and_overflow_to_all(void)
{
    struct pr_context ctx;
    create(&ctx);
    OK(pr_tx_begin(&ctx));
    for (pr_index i = 1; i <= PR_WAKE_MAX; i++) {
        pr_tx_wake(&ctx, i);
        pr_tx_wake(&ctx, i);
    }
    CHECK(ctx.wake_count == PR_WAKE_MAX && !ctx.wake_all);
    pr_tx_wake(&ctx, 1);
    CHECK(!ctx.wake_all);
    pr_tx_wake(&ctx, PR_WAKE_MAX + 1);
    CHECK(ctx.wake_all);
    pr_tx_rollback(&ctx);
    CHECK(ctx.wake_count == 0 && !ctx.wake_all);
    pr_segment_detach(&ctx, false);
}

/* A child stores `stores` words in a transaction and dies in it. */
static void die_in_transaction(struct pr_context *ctx, uint32_t stores)
{
    pid_t child = fork();
    if (child == 0) {
        if (pr_tx_begin(ctx) != PR_OK) _exit(1);
        for (uint32_t i = 0; i < stores; i++) TX_SET(ctx, *word(ctx, i % 100), 0xdead + i);
        pr_os_kill_self();
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

static void the_next_owner_repairs(void)
{
    struct pr_context ctx;
    create(&ctx);
    for (uint32_t stores = 0; stores < 300; stores += 50) {
        die_in_transaction(&ctx, stores);
        CHECK(ctx.header->undo_count == stores);
        OK(pr_tx_begin(&ctx));
        CHECK(ctx.header->undo_count == 0);
        for (uint32_t i = 0; i < 100; i++) CHECK(*word(&ctx, i) == 0);
        pr_tx_commit(&ctx);
    }
    CHECK(ctx.header->recoveries == 6);
    pr_segment_detach(&ctx, false);
}

static enum pr_status hoard(struct pr_context *ctx, void *argument)
{
    const uint32_t *stores = argument;
    for (uint32_t i = 0; i < *stores; i++) TX_SET(ctx, *word(ctx, 0), i);
    return PR_OK;
}

static void too_long_a_transaction_stops_the_process(void)
{
    struct pr_context ctx;
    create(&ctx);
    uint32_t stores = PR_UNDO_CAPACITY;
    OK(pr_transact(&ctx, hoard, &stores));
    uint32_t before = *word(&ctx, 0);
    pid_t child = fork();
    if (child == 0) {
        stores++;
        fclose(stderr);
        _exit(pr_transact(&ctx, hoard, &stores) == PR_OK ? 0 : 1);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    OK(pr_tx_begin(&ctx));
    CHECK(*word(&ctx, 0) == before);
    pr_tx_commit(&ctx);
    pr_segment_detach(&ctx, false);
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(commit_keeps);
    RUN(rollback_restores_in_reverse);
    RUN(copies_are_logged);
    RUN(a_refused_operation_has_no_effect);
    RUN(wakes_are_named_once_and_overflow_to_all);
    RUN(the_next_owner_repairs);
    RUN(too_long_a_transaction_stops_the_process);
    return harness_end();
}
