#include "os/quick_clock.h"

#if defined(__x86_64__)

#define TOGETHER_TICKS 1000u /* between two readings that are taken for one */
#define KNOWN_NS 1000000u    /* after so long the rate is exact enough */
#define RENEWED_NS 100000000u

static void learn_rate(struct pr_quick_clock *clock)
{
    uint64_t passed_ns = clock->ns - clock->since_ns;
    if (clock->since_ns != 0 && passed_ns < KNOWN_NS) return;
    if (clock->since_ns != 0) {
        double rate = (double)passed_ns / (double)(clock->ticks - clock->since_ticks);
        bool is_sound = rate > 0.1 && rate < 10; /* a counter of 0.1 to 10 GHz */
        clock->ns_per_tick = rate;
        clock->limit_ticks = is_sound ? (uint64_t)(PR_QUICK_CLOCK_NS / rate) : 0;
        if (passed_ns < RENEWED_NS) return;
    }
    clock->since_ticks = clock->ticks;
    clock->since_ns = clock->ns;
}

uint64_t pr_quick_clock_set(struct pr_quick_clock *clock)
{
    uint64_t before = __rdtsc();
    uint64_t now_ns = pr_os_monotonic_ns();
    uint64_t width = __rdtsc() - before;
    if (width > TOGETHER_TICKS) return now_ns; /* something came in between */
    clock->ticks = before + width / 2;
    clock->ns = now_ns;
    learn_rate(clock);
    return now_ns;
}

#else

uint64_t pr_quick_clock_set(struct pr_quick_clock *clock)
{
    (void)clock;
    return pr_os_monotonic_ns();
}

#endif
