/* The invariants, checked by walking every table. For tests, after repairs in debug builds, and at
 * shutdown.
 *
 *  A1  outside the lock the undo log is empty
 *  A2  blocks tile the heap; free lists hold exactly the free blocks (shm/heap.c)
 *  A3  refs == holders, pins == HELD edges with a pin, for every object;
 *      `pinned` == units in blocks of objects with a pin
 *  A4  SEALED with a block: the block's owner is the object; CREATING: on the claims of a live slot
 *  A5  every task is on the one list that its state says; awaited == its awaited edges == unsealed
 *      arguments
 *  A6  for every resource total == free + held by running tasks, except CPUs that they have lent,
 *      + kept by actors' processes; the same for each GPU; lent_count == tasks that have lent;
 *      bundles of placement groups keep theirs: kept == free + held by the group's users
 *  A7  every edge is on its owner's list; every awaited edge and watch is on its object's list
 *  A8  `used` of every pool == entries not on its free list
 *  A9  for every environment idle, starting and waking counts == its slots in those states;
 *      workers == slots of workers; requests of all environments add up
 *  A10 what has work left is on the list of chores: FAILED and DONE tasks, FREEING objects, sealed
 *      objects with waiters (a freed handle may wait for its actor to end instead, and what is
 *      SPILLING for its writer); nothing else is on these lists
 *  A11 what an actor keeps (a creation that may run again, a name, groups) names the actor; a dead
 *      one keeps nothing; calls in doubt are a restarting actor's, which is on the list of chores
 *  A12 a task marked as cancelled never waits to run, and is not retried
 *  A13 SPILLING: on the list of a file that a slot writes; SPILLED: no block, and counted in a
 *      file; RESTORING: on a slot's list, with a block and a pin, and counted in a file; what is
 *      counted, here and in `leaving` and `spilled_*`, is what is there; files without objects are
 *      on the list of dead files
 *  A14 a stream that is not closed is on its consumer's list; its items are linked from `head` to
 *      `tail`, all sealed but the last, which is open exactly while the task has not ended
 *  A15 every record of a ring lies at the place of its number, which is not more than a round above
 *      the head; a label is in a bucket, and its entries in use are those in buckets
 *  A16 a graph is on its owner's list, a channel on its graph's and, if it is read, on its
 *      reader's; `count` and `tail` fit its QUEUED edges, which hold sealed objects
 */
#ifndef PYRAY_ENGINE_AUDIT_H
#define PYRAY_ENGINE_AUDIT_H

#include "engine/engine.h"

struct pr_accounts {
    uint32_t objects, tasks, actors, edges, blocks, slots, latches, lanes, files, streams, channels;
    uint64_t heap_used_bytes;
};

/* Takes the lock for as long as the walk takes. PR_CORRUPT with *what naming the broken rule.
 * `accounts` may be NULL. */
PR_MUST_CHECK enum pr_status pr_audit(struct pr_context *ctx, struct pr_accounts *accounts,
                                      const char **what);

#endif
