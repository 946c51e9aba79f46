/* The random operations of tests/world.h of actors that run many calls at a time. */
#ifndef PYRAY_TESTS_WORLD_CALLS_H
#define PYRAY_TESTS_WORLD_CALLS_H

#include "tests/world.h"

void take_another(struct member *m);
void exchange(struct member *m);
void retry_call(struct member *m);

#endif
