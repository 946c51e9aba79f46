/* The random operations of tests/world.h on what is recorded, and on reading it. */
#ifndef PYRAY_TESTS_WORLD_EVENTS_H
#define PYRAY_TESTS_WORLD_EVENTS_H

#include "tests/world.h"

pr_index world_any_label(struct member *m); /* or none */
void world_new_label(struct member *m);
void world_add_text(struct member *m);
void world_add_span(struct member *m);
void world_look(struct member *m);

#endif
