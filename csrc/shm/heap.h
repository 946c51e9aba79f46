/* The payload allocator: two-level segregated fit (M. Masmano, I. Ripoll, A. Crespo, J. Real,
 * "TLSF: a new dynamic memory allocator for real-time systems", ECRTS 2004), with its descriptors
 * outside the heap, so that a program that writes past its payload cannot damage the allocator.
 *
 *   unit        64 bytes: the alignment of every block
 *   block       a run of units with a descriptor; blocks tile the heap from 0 to `top`
 *   top         everything above it has never been in a block, or has been given back to it
 *   free lists  one per size class (32 per power of two), last freed first: warm memory comes first
 *
 * No two neighbouring blocks are free, and the last block below top is never free. Memory above top
 * is used only when no free block fits, so that pages already touched are recycled before fresh
 * ones are faulted in. All functions run inside a transaction; the work is bounded (PR_HEAP_SCAN
 * candidates of the request's own class are looked at before a larger class is taken).
 */
#ifndef PYRAY_SHM_HEAP_H
#define PYRAY_SHM_HEAP_H

#include "shm/pool.h"

#define PR_POOL_BLOCK 1u
#define PR_HEAP_UNIT 64u
#define PR_HEAP_ROWS 28u
#define PR_HEAP_COLUMNS 32u
#define PR_HEAP_SCAN 8u

struct pr_block {
    uint32_t link;     /* next of the free list */
    uint32_t previous; /* of the free list */
    uint32_t offset;   /* in units */
    uint32_t size;     /* in units */
    uint32_t below;    /* the block physically before, or none */
    uint32_t above;    /* the block physically after, or none at top */
    uint32_t is_free;
    uint32_t owner; /* the object whose payload it is */
};

struct pr_heap_root {
    uint32_t total;   /* units */
    uint32_t top;     /* units */
    uint32_t last;    /* the block just below top */
    uint32_t used;    /* units in blocks that are not free */
    uint32_t peak;    /* highest `used` so far */
    uint32_t hand;    /* the block that spilling looks at next (store/spill.h), or none */
    uint32_t row_map; /* bit r: some list of row r is not empty */
    uint32_t column_map[PR_HEAP_ROWS];
    uint32_t heads[PR_HEAP_ROWS][PR_HEAP_COLUMNS];
};
_Static_assert(sizeof(struct pr_heap_root) <= PR_ROOT_SIZE, "root 0 holds the heap");

static inline const struct pr_heap_root *pr_heap_root(const struct pr_context *ctx)
{
    return pr_root(ctx, 0);
}
static inline const struct pr_block *pr_block_at(const struct pr_context *ctx, pr_index block)
{
    return pr_entry(ctx, PR_POOL_BLOCK, block);
}

void pr_heap_init(struct pr_context *ctx);

/* PR_FULL if no run of that size is free. size_bytes > 0. */
PR_MUST_CHECK enum pr_status pr_heap_take(struct pr_context *ctx, uint64_t size_bytes,
                                          pr_index owner, pr_index *block);
void pr_heap_give(struct pr_context *ctx, pr_index block);

static inline uint64_t pr_block_offset_bytes(const struct pr_context *ctx, pr_index block)
{
    return (uint64_t)pr_block_at(ctx, block)->offset * PR_HEAP_UNIT;
}

/* The largest request that would succeed now. */
uint64_t pr_heap_largest_bytes(const struct pr_context *ctx);

/* Walks everything. PR_CORRUPT, with *what set to the broken rule. */
enum pr_status pr_heap_audit(const struct pr_context *ctx, const char **what);

#endif
