#include "shm/heap_copy.h"

#include <string.h>

#include "base/atomic.h"
#include "base/stream_copy.h"

#define GRANULE_BYTES (64u << 10)
#define LARGE_BYTES (256u << 10)
#define STREAM_BYTES (4u << 20) /* more than fits a second-level cache with its source */
#define SHARE_BYTES (2u << 20)  /* of a write by two threads */

enum granule { UNTOUCHED = 0, WRITTEN = 1, MAPPED = 2 };

struct piece {
    struct pr_context *ctx;
    uint64_t offset;
    const uint8_t *source;
    uint64_t size_bytes;
    bool streams;
    enum pr_status status;
};

/* Two threads of a process may write blocks that share a granule: their marks are relaxed atomics.
 * Both can only mark it MAPPED there, since a pwrite marks what lies wholly inside its own block.
 */
static enum granule state_of(const struct pr_context *ctx, uint64_t granule)
{
    return pr_load8_relaxed(&ctx->heap_granules[granule]);
}

/* How many bytes from `offset` lie in granules of the same state. */
static uint64_t run_length(const struct pr_context *ctx, uint64_t offset, uint64_t size_bytes)
{
    uint64_t first = offset / GRANULE_BYTES, last = (offset + size_bytes - 1) / GRANULE_BYTES,
             i = first;
    while (i < last && state_of(ctx, i + 1) == state_of(ctx, first)) i++;
    return PR_MIN(size_bytes, (i + 1) * GRANULE_BYTES - offset);
}

/* Only granules that lie wholly inside the run change their state for a pwrite; populating covers
 * all. */
static void mark(struct pr_context *ctx, uint64_t from, uint64_t to, enum granule state)
{
    for (uint64_t i = from; i < to; i++) pr_store8_relaxed(&ctx->heap_granules[i], (uint8_t)state);
}

static enum pr_status map_run(struct pr_context *ctx, uint64_t offset, uint64_t size_bytes)
{
    uint64_t from = offset / GRANULE_BYTES,
             to = (offset + size_bytes + GRANULE_BYTES - 1) / GRANULE_BYTES;
    uint64_t end = PR_MIN(to * GRANULE_BYTES, PR_ALIGN_UP(ctx->header->heap_size, 4096));
    PR_TRY(pr_os_populate_write(ctx->heap_writable + from * GRANULE_BYTES,
                                end - from * GRANULE_BYTES));
    mark(ctx, from, to, MAPPED);
    return PR_OK;
}

static enum pr_status write_run(const struct piece *piece, uint64_t size_bytes)
{
    struct pr_context *ctx = piece->ctx;
    uint64_t offset = piece->offset;
    const uint8_t *source = piece->source;
    enum granule state = state_of(ctx, offset / GRANULE_BYTES);
    if (state == UNTOUCHED && size_bytes >= LARGE_BYTES) {
        PR_TRY(pr_os_write_at(ctx->heap_fd, source, size_bytes, offset));
        mark(ctx, (offset + GRANULE_BYTES - 1) / GRANULE_BYTES,
             (offset + size_bytes) / GRANULE_BYTES, WRITTEN);
        return PR_OK;
    }
    if (state != MAPPED) PR_TRY(map_run(ctx, offset, size_bytes));
    if (piece->streams)
        pr_stream_copy(ctx->heap_writable + offset, source, size_bytes);
    else
        memcpy(ctx->heap_writable + offset, source, size_bytes);
    return PR_OK;
}

static enum pr_status write_piece(struct piece *piece)
{
    while (piece->size_bytes > 0 && piece->status == PR_OK) {
        uint64_t length = run_length(piece->ctx, piece->offset, piece->size_bytes);
        piece->status = write_run(piece, length);
        piece->offset += length;
        piece->source += length;
        piece->size_bytes -= length;
    }
    return piece->status;
}

/* A write that two threads share: each takes the next share when it has written one, so that
 * neither waits long for the other, which may have less of a processor. */
struct shared_write {
    const struct piece *whole;
    uint64_t first;      /* where the first share begins: at the border of a granule, for all are */
    uint32_t next_share; /* atomic */
    uint32_t status;     /* atomic: of a share that failed */
};

static bool take_share(struct shared_write *write, struct piece *share)
{
    const struct piece *whole = write->whole;
    uint64_t end = whole->offset + whole->size_bytes;
    uint64_t number = pr_add_seq_cst(&write->next_share, 1);
    uint64_t from = write->first + number * SHARE_BYTES, to = PR_MIN(from + SHARE_BYTES, end);
    if (from >= end || pr_load_relaxed(&write->status) != PR_OK) return false;
    *share = *whole;
    share->offset = PR_MAX(from, whole->offset);
    share->source += share->offset - whole->offset;
    share->size_bytes = to - share->offset;
    return true;
}

static void *write_shares(void *argument)
{
    struct shared_write *write = argument;
    struct piece share;
    while (take_share(write, &share))
        if (write_piece(&share) != PR_OK) pr_store_relaxed(&write->status, share.status);
    return NULL;
}

static enum pr_status write_in_two(const struct piece *whole)
{
    uint64_t first = whole->offset / GRANULE_BYTES * GRANULE_BYTES;
    struct shared_write write = {.whole = whole, .first = first, .status = PR_OK};
    struct pr_os_thread helper;
    bool helped = pr_os_spawn(&helper, write_shares, &write) == PR_OK;
    write_shares(&write);
    if (helped) pr_os_join(&helper);
    return (enum pr_status)write.status;
}

static uint64_t granules_size(const struct pr_context *ctx)
{
    return ctx->header->heap_size / GRANULE_BYTES + 1;
}

/* Several threads may come here first at once: one of their maps stays. */
static enum pr_status ensure_granules(struct pr_context *ctx)
{
    void *address = NULL;
    if (pr_load_pointer_acquire(&ctx->heap_granules) != NULL) return PR_OK;
    PR_TRY(pr_os_map_private(granules_size(ctx), &address));
    if (!pr_set_pointer_once(&ctx->heap_granules, address))
        pr_os_unmap(address, granules_size(ctx));
    return PR_OK;
}

void pr_heap_forget(struct pr_context *ctx)
{
    if (ctx->heap_granules != NULL) pr_os_unmap(ctx->heap_granules, granules_size(ctx));
    ctx->heap_granules = NULL;
}

enum pr_status pr_heap_write(struct pr_context *ctx, uint64_t offset, const void *source,
                             uint64_t size_bytes)
{
    if (size_bytes == 0) return PR_OK;
    PR_TRY(ensure_granules(ctx));
    struct piece whole = {ctx, offset, source, size_bytes, size_bytes >= STREAM_BYTES, PR_OK};
    bool shared = size_bytes >= PR_COPY_PARALLEL_BYTES && pr_os_cpu_count() > 1;
    return shared ? write_in_two(&whole) : write_piece(&whole);
}

enum pr_status pr_heap_open(struct pr_context *ctx, uint64_t offset, uint64_t size_bytes)
{
    PR_TRY(ensure_granules(ctx));
    while (size_bytes > 0) {
        uint64_t length = run_length(ctx, offset, size_bytes);
        if (state_of(ctx, offset / GRANULE_BYTES) != MAPPED) PR_TRY(map_run(ctx, offset, length));
        offset += length;
        size_bytes -= length;
    }
    return PR_OK;
}

bool pr_heap_is_mapped(const struct pr_context *ctx, uint64_t offset, uint64_t size_bytes)
{
    if (size_bytes == 0 || pr_load_pointer_acquire(&ctx->heap_granules) == NULL) return false;
    return state_of(ctx, offset / GRANULE_BYTES) == MAPPED &&
           run_length(ctx, offset, size_bytes) == size_bytes;
}
