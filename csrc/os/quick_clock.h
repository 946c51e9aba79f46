/* The monotonic clock, read in half the time: from the processor's counter, which the system's
 * clock corrects every PR_QUICK_CLOCK_NS. Counters that stop, jump or differ between processors
 * cost no more than that in accuracy; where there is none, this is the system's clock. */
#ifndef PYRAY_OS_QUICK_CLOCK_H
#define PYRAY_OS_QUICK_CLOCK_H

#include "base/types.h"
#include "os/os.h"

#define PR_QUICK_CLOCK_NS 50000u

/* One for each process; zeroed at first. Threads must not use it at the same time. */
struct pr_quick_clock {
    uint64_t ticks, ns;             /* read together */
    uint64_t since_ticks, since_ns; /* the same, some time before: for the counter's rate */
    uint64_t limit_ticks;           /* so far behind `ticks` the counter alone may be read */
    double ns_per_tick;
};

/* Reads the system's clock, and sets this one. */
uint64_t pr_quick_clock_set(struct pr_quick_clock *clock);

#if defined(__x86_64__)
#include <x86intrin.h>

static inline uint64_t pr_quick_clock_ns(struct pr_quick_clock *clock)
{
    uint64_t passed = __rdtsc() - clock->ticks;
    if (PR_LIKELY(passed < clock->limit_ticks))
        return clock->ns + (uint64_t)((double)passed * clock->ns_per_tick);
    return pr_quick_clock_set(clock);
}
#else
static inline uint64_t pr_quick_clock_ns(struct pr_quick_clock *clock)
{
    return pr_quick_clock_set(clock);
}
#endif

#endif
