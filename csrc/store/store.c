#include "store/store.h"

enum pr_status pr_local_open(struct pr_context *ctx)
{
    void *address = NULL;
    uint64_t entries = ctx->header->pools[PR_POOL_OBJECT].capacity;
    PR_TRY(pr_os_map_private(entries * sizeof(struct pr_local), &address));
    ctx->local = address;
    return PR_OK;
}

void pr_local_close(struct pr_context *ctx)
{
    if (ctx->local == NULL) return;
    pr_os_unmap(ctx->local, ctx->header->pools[PR_POOL_OBJECT].capacity * sizeof(struct pr_local));
    ctx->local = NULL;
}

struct wrapped {
    pr_operation operation;
    void *argument;
};

static enum pr_status run_and_note_chores(struct pr_context *ctx, void *argument)
{
    const struct wrapped *wrapped = argument;
    enum pr_status status = wrapped->operation(ctx, wrapped->argument);
    const struct pr_store_root *root = pr_store_root(ctx);
    ctx->chores_left |= (root->object_chores | root->task_chores | root->actor_chores) != 0;
    return status;
}

enum pr_status pr_operate(struct pr_context *ctx, pr_operation operation, void *argument)
{
    struct wrapped wrapped = {operation, argument};
    enum pr_status status = pr_transact(ctx, run_and_note_chores, &wrapped);
    if (PR_UNLIKELY(ctx->chores_left) && ctx->run_chores != NULL) ctx->run_chores(ctx);
    return status;
}

enum pr_status pr_hold(struct pr_context *ctx, pr_index object, uint32_t flags, pr_index *edge)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    const struct pr_local *local = &ctx->local[object];
    uint32_t before = 0;
    if (local->generation == o->generation && local->edge != PR_NONE) {
        *edge = local->edge;
        before = pr_edge_at(ctx, *edge)->flags;
        if ((before & flags) == flags) return PR_OK;
        TX_SET(ctx, pr_edge_at(ctx, *edge)->flags, before | flags);
    } else {
        const struct pr_slot *slot = pr_slot_at(ctx, ctx->slot);
        PR_TRY(pr_edge_new(ctx, &slot->held, PR_EDGE_HELD, ctx->slot, object, flags, edge));
    }
    if (flags & ~before & PR_HELD_REF) TX_SET(ctx, o->refs, o->refs + 1);
    if (flags & ~before & PR_HELD_PIN) pr_object_pin(ctx, object);
    return PR_OK;
}

/* ---- put ---- */

struct put {
    const struct pr_value *value;
    struct pr_ref ref;
    uint64_t size_bytes;
    uint64_t offset;
    pr_index edge;
};

static enum pr_status new_held_object(struct pr_context *ctx, struct put *put)
{
    PR_TRY(pr_object_new(ctx, PR_OBJECT_PENDING, &put->ref.index));
    put->ref.generation = pr_object_at(ctx, put->ref.index)->generation;
    return pr_hold(ctx, put->ref.index, PR_HELD_REF, &put->edge);
}

static void remember_held(struct pr_context *ctx, const struct put *put)
{
    struct pr_local *local = pr_local_of(ctx, put->ref);
    *local = (struct pr_local){.generation = put->ref.generation, .edge = put->edge, .refs = 1};
}

static enum pr_status put_inline(struct pr_context *ctx, void *argument)
{
    struct put *put = argument;
    const struct pr_value *value = put->value;
    PR_TRY(new_held_object(ctx, put));
    PR_TRY(pr_object_contain(ctx, put->ref.index, value->children, value->child_count));
    pr_object_seal_inline(ctx, put->ref.index, value->kind, value->flags, value->bytes,
                          (uint32_t)value->size_bytes);
    return PR_OK;
}

enum pr_status pr_put_inline(struct pr_context *ctx, const struct pr_value *value,
                             struct pr_ref *ref)
{
    struct put put = {.value = value};
    PR_ASSERT(value->child_count <= PR_STEP_EDGES);
    PR_TRY(pr_operate(ctx, put_inline, &put));
    remember_held(ctx, &put);
    *ref = put.ref;
    return PR_OK;
}

static enum pr_status put_begin(struct pr_context *ctx, void *argument)
{
    struct put *put = argument;
    PR_TRY(new_held_object(ctx, put));
    PR_TRY(pr_object_claim(ctx, put->ref.index, ctx->slot, put->size_bytes));
    put->offset = pr_block_offset_bytes(ctx, pr_object_at(ctx, put->ref.index)->block);
    return PR_OK;
}

enum pr_status pr_put_begin(struct pr_context *ctx, uint64_t size_bytes, struct pr_ref *ref,
                            uint64_t *offset)
{
    struct put put = {.size_bytes = size_bytes};
    PR_TRY(pr_operate(ctx, put_begin, &put));
    remember_held(ctx, &put);
    *ref = put.ref;
    *offset = put.offset;
    PR_FAILPOINT(ctx, PUT_CREATED);
    return PR_OK;
}

static enum pr_status put_end(struct pr_context *ctx, void *argument)
{
    const struct put *put = argument;
    const struct pr_object *o;
    PR_TRY(pr_object_find(ctx, put->ref, &o));
    if (o->state != PR_OBJECT_CREATING || o->claim != ctx->slot) return PR_STATE;
    pr_object_seal_block(ctx, put->ref.index, put->value->kind, put->value->flags);
    return PR_OK;
}

enum pr_status pr_put_end(struct pr_context *ctx, struct pr_ref ref, const struct pr_value *value)
{
    struct put put = {.value = value, .ref = ref};
    PR_FAILPOINT(ctx, PUT_COPIED);
    PR_TRY(pr_add_children(ctx, ref, value->children, value->child_count));
    return pr_operate(ctx, put_end, &put);
}

static enum pr_status put_end_pinned(struct pr_context *ctx, void *argument)
{
    struct put *put = argument;
    PR_TRY(put_end(ctx, argument));
    return pr_hold(ctx, put->ref.index, PR_HELD_PIN, &put->edge);
}

enum pr_status pr_put_end_pinned(struct pr_context *ctx, struct pr_ref ref,
                                 const struct pr_value *value)
{
    struct put put = {.value = value, .ref = ref};
    PR_TRY(pr_operate(ctx, put_end_pinned, &put));
    struct pr_local *local = pr_local_of(ctx, ref);
    local->edge = put.edge;
    local->pins++;
    return PR_OK;
}

void pr_put_abort(struct pr_context *ctx, struct pr_ref ref)
{
    pr_release(ctx, ref); /* an unsealed object goes with its last reference */
}

struct add_children {
    struct pr_ref ref;
    const struct pr_ref *children;
    uint32_t count;
};

static enum pr_status add_children(struct pr_context *ctx, void *argument)
{
    const struct add_children *add = argument;
    const struct pr_object *o;
    PR_TRY(pr_object_find(ctx, add->ref, &o));
    if (o->state != PR_OBJECT_CREATING || o->claim != ctx->slot) return PR_STATE;
    return pr_object_contain(ctx, add->ref.index, add->children, add->count);
}

enum pr_status pr_add_children(struct pr_context *ctx, struct pr_ref ref,
                               const struct pr_ref *children, uint32_t count)
{
    for (uint32_t done = 0; done < count; done += PR_STEP_EDGES) {
        struct add_children add = {ref, children + done, PR_MIN(count - done, PR_STEP_EDGES)};
        PR_TRY(pr_operate(ctx, add_children, &add));
    }
    return PR_OK;
}

/* ---- get ---- */

struct get {
    struct pr_ref ref;
    uint64_t pin_from_bytes;
    struct pr_fetched *fetched;
    pr_index edge;
    bool pinned;
};

static void copy_value(struct pr_fetched *fetched, const struct pr_object *o)
{
    const uint64_t *from = (const uint64_t *)o->value;
    uint64_t *to = (uint64_t *)fetched->value;
    for (uint32_t i = 0; i < (o->size_bytes + 7) / 8; i++) to[i] = from[i];
}

static enum pr_status get(struct pr_context *ctx, void *argument)
{
    struct get *get = argument;
    const struct pr_object *o;
    PR_TRY(pr_object_find(ctx, get->ref, &o));
    if (o->state != PR_OBJECT_SEALED) return PR_PENDING;
    if (PR_UNLIKELY(o->flags & PR_FLAG_FREED)) return PR_FREED;
    if (PR_UNLIKELY(o->residence > PR_SPILLING)) return PR_SPILLED_OUT;
    get->fetched->kind = o->kind;
    get->fetched->flags = o->flags;
    get->fetched->size_bytes = o->size_bytes;
    get->fetched->bytes = NULL;
    get->pinned = false;
    if (o->block == PR_NONE) {
        copy_value(get->fetched, o);
        return PR_OK;
    }
    get->fetched->bytes = ctx->heap + pr_block_offset_bytes(ctx, o->block);
    get->fetched->departures = pr_store_root(ctx)->departures;
    if (!(o->flags & PR_FLAG_USED)) TX_SET(ctx, o->flags, o->flags | PR_FLAG_USED);
    if (get->pin_from_bytes == 0 || o->size_bytes < get->pin_from_bytes) return PR_OK;
    PR_TRY(pr_hold(ctx, get->ref.index, PR_HELD_PIN, &get->edge));
    get->pinned = true;
    return PR_OK;
}

enum pr_status pr_get(struct pr_context *ctx, struct pr_ref ref, uint64_t pin_from_bytes,
                      struct pr_fetched *fetched, bool *pinned)
{
    struct get op = {.ref = ref, .pin_from_bytes = pin_from_bytes, .fetched = fetched};
    PR_TRY(pr_transact(ctx, get, &op));
    *pinned = op.pinned;
    if (op.pinned) {
        struct pr_local *local = pr_local_of(ctx, ref);
        local->edge = op.edge;
        local->pins++;
    }
    return PR_OK;
}

/* A departure is counted before the block can become another's (pr_spill_end). */
bool pr_get_held(const struct pr_context *ctx, const struct pr_fetched *fetched)
{
    pr_fence_acquire(); /* the bytes were read before */
    return fetched->bytes == NULL ||
           pr_load_relaxed(&pr_store_root(ctx)->departures) == fetched->departures;
}

/* ---- references ---- */

struct acquire {
    const struct pr_ref *refs;
    uint32_t count;
    pr_index edges[PR_STEP_EDGES];
};

/* The same reference twice in one step would make two edges: the second one finds the first here.
 */
static bool hold_again(const struct acquire *acquire, uint32_t i, pr_index *edge)
{
    for (uint32_t j = 0; j < i; j++)
        if (acquire->refs[j].index == acquire->refs[i].index) {
            *edge = acquire->edges[j];
            return true;
        }
    return false;
}

static enum pr_status acquire(struct pr_context *ctx, void *argument)
{
    struct acquire *acquire = argument;
    const struct pr_object *o;
    for (uint32_t i = 0; i < acquire->count; i++) {
        PR_TRY(pr_object_find(ctx, acquire->refs[i], &o));
        if (hold_again(acquire, i, &acquire->edges[i])) continue;
        PR_TRY(pr_hold(ctx, acquire->refs[i].index, PR_HELD_REF, &acquire->edges[i]));
    }
    return PR_OK;
}

static bool held_already(struct pr_context *ctx, struct pr_ref ref)
{
    if (ref.index == PR_NONE || ref.index >= ctx->header->pools[PR_POOL_OBJECT].capacity)
        return false;
    const struct pr_local *local = &ctx->local[ref.index];
    return local->generation == ref.generation && local->refs > 0;
}

static enum pr_status acquire_step(struct pr_context *ctx, const struct pr_ref *refs,
                                   uint32_t count)
{
    struct acquire op = {.refs = refs, .count = count};
    bool all_held = true;
    for (uint32_t i = 0; i < count && all_held; i++) all_held = held_already(ctx, refs[i]);
    if (!all_held) PR_TRY(pr_transact(ctx, acquire, &op));
    for (uint32_t i = 0; i < count; i++) {
        struct pr_local *local = pr_local_of(ctx, refs[i]);
        if (!all_held) local->edge = op.edges[i];
        local->refs++;
    }
    return PR_OK;
}

enum pr_status pr_acquire(struct pr_context *ctx, const struct pr_ref *refs, uint32_t count)
{
    for (uint32_t done = 0; done < count; done += PR_STEP_EDGES) {
        enum pr_status status = acquire_step(ctx, refs + done, PR_MIN(count - done, PR_STEP_EDGES));
        if (status == PR_OK) continue;
        for (uint32_t i = 0; i < done; i++) pr_release(ctx, refs[i]);
        return status;
    }
    return PR_OK;
}

struct let_go {
    pr_index object;
    pr_index edge;
    uint32_t flags;
};

static enum pr_status let_go(struct pr_context *ctx, void *argument)
{
    const struct let_go *op = argument;
    const struct pr_edge *e = pr_edge_at(ctx, op->edge);
    PR_ASSERT(e->kind == PR_EDGE_HELD && e->object == op->object &&
              (e->flags & op->flags) == op->flags);
    uint32_t left = e->flags & ~op->flags;
    if (left == 0)
        pr_edge_delete(ctx, &pr_slot_at(ctx, ctx->slot)->held, op->edge);
    else
        TX_SET(ctx, e->flags, left);
    if (op->flags & PR_HELD_REF)
        pr_object_unref(ctx, op->object);
    else
        pr_object_unpin(ctx, op->object);
    return PR_OK;
}

/* After a local count fell to zero: tells the tables. Nothing can be done about a failure here: the
 * session is beyond repair then, and the next operation says so. */
static void give_back(struct pr_context *ctx, struct pr_ref ref, uint32_t flags)
{
    struct pr_local *local = pr_local_of(ctx, ref);
    struct let_go op = {ref.index, local->edge, flags};
    if (local->refs == 0 && local->pins == 0) local->edge = PR_NONE;
    PR_FAILPOINT(ctx, RELEASE_BEFORE);
    if (pr_operate(ctx, let_go, &op) != PR_OK) local->edge = PR_NONE;
}

void pr_release(struct pr_context *ctx, struct pr_ref ref)
{
    struct pr_local *local = pr_local_of(ctx, ref);
    PR_ASSERT(local->refs > 0);
    if (--local->refs == 0) give_back(ctx, ref, PR_HELD_REF);
}

void pr_unpin(struct pr_context *ctx, struct pr_ref ref)
{
    struct pr_local *local = pr_local_of(ctx, ref);
    PR_ASSERT(local->pins > 0);
    if (--local->pins == 0) give_back(ctx, ref, PR_HELD_PIN);
}

static enum pr_status free_value(struct pr_context *ctx, void *argument)
{
    const struct pr_ref *ref = argument;
    const struct pr_object *o;
    PR_TRY(pr_object_find(ctx, *ref, &o));
    return pr_object_free_value(ctx, ref->index) ? PR_OK : PR_STATE;
}

enum pr_status pr_free_value(struct pr_context *ctx, struct pr_ref ref)
{
    return pr_operate(ctx, free_value, &ref);
}

static enum pr_status mark_read(struct pr_context *ctx, void *argument)
{
    const struct pr_ref *ref = argument;
    const struct pr_object *o;
    PR_TRY(pr_object_find(ctx, *ref, &o));
    if ((o->flags & PR_FLAG_ERROR) && !(o->flags & PR_FLAG_READ))
        TX_SET(ctx, o->flags, o->flags | PR_FLAG_READ);
    return PR_OK;
}

void pr_mark_read(struct pr_context *ctx, struct pr_ref ref)
{
    (void)!pr_transact(ctx, mark_read, &ref); /* at worst it is reported although it was read */
}

static enum pr_status find_referenced(struct pr_context *ctx, void *argument)
{
    const struct pr_ref *ref = argument;
    const struct pr_object *o;
    PR_TRY(pr_object_find(ctx, *ref, &o));
    return o->refs > 0 ? PR_OK : PR_STALE;
}

bool pr_is_referenced(struct pr_context *ctx, struct pr_ref ref)
{
    return pr_transact(ctx, find_referenced, &ref) == PR_OK;
}

/* ---- statistics ---- */

static enum pr_status read_stats(struct pr_context *ctx, void *argument)
{
    struct pr_store_stats *stats = argument;
    const struct pr_heap_root *heap = pr_heap_root(ctx);
    *stats = (struct pr_store_stats){
        .capacity_bytes = (uint64_t)heap->total * PR_HEAP_UNIT,
        .used_bytes = (uint64_t)heap->used * PR_HEAP_UNIT,
        .peak_bytes = (uint64_t)heap->peak * PR_HEAP_UNIT,
        .pinned_bytes = (uint64_t)pr_store_root(ctx)->pinned * PR_HEAP_UNIT,
        .largest_free_bytes = pr_heap_largest_bytes(ctx),
        .spilling_bytes = (uint64_t)pr_store_root(ctx)->leaving * PR_HEAP_UNIT,
        .spilled_bytes = pr_store_root(ctx)->spilled_bytes,
        .total_spilled_bytes = pr_store_root(ctx)->total_spilled_bytes,
        .total_restored_bytes = pr_store_root(ctx)->total_restored_bytes,
        .spilled_objects = pr_store_root(ctx)->spilled_objects,
        .objects = ctx->header->pools[PR_POOL_OBJECT].used,
        .edges = ctx->header->pools[PR_POOL_EDGE].used,
    };
    return PR_OK;
}

enum pr_status pr_store_stats(struct pr_context *ctx, struct pr_store_stats *stats)
{
    return pr_transact(ctx, read_stats, stats);
}
