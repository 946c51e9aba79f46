#include "store/object.h"

#include "store/slot.h"
#include "store/spill.h"

enum pr_status pr_object_find(const struct pr_context *ctx, struct pr_ref ref,
                              const struct pr_object **object)
{
    if (!pr_pool_has(ctx, PR_POOL_OBJECT, ref.index)) return PR_STALE;
    *object = pr_object_at(ctx, ref.index);
    bool gone = (*object)->generation != ref.generation || (*object)->refs + (*object)->pins == 0;
    return gone ? PR_STALE : PR_OK;
}

static void note_birth(struct pr_context *ctx, pr_index object)
{
    struct pr_birth *birth = pr_writable_at(ctx, pr_birth_at(ctx, object));
    uint64_t now_ns = ctx->now_ns != 0 ? ctx->now_ns : pr_os_coarse_ns();
    birth->born = (uint32_t)(now_ns >> PR_BIRTH_SHIFT);
    birth->site = ctx->call_site;
    birth->job = ctx->job;
    birth->first.index = PR_NONE;
}

void pr_object_born_after(struct pr_context *ctx, pr_index object, pr_index first)
{
    struct pr_birth *birth = pr_writable_at(ctx, pr_birth_at(ctx, object));
    birth->first = (struct pr_ref){first, pr_object_at(ctx, first)->generation};
}

enum pr_status pr_object_new(struct pr_context *ctx, enum pr_object_state state, pr_index *index)
{
    PR_TRY(pr_pool_take(ctx, PR_POOL_OBJECT, index));
    const struct pr_object *o = pr_object_at(ctx, *index);
    if (o->generation == 0) TX_SET(ctx, o->generation, 1);
    TX_SET(ctx, o->state, state);
    TX_SET(ctx, o->flags, 0);
    TX_SET(ctx, o->kind, 0);
    TX_SET(ctx, o->refs, 0);
    TX_SET(ctx, o->pins, 0);
    TX_SET(ctx, o->block, PR_NONE);
    TX_SET(ctx, o->waiters, PR_NONE);
    TX_SET(ctx, o->children, PR_NONE);
    TX_SET(ctx, o->producer, PR_NONE);
    TX_SET(ctx, o->claim, PR_NONE);
    TX_SET(ctx, o->next_result, PR_NONE);
    TX_SET(ctx, o->size_bytes, 0);
    note_birth(ctx, *index);
    return PR_OK;
}

void pr_object_link_claim(struct pr_context *ctx, pr_index object, const uint32_t *head,
                          pr_index claimant)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    TX_SET(ctx, o->claim, claimant);
    TX_SET(ctx, o->claim_previous, PR_NONE);
    TX_SET(ctx, o->claim_next, *head);
    if (*head != PR_NONE) TX_SET(ctx, pr_object_at(ctx, *head)->claim_previous, object);
    TX_SET(ctx, *head, object);
}

void pr_object_unlink_claim(struct pr_context *ctx, pr_index object, const uint32_t *head)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    if (o->claim_next != PR_NONE)
        TX_SET(ctx, pr_object_at(ctx, o->claim_next)->claim_previous, o->claim_previous);
    if (o->claim_previous != PR_NONE)
        TX_SET(ctx, pr_object_at(ctx, o->claim_previous)->claim_next, o->claim_next);
    else
        TX_SET(ctx, *head, o->claim_next);
    TX_SET(ctx, o->claim, PR_NONE);
}

static const uint32_t *creating_list(const struct pr_context *ctx, pr_index slot)
{
    return &pr_slot_at(ctx, slot)->creating;
}

enum pr_status pr_object_claim(struct pr_context *ctx, pr_index object, pr_index slot,
                               uint64_t size_bytes)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    pr_index block = PR_NONE;
    PR_ASSERT(o->state == PR_OBJECT_PENDING && o->claim == PR_NONE);
    PR_TRY(pr_heap_take(ctx, size_bytes, object, &block));
    TX_SET(ctx, o->block, block);
    TX_SET(ctx, o->size_bytes, size_bytes);
    TX_SET(ctx, o->state, PR_OBJECT_CREATING);
    pr_object_link_claim(ctx, object, creating_list(ctx, slot), slot);
    return PR_OK;
}

/* False: more are left than one transaction can drop. */
static bool drop_children(struct pr_context *ctx, const struct pr_object *o)
{
    while (o->children != PR_NONE && !pr_tx_is_long(ctx)) {
        pr_index child = pr_edge_at(ctx, o->children)->object;
        pr_edge_delete(ctx, &o->children, o->children);
        pr_object_unref(ctx, child);
    }
    return o->children == PR_NONE;
}

void pr_object_abort(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    PR_ASSERT(o->state == PR_OBJECT_CREATING);
    pr_object_unlink_claim(ctx, object, creating_list(ctx, o->claim));
    pr_heap_give(ctx, o->block);
    TX_SET(ctx, o->block, PR_NONE);
    TX_SET(ctx, o->size_bytes, 0);
    TX_SET(ctx, o->state, PR_OBJECT_PENDING);
    (void)drop_children(ctx, o); /* those of very many that are left go with the object */
}

void pr_object_move(struct pr_context *ctx, pr_index from, pr_index to)
{
    const struct pr_object *source = pr_object_at(ctx, from), *target = pr_object_at(ctx, to);
    PR_ASSERT(source->state == PR_OBJECT_CREATING && source->block != PR_NONE);
    PR_ASSERT(target->state == PR_OBJECT_PENDING && target->block == PR_NONE);
    pr_index slot = source->claim;
    pr_object_unlink_claim(ctx, from, creating_list(ctx, slot));
    TX_SET(ctx, pr_block_at(ctx, source->block)->owner, to);
    TX_SET(ctx, target->block, source->block);
    TX_SET(ctx, target->size_bytes, source->size_bytes);
    TX_SET(ctx, target->state, PR_OBJECT_CREATING);
    pr_object_link_claim(ctx, to, creating_list(ctx, slot), slot);
    TX_SET(ctx, source->block, PR_NONE);
    TX_SET(ctx, source->size_bytes, 0);
    TX_SET(ctx, source->state, PR_OBJECT_PENDING);
}

static void seal(struct pr_context *ctx, const struct pr_object *o, uint32_t kind, uint32_t flags)
{
    TX_SET(ctx, o->kind, kind);
    if (flags != 0) TX_SET(ctx, o->flags, o->flags | flags);
    TX_SET(ctx, o->state, PR_OBJECT_SEALED);
}

void pr_object_seal_block(struct pr_context *ctx, pr_index object, uint32_t kind, uint32_t flags)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    PR_ASSERT(o->state == PR_OBJECT_CREATING && o->block != PR_NONE);
    pr_object_unlink_claim(ctx, object, creating_list(ctx, o->claim));
    seal(ctx, o, kind, flags);
}

void pr_object_seal_inline(struct pr_context *ctx, pr_index object, uint32_t kind, uint32_t flags,
                           const void *bytes, uint32_t size_bytes)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    PR_ASSERT(o->state == PR_OBJECT_PENDING && o->block == PR_NONE);
    PR_ASSERT(size_bytes <= PR_INLINE_BYTES);
    pr_tx_copy(ctx, o->value, bytes, size_bytes);
    if (size_bytes > 0) TX_SET(ctx, o->size_bytes, size_bytes);
    seal(ctx, o, kind, flags);
}

bool pr_object_reopen(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    if (o->state == PR_OBJECT_PENDING) return true;
    bool is_small = o->block == PR_NONE && o->residence == PR_IN_PLACE;
    if (o->state != PR_OBJECT_SEALED || !is_small || o->children != PR_NONE) return false;
    TX_SET(ctx, o->flags, o->flags & ~(uint32_t)PR_FLAG_ERROR);
    TX_SET(ctx, o->size_bytes, 0);
    TX_SET(ctx, o->state, PR_OBJECT_PENDING);
    return true;
}

void pr_object_ref(struct pr_context *ctx, pr_index object)
{
    TX_ADD(ctx, pr_object_at(ctx, object)->refs, 1);
}

void pr_object_add_chore(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    const struct pr_store_root *root = pr_store_root(ctx);
    if (o->flags & PR_FLAG_ON_CHORES) return;
    TX_SET(ctx, o->flags, o->flags | PR_FLAG_ON_CHORES);
    TX_SET(ctx, o->link, root->object_chores);
    TX_SET(ctx, root->object_chores, object);
}

static void free_entry(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    if (o->block != PR_NONE) pr_heap_give(ctx, o->block);
    if (PR_UNLIKELY(o->residence != PR_IN_PLACE || (o->flags & PR_FLAG_COPIED)))
        pr_spill_forget(ctx, object);
    TX_SET(ctx, o->state, PR_OBJECT_FREE);
    TX_SET(ctx, o->generation, o->generation + 1 == 0 ? 1 : o->generation + 1);
    pr_pool_give(ctx, PR_POOL_OBJECT, object);
}

/* Nobody holds the object any more. A leaf goes at once; what has work left becomes a chore, so
 * that no chain of containers makes a transaction long. */
static void maybe_free(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    if (o->refs == 0 && (o->flags & PR_FLAG_CODE)) ctx->wake_all = true;
    if (o->refs > 0 || o->pins > 0) return;
    PR_ASSERT(o->state == PR_OBJECT_SEALED || o->state == PR_OBJECT_PENDING ||
              o->state == PR_OBJECT_CREATING);
    if (o->state == PR_OBJECT_CREATING) pr_object_abort(ctx, object);
    TX_SET(ctx, o->state, PR_OBJECT_FREEING);
    if (PR_UNLIKELY(o->residence == PR_SPILLING)) return; /* its bytes are being read */
    bool leaf = o->children == PR_NONE && o->waiters == PR_NONE &&
                !(o->flags & (PR_FLAG_HOOK | PR_FLAG_ON_CHORES));
    if (leaf)
        free_entry(ctx, object);
    else
        pr_object_add_chore(ctx, object);
}

void pr_object_unref(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    PR_ASSERT(o->refs > 0);
    TX_SET(ctx, o->refs, o->refs - 1);
    maybe_free(ctx, object);
}

/* Between the first pin and the last unpin an object is sealed and keeps its block. */
static uint32_t block_units(const struct pr_context *ctx, const struct pr_object *o)
{
    return o->block == PR_NONE ? 0 : pr_block_at(ctx, o->block)->size;
}

void pr_object_pin(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    const struct pr_store_root *root = pr_store_root(ctx);
    if (o->pins == 0) TX_SET(ctx, root->pinned, root->pinned + block_units(ctx, o));
    TX_SET(ctx, o->pins, o->pins + 1);
}

void pr_object_take_block(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    const struct pr_store_root *root = pr_store_root(ctx);
    if (o->pins > 0) TX_SET(ctx, root->pinned, root->pinned - block_units(ctx, o));
    pr_heap_give(ctx, o->block);
    TX_SET(ctx, o->block, PR_NONE);
}

/* Whoever copies the bytes without a pin at this moment is told by the departure. */
static void drop_payload(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    const struct pr_store_root *root = pr_store_root(ctx);
    if (o->pins > 0 || o->residence == PR_SPILLING) return;
    if (o->residence == PR_SPILLED || (o->flags & PR_FLAG_COPIED)) pr_spill_forget(ctx, object);
    if (o->block != PR_NONE) {
        TX_SET(ctx, root->departures, root->departures + 1);
        pr_object_take_block(ctx, object);
    }
    TX_SET(ctx, o->size_bytes, 0);
}

void pr_object_unpin(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    const struct pr_store_root *root = pr_store_root(ctx);
    PR_ASSERT(o->pins > 0);
    TX_SET(ctx, o->pins, o->pins - 1);
    if (o->pins == 0) TX_SET(ctx, root->pinned, root->pinned - block_units(ctx, o));
    if (PR_UNLIKELY(o->flags & PR_FLAG_FREED)) drop_payload(ctx, object);
    maybe_free(ctx, object);
}

bool pr_object_free_value(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    bool is_value = !(o->flags & (PR_FLAG_HOOK | PR_FLAG_CODE));
    if (o->state != PR_OBJECT_SEALED || !is_value) return false;
    if (o->flags & PR_FLAG_FREED) return true;
    TX_SET(ctx, o->flags, o->flags | PR_FLAG_FREED | PR_FLAG_READ); /* nobody misses an error */
    drop_payload(ctx, object);
    return true;
}

void pr_object_give_block(struct pr_context *ctx, pr_index object, pr_index block)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    const struct pr_store_root *root = pr_store_root(ctx);
    TX_SET(ctx, o->block, block);
    if (o->pins > 0) TX_SET(ctx, root->pinned, root->pinned + block_units(ctx, o));
}

bool pr_object_free_step(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    PR_ASSERT(o->state == PR_OBJECT_FREEING && o->waiters == PR_NONE);
    if (!drop_children(ctx, o)) return false;
    free_entry(ctx, object);
    return true;
}

enum pr_status pr_edge_new(struct pr_context *ctx, const uint32_t *head, enum pr_edge_kind kind,
                           pr_index owner, pr_index object, uint32_t flags, pr_index *edge)
{
    PR_TRY(pr_pool_take(ctx, PR_POOL_EDGE, edge));
    const struct pr_edge *e = pr_edge_at(ctx, *edge);
    TX_SET(ctx, e->link, *head);
    TX_SET(ctx, e->previous, PR_NONE);
    TX_SET(ctx, e->kind, kind);
    TX_SET(ctx, e->flags, flags);
    TX_SET(ctx, e->object, object);
    TX_SET(ctx, e->owner, owner);
    if (*head != PR_NONE) TX_SET(ctx, pr_edge_at(ctx, *head)->previous, *edge);
    TX_SET(ctx, *head, *edge);
    return PR_OK;
}

void pr_edge_delete(struct pr_context *ctx, const uint32_t *head, pr_index edge)
{
    const struct pr_edge *e = pr_edge_at(ctx, edge);
    if (e->link != PR_NONE) TX_SET(ctx, pr_edge_at(ctx, e->link)->previous, e->previous);
    if (e->previous != PR_NONE)
        TX_SET(ctx, pr_edge_at(ctx, e->previous)->link, e->link);
    else
        TX_SET(ctx, *head, e->link);
    TX_SET(ctx, e->kind, 0);
    pr_pool_give(ctx, PR_POOL_EDGE, edge);
}

void pr_edge_await(struct pr_context *ctx, pr_index edge)
{
    const struct pr_edge *e = pr_edge_at(ctx, edge);
    const struct pr_object *o = pr_object_at(ctx, e->object);
    TX_SET(ctx, e->wait_next, o->waiters);
    TX_SET(ctx, e->wait_previous, PR_NONE);
    if (o->waiters != PR_NONE) TX_SET(ctx, pr_edge_at(ctx, o->waiters)->wait_previous, edge);
    TX_SET(ctx, o->waiters, edge);
}

void pr_edge_unawait(struct pr_context *ctx, pr_index edge)
{
    const struct pr_edge *e = pr_edge_at(ctx, edge);
    if (e->wait_next != PR_NONE)
        TX_SET(ctx, pr_edge_at(ctx, e->wait_next)->wait_previous, e->wait_previous);
    if (e->wait_previous != PR_NONE)
        TX_SET(ctx, pr_edge_at(ctx, e->wait_previous)->wait_next, e->wait_next);
    else
        TX_SET(ctx, pr_object_at(ctx, e->object)->waiters, e->wait_next);
}

enum pr_status pr_object_contain(struct pr_context *ctx, pr_index object,
                                 const struct pr_ref *children, uint32_t count)
{
    const struct pr_object *o = pr_object_at(ctx, object), *child;
    pr_index edge;
    for (uint32_t i = 0; i < count; i++) {
        PR_TRY(pr_object_find(ctx, children[i], &child));
        PR_TRY(
            pr_edge_new(ctx, &o->children, PR_EDGE_CONTAINED, object, children[i].index, 0, &edge));
        pr_object_ref(ctx, children[i].index);
    }
    return PR_OK;
}
