/* Opening and ending a session; process slots and latches. */
#ifndef PYRAY_ENGINE_SESSION_H
#define PYRAY_ENGINE_SESSION_H

#include "engine/resources.h"

struct pr_session_resource {
    char name[PR_NAME_BYTES];
    int64_t amount; /* in 1/10000 */
};

struct pr_session_config {
    uint64_t heap_bytes;
    uint32_t cpus;         /* for the limit of workers that start at a time */
    uint32_t help_from;    /* waiting tasks from which on tasks help each other (engine/help.h) */
    uint32_t worker_limit; /* most worker processes at a time, actors included */
    uint32_t restart_limit, restart_window_ms; /* as in struct pr_engine_root */
    uint32_t is_head; /* the caller only makes the session: its tasks are nobody's */
    uint32_t resource_count;
    struct pr_session_resource resources[PR_RESOURCE_MAX];
    uint32_t small_tables; /* tests: tables small enough to copy at every crash point */
};

/* Makes a session and the caller its driver (slot and latch claimed). PR_OK or the context is
 * closed. */
PR_MUST_CHECK enum pr_status pr_session_create(struct pr_context *ctx,
                                               const struct pr_session_config *config);

/* The class of a key (engine/resources.h), in a transaction of its own. */
PR_MUST_CHECK enum pr_status pr_session_class(struct pr_context *ctx,
                                              const struct pr_class_key *key, pr_index *shape);

/* The environment with this hash; the first time `description` is kept for its workers to read. */
PR_MUST_CHECK enum pr_status pr_session_environment(struct pr_context *ctx, const uint64_t hash[2],
                                                    struct pr_ref description,
                                                    pr_index *environment);
PR_MUST_CHECK enum pr_status pr_environment_description(struct pr_context *ctx,
                                                        pr_index environment,
                                                        struct pr_ref *description);

/* Joins as the supervisor. On failure the descriptors are still the caller's. Drivers join with
 * pr_driver_attach (jobs.h). */
PR_MUST_CHECK enum pr_status pr_session_attach(struct pr_context *ctx, int control_fd, int heap_fd,
                                               enum pr_slot_kind kind, uint32_t small_tables);
/* Maps a session only to look at it: views, rings and labels. The process has no slot, and nobody
 * learns of it. On failure the descriptors are still the caller's. */
PR_MUST_CHECK enum pr_status pr_session_observe(struct pr_context *ctx, int control_fd,
                                                int heap_fd);
/* Maps the session as a process that has a slot already: the function that adopts it follows. */
PR_MUST_CHECK enum pr_status pr_session_map(struct pr_context *ctx, int control_fd, int heap_fd,
                                            uint32_t small_tables);
/* On failure the descriptors are still the caller's. */
PR_MUST_CHECK enum pr_status pr_session_keep(struct pr_context *ctx, enum pr_status status);
/* This process is the one of that slot. */
void pr_session_become(struct pr_context *ctx, pr_index slot);
/* Inside a transaction: a new slot with its latch. */
PR_MUST_CHECK enum pr_status pr_slot_new(struct pr_context *ctx, enum pr_slot_kind kind,
                                         enum pr_slot_state state, pr_index *slot);
/* Leaves without a word to anybody. `keep_heap` as for pr_segment_detach. */
void pr_session_detach(struct pr_context *ctx, bool keep_heap);

/* The supervisor, before it forks: a slot for one requested worker. PR_EMPTY if none is requested.
 */
PR_MUST_CHECK enum pr_status pr_worker_reserve(struct pr_context *ctx, pr_index *slot);
/* The forked child: takes over the inherited mapping as that slot. */
PR_MUST_CHECK enum pr_status pr_worker_adopt(struct pr_context *ctx, pr_index slot);
/* The same for a process that was not forked from the supervisor: maps the session first. On
 * failure the descriptors are still the caller's. */
PR_MUST_CHECK enum pr_status pr_worker_attach(struct pr_context *ctx, int control_fd, int heap_fd,
                                              pr_index slot, uint32_t small_tables);
/* Asks for one more worker whether or not there is work (prestart). */
PR_MUST_CHECK enum pr_status pr_worker_request(struct pr_context *ctx);
/* Asks the longest idle worker to end if more than `keep` are idle. PR_EMPTY if none is asked. */
PR_MUST_CHECK enum pr_status pr_worker_trim(struct pr_context *ctx, uint32_t keep);

/* This worker takes no more tasks: it ends after the one that it runs. PR_STATE: it runs none, or
 * it is an actor's. */
PR_MUST_CHECK enum pr_status pr_worker_retire(struct pr_context *ctx);

/* A latch for another thread of this process. */
PR_MUST_CHECK enum pr_status pr_latch_claim(struct pr_context *ctx, pr_index *latch);
void pr_latch_unclaim(struct pr_context *ctx, pr_index latch);

/* No more work: every worker that is or becomes idle ends. Wakes all. */
void pr_session_end(struct pr_context *ctx);
bool pr_session_ending(const struct pr_context *ctx);

#endif
