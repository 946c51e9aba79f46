/* A worker's side: taking tasks and finishing them. */
#ifndef PYRAY_ENGINE_WORK_H
#define PYRAY_ENGINE_WORK_H

#include "engine/task.h"

/* What a worker needs to run a task. References in it are held by the task itself. */
struct pr_taken {
    pr_index task;
    uint32_t flags;
    uint32_t attempt;
    uint32_t result_count;
    uint64_t serial;
    uint32_t stream_limit;
    uint64_t published; /* of its stream, by earlier attempts */
    struct pr_ref function;
    struct pr_ref arguments;
    struct pr_ref result; /* the first */
    struct pr_ref actor;
    int32_t retries_left;
    uint64_t gpus; /* assigned to it, bit by id */
    pr_index shape;
    uint32_t size_bytes;
    char name[PR_NAME_BYTES];
    uint8_t value[PR_TASK_INLINE];
};

/* The next task for this worker: from its actor's mailbox, or from the queues. PR_EMPTY: it is on
 * the idle list now (or its mailbox is empty) and should sleep on its latch, with the sequence it
 * had before this call, else it may sleep over a task that comes in between; PR_EXIT: it should
 * end. */
PR_MUST_CHECK enum pr_status pr_take(struct pr_context *ctx, struct pr_taken *taken);

/* For an actor that runs many calls at a time: a call of one of the groups (of engine/mailbox.h)
 * whose bit is set. `*more`: others wait. Answers as pr_take. */
PR_MUST_CHECK enum pr_status pr_take_of(struct pr_context *ctx, uint32_t groups,
                                        struct pr_taken *taken, bool *more);

/* Makes a task of no queue this process's, without resources of its own (inside a transaction). */
void pr_work_start(struct pr_context *ctx, pr_index task, struct pr_taken *taken);

/* A call that has ended, with all its results: at most PR_STEP_RESULTS of them, with at most
 * PR_STEP_EDGES children together. */
struct pr_ended {
    pr_index task;
    uint32_t result_count;
    const struct pr_value *results;
};
#define PR_EXCHANGE_MAX 8u

/* Seals results of a call that has too many for that, all but the last ones: `*sealed` of them. The
 * rest goes to pr_exchange. */
PR_MUST_CHECK enum pr_status pr_seal_first(struct pr_context *ctx, pr_index task,
                                           const struct pr_value *results, uint32_t count,
                                           uint32_t *sealed);

/* Ends some calls, at most PR_EXCHANGE_MAX, and takes up to `room` new ones (at most
 * PR_EXCHANGE_MAX), in one transaction: at most `free[i]` of group i. PR_OK also when none was
 * there to take; PR_EXIT: the process should end when its calls have ended; PR_STALE: a child of a
 * result is gone, and nothing was done. */
PR_MUST_CHECK enum pr_status pr_exchange(struct pr_context *ctx, const struct pr_ended *ended,
                                         uint32_t ended_count, const uint32_t free_of[PR_GROUP_MAX],
                                         struct pr_taken *taken, uint32_t room,
                                         uint32_t *taken_count);

/* One of this process's calls raised and is to run again: PR_EMPTY when no retry is left. */
PR_MUST_CHECK enum pr_status pr_task_retry(struct pr_context *ctx, pr_index task);
/* References of the results that follow `after` (NULL: from the first on); at most PR_STEP_RESULTS
 * at a time. */
PR_MUST_CHECK enum pr_status pr_task_results(struct pr_context *ctx, pr_index task,
                                             const struct pr_ref *after, struct pr_ref *results,
                                             uint32_t count);

/* Claims a block for the payload of a result. PR_STATE: it has been sealed by an earlier attempt:
 * skip it. */
PR_MUST_CHECK enum pr_status pr_result_begin(struct pr_context *ctx, struct pr_ref result,
                                             uint64_t size_bytes, uint64_t *offset);

/* Gives that block back: the payload could not be written. */
void pr_result_abort(struct pr_context *ctx, struct pr_ref result);
/* As pr_result_begin and pr_heap_write at once: the result gets the block of an object that this
 * process creates (pr_put_begin), which stays as an empty shell. PR_STATE: sealed already. */
PR_MUST_CHECK enum pr_status pr_result_adopt(struct pr_context *ctx, struct pr_ref result,
                                             struct pr_ref source);

/* Inside a transaction: seals one result, unless an earlier attempt has. */
PR_MUST_CHECK enum pr_status pr_result_seal(struct pr_context *ctx, pr_index object,
                                            const struct pr_value *value);

/* Seals the task's results, all of them and in order, ends it, and takes the next one in the same
 * transaction as the last of them. An inline result has at most PR_STEP_EDGES children. Answers as
 * pr_take; after another answer (PR_STALE: a child is gone) the task is still this worker's and can
 * be finished again. Without `next` no task is taken. */
PR_MUST_CHECK enum pr_status pr_finish(struct pr_context *ctx, pr_index task,
                                       const struct pr_value *results, uint32_t result_count,
                                       struct pr_taken *next);

#endif
