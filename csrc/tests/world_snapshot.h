/* Copies of a world's tables and of what its processes know, to go back to. */
#ifndef PYRAY_TESTS_WORLD_SNAPSHOT_H
#define PYRAY_TESTS_WORLD_SNAPSHOT_H

#include "tests/world.h"

enum { SNAPSHOT_LOCALS = 256 };

struct snapshot {
    uint8_t *control; /* the tables without the undo log */
    struct world world;
    struct pr_local local[WORLD_MEMBERS][SNAPSHOT_LOCALS];
};

void snapshot_open(struct snapshot *s, const struct world *world);
void snapshot_close(struct snapshot *s);
void snapshot_take(struct snapshot *s, const struct world *world);
void snapshot_restore(const struct snapshot *s, struct world *world);

/* The control segment without its undo log. */
void world_copy_control(const struct world *world, uint8_t *to, const uint8_t *from);
bool world_same_control(const struct world *world, const uint8_t *a, const uint8_t *b);

#endif
