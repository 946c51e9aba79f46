#include "engine/labels.h"

#include <string.h>

struct query {
    enum pr_label_kind kind;
    const char *text;
    pr_index label;
};

static const uint32_t *bucket_of(const struct pr_context *ctx, const struct query *q)
{
    uint64_t hash = (uint64_t)q->kind;
    for (uint32_t i = 0; i < PR_LABEL_TEXT; i++)
        hash = (hash ^ (uint8_t)q->text[i]) * 0x100000001b3u;
    hash ^= hash >> 32;
    return &pr_engine_root(ctx)->label_buckets[hash % PR_LABEL_BUCKETS];
}

static pr_index find(const struct pr_context *ctx, const struct query *q)
{
    pr_index i = *bucket_of(ctx, q);
    for (; i != PR_NONE; i = pr_label_at(ctx, i)->link) {
        const struct pr_label *l = pr_label_at(ctx, i);
        if (l->kind == (uint32_t)q->kind && memcmp(l->text, q->text, PR_LABEL_TEXT) == 0) break;
    }
    return i;
}

static enum pr_status find_or_make(struct pr_context *ctx, void *argument)
{
    struct query *q = argument;
    const uint32_t *bucket = bucket_of(ctx, q);
    q->label = find(ctx, q);
    if (q->label != PR_NONE) return PR_OK;
    PR_TRY(pr_pool_take(ctx, PR_POOL_LABEL, &q->label));
    const struct pr_label *l = pr_label_at(ctx, q->label);
    TX_SET(ctx, l->kind, q->kind);
    TX_SET(ctx, l->finished, 0);
    TX_SET(ctx, l->failed, 0);
    pr_tx_copy(ctx, l->text, q->text, PR_LABEL_TEXT);
    TX_SET(ctx, l->link, *bucket);
    TX_SET(ctx, *bucket, q->label);
    return PR_OK;
}

enum pr_status pr_labels_init(struct pr_context *ctx)
{
    static const char others[PR_LABEL_TEXT] = "(other names)";
    struct query q = {.kind = PR_LABEL_TASK, .text = others};
    PR_TRY(find_or_make(ctx, &q));
    PR_ASSERT(q.label == PR_LABEL_OTHERS);
    return PR_OK;
}

enum pr_status pr_session_label(struct pr_context *ctx, enum pr_label_kind kind,
                                const char text[PR_LABEL_TEXT], pr_index *label)
{
    struct query q = {.kind = kind, .text = text};
    enum pr_status status = pr_transact(ctx, find_or_make, &q);
    bool full = status == PR_TABLE_FULL || status == PR_NO_MEMORY;
    *label = full ? PR_LABEL_OTHERS : q.label;
    return full ? PR_OK : status;
}

struct page {
    pr_index from;
    struct pr_label *labels;
    uint32_t room, count;
};

static enum pr_status read_page(struct pr_context *ctx, void *argument)
{
    struct page *page = argument;
    const struct pr_pool *p = &ctx->header->pools[PR_POOL_LABEL];
    uint32_t end = PR_MIN(p->high_water, p->capacity);
    for (page->count = 0; page->count < page->room && page->from < end; page->from++)
        page->labels[page->count++] = *pr_label_at(ctx, page->from);
    return page->count > 0 ? PR_OK : PR_EMPTY;
}

enum pr_status pr_labels_read(struct pr_context *ctx, pr_index *from, struct pr_label *labels,
                              uint32_t room, uint32_t *count)
{
    struct page page = {.from = PR_MAX(*from, 1u), .labels = labels, .room = room};
    enum pr_status status = pr_transact(ctx, read_page, &page);
    *from = page.from;
    *count = page.count;
    return status;
}
