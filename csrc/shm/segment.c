#include "shm/segment.h"

#include <string.h>

#include "base/atomic.h"
#include "base/check.h"
#include "shm/tx.h"

_Static_assert(PR_ROOT_OFFSET + 2 * PR_ROOT_SIZE <= PR_UNDO_OFFSET,
               "two roots lie between header and log");

/* The part of the log that transactions may use; its pages exist from the start. */
#define LOG_RESERVED PR_ALIGN_UP(PR_TX_BOUND * sizeof(struct pr_undo), 4096)
_Static_assert(PR_TX_BOUND <= PR_UNDO_CAPACITY, "the longest transaction fits the log");

static uint64_t plan_pools(struct pr_pool *pools, const struct pr_pool_plan *plans, uint32_t count)
{
    uint64_t offset = PR_UNDO_OFFSET + (uint64_t)PR_UNDO_CAPACITY * sizeof(struct pr_undo);
    for (uint32_t i = 0; i < count; i++) {
        offset = PR_ALIGN_UP(offset, 4096);
        pools[i] = (struct pr_pool){
            .offset = offset,
            .entry_size = plans[i].entry_size,
            .capacity = plans[i].capacity,
            .committed = plans[i].initial,
            .high_water = 1,
            .follower = plans[i].follower,
            .is_plain = plans[i].is_plain,
        };
        offset += (uint64_t)plans[i].entry_size * plans[i].capacity;
    }
    return PR_ALIGN_UP(offset, 4096);
}

static enum pr_status map_control(struct pr_context *ctx, uint64_t size)
{
    void *address = NULL;
    ctx->control_size = size;
    PR_TRY(pr_os_map(ctx->control_fd, size, false, &address));
    ctx->header = address;
    PR_TRY(pr_os_map(ctx->control_fd, size, true, &address));
    ctx->writable = address;
    ctx->undo = pr_at(ctx, PR_UNDO_OFFSET);
    return PR_OK;
}

static enum pr_status map_heap(struct pr_context *ctx, uint64_t size)
{
    void *address = NULL;
    ctx->heap_size = size;
    PR_TRY(pr_os_map(ctx->heap_fd, size, false, &address));
    ctx->heap = address;
    pr_os_no_dump(address, size);
    PR_TRY(pr_os_map(ctx->heap_fd, size, true, &address));
    ctx->heap_writable = address;
    pr_os_no_dump(address, size);
    return PR_OK;
}

static enum pr_status write_header(struct pr_context *ctx, const struct pr_pool *pools,
                                   uint32_t pool_count, uint64_t control_size, uint64_t heap_size)
{
    struct pr_header *header = (struct pr_header *)ctx->writable;
    header->layout_version = PR_LAYOUT_VERSION;
    header->mutex_abi = pr_os_mutex_abi();
    header->nonce = pr_os_random() >> 16; /* 48 bits: a binding counts in the others */
    header->control_size = control_size;
    header->heap_size = heap_size;
    header->undo_capacity = PR_UNDO_CAPACITY;
    header->pool_count = pool_count;
    memcpy(header->pools, pools, pool_count * sizeof *pools);
    PR_TRY(pr_os_mutex_init(header->mutex));
    pr_compiler_barrier();
    header->magic = PR_MAGIC; /* last: a segment without it is nobody's */
    return PR_OK;
}

static enum pr_status reserve_initial(struct pr_context *ctx, const struct pr_pool *pools,
                                      uint32_t pool_count)
{
    PR_TRY(pr_os_reserve(ctx->control_fd, 0, PR_UNDO_OFFSET + LOG_RESERVED));
    for (uint32_t i = 0; i < pool_count; i++)
        PR_TRY(pr_os_reserve(ctx->control_fd, pools[i].offset,
                             (uint64_t)pools[i].entry_size * pools[i].committed));
    return PR_OK;
}

static void clear_context(struct pr_context *ctx)
{
    memset(ctx, 0, sizeof *ctx);
    ctx->control_fd = ctx->heap_fd = ctx->doorbell_fd = ctx->spill_fd = -1;
    ctx->process_id = pr_os_process_id();
}

static enum pr_status create(struct pr_context *ctx, const struct pr_pool_plan *plans,
                             uint32_t pool_count, uint64_t heap_size)
{
    struct pr_pool pools[PR_POOL_MAX];
    uint64_t control_size = plan_pools(pools, plans, pool_count);
    PR_ASSERT(control_size < UINT32_MAX); /* the undo log names addresses by 32-bit offsets */
    PR_TRY(pr_os_memfd("pyray-control", control_size, &ctx->control_fd));
    PR_TRY(pr_os_memfd("pyray-heap", heap_size, &ctx->heap_fd));
    PR_TRY(reserve_initial(ctx, pools, pool_count));
    PR_TRY(map_control(ctx, control_size));
    PR_TRY(map_heap(ctx, heap_size));
    return write_header(ctx, pools, pool_count, control_size, heap_size);
}

enum pr_status pr_segment_create(struct pr_context *ctx, const struct pr_pool_plan *plans,
                                 uint32_t pool_count, uint64_t heap_size)
{
    PR_ASSERT(pool_count <= PR_POOL_MAX);
    clear_context(ctx);
    enum pr_status status = create(ctx, plans, pool_count, heap_size);
    if (status != PR_OK) pr_segment_detach(ctx, false);
    return status;
}

/* Everything that later arithmetic relies on is compared with what this build would have made. */
static enum pr_status verify(const struct pr_header *header, const struct pr_pool_plan *plans,
                             uint32_t pool_count, uint64_t control_size, uint64_t heap_size)
{
    struct pr_pool expected[PR_POOL_MAX];
    if (header->magic != PR_MAGIC || header->layout_version != PR_LAYOUT_VERSION)
        return PR_BAD_SEGMENT;
    if (header->mutex_abi != pr_os_mutex_abi() || header->pool_count != pool_count)
        return PR_BAD_SEGMENT;
    if (plan_pools(expected, plans, pool_count) != control_size) return PR_BAD_SEGMENT;
    if (header->control_size != control_size || header->heap_size != heap_size)
        return PR_BAD_SEGMENT;
    if (header->undo_capacity != PR_UNDO_CAPACITY) return PR_BAD_SEGMENT;
    for (uint32_t i = 0; i < pool_count; i++) {
        const struct pr_pool *pool = &header->pools[i];
        if (pool->offset != expected[i].offset || pool->entry_size != expected[i].entry_size)
            return PR_BAD_SEGMENT;
        if (pool->capacity != expected[i].capacity) return PR_BAD_SEGMENT;
        /* of a live session: first what grows last */
        uint32_t high_water = pr_load_acquire(&pool->high_water);
        uint32_t committed = pr_load_acquire(&pool->committed);
        if (high_water > committed || committed > pool->capacity) return PR_BAD_SEGMENT;
    }
    return PR_OK;
}

static enum pr_status attach(struct pr_context *ctx, const struct pr_pool_plan *plans,
                             uint32_t pool_count)
{
    uint64_t control_size = 0, heap_size = 0;
    PR_TRY(pr_os_fd_size(ctx->control_fd, &control_size));
    PR_TRY(pr_os_fd_size(ctx->heap_fd, &heap_size));
    if (control_size < PR_UNDO_OFFSET || heap_size == 0) return PR_BAD_SEGMENT;
    PR_TRY(map_control(ctx, control_size));
    PR_TRY(verify(ctx->header, plans, pool_count, control_size, heap_size));
    return map_heap(ctx, heap_size);
}

enum pr_status pr_segment_attach(struct pr_context *ctx, const struct pr_pool_plan *plans,
                                 uint32_t pool_count, int control_fd, int heap_fd)
{
    clear_context(ctx);
    ctx->control_fd = control_fd;
    ctx->heap_fd = heap_fd;
    enum pr_status status = attach(ctx, plans, pool_count);
    if (status != PR_OK) {
        ctx->control_fd = ctx->heap_fd = -1; /* still the caller's */
        pr_segment_detach(ctx, false);
    }
    return status;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) pr_os_close(*fd);
    *fd = -1;
}

void pr_segment_detach(struct pr_context *ctx, bool keep_heap)
{
    if (ctx->heap_writable != NULL) pr_os_unmap(ctx->heap_writable, ctx->heap_size);
    if (ctx->heap != NULL && !keep_heap) pr_os_unmap((void *)ctx->heap, ctx->heap_size);
    if (ctx->writable != NULL) pr_os_unmap(ctx->writable, ctx->control_size);
    if (ctx->header != NULL) pr_os_unmap((void *)ctx->header, ctx->control_size);
    close_fd(&ctx->control_fd);
    close_fd(&ctx->heap_fd);
    clear_context(ctx);
}

void pr_failpoint_hit(struct pr_context *ctx, enum pr_failpoint point)
{
    uint32_t hit = ++ctx->failpoints->point[point].hits;
    uint64_t argument = ctx->failpoints->point[point].argument;
    switch (ctx->failpoints->point[point].action) {
    case PR_FP_KILL:
        if (hit == argument) pr_os_kill_self();
        break;
    case PR_FP_DELAY: pr_os_sleep_ns(argument); break;
    default: break;
    }
}

int pr_failpoint_error(struct pr_context *ctx, enum pr_failpoint point)
{
    if (PR_LIKELY(ctx->failpoints == NULL)) return 0;
    pr_failpoint_hit(ctx, point);
    const struct pr_failpoint_state *state = &ctx->failpoints->point[point];
    return state->action == PR_FP_FAIL ? (int)state->argument : 0;
}
