/* Step-audit: what a SIGKILL at any instruction leaves behind is repaired.
 *
 * A child performs one random operation of a world (tests/world.h) on a copy of the control
 * segment, one machine instruction at a time (ptrace). After each instruction that changed the
 * segment, its state is what a death at this point would leave: it is taken over, the undo log is
 * rolled back if the lock is held (and must be empty if it is not): the tables must be as they were
 * before the transaction. Then everything that world_survive checks must hold; at every eighth
 * state and between transactions also that nothing is left when all die.
 *
 * Compared with test_crash, which cuts operations at every logged store, this sees what the
 * compiled program really stores, in its order, and the stores that are not logged: the log itself,
 * the commit, latches, the words of the lock.
 *
 *     test_step [--seed=N] [--seconds=N] [--each=N] [--steps=N]
 *
 * Every kind of operation is stepped through N times (--each=N, 1 by default; 0: without limit), as
 * far as --seconds (12) go; no more than --steps instructions each time. */
#include "tests/world_mutants.h"
#include "tests/world_snapshot.h"

#if !defined(__x86_64__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

/* Elsewhere a single step may break an exclusive store for ever; sanitizers multiply instructions.
 */
int main(void)
{
    printf("single steps need x86-64 and no sanitizer\n");
    return EXIT_SKIP;
}

#else

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KINDS = 128, TID_MASK = 0x3fffffff };

typedef const char *(*operation_function)(struct world *world);

struct kind {
    const char *name;
    uint64_t operations, steps, states;
    bool changes; /* the tables, as far as was seen */
};

static struct world world;
static struct snapshot before;
static struct kind kinds[KINDS];
static const uint8_t *live;    /* the segment that the child works on */
static uint8_t *live_writable; /* the same for the child */
static uint8_t *seen;          /* the last state that was checked */
static uint8_t *beginning;     /* the last one outside a transaction */
static int live_fd = -1;
static uint64_t control_size, steps_total, states_total, ends_total, cut_short;
static bool expecting_failure;

/* ---- the segment that is stepped on ---- */

static void open_live(void)
{
    void *address;
    OK(pr_os_memfd("pyray-step", control_size, &live_fd));
    OK(pr_os_map(live_fd, control_size, false, &address));
    live = address;
    OK(pr_os_map(live_fd, control_size, true, &address));
    live_writable = address;
    seen = calloc(1, control_size);
    beginning = calloc(1, control_size);
    REQUIRE(seen != NULL && beginning != NULL);
}

static void close_live(void)
{
    pr_os_unmap((void *)live, control_size);
    pr_os_unmap(live_writable, control_size);
    pr_os_close(live_fd);
    free(seen);
    free(beginning);
}

/* In the child: all members work on the live segment. */
static void move_to_live(struct pr_context *ctx)
{
    ctx->header = (const struct pr_header *)live;
    ctx->writable = live_writable;
    ctx->undo = (const struct pr_undo *)(live + PR_UNDO_OFFSET);
}

_Noreturn static void be_stepped(operation_function operation)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(EXIT_SKIP);
    for (int i = 0; i < WORLD_MEMBERS; i++) move_to_live(&world.member[i].ctx);
    move_to_live(&world.reaper);
    kill(getpid(), SIGSTOP);
    operation(&world);
    _exit(0);
}

/* ---- a state ---- */

static const struct pr_header *live_header(void) { return (const struct pr_header *)live; }

static bool changed_since(const uint8_t *old)
{
    const struct pr_header *header = live_header(), *then = (const struct pr_header *)old;
    return header->undo_count != then->undo_count || !world_same_control(&world, live, old);
}

static void complain(const char *operation, uint64_t step, const char *what)
{
    world.failures++;
    if (!expecting_failure)
        harness_fail(__FILE__, __LINE__, "%s, instruction %llu: %s", operation,
                     (unsigned long long)step, what);
}

/* The kernel hands the lock over with a note when its owner dies. */
static bool lock_is_held_by(pid_t child)
{
    const pthread_mutex_t *mutex = (const pthread_mutex_t *)live_header()->mutex;
    return (mutex->__data.__lock & TID_MASK) == child;
}

/* The tables as the next process to take the lock sees them, once it has repaired them. */
static void take_over(void)
{
    uint8_t *control = world.reaper.writable;
    uint32_t count = live_header()->undo_count;
    world_copy_control(&world, control, live);
    memcpy(control + PR_UNDO_OFFSET, live + PR_UNDO_OFFSET, count * sizeof(struct pr_undo));
    OK(pr_os_mutex_init(((struct pr_header *)control)->mutex));
    pr_tx_undo(&world.reaper);
}

/* Those whom the child was sweeping have died before. */
static void forget_the_swept(void)
{
    for (int i = 0; i < WORLD_MEMBERS; i++) {
        struct member *m = &world.member[i];
        if (m->role == ABSENT) continue;
        const struct pr_slot *s = pr_slot_at(&world.reaper, m->ctx.slot);
        bool gone = s->generation != m->ctx.slot_generation;
        if (gone || s->state == PR_SLOT_DEAD || s->state == PR_SLOT_EMPTY) member_forget(m);
    }
}

/* But for the lock, which is a new one. */
static bool is_as_before(void)
{
    memcpy(((struct pr_header *)beginning)->mutex, world.reaper.header->mutex, PR_OS_MUTEX_SIZE);
    return world_same_control(&world, beginning, (const uint8_t *)world.reaper.header);
}

static void check_state(const char *operation, uint64_t step, struct member *dead, pid_t child)
{
    bool open = live_header()->undo_count > 0;
    memcpy(seen, live, control_size);
    if (open && !lock_is_held_by(child)) complain(operation, step, "a log without the lock");
    if (!open) memcpy(beginning, live, control_size);
    take_over();
    if (!is_as_before()) complain(operation, step, "the tables are not as they were");
    forget_the_swept();
    states_total++;
    bool to_the_end = !open || states_total % 8 == 0;
    ends_total += to_the_end;
    world.random.state ^= states_total;
    const char *wrong = world_survive(&world, dead, to_the_end);
    if (wrong != NULL) complain(operation, step, wrong);
    snapshot_restore(&before, &world);
}

/* ---- an operation ---- */

static struct kind *kind_of(const char *name)
{
    for (int i = 0; i < KINDS; i++) {
        if (kinds[i].name == NULL) kinds[i].name = name;
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    }
    REQUIRE(!"more kinds of operations than KINDS");
    return NULL;
}

/* Whoever has thrown dice since; joining is the supervisor's work and takes none. */
static struct member *who_operated(void)
{
    for (int i = 0; i < WORLD_MEMBERS; i++)
        if (world.member[i].random.state != before.world.member[i].random.state)
            return &world.member[i];
    return &world.member[1];
}

static bool stopped(pid_t child, int *status)
{
    REQUIRE(waitpid(child, status, 0) == child);
    return WIFSTOPPED(*status);
}

static void end_child(pid_t child)
{
    int status;
    kill(child, SIGKILL);
    while (stopped(child, &status)) {
    }
}

/* False if this process may not trace its children. */
static bool step_through(operation_function operation, struct kind *kind, struct member *dead,
                         uint64_t limit)
{
    int status;
    world_copy_control(&world, live_writable, (const uint8_t *)world.reaper.header);
    memcpy(seen, live, control_size);
    memcpy(beginning, live, control_size);
    fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) be_stepped(operation);
    if (!stopped(child, &status)) return false;
    uint64_t step = 0, states = states_total;
    for (; step < limit && world.failures == 0; step++) {
        if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) != 0) {
            end_child(child);
            return false;
        }
        if (!stopped(child, &status)) break;
        if (WSTOPSIG(status) != SIGTRAP) complain(kind->name, step, "a signal");
        if (changed_since(seen)) check_state(kind->name, step, dead, child);
    }
    if (WIFSTOPPED(status)) {
        end_child(child);
        cut_short++;
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        complain(kind->name, step, "the child did not end as it should");
    }
    kind->operations++;
    kind->steps += step;
    kind->states += states_total - states;
    steps_total += step;
    return true;
}

/* Performs the next operation of the world; steps through it first if its kind is wanted. */
static bool operate(uint64_t each, uint64_t limit)
{
    bool permitted = true;
    snapshot_take(&before, &world);
    struct kind *kind = kind_of(world_operate(&world));
    bool idle = world_same_control(&world, before.control, (const uint8_t *)world.reaper.header);
    kind->changes |= !idle;
    struct member *dead = who_operated();
    if (idle || (each > 0 && kind->operations >= each)) return true;
    snapshot_restore(&before, &world);
    permitted = step_through(world_operate, kind, dead, limit);
    snapshot_restore(&before, &world);
    world_operate(&world);
    return permitted;
}

static void open_world(uint64_t seed)
{
    world_create(&world, seed);
    world_keep_files(&world);
    control_size = world.reaper.control_size;
    snapshot_open(&before, &world);
    open_live();
}

static void close_world(void)
{
    close_live();
    snapshot_close(&before);
    world_destroy(&world);
}

/* How many kinds of operations have been stepped through less often than wanted. */
static uint32_t missing(uint64_t each)
{
    uint32_t count = 0;
    for (int i = 0; i < KINDS && kinds[i].name != NULL; i++)
        count += kinds[i].changes && kinds[i].operations < each;
    return count;
}

static void report(uint64_t worlds)
{
    for (int i = 0; i < KINDS && kinds[i].name != NULL; i++)
        printf("  %-18s %5llu times, %8llu instructions, %7llu states\n", kinds[i].name,
               (unsigned long long)kinds[i].operations, (unsigned long long)kinds[i].steps,
               (unsigned long long)kinds[i].states);
    printf("%llu instructions, %llu states audited, %llu of them to the end, in %llu worlds; %llu "
           "operations cut short\n",
           (unsigned long long)steps_total, (unsigned long long)states_total,
           (unsigned long long)ends_total, (unsigned long long)worlds,
           (unsigned long long)cut_short);
}

static bool permitted = true;

static void death_at_every_instruction(void)
{
    uint64_t seconds = harness_number("seconds", "PYRAY_TEST_SECONDS", 12);
    uint64_t each = harness_number("each", NULL, 1), limit = harness_number("steps", NULL, 200000);
    uint64_t end = pr_os_monotonic_ns() + seconds * 1000000000u, worlds = 0;
    bool enough = false;
    while (permitted && !enough && pr_os_monotonic_ns() < end && harness.failures == 0) {
        open_world(harness_seed() + worlds++);
        for (int i = 0; i < 400 && permitted && !enough && world.failures == 0; i++) {
            permitted = operate(each, limit);
            enough = (each > 0 && worlds > 40 && missing(each) == 0) || pr_os_monotonic_ns() >= end;
        }
        close_world();
    }
    if (permitted) report(worlds);
}

/* ---- does the net catch anything? ---- */

static bool is_caught(operation_function mutant)
{
    open_world(harness_seed());
    snapshot_take(&before, &world);
    permitted = step_through(mutant, kind_of("mutants"), &world.member[0], 100000);
    bool caught = world.failures > 0;
    close_world();
    return caught || !permitted;
}

static void mutants_are_caught(void)
{
    expecting_failure = true;
    CHECK(!is_caught(mutant_none) || !permitted);
    CHECK(is_caught(mutant_store_past_the_log));
    CHECK(is_caught(mutant_claim_apart));
    expecting_failure = false;
    memset(kinds, 0, sizeof kinds);
    steps_total = states_total = ends_total = cut_short = 0;
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(mutants_are_caught);
    if (permitted) RUN(death_at_every_instruction);
    if (!permitted) {
        printf("this process may not trace its children (ptrace): skipped\n");
        return EXIT_SKIP;
    }
    return harness_end();
}

#endif
