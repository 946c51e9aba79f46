/* Real processes, killed at random microseconds while they hammer one session with random
 * operations.
 *
 * After every death the parent does what a supervisor does: reaps, sweeps, starts another process.
 * Every time the audit must pass (while the others go on), and when in the end all are dead,
 * nothing may be left in any table.
 *
 *     test_kill [--seed=N] [--seconds=N] [--rounds=N]
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/world.h"

enum { SEATS = 5, DRIVERS = 2 };

struct seat {
    pid_t pid;
    pr_index slot; /* a worker's; a driver finds its own */
};

static struct world world; /* the reaper is this process, the last member its heir in the end */
static struct pr_context *const supervisor = &world.reaper;
static struct seat seats[SEATS];
static uint32_t deaths, ends, kills_asked;

/* ---- a child ---- */

_Noreturn static void live(uint32_t seat, pr_index slot, uint64_t seed)
{
    static struct member self;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    self = world.member[0];
    self.ctx = *supervisor;
    self.random.state = seed;
    self.role = seat < DRIVERS ? DRIVER : WORKER;
    self.check_bytes = true;
    if (self.role == WORKER)
        OK(pr_worker_adopt(&self.ctx, slot));
    else
        OK(pr_session_attach(&self.ctx, dup(supervisor->control_fd), dup(supervisor->heap_fd),
                             PR_SLOT_DRIVER, 0));
    self.ctx.spill_fd = supervisor->spill_fd;
    while (!self.leaving && harness.failures == 0) member_operate(&self);
    _exit(harness.failures > 0);
}

static bool start(uint32_t i)
{
    seats[i].slot = PR_NONE;
    if (i >= DRIVERS && pr_worker_reserve(supervisor, &seats[i].slot) != PR_OK) {
        if (pr_worker_request(supervisor) != PR_OK) return false;
        if (pr_worker_reserve(supervisor, &seats[i].slot) != PR_OK) return false;
    }
    uint64_t seed = random_next(&world.random);
    seats[i].pid = fork();
    REQUIRE(seats[i].pid >= 0);
    if (seats[i].pid == 0) live(i, seats[i].slot, seed);
    return true;
}

/* ---- the parent ---- */

struct search {
    uint32_t process_id;
    pr_index slot;
};

static enum pr_status find_slot(struct pr_context *ctx, void *argument)
{
    struct search *search = argument;
    for (pr_index i = 1; i < ctx->header->pools[PR_POOL_SLOT].high_water; i++)
        if (pr_slot_at(ctx, i)->state != PR_SLOT_EMPTY &&
            pr_slot_at(ctx, i)->process_id == search->process_id)
            search->slot = i;
    return PR_OK;
}

/* A driver that died before it joined has no slot. */
static pr_index slot_of(const struct seat *seat)
{
    struct search search = {(uint32_t)seat->pid, seat->slot};
    if (seat->slot == PR_NONE) OK(pr_transact(supervisor, find_slot, &search));
    return search.slot;
}

static enum pr_status check_wakes(struct pr_context *ctx, void *argument)
{
    const char **what = argument;
    *what = runnable_without_worker(ctx);
    return PR_OK;
}

static void clean_up_after(uint32_t i, int status)
{
    const char *what = "";
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    CHECK_THAT(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0),
               "a process ended by itself: status %d", status);
    pr_index slot = slot_of(&seats[i]);
    if (slot != PR_NONE) OK(pr_sweep(supervisor, slot, (uint32_t)status));
    seats[i].pid = 0;
    CHECK_THAT(pr_audit(supervisor, NULL, &what) == PR_OK, "death %u: %s", deaths, what);
    OK(pr_transact(supervisor, check_wakes, &what));
    CHECK_THAT(what == NULL, "death %u: %s", deaths, what);
}

static void kill_one(uint32_t i)
{
    int status;
    if (seats[i].pid == 0) return;
    kill(seats[i].pid, SIGKILL);
    REQUIRE(waitpid(seats[i].pid, &status, 0) == seats[i].pid);
    deaths++;
    clean_up_after(i, status);
}

/* Those that ended because they were told to, and those that somebody wants dead. */
static void reap(void)
{
    for (uint32_t i = 0; i < SEATS; i++) {
        int status;
        if (seats[i].pid != 0 && waitpid(seats[i].pid, &status, WNOHANG) == seats[i].pid) {
            ends++;
            clean_up_after(i, status);
        } else if (seats[i].slot != PR_NONE &&
                   (pr_load_relaxed(&pr_slot_at(supervisor, seats[i].slot)->requests) &
                    PR_REQUEST_KILL)) {
            kills_asked++;
            kill_one(i);
        }
        if (seats[i].pid == 0) start(i);
    }
}

static void open_session(void)
{
    struct pr_context *first = &world.member[0].ctx;
    memset(&world, 0, sizeof world);
    world.random.state = harness_seed();
    fixture_create(first, 1 << 20, 0);
    fixture_attach(supervisor, first, PR_SLOT_SUPERVISOR);
    fixture_attach(&world.member[WORLD_MEMBERS - 1].ctx, first, PR_SLOT_DRIVER);
    world_shapes(first, world.member[0].shapes);
}

static void processes_die_at_any_moment(void)
{
    uint64_t seconds = harness_number("seconds", "PYRAY_TEST_SECONDS", 5);
    uint64_t rounds = harness_number("rounds", NULL, UINT32_MAX);
    uint64_t end = pr_os_monotonic_ns() + seconds * 1000000000u;
    open_session();
    for (uint32_t i = 0; i < SEATS; i++) REQUIRE(start(i));
    while (pr_os_monotonic_ns() < end && deaths < rounds && harness.failures == 0) {
        pr_os_sleep_ns(random_below(&world.random, 1u << (10 + random_below(&world.random, 12))));
        kill_one(random_below(&world.random, SEATS));
        reap();
    }
    for (uint32_t i = 0; i < SEATS; i++) kill_one(i);
    const struct pr_engine_root *root = pr_engine_root(supervisor);
    printf("%u killed (%u asked for), %u ended, %u died in a transaction, %llu tasks finished, "
           "%llu retried\n",
           deaths, kills_asked, ends, supervisor->header->recoveries,
           (unsigned long long)root->finished, (unsigned long long)root->retried);
    const char *wrong = world_end(&world);
    CHECK_THAT(wrong == NULL, "%s", wrong);
    pr_session_detach(&world.member[0].ctx, false);
    pr_session_detach(&world.member[WORLD_MEMBERS - 1].ctx, false);
    pr_session_detach(supervisor, false);
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(processes_die_at_any_moment);
    return harness_end();
}
