#include <stdlib.h>

#include "store/spill.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            a->what = "spill: " #condition;                                                        \
            return PR_CORRUPT;                                                                     \
        }                                                                                          \
    } while (0)

struct audit {
    const struct pr_context *ctx;
    const char *what;
    uint32_t *live; /* counted per file */
    uint32_t spilling, restoring, spilled, leaving;
    uint32_t writing_files, live_files, dead_files;
    uint64_t bytes;
};

static uint32_t high_water(const struct audit *a, uint32_t pool)
{
    return a->ctx->header->pools[pool].high_water;
}

static enum pr_status count_in_file(struct audit *a, const struct pr_object *o)
{
    pr_index file = ((const struct pr_extent *)o->value)->file;
    CHECK(file != PR_NONE && file < high_water(a, PR_POOL_FILE));
    a->live[file]++;
    return PR_OK;
}

static enum pr_status count_spilled(struct audit *a, const struct pr_object *o)
{
    a->spilled++;
    a->bytes += o->size_bytes;
    return count_in_file(a, o);
}

static enum pr_status walk_object(struct audit *a, const struct pr_object *o)
{
    CHECK(!(o->flags & PR_FLAG_COPIED) || o->residence == PR_IN_PLACE);
    switch (o->residence) {
    case PR_IN_PLACE:
        if (!(o->flags & PR_FLAG_COPIED)) return PR_OK;
        CHECK(o->state == PR_OBJECT_SEALED || o->state == PR_OBJECT_FREEING);
        CHECK(o->block != PR_NONE);
        return count_in_file(a, o);
    case PR_SPILLING:
        CHECK(o->state == PR_OBJECT_SEALED || o->state == PR_OBJECT_FREEING);
        CHECK(o->block != PR_NONE);
        CHECK(o->claim < high_water(a, PR_POOL_FILE));
        CHECK(pr_file_at(a->ctx, o->claim)->state == PR_FILE_WRITING);
        a->spilling++;
        a->leaving += pr_block_at(a->ctx, o->block)->size;
        return PR_OK;
    case PR_SPILLED:
        CHECK(o->state == PR_OBJECT_SEALED || o->state == PR_OBJECT_FREEING);
        CHECK(o->block == PR_NONE);
        return count_spilled(a, o);
    default:
        CHECK(o->residence == PR_RESTORING && o->state == PR_OBJECT_SEALED);
        CHECK(o->block != PR_NONE && o->pins > 0);
        a->restoring++;
        return count_spilled(a, o);
    }
}

static enum pr_status walk_claims(struct audit *a, pr_index head, enum pr_residence residence,
                                  pr_index claimant, uint32_t *count)
{
    pr_index previous = PR_NONE;
    for (pr_index i = head; i != PR_NONE; i = pr_object_at(a->ctx, i)->claim_next) {
        const struct pr_object *o = pr_object_at(a->ctx, i);
        CHECK(i < high_water(a, PR_POOL_OBJECT) && ++*count <= high_water(a, PR_POOL_OBJECT));
        CHECK(o->residence == (uint32_t)residence && o->claim == claimant);
        CHECK(o->claim_previous == previous);
        previous = i;
    }
    return PR_OK;
}

static enum pr_status walk_slot(struct audit *a, pr_index slot, uint32_t *spilling,
                                uint32_t *restoring)
{
    const struct pr_slot *s = pr_slot_at(a->ctx, slot);
    pr_index previous = PR_NONE;
    if (s->state == PR_SLOT_EMPTY) return PR_OK;
    for (pr_index i = s->writing; i != PR_NONE; i = pr_file_at(a->ctx, i)->link) {
        const struct pr_file *f = pr_file_at(a->ctx, i);
        CHECK(i < high_water(a, PR_POOL_FILE) && ++a->writing_files <= high_water(a, PR_POOL_FILE));
        CHECK(f->state == PR_FILE_WRITING && f->claim == slot && f->previous == previous);
        PR_TRY(walk_claims(a, f->objects, PR_SPILLING, i, spilling));
        previous = i;
    }
    return walk_claims(a, s->restoring, PR_RESTORING, slot, restoring);
}

static enum pr_status walk_slots(struct audit *a)
{
    uint32_t spilling = 0, restoring = 0;
    for (pr_index i = 1; i < high_water(a, PR_POOL_SLOT); i++)
        PR_TRY(walk_slot(a, i, &spilling, &restoring));
    CHECK(spilling == a->spilling && restoring == a->restoring);
    return PR_OK;
}

static enum pr_status walk_files(struct audit *a)
{
    uint32_t writing = 0, dead = 0;
    for (pr_index i = 1; i < high_water(a, PR_POOL_FILE); i++) {
        const struct pr_file *f = pr_file_at(a->ctx, i);
        CHECK(f->state <= PR_FILE_DEAD);
        writing += f->state == PR_FILE_WRITING;
        dead += f->state == PR_FILE_DEAD;
        a->live_files += f->state == PR_FILE_LIVE;
        CHECK(a->live[i] == (f->state == PR_FILE_FREE ? 0 : f->live));
        CHECK((f->state == PR_FILE_LIVE) <= (f->live > 0));
        CHECK((f->state == PR_FILE_DEAD) <= (f->live == 0));
    }
    for (pr_index i = pr_store_root(a->ctx)->dead_files; i != PR_NONE;
         i = pr_file_at(a->ctx, i)->link) {
        CHECK(i < high_water(a, PR_POOL_FILE) && ++a->dead_files <= dead);
        CHECK(pr_file_at(a->ctx, i)->state == PR_FILE_DEAD);
    }
    CHECK(writing == a->writing_files && dead == a->dead_files);
    CHECK(writing + dead + a->live_files == a->ctx->header->pools[PR_POOL_FILE].used);
    return PR_OK;
}

static enum pr_status walk_all(struct audit *a)
{
    const struct pr_store_root *root = pr_store_root(a->ctx);
    for (pr_index i = 1; i < high_water(a, PR_POOL_OBJECT); i++) {
        const struct pr_object *o = pr_object_at(a->ctx, i);
        CHECK(o->state != PR_OBJECT_FREE || o->residence == PR_IN_PLACE);
        PR_TRY(walk_object(a, o));
    }
    PR_TRY(walk_slots(a));
    PR_TRY(walk_files(a));
    CHECK(root->leaving == a->leaving);
    CHECK(root->spilled_objects == a->spilled && root->spilled_bytes == a->bytes);
    return PR_OK;
}

enum pr_status pr_spill_audit(const struct pr_context *ctx, const char **what)
{
    struct audit a = {.ctx = ctx, .what = ""};
    a.live = calloc(high_water(&a, PR_POOL_FILE), sizeof *a.live);
    if (a.live == NULL) return PR_NO_MEMORY;
    enum pr_status status = walk_all(&a);
    free(a.live);
    *what = a.what;
    return status;
}
