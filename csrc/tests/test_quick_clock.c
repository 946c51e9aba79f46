/* The quick clock tells the system's time, even if the processor's counter is unreliable. */
#include "os/quick_clock.h"
#include "tests/harness.h"

#define LOOKS 20000u
#define TOLERANCE_NS 20000u
#define WARM_UP_NS 2000000000u /* at most */

/* The largest step back, with `break_it` called now and then. After that a process that is
 * suspended just then may learn a wrong rate, which the system's clock corrects soon. */
static uint64_t watch(struct pr_quick_clock *clock, void (*break_it)(struct pr_quick_clock *))
{
    uint64_t tolerance = TOLERANCE_NS + (break_it != NULL ? PR_QUICK_CLOCK_NS : 0);
    uint64_t last = 0, back = 0;
    for (uint32_t i = 0; i < LOOKS; i++) {
        if (break_it != NULL && i % 1000 == 999) break_it(clock);
        uint64_t before = pr_os_monotonic_ns();
        uint64_t now = pr_quick_clock_ns(clock);
        uint64_t after = pr_os_monotonic_ns();
        CHECK(now + tolerance >= before && now <= after + tolerance);
        if (now < last) back = PR_MAX(back, last - now);
        last = now;
    }
    return back;
}

/* Until the rate is known, if it ever is here. */
static void warm_up(struct pr_quick_clock *clock)
{
#if defined(__x86_64__)
    uint64_t begin = pr_os_monotonic_ns();
    while (clock->limit_ticks == 0 && pr_os_monotonic_ns() < begin + WARM_UP_NS)
        pr_quick_clock_ns(clock);
#else
    pr_quick_clock_ns(clock);
#endif
}

static void it_tells_the_time_from_the_first_look_on(void)
{
    struct pr_quick_clock clock = {0};
    CHECK(watch(&clock, NULL) <= TOLERANCE_NS);
}

static void it_reads_the_counter_when_the_rate_is_known(void)
{
    struct pr_quick_clock clock = {0};
    warm_up(&clock);
#if defined(__x86_64__)
    CHECK(clock.limit_ticks > 0);
    CHECK(clock.ns_per_tick > 0.1 && clock.ns_per_tick < 10);
#endif
    CHECK(watch(&clock, NULL) <= TOLERANCE_NS);
}

static void counter_jumped_back(struct pr_quick_clock *clock) { clock->ticks += 1ull << 40; }
static void counter_jumped_ahead(struct pr_quick_clock *clock) { clock->ticks -= 1ull << 40; }
static void counter_was_reset(struct pr_quick_clock *clock) { clock->since_ticks += 1ull << 60; }
static void counter_stood_still(struct pr_quick_clock *clock)
{
    clock->since_ticks = clock->ticks;
    clock->since_ns -= 10000000u;
}

static void counters_that_jump_do_no_harm(void)
{
    void (*const breaks[])(struct pr_quick_clock *) = {counter_jumped_back, counter_jumped_ahead,
                                                       counter_was_reset, counter_stood_still};
    for (uint32_t i = 0; i < 4; i++) {
        struct pr_quick_clock clock = {0};
        warm_up(&clock);
        watch(&clock, breaks[i]);
    }
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(it_tells_the_time_from_the_first_look_on);
    RUN(it_reads_the_counter_when_the_rate_is_known);
    RUN(counters_that_jump_do_no_harm);
    return harness_end();
}
