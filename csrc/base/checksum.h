/* A checksum of bytes on their way to a file and back, at the speed of memory: the four lanes of
 * XXH64 (Y. Collet, "xxHash"), with a shorter end. It finds what disks and stray writers do to a
 * file; it is no protection against somebody who means harm. */
#ifndef PYRAY_BASE_CHECKSUM_H
#define PYRAY_BASE_CHECKSUM_H

#include <string.h>

#include "base/types.h"

#define PR_CHECKSUM_STEP 32u /* all pieces of a value but the last are multiples of it */
#define PR_CHECKSUM_LANES 4u

struct pr_checksum {
    uint64_t lane[PR_CHECKSUM_LANES];
};

static inline uint64_t pr_checksum_round(uint64_t lane, uint64_t word)
{
    lane += word * 0xC2B2AE3D27D4EB4Fu;
    return (lane << 31 | lane >> 33) * 0x9E3779B185EBCA87u;
}

static inline void pr_checksum_start(struct pr_checksum *c)
{
    for (uint32_t i = 0; i < PR_CHECKSUM_LANES; i++) c->lane[i] = i;
}

static inline void pr_checksum_add(struct pr_checksum *c, const void *bytes, uint64_t size_bytes)
{
    const uint8_t *from = bytes;
    uint64_t a = c->lane[0], b = c->lane[1], d = c->lane[2], e = c->lane[3];
    uint64_t words[PR_CHECKSUM_LANES] = {0};
    for (;; from += PR_CHECKSUM_STEP, size_bytes -= PR_CHECKSUM_STEP) {
        if (size_bytes < PR_CHECKSUM_STEP) {
            if (size_bytes == 0) break;
            memset(words, 0, sizeof words);
            memcpy(words, from, size_bytes);
            size_bytes = PR_CHECKSUM_STEP;
        } else {
            memcpy(words, from, sizeof words);
        }
        a = pr_checksum_round(a, words[0]);
        b = pr_checksum_round(b, words[1]);
        d = pr_checksum_round(d, words[2]);
        e = pr_checksum_round(e, words[3]);
    }
    *c = (struct pr_checksum){{a, b, d, e}};
}

static inline uint64_t pr_checksum_end(const struct pr_checksum *c)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < PR_CHECKSUM_LANES; i++) {
        value = (value ^ c->lane[i]) * 0x9E3779B185EBCA87u;
        value ^= value >> 29;
    }
    return value;
}

#endif
