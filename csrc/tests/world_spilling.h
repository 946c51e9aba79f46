/* The random operations of tests/world.h on spilled objects. */
#ifndef PYRAY_TESTS_WORLD_SPILLING_H
#define PYRAY_TESTS_WORLD_SPILLING_H

#include "tests/world.h"

void spill_choose(struct member *m);
void spill_end(struct member *m);
void restore_begin(struct member *m);
void restore_end(struct member *m);
void read_spilled(struct member *m);
void spill_clean(struct member *m);

#endif
