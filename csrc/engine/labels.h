/* Labels: texts that many records share, each with counts that never forget.
 *
 * The name of a function stands here once, with how many of its tasks have finished and failed, so
 * that a summary is right however many tasks there were; call sites of objects are labels without
 * counts. Entries are never given back. When the table is full, the first entry stands for all that
 * did not fit. */
#ifndef PYRAY_ENGINE_LABELS_H
#define PYRAY_ENGINE_LABELS_H

#include "engine/engine.h"

#define PR_LABEL_TEXT 104u
#define PR_LABEL_OTHERS 1u

enum pr_label_kind { PR_LABEL_TASK = 1, PR_LABEL_CREATION, PR_LABEL_CALL, PR_LABEL_SITE };

struct pr_label {
    uint32_t link; /* next of its bucket */
    uint32_t kind;
    uint64_t finished;
    uint64_t failed;
    char text[PR_LABEL_TEXT]; /* cut if it is longer, and zeros behind it */
};
_Static_assert(sizeof(struct pr_label) == 128, "two cache lines");

static inline const struct pr_label *pr_label_at(const struct pr_context *ctx, pr_index label)
{
    return pr_entry(ctx, PR_POOL_LABEL, label);
}

/* Inside the session's first transaction. */
PR_MUST_CHECK enum pr_status pr_labels_init(struct pr_context *ctx);

/* The label of this kind with this text, made if need be. */
PR_MUST_CHECK enum pr_status pr_session_label(struct pr_context *ctx, enum pr_label_kind kind,
                                              const char text[PR_LABEL_TEXT], pr_index *label);

/* Copies up to `room` entries from *from on, which is moved on. PR_EMPTY: there are no more. */
PR_MUST_CHECK enum pr_status pr_labels_read(struct pr_context *ctx, pr_index *from,
                                            struct pr_label *labels, uint32_t room,
                                            uint32_t *count);

#endif
