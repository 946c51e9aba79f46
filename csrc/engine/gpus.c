#include "engine/gpus.h"

/* Of those with room for a fraction, the fullest: whole ones stay whole. */
static uint64_t choose_part(const int64_t *free, uint32_t count, uint64_t among, int64_t amount)
{
    uint32_t best = PR_GPU_MAX;
    for (uint32_t i = 0; i < count; i++)
        if ((among >> i & 1) && free[i] >= amount && (best == PR_GPU_MAX || free[i] < free[best]))
            best = i;
    return best == PR_GPU_MAX ? 0 : UINT64_C(1) << best;
}

uint64_t pr_gpus_choose(const int64_t *free, uint32_t count, uint64_t among, int64_t amount)
{
    if (amount < PR_RESOURCE_UNIT) return choose_part(free, count, among, amount);
    uint64_t chosen = 0;
    for (uint32_t i = 0; i < count && amount > 0; i++) {
        if (!(among >> i & 1) || free[i] != PR_RESOURCE_UNIT) continue;
        chosen |= UINT64_C(1) << i;
        amount -= PR_RESOURCE_UNIT;
    }
    return amount > 0 ? 0 : chosen;
}

void pr_gpus_add(struct pr_context *ctx, const int64_t *free, uint64_t gpus, int64_t amount)
{
    int64_t each = PR_MAX(-PR_RESOURCE_UNIT, PR_MIN(amount, PR_RESOURCE_UNIT));
    for (uint32_t i = 0; i < pr_engine_root(ctx)->gpu_count; i++)
        if (gpus >> i & 1) TX_SET(ctx, free[i], free[i] + each);
}
