/* A small session with several processes in one: contexts that map the same segment, each with a
 * slot. */
#ifndef PYRAY_TESTS_SESSION_FIXTURE_H
#define PYRAY_TESTS_SESSION_FIXTURE_H

#include "pyray_core.h"
#include "tests/harness.h"

/* A driver's session: 4 CPUs, 1 GPU, heap of `heap_bytes`, tables small or large. */
/* The directory of spilled objects of all sessions of this program, made at the first call and
 * removed at exit; and how many files are in it. */
int fixture_directory(void);
uint32_t fixture_files(void);

#define FIXTURE_RESTARTS 6u /* so often an actor may restart */
void fixture_create(struct pr_context *ctx, uint64_t heap_bytes, uint32_t small_tables);
/* Another process of the session: a driver or the supervisor. */
void fixture_attach(struct pr_context *ctx, const struct pr_context *to, enum pr_slot_kind kind);
/* The driver of another job, by way of a reservation by `to`. */
struct pr_joined fixture_join(struct pr_context *ctx, struct pr_context *to);
/* A worker, by way of a request, a reservation by `to` and its own arrival. */
void fixture_worker(struct pr_context *ctx, struct pr_context *to);
/* The class of tasks that need `cpus` (in 1/10000) of resource 0. */
pr_index fixture_shape(struct pr_context *ctx, int64_t cpus);
/* A sealed object of eight bytes; this context gets one reference. */
struct pr_ref fixture_put(struct pr_context *ctx, uint64_t number);
struct pr_ref fixture_put_large(struct pr_context *ctx, const void *bytes, uint64_t size_bytes);
/* A task of `function` with `result_count` results and no arguments. */
struct pr_submission fixture_submission(struct pr_ref function, pr_index shape,
                                        uint32_t result_count, struct pr_ref *results);
uint64_t fixture_number(struct pr_context *ctx, struct pr_ref ref);
/* Ends a task with 8-byte results, takes the next one. */
enum pr_status fixture_finish(struct pr_context *ctx, const struct pr_taken *done, uint64_t number,
                              struct pr_taken *next);
/* Audits; reports what is broken. */
void fixture_audit(struct pr_context *ctx, const char *file, int line);
struct pr_accounts fixture_accounts(struct pr_context *ctx);
/* Every table empty but for `slots` slots with one latch each? */
bool fixture_is_empty(struct pr_context *ctx, uint32_t slots);

#define AUDIT(ctx) fixture_audit(ctx, __FILE__, __LINE__)

#endif
