#include "store/spill_io.h"

#include <stdio.h>

#define NAME_BYTES 32
#define BLOCK_BYTES (256u << 10) /* of a read: its checksum is taken while the cache has it */

static void name_of(uint64_t number, char *name)
{
    snprintf(name, NAME_BYTES, "%llu.spill", (unsigned long long)number);
}

/* A descriptor of the file in a process whose 0 is taken, as all of a session's are. */
static enum pr_status open_file(struct pr_context *ctx, uint64_t number, bool create, int *fd,
                                int *error)
{
    char name[NAME_BYTES];
    name_of(number, name);
    enum pr_status status = create ? pr_os_file_create(ctx->spill_fd, name, fd, error)
                                   : pr_os_file_open(ctx->spill_fd, name, fd, error);
    if (status != PR_OK) *fd = -1;
    return status;
}

/* ---- writing ---- */

/* Neighbours in the heap that go into the file in one system call. */
struct stretch {
    uint64_t heap_offset, size_bytes, file_offset;
};

static enum pr_status write_stretch(struct pr_context *ctx, struct pr_spill *spill,
                                    struct stretch *stretch)
{
    if (stretch->size_bytes == 0) return PR_OK;
    spill->error = pr_failpoint_error(ctx, PR_FP_SPILL_WRITE);
    if (spill->error != 0) return PR_DISK;
    PR_TRY(pr_os_file_write(spill->fd, ctx->heap + stretch->heap_offset, stretch->size_bytes,
                            stretch->file_offset, &spill->error));
    stretch->size_bytes = 0;
    return PR_OK;
}

/* The next part of an item: its checksum, and where it goes. Whole units are written. */
static uint64_t take_part(struct pr_context *ctx, struct pr_spill *spill,
                          struct pr_spill_item *item, uint64_t limit)
{
    uint64_t room = PR_ALIGN_UP(item->size_bytes, PR_HEAP_UNIT);
    uint64_t part = PR_MIN(limit, room - spill->done_bytes);
    if (spill->done_bytes == 0) {
        item->file_offset = spill->file_bytes;
        pr_checksum_start(&spill->sum);
    }
    pr_checksum_add(&spill->sum, ctx->heap + item->heap_offset + spill->done_bytes,
                    PR_MIN(part, item->size_bytes - spill->done_bytes));
    spill->done_bytes += part;
    spill->file_bytes += part;
    if (spill->done_bytes == room) {
        item->checksum = pr_checksum_end(&spill->sum);
        spill->done_bytes = 0;
        spill->written++;
    }
    return part;
}

static enum pr_status write_piece(struct pr_context *ctx, struct pr_spill *spill)
{
    struct stretch stretch = {0};
    uint64_t left = PR_SPILL_PIECE;
    while (left > 0 && spill->written < spill->count) {
        /* the hand went down: from the last item on they lie upwards in the heap */
        struct pr_spill_item *item = &spill->items[spill->count - 1 - spill->written];
        uint64_t from = item->heap_offset + spill->done_bytes;
        if (stretch.heap_offset + stretch.size_bytes != from)
            PR_TRY(write_stretch(ctx, spill, &stretch));
        if (stretch.size_bytes == 0) stretch = (struct stretch){from, 0, spill->file_bytes};
        uint64_t part = take_part(ctx, spill, item, left);
        stretch.size_bytes += part;
        left -= part;
    }
    return write_stretch(ctx, spill, &stretch);
}

enum pr_status pr_spill_write(struct pr_context *ctx, struct pr_spill *spill)
{
    if (spill->count == 0) return PR_OK;
    if (spill->fd == 0) PR_TRY(open_file(ctx, spill->number, true, &spill->fd, &spill->error));
    PR_TRY(write_piece(ctx, spill));
    if (spill->written < spill->count) return PR_PENDING;
    int fd = spill->fd;
    spill->fd = 0;
    return pr_os_file_close(fd, &spill->error);
}

void pr_spill_close(struct pr_spill *spill)
{
    if (spill->fd > 0) pr_os_close(spill->fd);
    spill->fd = 0;
}

/* ---- reading ---- */

static enum pr_status read_block(struct pr_restore *restore, uint8_t *to, uint64_t size_bytes)
{
    PR_TRY(pr_os_file_read(restore->fd, to, size_bytes, restore->file_offset + restore->done_bytes,
                           &restore->error));
    pr_checksum_add(&restore->sum, to, size_bytes);
    return PR_OK;
}

/* Pages that this process has not mapped yet take a write faster than a fault. */
static enum pr_status read_bouncing(struct pr_context *ctx, struct pr_restore *restore,
                                    uint64_t size_bytes)
{
    uint8_t bounce[BLOCK_BYTES];
    PR_TRY(read_block(restore, bounce, size_bytes));
    return pr_heap_write(ctx, restore->heap_offset + restore->done_bytes, bounce, size_bytes);
}

static enum pr_status read_next(struct pr_context *ctx, struct pr_restore *restore, uint8_t *target,
                                uint64_t size_bytes)
{
    uint64_t offset = restore->heap_offset + restore->done_bytes;
    if (target != NULL) return read_block(restore, target + restore->done_bytes, size_bytes);
    if (!pr_heap_is_mapped(ctx, offset, size_bytes)) return read_bouncing(ctx, restore, size_bytes);
    return read_block(restore, ctx->heap_writable + offset, size_bytes);
}

static enum pr_status read_piece(struct pr_context *ctx, struct pr_restore *restore,
                                 uint8_t *target)
{
    uint64_t end = PR_MIN(restore->size_bytes, restore->done_bytes + PR_SPILL_PIECE);
    restore->error = pr_failpoint_error(ctx, PR_FP_RESTORE_READ);
    if (restore->error != 0) return PR_DISK;
    while (restore->done_bytes < end) {
        uint64_t size = PR_MIN(end - restore->done_bytes, (uint64_t)BLOCK_BYTES);
        PR_TRY(read_next(ctx, restore, target, size));
        restore->done_bytes += size;
    }
    return PR_OK;
}

enum pr_status pr_restore_read(struct pr_context *ctx, struct pr_restore *restore, uint8_t *target)
{
    if (restore->fd == 0) {
        pr_checksum_start(&restore->sum);
        PR_TRY(open_file(ctx, restore->number, false, &restore->fd, &restore->error));
        if (restore->size_bytes > BLOCK_BYTES) pr_os_file_in_order(restore->fd);
    }
    PR_TRY(read_piece(ctx, restore, target));
    if (restore->done_bytes < restore->size_bytes) return PR_PENDING;
    pr_restore_close(restore);
    restore->error = 0;
    return pr_checksum_end(&restore->sum) == restore->checksum ? PR_OK : PR_DISK;
}

void pr_restore_close(struct pr_restore *restore)
{
    if (restore->fd > 0) pr_os_close(restore->fd);
    restore->fd = 0;
}

/* ---- deleting ---- */

static bool keeps_files(const struct pr_context *ctx)
{
#ifdef PR_CRASH_INJECTION
    return ctx->keep_files;
#else
    return ctx->spill_fd < 0;
#endif
}

enum pr_status pr_spill_clean(struct pr_context *ctx, int *error)
{
    char name[NAME_BYTES];
    uint64_t number;
    enum pr_status status;
    while ((status = pr_file_dead(ctx, &number)) == PR_OK) {
        name_of(number, name);
        if (!keeps_files(ctx)) PR_TRY(pr_os_file_delete(ctx->spill_fd, name, error));
        PR_TRY(pr_file_forget(ctx, number));
    }
    return status == PR_EMPTY ? PR_OK : status;
}
