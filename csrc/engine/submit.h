/* Submitting tasks. */
#ifndef PYRAY_ENGINE_SUBMIT_H
#define PYRAY_ENGINE_SUBMIT_H

#include "engine/actor.h"
#include "engine/task.h"

struct pr_submission {
    struct pr_ref function;
    struct pr_ref arguments; /* an object with the packed arguments; index none: `value` */
    const void *value;       /* packed arguments of at most PR_TASK_INLINE bytes */
    uint32_t size_bytes;
    /* Arguments that are references: the task starts when they are sealed. */
    const struct pr_ref *awaited;
    uint32_t awaited_count;
    /* References inside arguments: kept alive until the task has ended. */
    const struct pr_ref *captured;
    uint32_t captured_count;
    uint32_t result_count;
    pr_index shape;
    struct pr_ref placement; /* the group that `shape` belongs to, or index none */
    int32_t retries;
    uint32_t stream_limit; /* with PR_TASK_STREAMS: see engine.h */
    struct pr_ref stream;  /* out, with PR_TASK_STREAMS */
    uint64_t parent;       /* serial of the task that submits, 0: none */
    uint32_t flags;        /* PR_TASK_CREATES_ACTOR, PR_TASK_OF_ACTOR, PR_TASK_KEEPS */
    struct pr_ref actor; /* the handle object, for PR_TASK_OF_ACTOR; filled in for CREATES_ACTOR */
    const struct pr_actor_plan
        *plan;           /* for CREATES_ACTOR; NULL: an actor without name or restarts */
    uint32_t most_calls; /* for OF_ACTOR: PR_LIMIT if so many wait; 0: any number */
    char name[PR_NAME_BYTES];
    pr_index label;         /* of that name; none: the task is not recorded (engine/events.h) */
    struct pr_ref *results; /* out: result_count references, one local reference each */
    uint64_t serial;        /* out */
};

/* PR_STATE: the new actor's name is taken. Up to PR_STEP_EDGES references and PR_STEP_RESULTS
 * results go in one transaction; more in several, during which the task is SUBMITTING and on the
 * claims of this process. */
PR_MUST_CHECK enum pr_status pr_submit(struct pr_context *ctx, struct pr_submission *submission);

/* A submission that will not be completed: the results that exist already must not stay pending for
 * ever. */
void pr_task_abandon(struct pr_context *ctx, pr_index task);

#endif
