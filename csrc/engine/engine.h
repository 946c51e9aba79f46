/* Tasks, actors and processes: the tables and the operations of the engine.
 *
 * task     SUBMITTING[claim submitter] -> WAITING (arguments not sealed) -> READY (on its class's
 *          queue, or in its actor's mailbox) -> RUNNING[claim worker] -> DONE (edges dropped in
 *          bounded steps) -> FREE
 *          a worker's death: RUNNING -> READY while retries are left, else FAILED (results sealed
 *          with the failure in bounded steps) -> DONE
 *          cancelled: WAITING or READY -> FAILED at once; RUNNING: cancel.h
 * worker   STARTING -> WAKING/BUSY <-> IDLE -> DEAD -> EMPTY
 * actor    PENDING (its creation task has not finished) -> ALIVE -> ENDING (no handle and no call
 *          left: its process is asked to end) -> DEAD (the mailbox is failed in bounded steps; the
 *          entry goes with the last holder of the handle object, which calls hold as well)
 *          a kill, or the actor's own wish: any of them -> DEAD at once; the process follows
 *          a death of the process: PENDING or ALIVE -> RESTARTING while restarts are left: calls
 *          that may run again are queued again, the others fail, then its creation task, KEPT
 *          meanwhile, becomes READY -> ALIVE
 *
 * Resources are taken in the transaction that makes a task RUNNING and given back in the one that
 * ends it. A task that waits in get() lends its CPUs (PR_TASK_LENT) and takes them back
 * afterwards even if that makes `free` negative for a while: so nested tasks cannot deadlock.
 *
 * Who may write what: any process of the session, inside a transaction. Only the supervisor turns
 * spawn requests into slots and sweeps dead ones.
 */
#ifndef PYRAY_ENGINE_ENGINE_H
#define PYRAY_ENGINE_ENGINE_H

#include "shm/latch.h"
#include "store/spill.h"

#define PR_POOL_TASK 5u
#define PR_POOL_ACTOR 6u
#define PR_POOL_LANE 7u
#define PR_POOL_CLASS 8u
#define PR_POOL_NAME 9u
#define PR_POOL_ENVIRONMENT 10u
#define PR_POOL_STREAM 12u
#define PR_POOL_PLACEMENT 13u
#define PR_POOL_BUNDLE 14u
#define PR_POOL_NOTE 16u /* follows PR_POOL_TASK */
#define PR_POOL_LABEL 17u
#define PR_POOL_GRAPH 18u
#define PR_POOL_CHANNEL 19u
#define PR_POOL_EVENT 20u /* this and those behind it are rings: shm/ring.h */
#define PR_POOL_TEXT 21u
#define PR_POOL_ENDED 22u
#define PR_POOL_SPAN 23u
#define PR_POOLS 24u /* with PR_POOL_FILE and PR_POOL_BIRTH */

#define PR_TASK_INLINE 104u
#define PR_NAME_BYTES 32u
#define PR_DEMAND_MAX 8u
#define PR_RESOURCE_MAX 32u
#define PR_GPU_MAX 64u
#define PR_BUNDLE_MAX 128u /* in one placement group */
#define PR_PLACEMENT_NAME 64u
#define PR_CLASS_BUCKETS 512u
#define PR_NAME_BUCKETS 128u
#define PR_NAME_TEXT 232u /* an actor's namespace and name together, in bytes */
#define PR_LABEL_BUCKETS 64u
#define PR_GROUP_MAX 32u   /* concurrency groups of an actor, the default one included */
#define PR_GROUP_SHIFT 27u /* a call's group is in its task's flags */
#define PR_STEP_RESULTS 16u
#define PR_RESOURCE_UNIT 10000 /* amounts are in 1/10000 */
#define PR_START_LIMIT_PER_CPU 1u
#define PR_FIRST_JOB 1u /* of the driver that made the session, whose crew is in the root */

enum pr_task_state {
    PR_TASK_FREE,
    PR_TASK_SUBMITTING,
    PR_TASK_WAITING,
    PR_TASK_READY,
    PR_TASK_RUNNING,
    PR_TASK_FAILED,
    PR_TASK_DONE,
    PR_TASK_KEPT, /* an actor's creation that runs again if the actor restarts */
};
enum pr_task_flag {
    PR_TASK_CREATES_ACTOR = 1,
    PR_TASK_OF_ACTOR = 2,   /* a method call */
    PR_TASK_LENT = 4,       /* its resources are lent while it waits */
    PR_TASK_HOLDS = 8,      /* its resources are taken */
    PR_TASK_IN_LANE = 16,   /* waits in its caller's lane of an actor */
    PR_TASK_KEEPS = 32,     /* an actor keeps its creation's resources for life */
    PR_TASK_CANCELLED = 64, /* while it runs or is submitted: ray.cancel, see cancel.h */
    PR_TASK_TOLD = 128,     /* its process has taken note of that */
    PR_TASK_CANCEL_CHILDREN = 256,
    PR_TASK_STREAMS = 512,   /* has a stream, see stream.h */
    PR_TASK_CAPTURES = 1024, /* tasks that it submits go to its placement group */
    PR_TASK_OUTLIVES = 2048, /* creates a detached actor, or descends from one: see jobs.h */
};

struct pr_task {
    uint32_t link; /* free list, queue, lane, a slot's lists, chores: one at a time */
    uint32_t generation;
    uint32_t previous;
    uint32_t state;
    uint32_t flags;
    uint32_t function;  /* object */
    uint32_t arguments; /* object, or none: the bytes are in `value` */
    uint32_t edges;     /* ARGUMENT edges */
    uint32_t awaited;   /* how many of them are not sealed */
    uint32_t results;   /* first of its result objects */
    uint32_t next_result;
    uint32_t result_count;
    uint32_t shape;       /* resource class */
    int32_t retries_left; /* -1: for ever */
    uint32_t attempt;
    uint32_t claim; /* slot, while SUBMITTING or RUNNING */
    uint32_t actor;
    uint32_t submitter;
    uint32_t submitter_generation;
    uint32_t size_bytes; /* of `value` */
    uint64_t serial;     /* unique in the session: the task's id */
    uint64_t started_ns;
    char name[PR_NAME_BYTES];
    uint8_t value[PR_TASK_INLINE];
    uint64_t parent;           /* serial of the task that submitted it, 0: none */
    struct pr_holding holding; /* while HOLDS is set */
    uint32_t stream;           /* with PR_TASK_STREAMS */
    uint32_t reserved;
};
_Static_assert(sizeof(struct pr_task) == 264, "close to four cache lines");

/* Results that a task publishes while it runs: stream.h. */
struct pr_stream {
    uint32_t link; /* next one of its consumer's slot, or free list */
    uint32_t generation;
    uint32_t previous;
    uint32_t consumer; /* slot, or none: closed */
    uint32_t task;     /* or none: it has ended */
    uint32_t head;     /* next item to be taken */
    uint32_t tail;     /* the open item; when the task has ended, the mark of the end */
    uint32_t limit;    /* most items that are published and not taken; 0: no limit */
    uint32_t latch;    /* where the producer waits for room, or none */
    uint32_t reserved;
    uint64_t published;
    uint64_t taken;
    uint64_t reserved2;
};
_Static_assert(sizeof(struct pr_stream) == 64, "one cache line");

enum pr_graph_state { PR_GRAPH_FREE, PR_GRAPH_OPEN, PR_GRAPH_CLOSED };

/* A compiled graph: channel.h. */
struct pr_graph {
    uint32_t link; /* next one of its owner's slot, or free list */
    uint32_t generation;
    uint32_t previous;
    uint32_t state;
    uint32_t owner;    /* slot */
    uint32_t channels; /* list */
    uint32_t latch;    /* where the owner waits for the readers to leave, or none */
    uint32_t reserved;
    struct pr_ref failed; /* handle of the actor whose death has closed it, or none */
    uint64_t reserved2[3];
};
_Static_assert(sizeof(struct pr_graph) == 64, "one cache line");

struct pr_channel {
    uint32_t link; /* next one of its graph, or free list */
    uint32_t generation;
    uint32_t graph;  /* none: free */
    uint32_t reader; /* slot, or none; which has it on its list of channels: */
    uint32_t reader_next;
    uint32_t reader_previous;
    uint32_t head; /* QUEUED edges, the last value first */
    uint32_t tail; /* the oldest of them */
    uint32_t count;
    uint32_t latch; /* where the reader waits, or none */
    uint64_t reserved[3];
};
_Static_assert(sizeof(struct pr_channel) == 64, "one cache line");

enum pr_actor_state {
    PR_ACTOR_FREE,
    PR_ACTOR_PENDING,
    PR_ACTOR_ALIVE,
    PR_ACTOR_ENDING,
    PR_ACTOR_DEAD,
    PR_ACTOR_RESTARTING,
};
enum pr_actor_flag {
    PR_ACTOR_DETACHED = 1,     /* lives without handles: holds one itself */
    PR_ACTOR_OUT_OF_ORDER = 2, /* a call does not wait for earlier ones of its caller */
    PR_ACTOR_OUTLIVES = 4,     /* its creation was PR_TASK_OUTLIVES */
};

/* The handle object (PR_FLAG_HOOK) carries the handles' references; the actor's entry lives as long
 * as it. */
struct pr_actor {
    uint32_t link; /* free list, chores */
    uint32_t generation;
    uint32_t state;
    uint32_t handle; /* object */
    uint32_t slot;   /* its process, once the creation task runs */
    uint32_t head;   /* mailbox: READY calls, in order */
    uint32_t tail;
    uint32_t pending; /* calls not finished, creation included */
    uint32_t lanes;   /* callers with a call that waits for its arguments */
    uint32_t on_chores;
    uint32_t creation; /* result object of the creation task: says why construction failed */
    uint32_t cause;    /* enum pr_cause, once DEAD */
    uint32_t wait_status;
    uint32_t process_id;
    uint32_t flags;      /* enum pr_actor_flag */
    uint32_t doubt_head; /* what the mailbox held when the process died: to be failed or kept */
    uint32_t doubt_tail;
    uint32_t groups; /* mailboxes of its concurrency groups but the default one */
    uint32_t task;   /* its creation task while KEPT, or none */
    int32_t restarts_left;
    uint32_t restarts; /* so far */
    uint32_t name;     /* entry of the names, or none */
    uint32_t words;    /* object with a text about the death of its process, or none */
    uint32_t label;    /* of its creation: engine/labels.h */
    uint64_t created_ns;
    uint32_t shape;           /* of its creation */
    uint32_t recent_restarts; /* since this time, which wraps: */
    uint32_t recent_since_ms;
    uint32_t left_slot; /* it left by itself, and calls may still run in this process; or none */
    uint32_t left_generation;
    uint32_t job;
};
_Static_assert(sizeof(struct pr_actor) == 128, "two cache lines");

/* Calls of one caller that must wait behind one whose arguments are not ready; or the mailbox of a
 * concurrency group, whose number is `caller`. */
struct pr_lane {
    uint32_t link;
    uint32_t previous;
    uint32_t actor;
    uint32_t caller;
    uint32_t caller_generation;
    uint32_t head;
    uint32_t tail;
    uint32_t doubt_head; /* of a group, as in the actor */
    uint32_t doubt_tail;
    uint32_t reserved[3];
};

/* A named actor: found by hash of namespace and name. */
struct pr_name {
    uint32_t link; /* next of its bucket */
    uint32_t actor;
    uint32_t about;      /* object that says how to call the actor; held */
    uint32_t space_size; /* bytes of the namespace at the start of `text`; the name follows */
    uint32_t name_size;
    uint32_t reserved;
    uint8_t text[PR_NAME_TEXT];
};
_Static_assert(sizeof(struct pr_name) == 256, "four cache lines");

struct pr_demand {
    uint32_t resource;
    uint32_t reserved;
    int64_t amount;
};

/* Tasks with equal demands and of one environment share a class and a queue, first come first
 * served. */
struct pr_class {
    uint32_t link; /* next class of its bucket */
    uint32_t head;
    uint32_t tail;
    uint32_t count;
    uint32_t demand_count;
    uint32_t environment; /* whose workers run it, or none: the job's */
    uint32_t placement;   /* group whose bundles it takes from, or none */
    uint32_t bundle;      /* which of them, counted from 1; 0: any */
    int64_t gpus;         /* the amount of GPUs among the demands */
    struct pr_demand demand[PR_DEMAND_MAX];
};

enum pr_placement_state {
    PR_PLACEMENT_FREE,
    PR_PLACEMENT_PENDING,
    PR_PLACEMENT_CREATED,
    PR_PLACEMENT_REMOVED,
    PR_PLACEMENT_INFEASIBLE,
};
enum pr_placement_strategy { PR_PACK, PR_SPREAD, PR_STRICT_PACK, PR_STRICT_SPREAD };

struct pr_share {
    uint32_t resource;
    uint32_t reserved;
    int64_t amount; /* what was asked for */
    int64_t kept;   /* taken from everybody's */
    int64_t free;   /* of that */
};

struct pr_bundle {
    uint32_t link; /* next of its group, or free list */
    uint32_t placement;
    uint32_t number;
    uint32_t share_count;
    uint64_t gpus; /* bit by id */
    struct pr_share share[PR_DEMAND_MAX];
};

/* A placement group; see placement.h. */
struct pr_placement {
    uint32_t link; /* free list, or list of pending groups */
    uint32_t generation;
    uint32_t previous;
    uint32_t state;
    uint32_t strategy;
    uint32_t bundles; /* the first */
    uint32_t bundle_count;
    uint32_t users; /* tasks, and processes that keep what they took */
    uint32_t job;
    uint32_t is_detached; /* does not end with the job */
    char name[PR_PLACEMENT_NAME];
};

/* Workers of one environment, and those of them that are on the way. */
struct pr_crew {
    uint32_t idle_head; /* last to become idle is first to be woken */
    uint32_t idle_tail;
    uint32_t idle_count;
    uint32_t spawn_requests; /* workers wanted that have no slot yet */
    uint32_t starting;       /* slots STARTING */
    uint32_t waking;         /* slots WAKING */
};

/* What workers of a job, or of a task's runtime_env in it, are set up with. Given back when the job
 * has ended and nothing of it is left. */
struct pr_environment {
    uint32_t link;        /* next one */
    uint32_t description; /* object that says what it is; workers read it */
    uint32_t job;
    uint32_t reserved;
    uint64_t hash[2];
    struct pr_crew crew;
};

struct pr_resource {
    char name[PR_NAME_BYTES];
    int64_t total;
    int64_t free;
};

struct pr_engine_root {
    uint32_t ending; /* session is shutting down; stored once, outside transactions */
    uint32_t driver;
    uint32_t supervisor;
    uint32_t jobs;         /* how many drivers there have been: the number of the last job */
    uint32_t turn;         /* environment, counted from 1, whose worker comes next: sched.c; or 0 */
    struct pr_crew crew;   /* of the first job's environment */
    uint32_t environments; /* list of the others */
    uint32_t worker_count; /* slots of kind WORKER that are not EMPTY */
    uint32_t worker_limit;
    uint32_t spawn_requests; /* of all crews */
    uint32_t start_limit;
    uint32_t ready_count; /* tasks on class queues */
    uint32_t class_count;
    uint32_t class_cursor;
    uint32_t resource_count;
    uint32_t lent_count;      /* tasks that wait and have lent their resources */
    uint32_t help_from;       /* as many of them, and tasks help each other (engine/help.h) */
    uint32_t signal_requests; /* the supervisor looks for slots that ask for a signal */
    uint32_t cpu, gpu;        /* which resources these are, counted from 1; 0: there is none */
    uint32_t gpu_count;
    uint32_t restart_limit;     /* most restarts of an actor within the window; 0: any number */
    uint32_t restart_window_ms; /* which begins with the first of them */
    uint32_t pending_head, pending_tail; /* placement groups that wait for resources */
    uint32_t pending_next;               /* where the search for those that fit goes on, or none */
    uint32_t pending_again; /* it begins anew afterwards: something was given back meanwhile */
    uint64_t serial;
    uint64_t submitted, finished, failed, retried, deaths;
    struct pr_resource resources[PR_RESOURCE_MAX];
    int64_t gpus[PR_GPU_MAX];                 /* what is free of each */
    int64_t gpus_in_bundles[PR_GPU_MAX];      /* and of those that bundles have whole */
    uint32_t class_buckets[PR_CLASS_BUCKETS]; /* classes by hash of their demands */
    uint32_t name_buckets[PR_NAME_BUCKETS];   /* names by hash */
    uint32_t label_buckets[PR_LABEL_BUCKETS]; /* labels by hash */
    uint64_t event_head, text_head, ended_head, span_head; /* of the rings: last numbers */
};
_Static_assert(sizeof(struct pr_engine_root) + PR_ENGINE_ROOT_OFFSET <= PR_ROOT_SIZE, "root 1");

/* Why a result is a failure of the system and not of the user's code. */
enum pr_cause {
    PR_CAUSE_NONE,
    PR_CAUSE_WORKER_DIED,
    PR_CAUSE_ACTOR_DIED,     /* its process died */
    PR_CAUSE_ACTOR_KILLED,   /* ray.kill */
    PR_CAUSE_ACTOR_CREATION, /* the constructor raised; `detail` is the creation's result */
    PR_CAUSE_ACTOR_EXITED,   /* exit_actor, or no handle left */
    PR_CAUSE_OWNER_DIED,
    PR_CAUSE_CANCELLED,
    PR_CAUSE_STORE_FULL,        /* not even the task's error found room */
    PR_CAUSE_ACTOR_UNAVAILABLE, /* its process died and it restarts; the call is not repeated */
    PR_CAUSE_OUT_OF_MEMORY,     /* its process was stopped because memory was short */
    PR_CAUSE_ACTOR_OUT_OF_MEMORY,
    PR_CAUSE_STREAM_ENDED,      /* the mark at the end of a stream */
    PR_CAUSE_PLACEMENT_REMOVED, /* its placement group was removed */
    PR_CAUSE_ACTOR_PLACEMENT_REMOVED,
    PR_CAUSE_ACTOR_RESTARTS,  /* its process died, and it had restarted too often */
    PR_CAUSE_ACTOR_JOB_ENDED, /* the driver of its job has gone */
};

static inline bool pr_cause_is_of_actor(uint32_t cause)
{
    switch (cause) {
    case PR_CAUSE_ACTOR_DIED:
    case PR_CAUSE_ACTOR_KILLED:
    case PR_CAUSE_ACTOR_CREATION:
    case PR_CAUSE_ACTOR_EXITED:
    case PR_CAUSE_ACTOR_UNAVAILABLE:
    case PR_CAUSE_ACTOR_OUT_OF_MEMORY:
    case PR_CAUSE_ACTOR_PLACEMENT_REMOVED:
    case PR_CAUSE_ACTOR_RESTARTS:
    case PR_CAUSE_ACTOR_JOB_ENDED: return true;
    default: return false;
    }
}

#define PR_KIND_FAILURE 255u /* the kind of an object whose value is a struct pr_failure */

struct pr_failure {
    uint16_t cause;
    uint16_t wait_status; /* as waitpid tells; no more than 16 bits are in use */
    uint32_t process_id;
    union {
        uint32_t ran_ms;     /* of a task */
        struct pr_ref actor; /* its handle, or none: pr_cause_is_of_actor */
    };
    struct pr_ref detail;
    char name[PR_NAME_BYTES];
};
_Static_assert(sizeof(struct pr_failure) <= PR_INLINE_BYTES, "a failure is an inline value");
_Static_assert(sizeof(struct pr_failure) <= PR_TASK_INLINE,
               "and waits in its task until it is sealed");

static inline const struct pr_engine_root *pr_engine_root(const struct pr_context *ctx)
{
    return (const struct pr_engine_root *)((const uint8_t *)pr_root(ctx, 1) +
                                           PR_ENGINE_ROOT_OFFSET);
}
static inline const struct pr_task *pr_task_at(const struct pr_context *ctx, pr_index task)
{
    return pr_entry(ctx, PR_POOL_TASK, task);
}
static inline const struct pr_actor *pr_actor_at(const struct pr_context *ctx, pr_index actor)
{
    return pr_entry(ctx, PR_POOL_ACTOR, actor);
}
static inline const struct pr_lane *pr_lane_at(const struct pr_context *ctx, pr_index lane)
{
    return pr_entry(ctx, PR_POOL_LANE, lane);
}
static inline const struct pr_name *pr_name_at(const struct pr_context *ctx, pr_index name)
{
    return pr_entry(ctx, PR_POOL_NAME, name);
}
static inline const struct pr_stream *pr_stream_at(const struct pr_context *ctx, pr_index stream)
{
    return pr_entry(ctx, PR_POOL_STREAM, stream);
}
static inline const struct pr_graph *pr_graph_at(const struct pr_context *ctx, pr_index graph)
{
    return pr_entry(ctx, PR_POOL_GRAPH, graph);
}
static inline const struct pr_channel *pr_channel_at(const struct pr_context *ctx, pr_index channel)
{
    return pr_entry(ctx, PR_POOL_CHANNEL, channel);
}
static inline const struct pr_class *pr_class_at(const struct pr_context *ctx, pr_index shape)
{
    return pr_entry(ctx, PR_POOL_CLASS, shape);
}
static inline const struct pr_placement *pr_placement_at(const struct pr_context *ctx,
                                                         pr_index group)
{
    return pr_entry(ctx, PR_POOL_PLACEMENT, group);
}
static inline const struct pr_bundle *pr_bundle_at(const struct pr_context *ctx, pr_index bundle)
{
    return pr_entry(ctx, PR_POOL_BUNDLE, bundle);
}
static inline const struct pr_environment *pr_environment_at(const struct pr_context *ctx,
                                                             pr_index environment)
{
    return pr_entry(ctx, PR_POOL_ENVIRONMENT, environment);
}
static inline uint32_t pr_job_of(const struct pr_context *ctx, pr_index environment)
{
    return environment == PR_NONE ? PR_FIRST_JOB : pr_environment_at(ctx, environment)->job;
}
static inline const struct pr_crew *pr_crew_of(const struct pr_context *ctx, pr_index environment)
{
    return environment == PR_NONE ? &pr_engine_root(ctx)->crew
                                  : &pr_environment_at(ctx, environment)->crew;
}

#endif
