/* A checksum of bytes on their way to a file and back: Fletcher's, over 32-bit words in four
 * 64-bit lanes each (as ZFS's "fletcher4" in two orders). It finds what disks and stray writers do
 * to a file, at the speed of memory; it is no protection against somebody who means harm. */
#ifndef PYRAY_BASE_CHECKSUM_H
#define PYRAY_BASE_CHECKSUM_H

#include <string.h>

#include "base/types.h"

#define PR_CHECKSUM_STEP 16u /* all pieces of a value but the last are multiples of it */

typedef uint64_t pr_lanes __attribute__((vector_size(32), aligned(8)));
typedef uint32_t pr_words __attribute__((vector_size(16), aligned(4)));

struct pr_checksum {
    pr_lanes sum;
    pr_lanes weighted;
};

static inline void pr_checksum_start(struct pr_checksum *c) { memset(c, 0, sizeof *c); }

static inline void pr_checksum_add(struct pr_checksum *c, const void *bytes, uint64_t size_bytes)
{
    const uint8_t *from = bytes;
    pr_lanes sum = c->sum, weighted = c->weighted;
    pr_words words;
    for (; size_bytes >= PR_CHECKSUM_STEP;
         size_bytes -= PR_CHECKSUM_STEP, from += PR_CHECKSUM_STEP) {
        memcpy(&words, from, sizeof words);
        sum += __builtin_convertvector(words, pr_lanes);
        weighted += sum;
    }
    if (size_bytes > 0) {
        memset(&words, 0, sizeof words);
        memcpy(&words, from, size_bytes);
        sum += __builtin_convertvector(words, pr_lanes);
        weighted += sum;
    }
    c->sum = sum;
    c->weighted = weighted;
}

static inline uint64_t pr_checksum_end(const struct pr_checksum *c)
{
    uint64_t value = 0;
    for (int i = 0; i < 4; i++) {
        value = (value ^ c->sum[i]) * 0x9E3779B97F4A7C15u;
        value = (value ^ (value >> 29) ^ c->weighted[i]) * 0xBF58476D1CE4E5B9u;
    }
    return value ^ (value >> 32);
}

#endif
