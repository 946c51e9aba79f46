#include "engine/names.h"

#include <string.h>

static const uint32_t *bucket_of(const struct pr_context *ctx, const uint8_t *text, uint32_t size)
{
    uint64_t hash = size;
    for (uint32_t i = 0; i < size; i++) hash = (hash ^ text[i]) * 0x100000001b3u;
    hash ^= hash >> 32;
    return &pr_engine_root(ctx)->name_buckets[hash % PR_NAME_BUCKETS];
}

static bool is_same(const struct pr_name *entry, const struct pr_actor_name *name)
{
    return entry->space_size == name->space_size && entry->name_size == name->name_size &&
           memcmp(entry->text, name->text, name->space_size + name->name_size) == 0;
}

static pr_index find(const struct pr_context *ctx, const struct pr_actor_name *name)
{
    pr_index i = *bucket_of(ctx, name->text, name->space_size + name->name_size);
    while (i != PR_NONE && !is_same(pr_name_at(ctx, i), name)) i = pr_name_at(ctx, i)->link;
    return i;
}

enum pr_status pr_name_add(struct pr_context *ctx, pr_index actor, const struct pr_actor_name *name,
                           struct pr_ref about)
{
    uint32_t size = name->space_size + name->name_size;
    pr_index index;
    PR_ASSERT(size <= PR_NAME_TEXT);
    if (find(ctx, name) != PR_NONE) return PR_STATE;
    PR_TRY(pr_pool_take(ctx, PR_POOL_NAME, &index));
    const struct pr_name *entry = pr_name_at(ctx, index);
    const uint32_t *bucket = bucket_of(ctx, name->text, size);
    if (about.index != PR_NONE) {
        const struct pr_object *o;
        PR_TRY(pr_object_find(ctx, about, &o));
        pr_object_ref(ctx, about.index);
    }
    TX_SET(ctx, entry->link, *bucket);
    TX_SET(ctx, *bucket, index);
    TX_SET(ctx, entry->actor, actor);
    TX_SET(ctx, entry->about, about.index);
    TX_SET(ctx, entry->space_size, name->space_size);
    TX_SET(ctx, entry->name_size, name->name_size);
    pr_tx_copy(ctx, entry->text, name->text, size);
    TX_SET(ctx, pr_actor_at(ctx, actor)->name, index);
    return PR_OK;
}

void pr_name_remove(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (a->name == PR_NONE) return;
    pr_index index = a->name;
    const struct pr_name *entry = pr_name_at(ctx, index);
    const uint32_t *at = bucket_of(ctx, entry->text, entry->space_size + entry->name_size);
    while (*at != index) {
        PR_ASSERT(*at != PR_NONE);
        at = &pr_name_at(ctx, *at)->link;
    }
    TX_SET(ctx, *at, entry->link);
    TX_SET(ctx, entry->actor, PR_NONE);
    if (entry->about != PR_NONE) pr_object_unref(ctx, entry->about);
    TX_SET(ctx, a->name, PR_NONE);
    pr_pool_give(ctx, PR_POOL_NAME, index);
}

struct lookup {
    const struct pr_actor_name *name;
    struct pr_ref handle, about;
};

static struct pr_ref ref_of(const struct pr_context *ctx, pr_index object)
{
    if (object == PR_NONE) return (struct pr_ref){0};
    return (struct pr_ref){object, pr_object_at(ctx, object)->generation};
}

static enum pr_status look_up(struct pr_context *ctx, void *argument)
{
    struct lookup *op = argument;
    pr_index index = find(ctx, op->name);
    if (index == PR_NONE) return PR_EMPTY;
    const struct pr_name *entry = pr_name_at(ctx, index);
    op->handle = ref_of(ctx, pr_actor_at(ctx, entry->actor)->handle);
    op->about = ref_of(ctx, entry->about);
    return PR_OK;
}

enum pr_status pr_name_find(struct pr_context *ctx, const struct pr_actor_name *name,
                            struct pr_ref *handle, struct pr_ref *about)
{
    struct lookup op = {.name = name};
    PR_TRY(pr_transact(ctx, look_up, &op));
    *handle = op.handle;
    *about = op.about;
    return PR_OK;
}

#define SCAN_STEP 1024u

struct next {
    uint32_t after;
    struct pr_name *copy;
    bool found;
};

static enum pr_status next_name(struct pr_context *ctx, void *argument)
{
    struct next *op = argument;
    uint32_t high_water = ctx->header->pools[PR_POOL_NAME].high_water;
    op->found = false;
    for (uint32_t i = 0; i < SCAN_STEP && ++op->after < high_water; i++) {
        const struct pr_name *entry = pr_name_at(ctx, op->after);
        if (entry->actor == PR_NONE) continue;
        *op->copy = *entry;
        op->found = true;
        return PR_OK;
    }
    return op->after < high_water ? PR_OK : PR_EMPTY;
}

enum pr_status pr_name_next(struct pr_context *ctx, uint32_t *after, struct pr_name *copy)
{
    struct next op = {.after = *after, .copy = copy};
    do PR_TRY(pr_transact(ctx, next_name, &op));
    while (!op.found);
    *after = op.after;
    return PR_OK;
}
