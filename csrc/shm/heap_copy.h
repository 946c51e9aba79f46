/* Bringing payload bytes into the heap at the speed the machine allows.
 *
 * What a write costs depends on the page (measured in ARCHITECTURE.md): a fresh page written
 * through a mapping is allocated, zeroed and faulted; pwrite skips the zeroing and the fault; a
 * page that this process has mapped before takes a plain memcpy. So each process remembers, per 64
 * KiB granule, how far it got:
 *
 *   UNTOUCHED --pwrite--> WRITTEN --populate + memcpy--> MAPPED --memcpy--> MAPPED
 *
 * Small writes go straight to MAPPED. Errors (no memory, no room) come back as a status: never as
 * SIGBUS. The bytes belong to a block claimed by this process; nobody else looks at them before
 * they are sealed.
 */
#ifndef PYRAY_SHM_HEAP_COPY_H
#define PYRAY_SHM_HEAP_COPY_H

#include "shm/segment.h"

/* May block for as long as the copy takes; uses two threads above PR_COPY_PARALLEL_BYTES. */
PR_MUST_CHECK enum pr_status pr_heap_write(struct pr_context *ctx, uint64_t offset,
                                           const void *source, uint64_t size_bytes);

/* Commits and maps the pages of a claimed block, so that its bytes can be written in place, at
 * ctx->heap_writable + offset. */
PR_MUST_CHECK enum pr_status pr_heap_open(struct pr_context *ctx, uint64_t offset,
                                          uint64_t size_bytes);

/* Whether this process has mapped all pages of a range: then others may write there for it. */
bool pr_heap_is_mapped(const struct pr_context *ctx, uint64_t offset, uint64_t size_bytes);

/* Forgets which pages this process has touched: in a forked child, and before detaching. */
void pr_heap_forget(struct pr_context *ctx);

#define PR_COPY_PARALLEL_BYTES (8u << 20)

#endif
