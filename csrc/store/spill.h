/* When the heap is full: objects nobody has used for a while go to files, and come back when
 * somebody asks. This is the part inside transactions; store/spill_io.h reads and writes.
 *
 *   spill     pr_spill_choose claims objects for a new file [SPILLING, the file on the slot's list
 *             `writing`]; their bytes are written outside the lock; pr_spill_end takes the blocks
 *             from those that nobody has pinned meanwhile [SPILLED]
 *   restore   pr_restore_begin takes a block and a pin [RESTORING, on the slot's list `restoring`];
 *             the bytes are read outside the lock; pr_restore_end makes the object as it was
 *   again     the file keeps the bytes of what was restored [COPIED]: since objects never change,
 *             to spill it again is to take its block, and nothing is written. When the disk is
 *             full, pr_spill_drop_copies gives such bytes up
 *   crash     SPILLING -> IN_PLACE, RESTORING -> SPILLED: nothing is lost. The file of a half-done
 *             spilling is deleted
 *
 * The process that needs the room does this itself, in its own claim; there is no process for it.
 * Readers need not care that an object is SPILLING. If the last reference goes meanwhile, the
 * memory is given back when the writer is done with it. Readers that do not pin copy the bytes out
 * and ask pr_get_held afterwards.
 *
 * Who is chosen: a hand goes round the heap from top to bottom over the blocks (a clock). Unpinned
 * sealed objects it meets are taken, but those that were read since it last came along are spared
 * once. Since neighbours go together, what they leave is one run of free memory.
 *
 * Files: each is written once, from one round of choosing, so that small objects share a file. Its
 * name is a number that is never used again. Where an object lies in it, and a checksum, are in the
 * object's entry: the file has no structure of its own, so there is nothing in it to misread. A
 * file whose last object is gone is put on the list of dead files, for deleting it is a system
 * call: the supervisor does that, and whoever finds the disk full.
 */
#ifndef PYRAY_STORE_SPILL_H
#define PYRAY_STORE_SPILL_H

#include "base/checksum.h"
#include "store/store.h"

#define PR_POOL_FILE 11u
#define PR_SPILL_SCAN 64u         /* blocks looked at in one transaction */
#define PR_SPILL_BATCH (8u << 20) /* write at least so much at a time, if there is so much */

enum pr_file_state { PR_FILE_FREE, PR_FILE_WRITING, PR_FILE_LIVE, PR_FILE_DEAD };

struct pr_file {
    uint32_t link; /* free list; its slot's list while WRITING; the list of dead files */
    uint32_t previous;
    uint32_t state;
    uint32_t claim;   /* slot, while WRITING */
    uint32_t objects; /* SPILLING into it */
    uint32_t live;    /* objects whose bytes are here: SPILLED, RESTORING or COPIED */
    uint64_t number;  /* its name */
};

static inline const struct pr_file *pr_file_at(const struct pr_context *ctx, pr_index file)
{
    return pr_entry(ctx, PR_POOL_FILE, file);
}

/* One object on its way to a file. */
struct pr_spill_item {
    struct pr_ref ref;
    uint64_t heap_offset;
    uint64_t size_bytes;
    uint64_t file_offset;
    uint64_t checksum;
};

/* One round of spilling, private to the process that does it. The caller sets `need_bytes`, `items`
 * and `room`, the rest to zero. */
struct pr_spill {
    uint64_t need_bytes; /* the free run that is wanted */
    struct pr_spill_item *items;
    uint32_t room;

    uint32_t count;
    pr_index file;
    uint64_t number;
    uint64_t bytes;    /* in blocks of the objects chosen, or taken from the heap at once */
    uint64_t examined; /* blocks */
    uint32_t run;      /* units that are free or chosen, up to where the hand stands */
    pr_index hand;     /* where this round left it */

    uint32_t written; /* items that are written completely, from the last one down */
    uint64_t done_bytes;
    uint64_t file_bytes;
    struct pr_checksum sum;
    int fd; /* 0: no file is open */
    int error;
};

/* PR_OK: `count` objects have been claimed, to be written and ended or aborted; with none, room was
 * made without. PR_EMPTY: there is nothing that could be spilled. */
PR_MUST_CHECK enum pr_status pr_spill_choose(struct pr_context *ctx, struct pr_spill *spill);
PR_MUST_CHECK enum pr_status pr_spill_end(struct pr_context *ctx, const struct pr_spill *spill);
/* Gives up the bytes in files that are in the heap as well. PR_EMPTY: there were none. */
PR_MUST_CHECK enum pr_status pr_spill_drop_copies(struct pr_context *ctx);
/* Gives all claims back; the file becomes a dead one. */
PR_MUST_CHECK enum pr_status pr_spill_abort(struct pr_context *ctx, const struct pr_spill *spill);

/* One object on its way back. */
struct pr_restore {
    struct pr_ref ref;
    uint32_t kind; /* as in struct pr_fetched */
    uint32_t flags;
    uint64_t size_bytes;
    uint64_t number; /* of the file */
    uint64_t file_offset;
    uint64_t checksum;
    uint64_t heap_offset; /* of its new block */
    pr_index edge;

    uint64_t done_bytes;
    struct pr_checksum sum;
    int fd; /* 0: no file is open */
    int error;
};

/* PR_OK: the object has a block and a local pin, to be read and ended. PR_FULL: no room for it.
 * PR_PENDING: another process is about it. PR_STATE: it is in the heap. */
PR_MUST_CHECK enum pr_status pr_restore_begin(struct pr_context *ctx, struct pr_ref ref,
                                              struct pr_restore *restore);
/* Where the bytes are, for reading them into private memory. PR_STATE: in the heap. */
PR_MUST_CHECK enum pr_status pr_restore_locate(struct pr_context *ctx, struct pr_ref ref,
                                               struct pr_restore *restore);
/* With `complete` the object is in the heap again and the pin stays, to be given back with
 * pr_unpin; without, the object is SPILLED as before and the pin is gone. */
PR_MUST_CHECK enum pr_status pr_restore_end(struct pr_context *ctx,
                                            const struct pr_restore *restore, bool complete);

/* The number of a dead file, then, when it is deleted, the end of its entry. */
PR_MUST_CHECK enum pr_status pr_file_dead(struct pr_context *ctx, uint64_t *number);
PR_MUST_CHECK enum pr_status pr_file_forget(struct pr_context *ctx, uint64_t number);

/* Inside a transaction: */

/* A claim of a dead process, in bounded steps: true when the file is off the slot's list. */
bool pr_spill_repair(struct pr_context *ctx, pr_index file);
void pr_restore_repair(struct pr_context *ctx, pr_index object);
/* A SPILLING object stays where it is; one that was let go of meanwhile can be freed now. */
void pr_spill_release(struct pr_context *ctx, pr_index object);
/* A SPILLED or COPIED object is being freed, or is not to be COPIED: its file has one less. */
void pr_spill_forget(struct pr_context *ctx, pr_index object);
/* Walks everything. PR_CORRUPT, with *what set to the broken rule. */
PR_MUST_CHECK enum pr_status pr_spill_audit(const struct pr_context *ctx, const char **what);

#endif
