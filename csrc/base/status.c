#include "base/status.h"

const char *pr_status_text(enum pr_status status)
{
    switch (status) {
    case PR_OK: return "ok";
    case PR_PENDING: return "the object is not ready";
    case PR_EMPTY: return "nothing to do";
    case PR_EXIT: return "this process is asked to end";
    case PR_GROW: return "a table has to grow";
    case PR_STALE: return "the reference names an object that has been freed";
    case PR_STATE: return "the operation does not fit the state of the object";
    case PR_FULL: return "the object store is full";
    case PR_FREED: return "the object was freed";
    case PR_SPILLED_OUT: return "the object is in a file";
    case PR_DISK: return "a spill file could not be written or read";
    case PR_TABLE_FULL: return "a table of the session reached its capacity";
    case PR_NO_MEMORY: return "the system refused memory";
    case PR_TIMEOUT: return "the deadline passed";
    case PR_INTERRUPTED: return "interrupted by a signal";
    case PR_BAD_SEGMENT: return "not a session of this version of pyray";
    case PR_CORRUPT: return "the session's tables are damaged";
    case PR_OS: return "a system call failed";
    case PR_LIMIT: return "as many calls wait as are allowed";
    }
    return "unknown status";
}
