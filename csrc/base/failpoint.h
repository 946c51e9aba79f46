/* Named places where a test can make a process die, stop or wait: between transactions, where the
 * crash injection of the transaction layer does not reach. Armed per process by PYRAY_FAILPOINTS,
 * for example
 *
 *     PYRAY_FAILPOINTS="seal.before_wake=kill@3,put.copied=delay:20"
 *
 * kill@n: SIGKILL itself at the n-th hit. delay:ms: sleep at each hit. count: only count the hits.
 * fail:errno: the system call that follows fails like that (only where pr_failpoint_error asks).
 * Unarmed, a failpoint costs one predictable branch. */
#ifndef PYRAY_BASE_FAILPOINT_H
#define PYRAY_BASE_FAILPOINT_H

#include "base/types.h"

#define PR_FAILPOINT_LIST(X)                                                                       \
    X(PUT_CREATED, "put.created")       /* heap block claimed, payload not written */              \
    X(PUT_COPIED, "put.copied")         /* payload written, not sealed */                          \
    X(SUBMIT_STARTED, "submit.started") /* first part of a large submission committed */           \
    X(SUBMIT_DONE, "submit.done")       /* task visible, worker not woken by anything else */      \
    X(COMMIT_BEFORE_WAKE,                                                                          \
      "commit.before_wake")                   /* transaction committed, sleepers not yet woken */  \
    X(TAKE_DONE, "take.done")                 /* task claimed, not started */                      \
    X(FINISH_BEFORE, "finish.before")         /* function returned, nothing sealed */              \
    X(FINISH_AFTER, "finish.after")           /* results sealed, next task possibly claimed */     \
    X(RELEASE_BEFORE, "release.before")       /* references dropped locally, not in the tables */  \
    X(WAIT_BEFORE_SLEEP, "wait.before_sleep") /* watches registered, not asleep */                 \
    X(CHORE_STEP, "chore.step")               /* between two bounded steps of left-over work */    \
    X(PUBLISH_BEFORE, "publish.before")       /* an item is ready, not in its stream */            \
    X(CLOSE_STEP, "close.step")               /* between two bounded steps of closing a stream */  \
    X(CHANNEL_SEND, "channel.send")           /* a value is ready, not in its channels */          \
    X(CHANNEL_RECEIVED, "channel.received")   /* taken out of its channel, not yet used */         \
    X(GRAPH_CLOSE, "graph.close")             /* before each step of taking a graph apart */       \
    X(CANCEL_STEP, "cancel.step")             /* between two bounded steps of a cancellation */    \
    X(SWEEP_STEP, "sweep.step")               /* between two steps of a dead process's repair */   \
    X(SPILL_CLAIMED, "spill.claimed")         /* objects chosen, file not made */                  \
    X(SPILL_WRITE, "spill.write")             /* before each piece that is written */              \
    X(SPILL_WRITTEN, "spill.written")         /* file complete, objects still in the heap */       \
    X(SPILL_DONE, "spill.done")               /* objects only in the file */                       \
    X(RESTORE_CLAIMED, "restore.claimed")     /* block claimed, nothing read */                    \
    X(RESTORE_READ, "restore.read")           /* before each piece that is read */                 \
    X(RESTORE_DONE, "restore.done")           /* bytes in the heap, file perhaps to be deleted */

enum pr_failpoint {
#define PR_FAILPOINT_ENUM(name, text) PR_FP_##name,
    PR_FAILPOINT_LIST(PR_FAILPOINT_ENUM)
#undef PR_FAILPOINT_ENUM
        PR_FP_COUNT
};

enum pr_failpoint_action { PR_FP_OFF, PR_FP_TALLY, PR_FP_DELAY, PR_FP_KILL, PR_FP_FAIL };

struct pr_failpoint_state {
    uint32_t action;
    uint32_t hits;
    uint64_t argument; /* hit number to die at, delay in ns, or error number */
};

struct pr_failpoints {
    struct pr_failpoint_state point[PR_FP_COUNT];
};

const char *pr_failpoint_name(enum pr_failpoint point);

/* Reads a specification like the one above. Returns 0, or the 1-based position of the first bad
 * character. */
uint32_t pr_failpoints_parse(struct pr_failpoints *points, const char *specification);

#endif
