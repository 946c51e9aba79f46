#include "tests/world_snapshot.h"

void snapshot_open(struct snapshot *s, const struct world *world)
{
    s->control = calloc(1, world->reaper.control_size);
    REQUIRE(s->control != NULL);
}

void snapshot_close(struct snapshot *s)
{
    free(s->control);
    s->control = NULL;
}

static uint64_t tables_offset(const struct world *world)
{
    return world->reaper.header->pools[0].offset;
}

void world_copy_control(const struct world *world, uint8_t *to, const uint8_t *from)
{
    uint64_t offset = tables_offset(world);
    memcpy(to, from, PR_UNDO_OFFSET);
    memcpy(to + offset, from + offset, world->reaper.control_size - offset);
}

bool world_same_control(const struct world *world, const uint8_t *a, const uint8_t *b)
{
    if (memcmp(a, b, PR_UNDO_OFFSET) != 0) return false;
    for (uint32_t i = 0; i < PR_POOLS; i++) {
        const struct pr_pool *pool = &world->reaper.header->pools[i];
        uint64_t size = (uint64_t)pool->entry_size * pool->capacity;
        if (!pool->is_plain && memcmp(a + pool->offset, b + pool->offset, size) != 0) return false;
    }
    return true;
}

void snapshot_take(struct snapshot *s, const struct world *world)
{
    world_copy_control(world, s->control, (const uint8_t *)world->reaper.header);
    s->world = *world;
    for (int i = 0; i < WORLD_MEMBERS; i++)
        memcpy(s->local[i], world->member[i].ctx.local, sizeof s->local[i]);
}

/* A process may have replaced its private maps meanwhile: the new ones stay, with the old content.
 */
void snapshot_restore(const struct snapshot *s, struct world *world)
{
    uint64_t failures = world->failures;
    world_copy_control(world, world->reaper.writable, s->control);
    for (int i = 0; i < WORLD_MEMBERS; i++) {
        struct pr_local *local = world->member[i].ctx.local;
        uint8_t *granules = world->member[i].ctx.heap_granules;
        world->member[i] = s->world.member[i];
        world->member[i].ctx.local = local;
        world->member[i].ctx.heap_granules = granules;
        if (local == NULL) OK(pr_local_open(&world->member[i].ctx));
        memcpy(world->member[i].ctx.local, s->local[i], sizeof s->local[i]);
    }
    world->random = s->world.random;
    world->failures = failures;
}
