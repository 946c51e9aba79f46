/* Which GPUs an amount of them is. Inside a transaction. */
#ifndef PYRAY_ENGINE_GPUS_H
#define PYRAY_ENGINE_GPUS_H

#include "engine/engine.h"

/* Of the GPUs in `among`, with so much of each free, those for this amount, bit by id: whole ones,
 * or one that has room for a fraction. 0: they are not free. */
uint64_t pr_gpus_choose(const int64_t *free, uint32_t count, uint64_t among, int64_t amount);

/* Adds the amount, a fraction or a number of whole ones, to what is free of these. */
void pr_gpus_add(struct pr_context *ctx, const int64_t *free, uint64_t gpus, int64_t amount);

#endif
