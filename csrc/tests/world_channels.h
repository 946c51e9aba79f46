/* The random operations of tests/world.h on compiled graphs and their channels. */
#ifndef PYRAY_TESTS_WORLD_CHANNELS_H
#define PYRAY_TESTS_WORLD_CHANNELS_H

#include "tests/world.h"

void new_graph(struct member *m);
void read_channel(struct member *m);
void send_value(struct member *m);
void receive_value(struct member *m);
void leave_channel(struct member *m);
void poison_graph(struct member *m);
void close_graph(struct member *m);

#endif
