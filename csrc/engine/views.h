/* What the tables hold, for people and tools that look at a session: bounded pages of them.
 *
 * Each call looks at no more than PR_VIEW_STEP entries under the lock, from *from on, copies those
 * that are in use and moves *from on. PR_EMPTY: there are no more. Between two pages the session
 * goes on, so pages are not one snapshot; entries are named with their generations, so that what
 * belongs together is told from what only has the same place.
 *
 * Of damaged tables pages are wrong, and nothing worse: what is followed is looked up first. */
#ifndef PYRAY_ENGINE_VIEWS_H
#define PYRAY_ENGINE_VIEWS_H

#include "engine/events.h"

#define PR_VIEW_STEP 256u
#define PR_TALLY_STEP 2048u

struct pr_task_view {
    uint64_t id; /* pr_task_id */
    uint64_t serial;
    uint64_t parent;
    uint64_t submitted_ns;
    uint64_t started_ns; /* 0: it does not run */
    struct pr_ref function;
    struct pr_ref arguments; /* object with the packed ones, or index none */
    struct pr_ref actor;     /* handle, or index none */
    uint32_t state;          /* enum pr_task_state */
    uint32_t flags;
    uint32_t attempt; /* as in struct pr_event */
    int32_t retries_left;
    uint32_t label;
    uint32_t shape;
    uint32_t process_id; /* that runs or submits it, or 0 */
    uint32_t job;
    uint32_t awaited;
    uint32_t reserved;
    char name[PR_NAME_BYTES];
};

struct pr_object_view {
    struct pr_ref object;
    uint64_t size_bytes;
    uint64_t producer; /* id of the task that will seal it, or 0 */
    uint32_t state;    /* enum pr_object_state */
    uint32_t flags;
    uint32_t refs, pins;
    uint32_t residence;  /* enum pr_residence */
    uint32_t in_heap;    /* it has a block there */
    uint32_t process_id; /* that writes it, or 0 */
    uint32_t born;
    uint32_t site; /* label, or none */
    uint32_t job;
};

/* Who holds an object: an edge, or a field that counts as a holder. */
enum pr_hold_kind {
    PR_HOLD_REFERENCE = 1, /* a process has references */
    PR_HOLD_VIEW,          /* a process has a view of its bytes */
    PR_HOLD_CONTAINED,     /* another object */
    PR_HOLD_ARGUMENT,      /* a task */
};

struct pr_hold_view {
    struct pr_ref object;
    uint32_t kind;       /* enum pr_hold_kind */
    uint32_t process_id; /* of REFERENCE and VIEW */
    uint64_t holder;     /* id of the task, or index and generation of the object */
};

struct pr_slot_view {
    uint32_t slot;
    uint32_t kind;  /* enum pr_slot_kind */
    uint32_t state; /* enum pr_slot_state */
    uint32_t process_id;
    uint32_t environment;
    uint32_t job;        /* 0: none */
    struct pr_ref actor; /* handle, or index none */
    uint64_t running;    /* id of a task that it runs, or 0 */
    uint64_t tasks_finished;
    char name[PR_NAME_BYTES]; /* of that task */
};

PR_MUST_CHECK enum pr_status pr_view_tasks(struct pr_context *ctx, pr_index *from,
                                           struct pr_task_view *views, uint32_t *count);
PR_MUST_CHECK enum pr_status pr_view_objects(struct pr_context *ctx, pr_index *from,
                                             struct pr_object_view *views, uint32_t *count);
/* Up to 2 * PR_VIEW_STEP views. */
PR_MUST_CHECK enum pr_status pr_view_holds(struct pr_context *ctx, pr_index *from,
                                           struct pr_hold_view *views, uint32_t *count);
PR_MUST_CHECK enum pr_status pr_view_actors(struct pr_context *ctx, pr_index *from,
                                            struct pr_actor_view *views, uint32_t *count);
PR_MUST_CHECK enum pr_status pr_view_slots(struct pr_context *ctx, pr_index *from,
                                           struct pr_slot_view *views, uint32_t *count);

/* Counts unfinished tasks by label and state, PR_TALLY_STEP entries at a time:
 * tally[label * PR_TALLY_STATES + state], for labels below PR_TALLY_LABELS. */
#define PR_TALLY_STATES 8u
#define PR_TALLY_LABELS 4096u
PR_MUST_CHECK enum pr_status pr_tally_tasks(struct pr_context *ctx, pr_index *from,
                                            uint32_t *tally);

#endif
