/* What a function of the core can answer. Zero is success; nothing uses errno above os/. */
#ifndef PYRAY_BASE_STATUS_H
#define PYRAY_BASE_STATUS_H

#include "base/types.h"

enum pr_status {
    PR_OK = 0,
    PR_PENDING,     /* not sealed yet */
    PR_EMPTY,       /* nothing to do: no task to take, no chore left */
    PR_EXIT,        /* this process is asked to end */
    PR_GROW,        /* internal: a pool must grow, then the transaction runs again */
    PR_STALE,       /* the reference names an entry that is gone (another generation) */
    PR_FREED,       /* the value was given up by hand; its references stay */
    PR_STATE,       /* the operation does not fit the state of the entry */
    PR_FULL,        /* the heap has no room for this object */
    PR_SPILLED_OUT, /* the bytes are in a file: bring them back first (store/spill.h) */
    PR_DISK,        /* a file could not be written or read */
    PR_TABLE_FULL,  /* a pool reached its declared capacity */
    PR_NO_MEMORY,   /* the system refused memory */
    PR_TIMEOUT,     /* the deadline passed */
    PR_INTERRUPTED, /* a signal arrived while waiting */
    PR_BAD_SEGMENT, /* not a segment of this version of pyray */
    PR_CORRUPT,     /* an invariant does not hold: the session cannot go on */
    PR_OS,          /* a system call failed for another reason */
    PR_LIMIT,       /* as many calls wait for this actor as are allowed */
};

const char *pr_status_text(enum pr_status status);

#define PR_TRY(expression)                                                                         \
    do {                                                                                           \
        enum pr_status status_ = (expression);                                                     \
        if (PR_UNLIKELY(status_ != PR_OK)) return status_;                                         \
    } while (0)

#endif
