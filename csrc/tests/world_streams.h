/* The random operations of tests/world.h on streams, and cancellation. */
#ifndef PYRAY_TESTS_WORLD_STREAMS_H
#define PYRAY_TESTS_WORLD_STREAMS_H

#include "tests/world.h"

void submit_stream(struct member *m);
void publish(struct member *m);
void ask_room(struct member *m);
void next_item(struct member *m);
void close_stream(struct member *m);
void cancel(struct member *m);
void notice_cancel(struct member *m);
void interrupt(struct member *m);

#endif
