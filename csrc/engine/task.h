/* Submitting, taking and finishing tasks. */
#ifndef PYRAY_ENGINE_TASK_H
#define PYRAY_ENGINE_TASK_H

#include "engine/engine.h"

struct pr_submission {
    struct pr_ref function;
    struct pr_ref arguments; /* an object with the packed arguments; index none: `value` */
    const void *value;       /* packed arguments of at most PR_TASK_INLINE bytes */
    uint32_t size_bytes;
    const struct pr_ref *awaited; /* arguments that are references: the task starts when they are sealed */
    uint32_t awaited_count;
    const struct pr_ref *captured; /* references inside arguments: kept alive until the task has ended */
    uint32_t captured_count;
    uint32_t result_count;
    pr_index shape;
    int32_t retries;
    uint32_t flags;          /* PR_TASK_CREATES_ACTOR, PR_TASK_OF_ACTOR, PR_TASK_KEEPS */
    struct pr_ref actor;     /* the handle object, for PR_TASK_OF_ACTOR; filled in for CREATES_ACTOR */
    char name[PR_NAME_BYTES];
    struct pr_ref *results;  /* out: result_count references, one local reference each */
    uint64_t serial;         /* out */
};

/* Up to PR_STEP_EDGES references and PR_STEP_RESULTS results go in one transaction; more in several, during
 * which the task is SUBMITTING and on the claims of this process. */
PR_MUST_CHECK enum pr_status pr_submit(struct pr_context *ctx, struct pr_submission *submission);

/* What a worker needs to run a task. References in it are held by the task itself. */
struct pr_taken {
    pr_index task;
    uint32_t flags;
    uint32_t attempt;
    uint32_t result_count;
    uint64_t serial;
    struct pr_ref function;
    struct pr_ref arguments;
    struct pr_ref result; /* the first */
    struct pr_ref actor;
    uint32_t size_bytes;
    char name[PR_NAME_BYTES];
    uint8_t value[PR_TASK_INLINE];
};

/* The next task for this worker: from its actor's mailbox, or from the queues. PR_EMPTY: it is on the idle list
 * now (or its mailbox is empty) and should sleep on its latch, with the sequence it had before this call, else it
 * may sleep over a task that comes in between; PR_EXIT: it should end. */
PR_MUST_CHECK enum pr_status pr_take(struct pr_context *ctx, struct pr_taken *taken);

/* References of the results from number `first` on; at most PR_STEP_RESULTS. */
PR_MUST_CHECK enum pr_status pr_task_results(struct pr_context *ctx, pr_index task, uint32_t first,
                                             struct pr_ref *results, uint32_t count);

/* Claims a block for the payload of a result. PR_STATE: it has been sealed by an earlier attempt: skip it. */
PR_MUST_CHECK enum pr_status pr_result_begin(struct pr_context *ctx, struct pr_ref result, uint64_t size_bytes,
                                             uint64_t *offset);

/* Gives that block back: the payload could not be written. */
void pr_result_abort(struct pr_context *ctx, struct pr_ref result);

/* Seals the task's results, all of them and in order, ends it, and takes the next one in the same transaction as the
 * last of them. An inline result has at most PR_STEP_EDGES children. Answers as pr_take; after another answer
 * (PR_STALE: a child is gone) the task is still this worker's and can be finished again. */
PR_MUST_CHECK enum pr_status pr_finish(struct pr_context *ctx, pr_index task, const struct pr_value *results,
                                       uint32_t result_count, struct pr_taken *next);

/* While this process waits for objects its task's resources serve others. */
void pr_task_lend(struct pr_context *ctx, pr_index task);
void pr_task_reclaim(struct pr_context *ctx, pr_index task);

/* ---- inside a transaction -------------------------------------------------------------------------- */

/* One bounded step of telling a sealed object's waiters; true when all are told. */
bool pr_resolve_step(struct pr_context *ctx, pr_index object);
/* Puts a task whose arguments are all there where a worker will find it. */
void pr_task_ready(struct pr_context *ctx, pr_index task);
/* Gives up a task that is on no list: results will be sealed with the failure. */
void pr_task_fail(struct pr_context *ctx, pr_index task, const struct pr_failure *failure);
void pr_task_unlink_running(struct pr_context *ctx, pr_index task);
/* A submission that will not be completed: the results that exist already must not stay pending for ever. */
void pr_task_abandon(struct pr_context *ctx, pr_index task);
/* One bounded step of failing or cleaning up; true when the entry is gone. */
bool pr_task_chore_step(struct pr_context *ctx, pr_index task);

struct pr_failure pr_task_failure(const struct pr_context *ctx, pr_index task, enum pr_cause cause,
                                  const struct pr_slot *died);

#endif
