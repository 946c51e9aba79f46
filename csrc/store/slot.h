/* Process slots: what a process of the session holds, so that it can be given back when it dies.
 * Every list below is changed in the same transaction as the thing it lists. */
#ifndef PYRAY_STORE_SLOT_H
#define PYRAY_STORE_SLOT_H

#include "shm/pool.h"

#define PR_POOL_SLOT 4u

enum pr_slot_state {
    PR_SLOT_EMPTY,
    PR_SLOT_STARTING, /* process asked for or forked, has not said hello */
    PR_SLOT_BUSY,     /* runs Python: a driver, or a worker with a task */
    PR_SLOT_IDLE,     /* asleep, on the list of idle workers (an actor's process: not on it) */
    PR_SLOT_WAKING,   /* taken off the idle list, told to look for work */
    PR_SLOT_DEAD,     /* being swept */
};
enum pr_slot_kind { PR_SLOT_DRIVER = 1, PR_SLOT_SUPERVISOR, PR_SLOT_WORKER };
enum {
    PR_REQUEST_EXIT = 1,
    PR_REQUEST_KILL = 2,
    PR_REQUEST_INTERRUPT = 4,
    PR_REQUEST_ORPHAN = 8, /* says why it is killed: its job has ended */
};

/* What a task or an actor's process has of the resources, beside amounts: means something while it
 * has them, and its class asks for such. */
struct pr_holding {
    uint64_t gpus; /* bit by id */
    uint32_t bundle;
    uint32_t reserved;
};

struct pr_slot {
    uint32_t link; /* free list, or next idle worker */
    uint32_t generation;
    uint32_t state;
    uint32_t kind;
    uint32_t process_id;
    uint32_t latch;      /* the one its main loop sleeps on */
    uint32_t latches;    /* all of them */
    uint32_t held;       /* HELD edges */
    uint32_t creating;   /* objects whose payload it is writing */
    uint32_t running;    /* tasks it executes */
    uint32_t submitting; /* tasks it has not finished submitting */
    uint32_t actor;      /* which actor lives here, or none */
    uint32_t idle_previous;
    uint32_t requests;
    uint32_t wait_status; /* how it died, as waitpid tells */
    uint32_t shape;       /* resources that its actor keeps, given back by the sweep; or none */
    uint32_t environment; /* a worker's; none: the job's */
    uint32_t cause;       /* why it died; enum pr_cause */
    struct pr_holding holding; /* of `shape` */
    uint64_t tasks_finished;
    struct pr_ref words; /* a text about its death, held by who sweeps; or none */
    uint32_t free_retry; /* its death costs its tasks none of the retries */
    uint32_t writing;    /* spill files that it writes */
    uint32_t restoring;  /* objects whose bytes it reads back from files */
    uint32_t streams;    /* whose items it takes */
    uint32_t channels;   /* that it reads: engine/channel.h */
    uint32_t graphs;     /* that it has made */
    uint32_t job;        /* whose driver this is, or for whose tasks; none: it only looks */
    uint32_t reserved;
    uint64_t reserved2[7];
};
_Static_assert(sizeof(struct pr_slot) == 192, "three cache lines");

static inline const struct pr_slot *pr_slot_at(const struct pr_context *ctx, pr_index slot)
{
    return pr_entry(ctx, PR_POOL_SLOT, slot);
}

#endif
