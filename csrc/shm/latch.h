/* Latches: what a thread sleeps on (an eventcount: sequence, "somebody sleeps" word, futex).
 *
 * Waiter:  seen = sequence; transaction { check the condition, register };
 *          sleep while sequence == seen.
 * Waker:   transaction { make it true, name the latch };
 *          after the commit: sequence + 1, wake if sleeping.
 *
 * The sequence is read before the condition is checked, and the waker changes it after the
 * condition became true: either the waiter sees the condition, or its sequence is stale and it does
 * not sleep. `sleeping` and `sequence` are written and read by both sides in opposite order,
 * sequentially consistent: without that a waker could miss the sleeper while the sleeper misses the
 * new sequence (tests/models/sched.pml).
 *
 * A waiter whose last waker ran on another processor watches the sequence for some microseconds
 * before it sleeps: there a wake costs tens of them. If the two shared a processor, spinning would
 * keep the waker from running. After a vain spin it sleeps at once the next time, then twice that
 * often, so that waits which are long do not pay.
 *
 * Beside these words only the session's `ending` (engine/engine.h) and what belongs to the
 * transactions themselves (the log, its count, `recoveries`: shm/tx.h) are stored to unlogged.
 */
#ifndef PYRAY_SHM_LATCH_H
#define PYRAY_SHM_LATCH_H

#include "shm/segment.h"

#define PR_POOL_LATCH 0u

struct pr_latch {
    uint32_t link; /* free list; else the next latch of the same slot */
    uint32_t slot;
    uint32_t sequence; /* outside transactions, as said above */
    uint32_t sleeping; /* outside transactions */
    uint32_t watches;  /* edges of objects whose sealing counts for this latch */
    uint32_t hits;     /* how many of them have been sealed so far (wraps) */
    uint32_t wake_at;  /* wake when hits reaches this, if armed */
    uint32_t armed;    /* PR_LATCH_ARMED, PR_LATCH_ERRORS */
    /* Hints of when to spin (latch.c), outside transactions; any value is safe. */
    uint32_t waker_cpu; /* 1 + where its last waker ran */
    uint32_t skips;     /* sleeps that will not spin first */
    uint32_t backoff;   /* how many of them follow the next vain spin */
    uint32_t reserved[5];
};
_Static_assert(sizeof(struct pr_latch) == 64,
               "one cache line, so that latches do not disturb each other");

enum { PR_LATCH_ARMED = 1, PR_LATCH_ERRORS = 2 };

const struct pr_latch *pr_latch_at(const struct pr_context *ctx, pr_index latch);

uint32_t pr_latch_sequence(const struct pr_context *ctx, pr_index latch);

/* Spins for a while if that promises something, then sleeps until the sequence differs from `seen`,
 * at most timeout_ns (negative: no limit). PR_OK, PR_TIMEOUT or PR_INTERRUPTED; spurious PR_OK is
 * allowed. */
enum pr_status pr_latch_sleep(struct pr_context *ctx, pr_index latch, uint32_t seen,
                              int64_t timeout_ns);

/* Outside transactions. */
void pr_latch_wake(struct pr_context *ctx, pr_index latch);
void pr_latch_wake_all(struct pr_context *ctx);

#endif
