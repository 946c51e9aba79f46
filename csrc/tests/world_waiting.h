/* The random operations of tests/world.h on latches. */
#ifndef PYRAY_TESTS_WORLD_WAITING_H
#define PYRAY_TESTS_WORLD_WAITING_H

#include "tests/world.h"

void claim_latch(struct member *m);
void unclaim_latch(struct member *m);
void wait_arm(struct member *m);

#endif
