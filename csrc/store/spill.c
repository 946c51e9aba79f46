#include "store/spill.h"

#define DROP_STEP 512u /* objects looked at in one transaction */

static const struct pr_extent *extent_of(const struct pr_object *o)
{
    return (const struct pr_extent *)o->value;
}

/* ---- files ---- */

static enum pr_status new_file(struct pr_context *ctx, pr_index *file)
{
    const struct pr_store_root *root = pr_store_root(ctx);
    const struct pr_slot *slot = pr_slot_at(ctx, ctx->slot);
    PR_TRY(pr_pool_take(ctx, PR_POOL_FILE, file));
    const struct pr_file *f = pr_file_at(ctx, *file);
    TX_SET(ctx, root->file_serial, root->file_serial + 1);
    TX_SET(ctx, f->number, root->file_serial);
    TX_SET(ctx, f->state, PR_FILE_WRITING);
    TX_SET(ctx, f->claim, ctx->slot);
    TX_SET(ctx, f->objects, PR_NONE);
    TX_SET(ctx, f->live, 0);
    TX_SET(ctx, f->previous, PR_NONE);
    TX_SET(ctx, f->link, slot->writing);
    if (slot->writing != PR_NONE) TX_SET(ctx, pr_file_at(ctx, slot->writing)->previous, *file);
    TX_SET(ctx, slot->writing, *file);
    return PR_OK;
}

static void bury_file(struct pr_context *ctx, pr_index file)
{
    const struct pr_store_root *root = pr_store_root(ctx);
    const struct pr_file *f = pr_file_at(ctx, file);
    TX_SET(ctx, f->state, PR_FILE_DEAD);
    TX_SET(ctx, f->link, root->dead_files);
    TX_SET(ctx, root->dead_files, file);
    ctx->ring_doorbell = true;
}

/* Off its slot's list: all that was SPILLING has left or stays. */
static void close_file(struct pr_context *ctx, pr_index file)
{
    const struct pr_file *f = pr_file_at(ctx, file);
    PR_ASSERT(f->state == PR_FILE_WRITING && f->objects == PR_NONE);
    if (f->link != PR_NONE) TX_SET(ctx, pr_file_at(ctx, f->link)->previous, f->previous);
    if (f->previous != PR_NONE)
        TX_SET(ctx, pr_file_at(ctx, f->previous)->link, f->link);
    else
        TX_SET(ctx, pr_slot_at(ctx, f->claim)->writing, f->link);
    TX_SET(ctx, f->claim, PR_NONE);
    if (f->live > 0)
        TX_SET(ctx, f->state, PR_FILE_LIVE);
    else
        bury_file(ctx, file);
}

static enum pr_status first_dead(struct pr_context *ctx, void *argument)
{
    uint64_t *number = argument;
    pr_index file = pr_store_root(ctx)->dead_files;
    if (file == PR_NONE) return PR_EMPTY;
    *number = pr_file_at(ctx, file)->number;
    return PR_OK;
}

enum pr_status pr_file_dead(struct pr_context *ctx, uint64_t *number)
{
    return pr_transact(ctx, first_dead, number);
}

/* If another one has come before it on the list, it is deleted once more: no harm. */
static enum pr_status forget_dead(struct pr_context *ctx, void *argument)
{
    const uint64_t *number = argument;
    const struct pr_store_root *root = pr_store_root(ctx);
    pr_index file = root->dead_files;
    if (file == PR_NONE || pr_file_at(ctx, file)->number != *number) return PR_OK;
    TX_SET(ctx, root->dead_files, pr_file_at(ctx, file)->link);
    TX_SET(ctx, pr_file_at(ctx, file)->state, PR_FILE_FREE);
    pr_pool_give(ctx, PR_POOL_FILE, file);
    return PR_OK;
}

enum pr_status pr_file_forget(struct pr_context *ctx, uint64_t number)
{
    return pr_transact(ctx, forget_dead, &number);
}

/* ---- choosing ---- */

struct choose {
    struct pr_spill *spill;
    pr_index file;
    pr_index hand;
    pr_index next;   /* block to look at */
    uint32_t chosen; /* by this transaction */
    uint32_t examined;
    uint32_t run;
    uint64_t units;
};

/* The object is in its file only. */
static void count_spilled(struct pr_context *ctx, const struct pr_object *o)
{
    const struct pr_store_root *root = pr_store_root(ctx);
    TX_SET(ctx, o->residence, PR_SPILLED);
    TX_SET(ctx, root->spilled_objects, root->spilled_objects + 1);
    TX_SET(ctx, root->spilled_bytes, root->spilled_bytes + o->size_bytes);
}

static bool is_spillable(const struct pr_context *ctx, const struct pr_block *b)
{
    const struct pr_object *o = pr_object_at(ctx, b->owner);
    return o->state == PR_OBJECT_SEALED && o->residence == PR_IN_PLACE && o->pins == 0;
}

static enum pr_status choose_object(struct pr_context *ctx, struct choose *op,
                                    const struct pr_block *b)
{
    const struct pr_object *o = pr_object_at(ctx, b->owner);
    const struct pr_store_root *root = pr_store_root(ctx);
    if (op->file == PR_NONE) PR_TRY(new_file(ctx, &op->file));
    TX_SET(ctx, o->residence, PR_SPILLING);
    TX_SET(ctx, root->leaving, root->leaving + b->size);
    pr_object_link_claim(ctx, b->owner, &pr_file_at(ctx, op->file)->objects, op->file);
    op->spill->items[op->spill->count + op->chosen++] = (struct pr_spill_item){
        .ref = {b->owner, o->generation},
        .heap_offset = (uint64_t)b->offset * PR_HEAP_UNIT,
        .size_bytes = o->size_bytes,
    };
    op->units += b->size;
    return PR_OK;
}

/* A COPIED object needs no writing. Returns the length of the run of free memory that is known. */
static uint32_t evict(struct pr_context *ctx, struct choose *op, const struct pr_block *b,
                      uint32_t run)
{
    const struct pr_store_root *root = pr_store_root(ctx);
    const struct pr_heap_root *heap = pr_heap_root(ctx);
    const struct pr_object *o = pr_object_at(ctx, b->owner);
    bool merges = b->below != PR_NONE && pr_block_at(ctx, b->below)->is_free;
    uint32_t size = b->size;
    TX_SET(ctx, root->departures, root->departures + 1);
    TX_SET(ctx, o->flags, o->flags & ~(uint32_t)PR_FLAG_COPIED);
    count_spilled(ctx, o);
    TX_SET(ctx, heap->hand, b->below); /* kept right by the heap */
    pr_object_take_block(ctx, b->owner);
    op->next = heap->hand;
    op->units += size;
    return merges ? 0 : run + size; /* the block below, which is looked at next, has grown */
}

static enum pr_status choose_block(struct pr_context *ctx, struct choose *op,
                                   const struct pr_block *b)
{
    uint32_t run = op->run;
    op->run = 0;
    if (!b->is_free) {
        if (!is_spillable(ctx, b)) return PR_OK;
        const struct pr_object *o = pr_object_at(ctx, b->owner);
        if (o->flags & PR_FLAG_USED) {
            TX_SET(ctx, o->flags, o->flags & ~(uint32_t)PR_FLAG_USED);
            return PR_OK;
        }
        if (o->flags & PR_FLAG_COPIED) {
            op->run = evict(ctx, op, b, run);
            return PR_OK;
        }
        PR_TRY(choose_object(ctx, op, b));
    }
    op->run = run + b->size;
    return PR_OK;
}

/* A run that is long enough, and a good load; or, where the heap is in pieces, much more than was
 * asked for. */
static bool is_enough(const struct pr_context *ctx, const struct choose *op)
{
    const struct pr_spill *spill = op->spill;
    uint64_t bytes = spill->bytes + op->units * PR_HEAP_UNIT;
    uint64_t batch = PR_MIN((uint64_t)PR_SPILL_BATCH, ctx->header->heap_size / 16);
    if (spill->count + op->chosen == spill->room || bytes > 2 * spill->need_bytes + batch)
        return true;
    return bytes >= batch && (uint64_t)op->run * PR_HEAP_UNIT >= spill->need_bytes;
}

static enum pr_status choose_step(struct pr_context *ctx, void *argument)
{
    struct choose *op = argument;
    const struct pr_heap_root *heap = pr_heap_root(ctx);
    pr_index hand = heap->hand;
    *op = (struct choose){.spill = op->spill, .file = op->spill->file};
    if (heap->last == PR_NONE) return PR_EMPTY;
    if (hand != PR_NONE && hand == op->spill->hand) op->run = op->spill->run;
    do {
        if (hand == PR_NONE) {
            hand = heap->last;
            op->run = heap->total - heap->top;
        }
        const struct pr_block *b = pr_block_at(ctx, hand);
        op->next = b->below;
        PR_TRY(choose_block(ctx, op, b));
        op->examined++;
        hand = op->next;
        if (hand == PR_NONE && heap->last == PR_NONE) break; /* nothing is left */
    } while (op->examined < PR_SPILL_SCAN && !is_enough(ctx, op) && !pr_tx_is_long(ctx));
    TX_SET(ctx, heap->hand, hand);
    op->hand = hand;
    return PR_OK;
}

/* Twice round: what was spared the first time is taken the second time. */
static uint64_t most_blocks(const struct pr_context *ctx)
{
    return 2 * (uint64_t)pr_load_relaxed(&ctx->header->pools[PR_POOL_BLOCK].used) + 2;
}

enum pr_status pr_spill_choose(struct pr_context *ctx, struct pr_spill *spill)
{
    struct choose op = {.spill = spill};
    enum pr_status status;
    do {
        status = pr_transact(ctx, choose_step, &op);
        if (status != PR_OK) break;
        spill->count += op.chosen;
        spill->file = op.file;
        spill->bytes += op.units * PR_HEAP_UNIT;
        spill->examined += op.examined;
        spill->run = op.run;
        spill->hand = op.hand;
        op.chosen = 0;
        op.units = 0;
    } while (!is_enough(ctx, &op) && spill->examined < most_blocks(ctx));
    if (spill->count == 0 && spill->bytes > 0) return PR_OK;
    if (spill->count == 0) return status == PR_OK ? PR_EMPTY : status;
    spill->number = pr_file_at(ctx, spill->file)->number; /* ours: nobody changes it */
    PR_FAILPOINT(ctx, SPILL_CLAIMED);
    return PR_OK;
}

/* ---- the end of spilling ---- */

void pr_spill_release(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    const struct pr_store_root *root = pr_store_root(ctx);
    PR_ASSERT(o->residence == PR_SPILLING);
    TX_SET(ctx, root->leaving, root->leaving - pr_block_at(ctx, o->block)->size);
    pr_object_unlink_claim(ctx, object, &pr_file_at(ctx, o->claim)->objects);
    TX_SET(ctx, o->residence, PR_IN_PLACE);
    if (o->state == PR_OBJECT_FREEING) pr_object_add_chore(ctx, object);
}

static void leave_heap(struct pr_context *ctx, const struct pr_spill_item *item, pr_index file)
{
    const struct pr_object *o = pr_object_at(ctx, item->ref.index);
    const struct pr_store_root *root = pr_store_root(ctx);
    const struct pr_file *f = pr_file_at(ctx, file);
    struct pr_extent extent = {
        .file = file, .offset_bytes = item->file_offset, .checksum = item->checksum};
    pr_spill_release(ctx, item->ref.index);
    pr_object_take_block(ctx, item->ref.index);
    count_spilled(ctx, o);
    pr_tx_copy(ctx, o->value, &extent, sizeof extent);
    TX_SET(ctx, f->live, f->live + 1);
    TX_SET(ctx, root->total_spilled_bytes, root->total_spilled_bytes + o->size_bytes);
}

struct end {
    const struct pr_spill *spill;
    uint32_t done;
    uint32_t until;
};

static enum pr_status end_step(struct pr_context *ctx, void *argument)
{
    struct end *op = argument;
    const struct pr_store_root *root = pr_store_root(ctx);
    const struct pr_spill *spill = op->spill;
    TX_SET(ctx, root->departures, root->departures + 1);
    for (op->until = op->done; op->until < spill->count && !pr_tx_is_long(ctx); op->until++) {
        const struct pr_spill_item *item = &spill->items[op->until];
        const struct pr_object *o = pr_object_at(ctx, item->ref.index);
        PR_ASSERT(o->residence == PR_SPILLING && o->claim == spill->file);
        if (o->pins > 0 || o->refs == 0) /* somebody looks at the bytes, or nobody wants them */
            pr_spill_release(ctx, item->ref.index);
        else
            leave_heap(ctx, item, spill->file);
    }
    if (op->until == spill->count) close_file(ctx, spill->file);
    return PR_OK;
}

enum pr_status pr_spill_end(struct pr_context *ctx, const struct pr_spill *spill)
{
    struct end op = {.spill = spill};
    PR_FAILPOINT(ctx, SPILL_WRITTEN);
    while (op.done < spill->count) {
        PR_TRY(pr_operate(ctx, end_step, &op));
        op.done = op.until;
    }
    PR_FAILPOINT(ctx, SPILL_DONE);
    return PR_OK;
}

bool pr_spill_repair(struct pr_context *ctx, pr_index file)
{
    const struct pr_file *f = pr_file_at(ctx, file);
    while (f->objects != PR_NONE && !pr_tx_is_long(ctx)) pr_spill_release(ctx, f->objects);
    if (f->objects != PR_NONE) return false;
    close_file(ctx, file);
    return true;
}

static enum pr_status abort_step(struct pr_context *ctx, void *argument)
{
    const struct pr_spill *spill = argument;
    return pr_spill_repair(ctx, spill->file) ? PR_EMPTY : PR_OK;
}

enum pr_status pr_spill_abort(struct pr_context *ctx, const struct pr_spill *spill)
{
    enum pr_status status;
    if (spill->count == 0) return PR_OK;
    while ((status = pr_operate(ctx, abort_step, (void *)spill)) == PR_OK) continue;
    return status == PR_EMPTY ? PR_OK : status;
}

/* ---- restoring ---- */

static enum pr_status locate(struct pr_context *ctx, void *argument)
{
    struct pr_restore *restore = argument;
    const struct pr_object *o;
    PR_TRY(pr_object_find(ctx, restore->ref, &o));
    if (o->residence != PR_SPILLED && o->residence != PR_RESTORING) return PR_STATE;
    restore->kind = o->kind;
    restore->flags = o->flags;
    restore->size_bytes = o->size_bytes;
    restore->number = pr_file_at(ctx, extent_of(o)->file)->number;
    restore->file_offset = extent_of(o)->offset_bytes;
    restore->checksum = extent_of(o)->checksum;
    return PR_OK;
}

enum pr_status pr_restore_locate(struct pr_context *ctx, struct pr_ref ref,
                                 struct pr_restore *restore)
{
    *restore = (struct pr_restore){.ref = ref};
    return pr_transact(ctx, locate, restore);
}

static enum pr_status begin(struct pr_context *ctx, void *argument)
{
    struct pr_restore *restore = argument;
    pr_index object = restore->ref.index, block;
    const struct pr_object *o = pr_object_at(ctx, object);
    PR_TRY(locate(ctx, restore));
    if (o->residence == PR_RESTORING) return PR_PENDING;
    PR_TRY(pr_heap_take(ctx, o->size_bytes, object, &block));
    pr_object_give_block(ctx, object, block);
    TX_SET(ctx, o->residence, PR_RESTORING);
    pr_object_link_claim(ctx, object, &pr_slot_at(ctx, ctx->slot)->restoring, ctx->slot);
    restore->heap_offset = pr_block_offset_bytes(ctx, block);
    return pr_hold(ctx, object, PR_HELD_PIN, &restore->edge);
}

enum pr_status pr_restore_begin(struct pr_context *ctx, struct pr_ref ref,
                                struct pr_restore *restore)
{
    *restore = (struct pr_restore){.ref = ref};
    PR_TRY(pr_transact(ctx, begin, restore));
    struct pr_local *local = pr_local_of(ctx, ref);
    local->edge = restore->edge;
    local->pins++;
    PR_FAILPOINT(ctx, RESTORE_CLAIMED);
    return PR_OK;
}

/* The object is in the heap again, or about to be freed. */
static void uncount_spilled(struct pr_context *ctx, const struct pr_object *o)
{
    const struct pr_store_root *root = pr_store_root(ctx);
    PR_ASSERT(o->residence == PR_SPILLED || o->residence == PR_RESTORING);
    TX_SET(ctx, o->residence, PR_IN_PLACE);
    TX_SET(ctx, root->spilled_objects, root->spilled_objects - 1);
    TX_SET(ctx, root->spilled_bytes, root->spilled_bytes - o->size_bytes);
}

void pr_spill_forget(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    pr_index file = extent_of(o)->file;
    const struct pr_file *f = pr_file_at(ctx, file);
    PR_ASSERT(f->live > 0);
    if (o->flags & PR_FLAG_COPIED)
        TX_SET(ctx, o->flags, o->flags & ~(uint32_t)PR_FLAG_COPIED);
    else
        uncount_spilled(ctx, o);
    TX_SET(ctx, f->live, f->live - 1);
    if (f->live == 0 && f->state == PR_FILE_LIVE) bury_file(ctx, file);
}

struct drop {
    pr_index from;
    uint32_t dropped;
};

static enum pr_status drop_step(struct pr_context *ctx, void *argument)
{
    struct drop *op = argument;
    uint32_t end = ctx->header->pools[PR_POOL_OBJECT].high_water;
    op->dropped = 0;
    for (uint32_t looked = 0; op->from < end && looked < DROP_STEP && !pr_tx_is_long(ctx);
         op->from++, looked++) {
        if (!(pr_object_at(ctx, op->from)->flags & PR_FLAG_COPIED)) continue;
        pr_spill_forget(ctx, op->from);
        op->dropped++;
    }
    return op->from < end ? PR_OK : PR_EMPTY;
}

enum pr_status pr_spill_drop_copies(struct pr_context *ctx)
{
    struct drop op = {.from = 1};
    bool any = false;
    enum pr_status status;
    do {
        pr_index from = op.from;
        status = pr_transact(ctx, drop_step, &op);
        if (status == PR_EMPTY || status == PR_OK) any |= op.dropped > 0;
        PR_ASSERT(status != PR_OK || op.from > from);
    } while (status == PR_OK);
    return status == PR_EMPTY && any ? PR_OK : status;
}

void pr_restore_repair(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    PR_ASSERT(o->residence == PR_RESTORING);
    pr_object_unlink_claim(ctx, object, &pr_slot_at(ctx, o->claim)->restoring);
    pr_object_take_block(ctx, object);
    TX_SET(ctx, o->residence, PR_SPILLED);
}

struct restored {
    const struct pr_restore *restore;
    bool complete;
};

static enum pr_status end(struct pr_context *ctx, void *argument)
{
    const struct restored *op = argument;
    pr_index object = op->restore->ref.index;
    const struct pr_object *o = pr_object_at(ctx, object);
    const struct pr_store_root *root = pr_store_root(ctx);
    if (o->residence != PR_RESTORING || o->claim != ctx->slot) return PR_STATE;
    if (!op->complete) {
        pr_restore_repair(ctx, object);
        return PR_OK;
    }
    pr_object_unlink_claim(ctx, object, &pr_slot_at(ctx, ctx->slot)->restoring);
    uncount_spilled(ctx, o);
    TX_SET(ctx, o->flags, o->flags | PR_FLAG_USED | PR_FLAG_COPIED);
    TX_SET(ctx, root->total_restored_bytes, root->total_restored_bytes + o->size_bytes);
    return PR_OK;
}

enum pr_status pr_restore_end(struct pr_context *ctx, const struct pr_restore *restore,
                              bool complete)
{
    struct restored op = {restore, complete};
    PR_TRY(pr_transact(ctx, end, &op));
    if (complete)
        PR_FAILPOINT(ctx, RESTORE_DONE);
    else
        pr_unpin(ctx, restore->ref);
    return PR_OK;
}
