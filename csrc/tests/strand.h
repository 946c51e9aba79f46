/* Members of a world as coroutines in one thread: each performs random operations and stops before
 * every transaction, and between a commit and its wakes. Whoever holds the lock never stops, so the
 * order of these steps is all that a schedule of real processes can choose. */
#ifndef PYRAY_TESTS_STRAND_H
#define PYRAY_TESTS_STRAND_H

#include <ucontext.h>

#include "tests/world.h"

enum { STRAND_STACK = 512 << 10, STRAND_OPERATIONS = 64 };

struct strand {
    ucontext_t context, scheduler;
    void *stack;
    struct member *member;
    const char *(*operate)(struct member *member); /* answers the operation's name */
    uint32_t operations;                           /* to perform */
    uint32_t done;                                 /* of them */
    bool within;                                   /* it has stopped inside of an operation */
    bool ended;                                    /* it has performed all, or is dead */
    uint64_t seen; /* what the member saw, without names of entries */
    const char *names[STRAND_OPERATIONS];
    void *fake_stack; /* AddressSanitizer's */
};

void strand_open(struct strand *s);
void strand_close(struct strand *s);
/* From the beginning again: whatever it was about is dropped. Operations are random ones. */
void strand_start(struct strand *s, struct member *member, uint32_t operations);
/* Up to its next stop. A member that has been swept meanwhile goes no further. */
void strand_step(struct strand *s);
void strand_kill(struct strand *s);

#endif
