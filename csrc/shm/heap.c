#include "shm/heap.h"

struct size_class {
    uint32_t row;
    uint32_t column;
};

static uint32_t highest_bit(uint32_t value) { return 31u - (uint32_t)__builtin_clz(value); }

static struct size_class class_of(uint32_t size)
{
    if (size < PR_HEAP_COLUMNS) return (struct size_class){0, size};
    uint32_t bit = highest_bit(size);
    return (struct size_class){bit - 4, (size >> (bit - 5)) - PR_HEAP_COLUMNS};
}

void pr_heap_init(struct pr_context *ctx)
{
    const struct pr_heap_root *root = pr_heap_root(ctx);
    TX_SET(ctx, root->total,
           (uint32_t)PR_MIN(ctx->header->heap_size / PR_HEAP_UNIT, (uint64_t)UINT32_MAX));
}

static void list_push(struct pr_context *ctx, pr_index block)
{
    const struct pr_heap_root *root = pr_heap_root(ctx);
    const struct pr_block *b = pr_block_at(ctx, block);
    struct size_class c = class_of(b->size);
    pr_index head = root->heads[c.row][c.column];
    TX_SET(ctx, b->link, head);
    TX_SET(ctx, b->previous, PR_NONE);
    TX_SET(ctx, b->is_free, 1);
    if (head != PR_NONE) TX_SET(ctx, pr_block_at(ctx, head)->previous, block);
    TX_SET(ctx, root->heads[c.row][c.column], block);
    TX_SET(ctx, root->column_map[c.row], root->column_map[c.row] | 1u << c.column);
    TX_SET(ctx, root->row_map, root->row_map | 1u << c.row);
}

static void list_remove(struct pr_context *ctx, pr_index block)
{
    const struct pr_heap_root *root = pr_heap_root(ctx);
    const struct pr_block *b = pr_block_at(ctx, block);
    PR_ASSERT(b->is_free == 1);
    struct size_class c = class_of(b->size);
    if (b->link != PR_NONE) TX_SET(ctx, pr_block_at(ctx, b->link)->previous, b->previous);
    if (b->previous != PR_NONE) {
        TX_SET(ctx, pr_block_at(ctx, b->previous)->link, b->link);
    } else {
        TX_SET(ctx, root->heads[c.row][c.column], b->link);
        if (b->link == PR_NONE) {
            TX_SET(ctx, root->column_map[c.row], root->column_map[c.row] & ~(1u << c.column));
            if (root->column_map[c.row] == 0)
                TX_SET(ctx, root->row_map, root->row_map & ~(1u << c.row));
        }
    }
    TX_SET(ctx, b->is_free, 0);
}

/* A fitting block of the request's own class, or none: there the sizes differ by up to 3 %. */
static pr_index find_in_own_class(const struct pr_context *ctx, uint32_t size)
{
    struct size_class c = class_of(size);
    pr_index block = pr_heap_root(ctx)->heads[c.row][c.column];
    for (uint32_t i = 0; i < PR_HEAP_SCAN && block != PR_NONE; i++) {
        if (pr_block_at(ctx, block)->size >= size) return block;
        block = pr_block_at(ctx, block)->link;
    }
    return PR_NONE;
}

/* The first block of any larger class: all of them fit. */
static pr_index find_in_larger_class(const struct pr_context *ctx, uint32_t size)
{
    const struct pr_heap_root *root = pr_heap_root(ctx);
    struct size_class c = class_of(size);
    uint32_t columns = c.column == 31 ? 0 : root->column_map[c.row] & (~0u << (c.column + 1));
    if (columns == 0) {
        uint32_t rows = root->row_map & (~0u << (c.row + 1));
        if (rows == 0) return PR_NONE;
        c.row = (uint32_t)__builtin_ctz(rows);
        columns = root->column_map[c.row];
    }
    return root->heads[c.row][__builtin_ctz(columns)];
}

static enum pr_status new_block(struct pr_context *ctx, uint32_t offset, uint32_t size,
                                pr_index below, pr_index above, pr_index *block)
{
    PR_TRY(pr_pool_take(ctx, PR_POOL_BLOCK, block));
    const struct pr_block *b = pr_block_at(ctx, *block);
    TX_SET(ctx, b->offset, offset);
    TX_SET(ctx, b->size, size);
    TX_SET(ctx, b->below, below);
    TX_SET(ctx, b->above, above);
    TX_SET(ctx, b->is_free, 0);
    TX_SET(ctx, b->owner, PR_NONE);
    if (below != PR_NONE) TX_SET(ctx, pr_block_at(ctx, below)->above, *block);
    if (above != PR_NONE) TX_SET(ctx, pr_block_at(ctx, above)->below, *block);
    return PR_OK;
}

/* Keeps `size` units of a free block and puts the rest back on a list. */
static enum pr_status carve(struct pr_context *ctx, pr_index block, uint32_t size)
{
    const struct pr_block *b = pr_block_at(ctx, block);
    list_remove(ctx, block);
    if (b->size == size) return PR_OK;
    pr_index rest;
    PR_TRY(new_block(ctx, b->offset + size, b->size - size, block, b->above, &rest));
    TX_SET(ctx, b->size, size);
    list_push(ctx, rest);
    return PR_OK;
}

static enum pr_status take_from_top(struct pr_context *ctx, uint32_t size, pr_index *block)
{
    const struct pr_heap_root *root = pr_heap_root(ctx);
    if (size > root->total - root->top) return PR_FULL;
    PR_TRY(new_block(ctx, root->top, size, root->last, PR_NONE, block));
    TX_SET(ctx, root->last, *block);
    TX_SET(ctx, root->top, root->top + size);
    return PR_OK;
}

enum pr_status pr_heap_take(struct pr_context *ctx, uint64_t size_bytes, pr_index owner,
                            pr_index *block)
{
    const struct pr_heap_root *root = pr_heap_root(ctx);
    PR_ASSERT(size_bytes > 0);
    uint64_t units = (size_bytes + PR_HEAP_UNIT - 1) / PR_HEAP_UNIT;
    if (units > root->total) return PR_FULL;
    uint32_t size = (uint32_t)units;
    *block = find_in_own_class(ctx, size);
    if (*block == PR_NONE) *block = find_in_larger_class(ctx, size);
    if (*block != PR_NONE)
        PR_TRY(carve(ctx, *block, size));
    else
        PR_TRY(take_from_top(ctx, size, block));
    TX_SET(ctx, pr_block_at(ctx, *block)->owner, owner);
    TX_ADD(ctx, root->used, size);
    if (root->used > root->peak) TX_SET(ctx, root->peak, root->used);
    return PR_OK;
}

/* Merges the block above into this one; it must be free already. */
static void absorb_above(struct pr_context *ctx, pr_index block)
{
    const struct pr_block *b = pr_block_at(ctx, block);
    pr_index gone = b->above;
    const struct pr_block *g = pr_block_at(ctx, gone);
    TX_SET(ctx, b->size, b->size + g->size);
    TX_SET(ctx, b->above, g->above);
    if (g->above != PR_NONE)
        TX_SET(ctx, pr_block_at(ctx, g->above)->below, block);
    else
        TX_SET(ctx, pr_heap_root(ctx)->last, block);
    if (PR_UNLIKELY(pr_heap_root(ctx)->hand == gone)) TX_SET(ctx, pr_heap_root(ctx)->hand, block);
    pr_pool_give(ctx, PR_POOL_BLOCK, gone);
}

void pr_heap_give(struct pr_context *ctx, pr_index block)
{
    const struct pr_heap_root *root = pr_heap_root(ctx);
    const struct pr_block *b = pr_block_at(ctx, block);
    PR_ASSERT(b->is_free == 0);
    PR_ASSERT(root->used >= b->size);
    TX_SET(ctx, root->used, root->used - b->size);
    if (b->above != PR_NONE && pr_block_at(ctx, b->above)->is_free) {
        list_remove(ctx, b->above);
        absorb_above(ctx, block);
    }
    if (b->below != PR_NONE && pr_block_at(ctx, b->below)->is_free) {
        block = b->below;
        b = pr_block_at(ctx, block);
        list_remove(ctx, block);
        absorb_above(ctx, block);
    }
    if (b->above != PR_NONE) {
        list_push(ctx, block);
        return;
    }
    TX_SET(ctx, root->top, b->offset);
    TX_SET(ctx, root->last, b->below);
    if (b->below != PR_NONE) TX_SET(ctx, pr_block_at(ctx, b->below)->above, PR_NONE);
    if (PR_UNLIKELY(root->hand == block)) TX_SET(ctx, root->hand, b->below);
    pr_pool_give(ctx, PR_POOL_BLOCK, block);
}

uint64_t pr_heap_largest_bytes(const struct pr_context *ctx)
{
    const struct pr_heap_root *root = pr_heap_root(ctx);
    uint32_t largest = root->total - root->top;
    if (root->row_map != 0) {
        uint32_t row = PR_MIN(highest_bit(root->row_map), PR_HEAP_ROWS - 1);
        uint32_t column = root->column_map[row] != 0 ? highest_bit(root->column_map[row]) : 0;
        pr_index block = root->heads[row][column]; /* of tables that may be damaged */
        if (pr_pool_has(ctx, PR_POOL_BLOCK, block))
            largest = PR_MAX(largest, pr_block_at(ctx, block)->size);
    }
    return (uint64_t)largest * PR_HEAP_UNIT;
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            *what = "heap: " #condition;                                                           \
            return PR_CORRUPT;                                                                     \
        }                                                                                          \
    } while (0)

static enum pr_status audit_tiling(const struct pr_context *ctx, uint32_t *free_blocks,
                                   const char **what)
{
    const struct pr_heap_root *root = pr_heap_root(ctx);
    uint32_t end = root->top, used = 0, blocks = 0,
             limit = ctx->header->pools[PR_POOL_BLOCK].high_water;
    pr_index above = PR_NONE;
    bool hand_met = root->hand == PR_NONE;
    for (pr_index i = root->last; i != PR_NONE; i = pr_block_at(ctx, i)->below) {
        CHECK(i < limit && ++blocks < limit);
        const struct pr_block *b = pr_block_at(ctx, i);
        CHECK(b->size > 0);
        hand_met |= i == root->hand;
        CHECK(b->offset + b->size == end);
        CHECK(b->above == above);
        CHECK(!b->is_free || above == PR_NONE || !pr_block_at(ctx, above)->is_free);
        CHECK(!b->is_free || above != PR_NONE);
        used += b->is_free ? 0 : b->size;
        *free_blocks += b->is_free;
        end = b->offset;
        above = i;
    }
    CHECK(end == 0);
    CHECK(used == root->used);
    CHECK(blocks == ctx->header->pools[PR_POOL_BLOCK].used);
    CHECK(hand_met);
    return PR_OK;
}

static enum pr_status audit_list(const struct pr_context *ctx, uint32_t row, uint32_t column,
                                 uint32_t *listed, const char **what)
{
    const struct pr_heap_root *root = pr_heap_root(ctx);
    pr_index previous = PR_NONE;
    CHECK((root->heads[row][column] != PR_NONE) == (root->column_map[row] >> column & 1u));
    for (pr_index i = root->heads[row][column]; i != PR_NONE; i = pr_block_at(ctx, i)->link) {
        const struct pr_block *b = pr_block_at(ctx, i);
        struct size_class c = class_of(b->size);
        CHECK(b->is_free == 1 && b->previous == previous);
        CHECK(c.row == row && c.column == column);
        CHECK(++*listed <= ctx->header->pools[PR_POOL_BLOCK].used);
        previous = i;
    }
    return PR_OK;
}

enum pr_status pr_heap_audit(const struct pr_context *ctx, const char **what)
{
    uint32_t free_blocks = 0, listed = 0;
    PR_TRY(audit_tiling(ctx, &free_blocks, what));
    for (uint32_t row = 0; row < PR_HEAP_ROWS; row++) {
        CHECK((pr_heap_root(ctx)->column_map[row] != 0) ==
              (pr_heap_root(ctx)->row_map >> row & 1u));
        for (uint32_t column = 0; column < PR_HEAP_COLUMNS; column++)
            PR_TRY(audit_list(ctx, row, column, &listed, what));
    }
    CHECK(listed == free_blocks);
    return PR_OK;
}
