/* Copying past the caches: for payloads much larger than a cache, whose bytes nobody reads soon.
 *
 * A plain memcpy of glibc is as fast when source and target lie well, but three to four times
 * slower when the low twelve bits of their addresses are a little apart (4K aliasing: loads wait
 * for stores that only look like the same address), and numpy's arrays lie just so. Streaming
 * stores do not disturb the loads. */
#ifndef PYRAY_BASE_STREAM_COPY_H
#define PYRAY_BASE_STREAM_COPY_H

#include <string.h>

#include "base/types.h"

#if defined(__x86_64__)
#include <emmintrin.h>

static inline void pr_stream_copy(void *target, const void *source, uint64_t size_bytes)
{
    uint8_t *to = target;
    const uint8_t *from = source;
    uint64_t head = PR_MIN((64 - (uintptr_t)to % 64) % 64, size_bytes);
    memcpy(to, from, head);
    to += head, from += head, size_bytes -= head;
    for (; size_bytes >= 64; size_bytes -= 64, to += 64, from += 64) {
        __m128i a = _mm_loadu_si128((const __m128i *)from),
                b = _mm_loadu_si128((const __m128i *)from + 1);
        __m128i c = _mm_loadu_si128((const __m128i *)from + 2),
                d = _mm_loadu_si128((const __m128i *)from + 3);
        _mm_prefetch((const char *)from + 1024, _MM_HINT_NTA);
        _mm_stream_si128((__m128i *)to, a);
        _mm_stream_si128((__m128i *)to + 1, b);
        _mm_stream_si128((__m128i *)to + 2, c);
        _mm_stream_si128((__m128i *)to + 3, d);
    }
    _mm_sfence(); /* streaming stores are weakly ordered: they must be visible before the object is
                     sealed */
    memcpy(to, from, size_bytes);
}
#else
static inline void pr_stream_copy(void *target, const void *source, uint64_t size_bytes)
{
    memcpy(target, source, size_bytes);
}
#endif

#endif
