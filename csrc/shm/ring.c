#include "shm/ring.h"

#include <string.h>

void pr_ring_grow(struct pr_context *ctx, uint32_t pool, uint64_t wanted)
{
    const struct pr_pool *p = &ctx->header->pools[pool];
    uint32_t committed = pr_load_relaxed(&p->committed);
    if (wanted < committed || committed == p->capacity) return;
    ctx->grow_committed = committed;
    enum pr_status status = pr_pool_grow(ctx, pool);
    PR_ASSERT(status != PR_GROW); /* without memory, records are lost */
}

static enum pr_status read_page(struct pr_context *ctx, void *argument)
{
    struct pr_ring_page *page = argument;
    const struct pr_pool *p = &ctx->header->pools[page->pool];
    uint64_t head =
        PR_MIN(*page->head, UINT64_MAX / 2); /* so that sums stay right if it is wrong */
    uint64_t room = pr_ring_room(ctx, page->pool);
    uint8_t *to = page->records;
    page->count = 0;
    if (head >= room && page->next <= head - room) page->next = head - room + 1;
    if (page->next == 0) page->next = 1;
    uint64_t end = PR_MIN(head, page->next + PR_RING_STEP - 1);
    for (; page->next <= end; page->next++) {
        pr_index place = pr_ring_place(ctx, page->pool, page->next);
        const uint64_t *record = pr_entry(ctx, page->pool, place);
        if (place >= p->committed || *record != page->next) continue;
        memcpy(to + (size_t)page->count++ * p->entry_size, record, p->entry_size);
    }
    return page->next > head && page->count == 0 ? PR_EMPTY : PR_OK;
}

enum pr_status pr_ring_read(struct pr_context *ctx, struct pr_ring_page *page)
{
    return pr_transact(ctx, read_page, page);
}
