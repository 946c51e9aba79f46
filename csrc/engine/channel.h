/* Channels of compiled graphs: values pass between processes without a task for each of them.
 *
 *   graph    FREE -> OPEN -> CLOSED -> FREE    belongs to the process that made it
 *   channel  goes with its graph; one process reads it, others of the session write
 *
 *      head -> edge -> edge -> tail            newest first, PR_EDGE_QUEUED
 *
 * What is in a channel are ordinary sealed objects, each held by an edge of the channel: so a value
 * never changes under its reader, can be in several channels, and is accounted for like any other.
 * One transaction makes a small value and puts it into its channels; one takes it out again.
 *
 * A graph is closed by its owner, or poisoned: by the death of its owner or of any reader, or by
 * whoever cannot go on. From then on nothing is sent or received (PR_EXIT), and everybody is woken.
 * Only the owner, or the sweep of its slot, takes a closed graph apart, after its readers have left
 * or died: so when that is done nobody works on it any more.
 *
 * Channels have no limit of their own: who feeds a graph limits what is in it. */
#ifndef PYRAY_ENGINE_CHANNEL_H
#define PYRAY_ENGINE_CHANNEL_H

#include "engine/engine.h"

/* A graph of this process with `count` channels. */
PR_MUST_CHECK enum pr_status pr_graph_new(struct pr_context *ctx, struct pr_ref *graph,
                                          struct pr_ref *channels, uint32_t count);

/* Has everybody stop, because of the actor with this handle, or none. For any process; no effect on
 * a graph that is closed or gone. */
void pr_graph_poison(struct pr_context *ctx, struct pr_ref graph, struct pr_ref handle);

/* One bounded step of taking the graph apart, by its owner. PR_OK: go on. PR_EMPTY: a reader has
 * not left; `latch` will be woken, if its sequence was read before this call; with `force` it is
 * not waited for. PR_STALE: done. */
PR_MUST_CHECK enum pr_status pr_graph_close(struct pr_context *ctx, struct pr_ref graph,
                                            pr_index latch, bool force);

/* The handle of the actor that has closed the graph, by its death or otherwise, or none. PR_STALE:
 * the graph is gone. */
PR_MUST_CHECK enum pr_status pr_graph_failed(struct pr_context *ctx, struct pr_ref graph,
                                             struct pr_ref *handle);

/* ---- reading ---- */

/* This process reads the channel from now on. PR_EXIT: closed. PR_STATE: another one does. */
PR_MUST_CHECK enum pr_status pr_channel_attach(struct pr_context *ctx, struct pr_ref channel);
/* Not any more. */
void pr_channel_detach(struct pr_context *ctx, struct pr_ref channel);

/* The oldest value. PR_OK: a small one is in `fetched`, and `object` names none; else the caller
 * has one local reference to `object`. PR_EMPTY: none is there; `latch` will be woken, if its
 * sequence was read before this call. PR_EXIT: closed. */
PR_MUST_CHECK enum pr_status pr_channel_receive(struct pr_context *ctx, struct pr_ref channel,
                                                pr_index latch, struct pr_fetched *fetched,
                                                struct pr_ref *object);

/* ---- writing, to at most PR_STEP_EDGES channels of one graph; PR_EXIT: closed ---- */

/* A small value, with at most PR_STEP_EDGES children. */
PR_MUST_CHECK enum pr_status pr_channel_send(struct pr_context *ctx, const struct pr_ref *channels,
                                             uint32_t count, const struct pr_value *value);
/* What this process has written after pr_put_begin, children added. Takes over its reference, but
 * not when it fails. */
PR_MUST_CHECK enum pr_status pr_channel_send_block(struct pr_context *ctx,
                                                   const struct pr_ref *channels, uint32_t count,
                                                   struct pr_ref object,
                                                   const struct pr_value *value);
/* A sealed object that this process refers to or pins. */
PR_MUST_CHECK enum pr_status pr_channel_forward(struct pr_context *ctx,
                                                const struct pr_ref *channels, uint32_t count,
                                                struct pr_ref object);

/* ---- inside a transaction: what a dead process leaves ---- */

/* One channel that it read: the graph is poisoned. */
void pr_channel_lost(struct pr_context *ctx, pr_index channel);
/* One bounded step of taking apart one of its graphs. */
void pr_graph_lost(struct pr_context *ctx, pr_index graph);

#endif
