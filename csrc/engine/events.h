/* What has happened: tasks that ended, actors that died, spans that programs noted.
 *
 * Each is a ring (shm/ring.h) of which the last records can be read by anybody who looks at the
 * session, long after those they speak of, and their driver, are gone. While a task lives, when it
 * was submitted and what its name's label is are noted beside its entry, with plain stores.
 *
 * A task without a label is not recorded. What that costs the others: the clock, once more for a
 * submission; two logged stores and a record at the end.
 */
#ifndef PYRAY_ENGINE_EVENTS_H
#define PYRAY_ENGINE_EVENTS_H

#include "engine/labels.h"
#include "shm/ring.h"

#define PR_EVENT_DEPENDENCIES 4u
#define PR_TEXT_BYTES 496u
#define PR_SPAN_NAME 64u

/* Beside a task's entry. */
struct pr_note {
    uint64_t submitted_ns;
    uint32_t label; /* none: it is not recorded */
    uint32_t job;   /* of the process that submitted it */
};
_Static_assert(sizeof(struct pr_note) == 16, "four to a cache line");

enum pr_event_flag { PR_EVENT_FAILED = 1, PR_EVENT_RETRIED = 2 };

/* One attempt of a task that has ended. */
struct pr_event {
    uint64_t number;
    uint64_t id; /* pr_task_id */
    uint64_t serial;
    uint64_t parent; /* serial of the task that submitted it, 0: none */
    uint64_t submitted_ns;
    uint64_t started_ns; /* 0: it has not begun */
    uint64_t ended_ns;
    uint64_t text;       /* number of the text that says how it failed, or 0 */
    struct pr_ref actor; /* handle */
    uint32_t label;
    uint32_t shape;
    uint32_t process_id; /* 0: it has not begun */
    uint32_t job;
    uint32_t attempt; /* from 0 on */
    uint32_t flags;   /* enum pr_event_flag */
    uint32_t task_flags;
    uint32_t cause; /* enum pr_cause, of failures of the system */
    uint32_t wait_status;
    uint32_t dependency_count; /* also those that found no room here */
    char name[PR_NAME_BYTES];
    uint64_t dependency[PR_EVENT_DEPENDENCIES]; /* objects among its arguments: index, generation */
};
_Static_assert(sizeof(struct pr_event) == 176, "as large as it need be");

struct pr_text {
    uint64_t number;
    uint32_t size_bytes;
    uint32_t reserved;
    char bytes[PR_TEXT_BYTES];
};

/* An actor, alive or dead. */
struct pr_actor_view {
    struct pr_ref handle;
    uint64_t created_ns;
    uint64_t ended_ns; /* 0: it is not dead */
    uint32_t state;    /* enum pr_actor_state */
    uint32_t cause;    /* enum pr_cause */
    uint32_t process_id;
    uint32_t wait_status;
    uint32_t restarts;
    int32_t restarts_left;
    uint32_t pending; /* calls that are not finished, creation included */
    uint32_t flags;   /* enum pr_actor_flag */
    uint32_t label;
    uint32_t shape;
    uint32_t job;
    uint32_t space_size, name_size; /* of its name; 0: none */
    uint32_t reserved;
    uint8_t text[PR_NAME_TEXT];
};

struct pr_ended_actor {
    uint64_t number;
    struct pr_actor_view view;
};
_Static_assert(sizeof(struct pr_ended_actor) == 320, "five cache lines");

/* A stretch of time in a process, with a name. */
struct pr_span {
    uint64_t number;
    uint64_t begun_ns, ended_ns;
    uint64_t serial; /* of the task that ran, 0: none */
    uint32_t process_id;
    uint32_t thread;
    uint32_t job;
    uint32_t reserved;
    uint64_t text; /* number of a text that says more, or 0 */
    char name[PR_SPAN_NAME];
};
_Static_assert(sizeof(struct pr_span) == 120, "close to two cache lines");

/* How an attempt ended. */
struct pr_end {
    uint32_t flags; /* enum pr_event_flag */
    uint32_t process_id;
    uint32_t cause;
    uint32_t wait_status;
    uint64_t text;
};

static inline const struct pr_note *pr_note_at(const struct pr_context *ctx, pr_index task)
{
    return pr_entry(ctx, PR_POOL_NOTE, task);
}

/* What people know a task by: index and generation of its first result; without one a number. */
uint64_t pr_task_id(const struct pr_context *ctx, const struct pr_task *t);

/* ---- inside transactions ---- */

/* A task is submitted. With a label its time is read: pr_tx_now is known afterwards. */
static inline void pr_event_submitted(struct pr_context *ctx, pr_index task, pr_index label)
{
    struct pr_note *note = pr_writable_at(ctx, pr_note_at(ctx, task));
    note->job = ctx->job;
    note->label = label;
    if (label != PR_NONE) note->submitted_ns = pr_tx_now(ctx);
}

/* The task, its fields as they were while it ran or waited, has ended, or will be tried again. */
void pr_event_ended(struct pr_context *ctx, pr_index task, const struct pr_end *end);

void pr_actor_describe(const struct pr_context *ctx, pr_index actor, struct pr_actor_view *view);
void pr_event_actor_died(struct pr_context *ctx, pr_index actor);

/* A15 of engine/audit.h. */
PR_MUST_CHECK enum pr_status pr_events_audit(const struct pr_context *ctx, const char **what);

/* ---- outside ---- */

/* Before a submission: memory for the record of its end. The ring's head is in the processors that
 * finish tasks, so it is not looked at each time: 512 are ahead, for 32 processes. */
static inline void pr_events_make_room(struct pr_context *ctx)
{
    if (ctx->submitted++ % 16 != 0) return;
    const struct pr_engine_root *root = pr_engine_root(ctx);
    uint32_t ahead = pr_load_relaxed(&ctx->header->pools[PR_POOL_TASK].used) + 512;
    pr_ring_make_room(ctx, PR_POOL_EVENT, &root->event_head, ahead);
}

/* Before an actor is made: the same for its death. */
static inline void pr_actors_make_room(struct pr_context *ctx)
{
    uint32_t ahead = pr_load_relaxed(&ctx->header->pools[PR_POOL_ACTOR].used) + 16;
    pr_ring_make_room(ctx, PR_POOL_ENDED, &pr_engine_root(ctx)->ended_head, ahead);
}

/* Keeps a text, cut to PR_TEXT_BYTES, and answers its number. */
PR_MUST_CHECK enum pr_status pr_text_add(struct pr_context *ctx, const char *text,
                                         uint32_t size_bytes, uint64_t *number);
PR_MUST_CHECK enum pr_status pr_text_read(struct pr_context *ctx, uint64_t number,
                                          struct pr_text *text);

/* Fills in number, process and job. */
PR_MUST_CHECK enum pr_status pr_span_add(struct pr_context *ctx, const struct pr_span *span);

#endif
