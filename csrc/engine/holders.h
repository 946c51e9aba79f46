/* Who keeps memory of the store from being used otherwise: for the text of errors. */
#ifndef PYRAY_ENGINE_HOLDERS_H
#define PYRAY_ENGINE_HOLDERS_H

#include "engine/engine.h"

struct pr_holder {
    uint32_t process_id;
    uint32_t kind;            /* enum pr_slot_kind */
    uint32_t has_actor;       /* an actor lives there */
    uint32_t is_busy;         /* runs a task: what it holds may be free soon */
    uint64_t pinned_bytes;    /* in blocks that it has views on */
    uint64_t claimed_bytes;   /* in blocks that it is writing */
    char name[PR_NAME_BYTES]; /* of the task that it runs, or empty */
};

/* What the process of this slot keeps. PR_EMPTY if there is none. Looks at no more than the first
 * few thousand objects that it holds. */
PR_MUST_CHECK enum pr_status pr_holder_of(struct pr_context *ctx, pr_index slot,
                                          struct pr_holder *holder);

#endif
