/* A session whose processes do random things: for crash injection, kills and threads.
 *
 * A member is one process: a context and what that process remembers about itself (its references,
 * pins, the task it runs, what it sleeps on). All of it is plain data without pointers to itself,
 * so that a copy of a member, of its local counts and of the tables is a snapshot of the process.
 * The same seed does the same. */
#ifndef PYRAY_TESTS_WORLD_H
#define PYRAY_TESTS_WORLD_H

#include "tests/random.h"
#include "tests/session_fixture.h"

enum { WORLD_MEMBERS = 6, MEMBER_REFS = 20, MEMBER_PINS = 6, MEMBER_HANDLES = 3, MEMBER_WAITS = 8 };
enum {
    WORLD_SHAPES = 5,
    WORLD_RESULTS = 40,
    MEMBER_CALLS = 4,
    MEMBER_SPILLS = 12,
    MEMBER_STREAMS = 3,
    MEMBER_GRAPHS = 2,
    GRAPH_CHANNELS = 3,
    MEMBER_READS = 4
};

enum { WORLD_GUEST = 2, WORLD_GUESTS_JOB = 2 }; /* the member that is the driver of a second job */

enum role { ABSENT, DRIVER = 1, SUPERVISOR = 2, WORKER = 4 };

struct member {
    struct pr_context ctx;
    struct world *world; /* the others; NULL: alone in its process or thread */
    struct random random;
    enum role role;
    bool leaving;     /* a worker that was told to end */
    bool check_bytes; /* payloads are written and compared */
    pr_index shapes[WORLD_SHAPES];

    uint32_t ref_count, pin_count, handle_count;
    struct pr_ref refs[MEMBER_REFS];
    struct pr_ref pins[MEMBER_PINS];
    struct pr_ref handles[MEMBER_HANDLES]; /* of actors */
    struct pr_ref creating;                /* an unfinished put, or index none */
    struct pr_spill spill;                 /* an unfinished round of spilling, or count 0 */
    struct pr_spill_item spill_items[MEMBER_SPILLS];
    struct pr_restore restore; /* an unfinished restore, or its reference's index none */
    struct pr_ref streams[MEMBER_STREAMS]; /* whose items it takes */
    uint32_t stream_count;
    bool wants_room; /* its task waits for room; `room_seen` is the sequence from before */
    uint32_t room_seen;

    uint32_t graph_count, read_count;
    struct pr_ref graphs[MEMBER_GRAPHS];
    struct pr_ref channels[MEMBER_GRAPHS][GRAPH_CHANNELS];
    struct pr_ref reads[MEMBER_READS]; /* channels that it reads */
    struct pr_ref receiving;           /* the one that had nothing; or index none */
    uint32_t receive_seen;

    bool running;
    struct pr_taken taken;
    struct pr_ref results[WORLD_RESULTS];
    uint64_t begun; /* bit i: result i is being written */

    uint32_t call_count; /* calls that run beside `taken`: of an actor that runs many at a time */
    struct pr_taken calls[MEMBER_CALLS];

    bool sleeping; /* PR_EMPTY was the answer; `seen` is the sequence from before */
    uint32_t seen;

    pr_index latch; /* a second one, or none */
    bool waiting;   /* armed; the rest describes the wait */
    bool wait_errors;
    pr_index wait_latch;
    uint32_t wait_seen, wait_need, wait_count;
    struct pr_ref wait_refs[MEMBER_WAITS];
};

struct world {
    struct member member[WORLD_MEMBERS];
    struct pr_context reaper; /* a supervisor that only cleans up */
    struct random random;
    uint64_t failures;
};

void world_create(struct world *world, uint64_t seed);
/* Different demands: of CPUs, of half a GPU, and of workers of another environment. Those of a
 * driver that has joined are all of its own environment. */
void world_shapes(struct pr_context *ctx, pr_index shapes[WORLD_SHAPES]);
void world_destroy(struct world *world);
/* States of this world are gone back to: files stay, and may be of another future. */
void world_keep_files(struct world *world);

/* Others operate between two transactions of an operation: what it has seen of them may be gone. */
bool world_is_interleaved(const struct member *member);

void member_unexpected(struct member *member, const char *what, enum pr_status status);
/* PR_OK? Otherwise it must be for lack of room. */
bool member_done(struct member *member, const char *what, enum pr_status status);

/* One random operation; returns its name. */
const char *member_operate(struct member *member);
/* The same of a random member. */
const char *world_operate(struct world *world);

/* Operations on placement groups (world_placements.c). */
void world_new_group(struct member *member);
void world_remove_group(struct member *member);
void world_submit_to_group(struct member *member);
bool world_remove_groups(struct pr_context *ctx);

/* Operations on jobs (world_jobs.c). */
void world_end_job(struct member *member);
void world_reserve_driver(struct member *member);

/* What must hold between operations and the audit does not see: sleepers whose condition holds are
 * woken, and a task that could run has somebody on the way to it. NULL, or what is wrong. */
const char *member_check_sleep(struct member *member);
const char *world_check_wakes(struct world *world);

/* Everybody but the reaper dies; a few new workers run what is left. NULL, or what is wrong: in the
 * end nothing may be left in any table. */
const char *world_end(struct world *world);

/* `dead` dies at this moment: audit, others operate on, it is swept, audit, nobody oversleeps; with
 * `to_the_end` all the others die too. NULL, or what is wrong. */
const char *world_survive(struct world *world, struct member *dead, bool to_the_end);

/* Sweeps what `dead` left, with any words about it. */
enum pr_status member_sweep(struct member *supervisor, const struct member *dead);
void member_forget(struct member *member); /* it has died: all it knew is gone */
bool member_join(struct member *worker, struct pr_context *supervisor);
const char *runnable_without_worker(const struct pr_context *ctx);

#endif
