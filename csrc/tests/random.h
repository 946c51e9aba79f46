/* Random numbers that a seed repeats (splitmix64). */
#ifndef PYRAY_TESTS_RANDOM_H
#define PYRAY_TESTS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    uint64_t z = (random->state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* A number from 0 to limit - 1. */
static inline uint32_t random_below(struct random *random, uint32_t limit)
{
    return (uint32_t)(random_next(random) >> 32) % limit;
}

static inline bool random_one_in(struct random *random, uint32_t n)
{
    return random_below(random, n) == 0;
}

#endif
