/* Exhaustive crash injection: every operation of a random session is cut short at every logged
 * store.
 *
 * For an operation, crash point k is the k-th time that a logged store passes one of its three
 * steps (recorded, counted, stored). The operation runs from the same state for k = 0, 1, 2, ...
 * and is left there by longjmp, the lock held, as a death leaves it. Then
 *   - the undo log is walked as the next owner of the lock does, dying in there as well and
 *     starting again, and every byte of the tables must be as it was when that transaction began;
 *   - once for each transaction of the operation (the tables are the same for all its crash
 *     points): the audit passes, others operate on, the dead process is swept, the audit passes and
 *     nobody oversleeps, and when all the others have died too, nothing is left in any table;
 *   - the state from before the operation is put back, with what the processes know privately.
 * No transaction may log more than PR_TX_BOUND stores.
 *
 *     test_crash [--seed=N] [--seconds=N] [--worlds=N]
 */
#include <setjmp.h>

#include "tests/world_mutants.h"
#include "tests/world_snapshot.h"

#ifndef PR_CRASH_INJECTION

/* A death in the middle of an operation leaves by longjmp: what a real one's process had allocated
 * goes with it, here it stays. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return 1; }

int main(void)
{
    printf("compiled without PR_CRASH_INJECTION\n");
    return EXIT_SKIP;
}

#else

struct injector {
    jmp_buf out;
    uint64_t point, target; /* crash at that point of the operation; UINT64_MAX: count only */
    uint64_t undo_point, undo_target;
    uint32_t begun,
        copy_from;    /* transactions of this operation; from which on their beginnings are kept */
    uint32_t longest; /* transaction, in logged stores */
    struct pr_context *at; /* who died */
    bool armed;
};

static struct world world;
static struct snapshot before;
static uint8_t *beginning; /* of the transaction that dies */
static struct injector inject;
static bool expecting_failure; /* while mutants run */
static uint64_t crash_points, undo_points, deep_checks, longest;

/* ---- injection ---- */

static void at_begin(void *argument)
{
    struct pr_context *ctx = argument;
    if (!inject.armed) return;
    if (++inject.begun >= inject.copy_from)
        world_copy_control(&world, beginning, (const uint8_t *)ctx->header);
}

static void at_store(void *argument, int step)
{
    struct pr_context *ctx = argument;
    if (step >= 3) {
        if (inject.undo_point++ == inject.undo_target) longjmp(inject.out, 1);
        return;
    }
    if (!inject.armed) return;
    if (step == 1) inject.longest = PR_MAX(inject.longest, ctx->header->undo_count);
    if (inject.point++ != inject.target) return;
    inject.at = ctx;
    longjmp(inject.out, 1);
}

static void install(struct pr_context *ctx)
{
    ctx->at_begin = at_begin;
    ctx->at_store = at_store;
    ctx->injection_argument = ctx;
}

/* ---- after a death ---- */

static void complain(const char *operation, const char *what)
{
    world.failures++;
    if (!expecting_failure)
        harness_fail(__FILE__, __LINE__, "%s, crash point %llu (transaction %u): %s", operation,
                     (unsigned long long)inject.target, inject.begun, what);
}

/* The next owner of the lock repairs, and dies in the middle of it now and then. */
static void undo(struct pr_context *ctx)
{
    uint32_t steps = 2 * ctx->header->undo_count;
    inject.undo_point = 0;
    inject.undo_target = UINT64_MAX;
    for (volatile uint64_t target = crash_points % 3; target < steps; target += 1 + steps / 4) {
        inject.undo_target = target;
        if (setjmp(inject.out) == 0) pr_tx_undo(ctx);
        undo_points++;
        inject.undo_point = 0;
        steps = 2 * ctx->header->undo_count;
    }
    inject.undo_target = UINT64_MAX;
    pr_tx_undo(ctx);
}

static struct member *member_of(const struct pr_context *ctx)
{
    for (int i = 0; i < WORLD_MEMBERS; i++)
        if (&world.member[i].ctx == ctx) return &world.member[i];
    return NULL;
}

static void check_after_death(const char *operation)
{
    deep_checks++;
    const char *wrong = world_survive(&world, member_of(inject.at), true);
    if (wrong != NULL) complain(operation, wrong);
}

/* ---- one operation ---- */

typedef const char *(*operation_function)(void);

static const char *random_operation(void) { return world_operate(&world); }

/* True if the operation was cut short at `target`; false if it ran to its end. */
static bool run_until(operation_function operation, uint64_t target, uint32_t copy_from,
                      const char *volatile *name)
{
    inject.point = inject.begun = inject.longest = 0;
    inject.target = target;
    inject.undo_target = UINT64_MAX;
    inject.copy_from = copy_from;
    inject.armed = true;
    bool crashed = setjmp(inject.out) != 0;
    if (!crashed) *name = operation();
    inject.armed = false;
    return crashed;
}

static void crash_everywhere(operation_function operation)
{
    const char *volatile name = "?";
    volatile uint32_t checked = 0;
    snapshot_take(&before, &world);
    run_until(operation, UINT64_MAX, UINT32_MAX, &name); /* to learn its name and length */
    uint64_t points = inject.point;
    longest = PR_MAX(longest, inject.longest);
    if (inject.longest > PR_TX_BOUND) complain(name, "too long a transaction");
    snapshot_restore(&before, &world);
    const char *ran = name;
    for (volatile uint64_t k = 0; k < points && world.failures == 0; k++) {
        run_until(operation, k, PR_MAX(1u, checked), &name);
        crash_points++;
        undo(inject.at);
        if (!world_same_control(&world, beginning, (const uint8_t *)world.reaper.header))
            complain(ran, "the tables are not as they were");
        pr_tx_rollback(inject.at);
        if (inject.begun > checked) {
            checked = inject.begun;
            check_after_death(ran);
        }
        snapshot_restore(&before, &world);
    }
    operation();
}

static void create_world(uint64_t seed)
{
    world_create(&world, seed);
    for (int i = 0; i < WORLD_MEMBERS; i++) install(&world.member[i].ctx);
    world_keep_files(&world);
    snapshot_open(&before, &world);
    beginning = calloc(1, world.reaper.control_size);
}

static void destroy_world(void)
{
    world_destroy(&world);
    snapshot_close(&before);
    free(beginning);
}

static void every_store_of_random_operations(void)
{
    uint64_t seconds = harness_number("seconds", "PYRAY_TEST_SECONDS", 12);
    uint64_t worlds = harness_number("worlds", "PYRAY_TEST_WORLDS", UINT32_MAX);
    uint64_t end = pr_os_monotonic_ns() + seconds * 1000000000u, i;
    for (i = 0; i < worlds && pr_os_monotonic_ns() < end && harness.failures == 0; i++) {
        create_world(harness_seed() + i);
        uint32_t warm_up = random_below(&world.random, 200);
        for (uint32_t step = 0; step < warm_up; step++) world_operate(&world);
        for (int step = 0; step < 25 && world.failures == 0 && pr_os_monotonic_ns() < end; step++)
            crash_everywhere(random_operation);
        if (world.failures > 0) printf("  world %llu\n", (unsigned long long)i);
        destroy_world();
    }
    printf("%llu crash points in %llu worlds, %llu deaths in repair, %llu sweeps, longest "
           "transaction %llu stores\n",
           (unsigned long long)crash_points, (unsigned long long)i, (unsigned long long)undo_points,
           (unsigned long long)deep_checks, (unsigned long long)longest);
}

/* ---- does the net catch anything? ---- */

static const char *mutant_store(void) { return mutant_store_past_the_log(&world); }
static const char *mutant_claim(void) { return mutant_claim_apart(&world); }
static const char *harmless(void) { return mutant_none(&world); }

static bool is_caught(operation_function mutant)
{
    create_world(harness_seed());
    crash_everywhere(mutant);
    bool caught = world.failures > 0;
    destroy_world();
    return caught;
}

static void mutants_are_caught(void)
{
    expecting_failure = true;
    CHECK(!is_caught(harmless));
    CHECK(is_caught(mutant_store));
    CHECK(is_caught(mutant_claim));
    expecting_failure = false;
    crash_points = undo_points = deep_checks = longest = 0;
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(mutants_are_caught);
    RUN(every_store_of_random_operations);
    return harness_end();
}

#endif
