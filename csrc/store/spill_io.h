/* The bytes of spilled objects on their way to files and back, outside transactions.
 *
 * pr_spill_write and pr_restore_read do one piece at a time and answer PR_PENDING until all is
 * done, so that the caller can look around between two pieces of a slow disk. They touch nothing
 * but what is claimed, and may run without the GIL. PR_DISK: see `error`, a system error number; 0
 * stands for a file that is too short or has other bytes than were written. */
#ifndef PYRAY_STORE_SPILL_IO_H
#define PYRAY_STORE_SPILL_IO_H

#include "store/spill.h"

#define PR_SPILL_PIECE (4u << 20)

PR_MUST_CHECK enum pr_status pr_spill_write(struct pr_context *ctx, struct pr_spill *spill);

/* Into `target`, or, if that is NULL, into the object's new block. */
PR_MUST_CHECK enum pr_status pr_restore_read(struct pr_context *ctx, struct pr_restore *restore,
                                             uint8_t *target);

/* Closes what an unfinished write or read has open. */
void pr_spill_close(struct pr_spill *spill);
void pr_restore_close(struct pr_restore *restore);

/* Deletes files that hold nothing any more. PR_DISK if one cannot be deleted: it stays on the list.
 */
PR_MUST_CHECK enum pr_status pr_spill_clean(struct pr_context *ctx, int *error);

#endif
