/* Vocabulary of the core: one word for one thing.
 *
 *   session   everything between init() and shutdown(): two memfds and the processes that map them
 *   control   the memfd of tables: header, undo log, pools of fixed-size entries
 *   heap      the memfd of payloads: bytes of values too large for their table entry
 *   entry     one record of a pool, named by its index; 0 is "none" everywhere
 *   ref       (index, generation): an index that can be told from its successors
 *   slot      a process of the session, as the tables know it
 *   latch     what a thread sleeps on
 *   edge      "A holds B": a process, a container or a task holds an object
 *   pin       a process uses the bytes of an object in place
 *   claim     what a process must give back when it dies, recorded in the transaction that takes it
 *   chore     bounded left-over work that the next process to hold the lock may do
 *
 * Structures in shared memory hold indices, offsets and fixed-width integers: never a pointer,
 * never `size_t`, `long` or `bool`.
 */
#ifndef PYRAY_BASE_TYPES_H
#define PYRAY_BASE_TYPES_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t pr_index;

struct pr_ref {
    pr_index index;
    uint32_t generation;
};

#define PR_NONE 0u
#define PR_CACHE_LINE 64
#define PR_ALIGN_UP(value, alignment) (((value) + (alignment)-1) & ~((uint64_t)(alignment)-1))
#define PR_MIN(a, b) ((a) < (b) ? (a) : (b))
#define PR_MAX(a, b) ((a) > (b) ? (a) : (b))
#define PR_LIKELY(x) __builtin_expect(!!(x), 1)
#define PR_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PR_MUST_CHECK __attribute__((warn_unused_result))

#endif
