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

#include "tests/world.h"

#ifndef PR_CRASH_INJECTION

int main(void)
{
    printf("compiled without PR_CRASH_INJECTION\n");
    return EXIT_SKIP;
}

#else

enum { LOCALS = 256 };

/* The tables without the undo log, and what every process knows. */
struct snapshot {
    uint8_t *control;
    struct world world;
    struct pr_local local[WORLD_MEMBERS][LOCALS];
};

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

/* ---- snapshots ---- */

static uint64_t tables_offset(void) { return world.reaper.header->pools[0].offset; }

static void copy_control(uint8_t *to, const uint8_t *from)
{
    uint64_t offset = tables_offset();
    memcpy(to, from, PR_UNDO_OFFSET);
    memcpy(to + offset, from + offset, world.reaper.control_size - offset);
}

static bool same_control(const uint8_t *a, const uint8_t *b)
{
    uint64_t offset = tables_offset();
    return memcmp(a, b, PR_UNDO_OFFSET) == 0 &&
           memcmp(a + offset, b + offset, world.reaper.control_size - offset) == 0;
}

static void take_snapshot(struct snapshot *s)
{
    copy_control(s->control, (const uint8_t *)world.reaper.header);
    s->world = world;
    for (int i = 0; i < WORLD_MEMBERS; i++)
        memcpy(s->local[i], world.member[i].ctx.local, sizeof s->local[i]);
}

/* A process may have replaced its private maps meanwhile: the new ones stay, with the old content.
 */
static void restore_snapshot(const struct snapshot *s)
{
    uint64_t failures = world.failures;
    copy_control(world.reaper.writable, s->control);
    for (int i = 0; i < WORLD_MEMBERS; i++) {
        struct pr_local *local = world.member[i].ctx.local;
        uint8_t *granules = world.member[i].ctx.heap_granules;
        world.member[i] = s->world.member[i];
        world.member[i].ctx.local = local;
        world.member[i].ctx.heap_granules = granules;
        if (local == NULL) OK(pr_local_open(&world.member[i].ctx));
        memcpy(world.member[i].ctx.local, s->local[i], sizeof s->local[i]);
    }
    world.random = s->world.random;
    world.failures = failures;
}

/* ---- injection ---- */

static void at_begin(void *argument)
{
    struct pr_context *ctx = argument;
    if (!inject.armed) return;
    if (++inject.begun >= inject.copy_from) copy_control(beginning, (const uint8_t *)ctx->header);
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

/* Slots in DEAD were being swept by the supervisor that died. */
static bool sweep_dead(pr_index died)
{
    for (pr_index i = 1; i < world.reaper.header->pools[PR_POOL_SLOT].high_water; i++)
        if (i == died || pr_slot_at(&world.reaper, i)->state == PR_SLOT_DEAD)
            if (pr_sweep(&world.reaper, i, 9) != PR_OK) return false;
    return true;
}

static void check_after_death(const char *operation)
{
    const char *what = "";
    struct member *dead = member_of(inject.at);
    deep_checks++;
    if (pr_audit(&world.reaper, NULL, &what) != PR_OK) complain(operation, what);
    member_forget(dead);
    for (int i = random_below(&world.random, 4); i > 0; i--) {
        for (int j = 0; j < WORLD_MEMBERS; j++)
            if (world.member[j].role != ABSENT && random_one_in(&world.random, 3))
                member_operate(&world.member[j]);
        if (pr_audit(&world.reaper, NULL, &what) != PR_OK) complain(operation, what);
    }
    if (!sweep_dead(dead->ctx.slot)) complain(operation, "sweep failed");
    if (pr_audit(&world.reaper, NULL, &what) != PR_OK) complain(operation, what);
    if ((what = world_check_wakes(&world)) != NULL) complain(operation, what);
    if ((what = world_end(&world)) != NULL) complain(operation, what);
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
    take_snapshot(&before);
    run_until(operation, UINT64_MAX, UINT32_MAX, &name); /* to learn its name and length */
    uint64_t points = inject.point;
    longest = PR_MAX(longest, inject.longest);
    if (inject.longest > PR_TX_BOUND) complain(name, "too long a transaction");
    restore_snapshot(&before);
    const char *ran = name;
    for (volatile uint64_t k = 0; k < points && world.failures == 0; k++) {
        run_until(operation, k, PR_MAX(1u, checked), &name);
        crash_points++;
        undo(inject.at);
        if (!same_control(beginning, (const uint8_t *)world.reaper.header))
            complain(ran, "the tables are not as they were");
        pr_tx_rollback(inject.at);
        if (inject.begun > checked) {
            checked = inject.begun;
            check_after_death(ran);
        }
        restore_snapshot(&before);
    }
    operation();
}

static void create_world(uint64_t seed)
{
    world_create(&world, seed);
    for (int i = 0; i < WORLD_MEMBERS; i++) install(&world.member[i].ctx);
    before.control = calloc(1, world.reaper.control_size);
    beginning = calloc(1, world.reaper.control_size);
}

static void destroy_world(void)
{
    world_destroy(&world);
    free(before.control);
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

static enum pr_status store_past_the_log(struct pr_context *ctx, void *argument)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    TX_ADD(ctx, root->retried, 1);
    ((struct pr_engine_root *)pr_writable_at(ctx, root))->deaths++;
    TX_ADD(ctx, root->retried, 1);
    return PR_OK;
}

static const char *mutant_store(void)
{
    (void)!pr_transact(&world.member[0].ctx, store_past_the_log, NULL);
    return "a store past the log";
}

static enum pr_status take_an_object(struct pr_context *ctx, void *argument)
{
    pr_index object;
    PR_TRY(pr_object_new(ctx, PR_OBJECT_PENDING, &object));
    pr_object_ref(ctx, object);
    return PR_OK;
}

/* The object and its claim in two transactions: a death in between leaves it without an owner. */
static const char *mutant_claim(void)
{
    (void)!pr_transact(&world.member[0].ctx, take_an_object, NULL);
    (void)!pr_transact(&world.member[0].ctx, take_an_object, NULL);
    return "a claim in a transaction of its own";
}

static bool is_caught(operation_function mutant)
{
    create_world(harness_seed());
    crash_everywhere(mutant);
    bool caught = world.failures > 0;
    destroy_world();
    return caught;
}

static const char *harmless(void)
{
    pr_release(&world.member[0].ctx, fixture_put(&world.member[0].ctx, 1));
    return "no mutant";
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
