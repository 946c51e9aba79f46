/* Streams: results of a task that are published one by one while it runs.
 *
 *      head -> item -> item -> tail        linked through `next_result`
 *
 * The items from `head` on are published and not taken; the last one, `tail`, is open: a PENDING
 * object that the next publication seals, after it has put a new one behind it. So who waits for
 * the next item waits for an ordinary object. When the task has ended, in whatever way, the open
 * item is sealed with PR_CAUSE_STREAM_ENDED, after the task's own result.
 *
 * One process takes the items: the one that submitted the task. The stream is on its slot's list
 * and closed with its death. The entry lives until it is closed and the task has ended. A task that
 * runs again after a worker's death publishes from where the last attempt stopped: `published` says
 * how many items it has to skip.
 *
 * The producer of a stream with a limit asks for room after each item and sleeps on a latch if
 * there is none; who takes an item or closes the stream wakes it. */
#ifndef PYRAY_ENGINE_STREAM_H
#define PYRAY_ENGINE_STREAM_H

#include "engine/engine.h"

/* ---- the producer: the task's process ---- */

/* The open item, so that a large value can be written before it is published (pr_result_begin). */
PR_MUST_CHECK enum pr_status pr_stream_open_item(struct pr_context *ctx, pr_index task,
                                                 struct pr_ref *item);

/* Seals the open item. An inline value has at most PR_STEP_EDGES children. PR_EXIT: the stream is
 * closed, nobody wants more items; the value was not stored. */
PR_MUST_CHECK enum pr_status pr_stream_publish(struct pr_context *ctx, pr_index task,
                                               const struct pr_value *value);

/* PR_OK: another item may be published. PR_EMPTY: not now; `latch` (or none) will be woken, if its
 * sequence was read before this call. PR_EXIT: the stream is closed. */
PR_MUST_CHECK enum pr_status pr_stream_room(struct pr_context *ctx, pr_index task, pr_index latch);

/* ---- the consumer: the process that submitted the task ---- */

/* The next item, with one local reference. PR_OK: it is published, and taken from the stream if
 * `take`. PR_EMPTY: it is open, wait for it and ask again. PR_EXIT: the task has ended and all
 * items were taken; there is no item. PR_STALE: closed, or not this process's. */
PR_MUST_CHECK enum pr_status pr_stream_next(struct pr_context *ctx, struct pr_ref stream, bool take,
                                            struct pr_ref *item);

/* No more items are wanted. */
void pr_stream_close(struct pr_context *ctx, struct pr_ref stream);

/* ---- inside a transaction ---- */

/* The stream of a task that is being submitted. */
PR_MUST_CHECK enum pr_status pr_stream_new(struct pr_context *ctx, pr_index task, uint32_t limit,
                                           struct pr_ref *stream);
/* The task is about to be freed. */
void pr_stream_end(struct pr_context *ctx, pr_index task);
/* One bounded step of closing. */
void pr_stream_close_step(struct pr_context *ctx, pr_index stream);

#endif
