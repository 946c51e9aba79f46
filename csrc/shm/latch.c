#include "shm/latch.h"

#include "base/atomic.h"
#include "os/os.h"
#include "shm/pool.h"

const struct pr_latch *pr_latch_at(const struct pr_context *ctx, pr_index latch)
{
    return pr_entry(ctx, PR_POOL_LATCH, latch);
}

static struct pr_latch *writable_latch(struct pr_context *ctx, pr_index latch)
{
    return pr_writable_at(ctx, pr_latch_at(ctx, latch));
}

uint32_t pr_latch_sequence(const struct pr_context *ctx, pr_index latch)
{
    return pr_load_seq_cst(&pr_latch_at(ctx, latch)->sequence);
}

#define SPIN_NS 25000 /* about what a sleep and a wake across processors cost */
#define SPIN_LOOKS 32 /* between two readings of the clock */
#define SPIN_BACKOFF_MAX 128u

static bool spin(struct pr_latch *latch, uint32_t seen)
{
    uint32_t waker_cpu = pr_load_relaxed(&latch->waker_cpu);
    if (waker_cpu == 0 || waker_cpu == 1 + pr_os_cpu()) return false;
    if (latch->skips > 0) {
        pr_store_relaxed(&latch->skips, latch->skips - 1);
        return false;
    }
    uint64_t until = pr_os_monotonic_ns() + SPIN_NS;
    do {
        for (int i = 0; i < SPIN_LOOKS; i++) {
            if (pr_load_seq_cst(&latch->sequence) != seen) {
                pr_store_relaxed(&latch->backoff, 0);
                return true;
            }
            pr_pause();
        }
    } while (pr_os_monotonic_ns() < until);
    pr_store_relaxed(&latch->backoff, PR_MIN(2 * latch->backoff + 1, SPIN_BACKOFF_MAX));
    pr_store_relaxed(&latch->skips, latch->backoff);
    return false;
}

enum pr_status pr_latch_sleep(struct pr_context *ctx, pr_index index, uint32_t seen,
                              int64_t timeout_ns)
{
    struct pr_latch *latch = writable_latch(ctx, index);
    enum pr_status status = PR_OK;
    if (spin(latch, seen)) return PR_OK;
    /* Full fence between this store and the load below: the waker does the same in the other order,
     * so at least one of the two sees the other. */
    pr_store_seq_cst(&latch->sleeping, 1);
    if (pr_load_seq_cst(&latch->sequence) == seen)
        status = pr_os_futex_wait(&latch->sequence, seen, timeout_ns);
    pr_store_relaxed(&latch->sleeping, 0);
    return status;
}

void pr_latch_wake(struct pr_context *ctx, pr_index index)
{
    struct pr_latch *latch = writable_latch(ctx, index);
    pr_store_relaxed(&latch->waker_cpu, 1 + pr_os_cpu());
    pr_add_seq_cst(&latch->sequence, 1);
    if (pr_load_seq_cst(&latch->sleeping) != 0) pr_os_futex_wake(&latch->sequence, 1);
}

void pr_latch_wake_all(struct pr_context *ctx)
{
    uint32_t high_water = pr_load_relaxed(&ctx->header->pools[PR_POOL_LATCH].high_water);
    for (pr_index latch = 1; latch < high_water; latch++) pr_latch_wake(ctx, latch);
}
