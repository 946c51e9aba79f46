/* The memory model in one file: the order is in the name, so that it can be searched for.
 *
 * Only these kinds of words in shared memory are touched outside the lock:
 *   latch words   (sequence, sleeping): the sleep/wake protocol of shm/latch.h, sequentially
 *                 consistent; its hints of when to spin, relaxed
 *   undo count    published with release, so that a record is complete before it counts (shm/tx.h)
 *   header flags  set once, read often (shutdown): acquire and release
 *   pool sizes    read relaxed where an old value does no harm (growth, waking everybody)
 *   heads of rings read relaxed to commit memory ahead of them (shm/ring.h)
 *   departures    read relaxed after bytes were copied out, behind an acquire fence (pr_get_held)
 */
#ifndef PYRAY_BASE_ATOMIC_H
#define PYRAY_BASE_ATOMIC_H

#include <stdbool.h>

#include "base/types.h"

static inline uint32_t pr_load_relaxed(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}
static inline uint32_t pr_load_acquire(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
static inline uint32_t pr_load_seq_cst(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static inline uint64_t pr_load64_relaxed(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void pr_store_relaxed(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}
static inline void pr_store_release(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
static inline void pr_store64_relaxed(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline uint8_t pr_load8_relaxed(const uint8_t *byte)
{
    return __atomic_load_n(byte, __ATOMIC_RELAXED);
}
static inline void pr_store8_relaxed(uint8_t *byte, uint8_t value)
{
    __atomic_store_n(byte, value, __ATOMIC_RELAXED);
}

static inline uint8_t *pr_load_pointer_acquire(uint8_t *const *pointer)
{
    return __atomic_load_n(pointer, __ATOMIC_ACQUIRE);
}

/* True if `pointer` was NULL and is `value` now. */
static inline bool pr_set_pointer_once(uint8_t **pointer, uint8_t *value)
{
    uint8_t *expected = NULL;
    return __atomic_compare_exchange_n(pointer, &expected, value, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

static inline void pr_store_seq_cst(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static inline uint32_t pr_add_seq_cst(uint32_t *word, uint32_t value)
{
    return __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);
}

/* Tells the processor that this is a loop that waits. */
static inline void pr_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

/* What was read before stays before what is read after. */
static inline void pr_fence_acquire(void)
{
#ifndef __SANITIZE_THREAD__ /* which does not know fences */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

/* Keeps the compiler from moving stores across; the processor need not be told, because a killed
 * process leaves behind exactly the stores of the instructions it has executed. */
static inline void pr_compiler_barrier(void) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

#endif
