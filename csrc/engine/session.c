#include "engine/session.h"

#include <string.h>

#include "engine/chores.h"
#include "engine/events.h"
#include "engine/repair.h"
#include "engine/sched.h"

static const struct pr_pool_plan large_tables[PR_POOLS] = {
    [PR_POOL_LATCH] = {sizeof(struct pr_latch), 16384, 256},
    [PR_POOL_BLOCK] = {sizeof(struct pr_block), 4u << 20, 1024},
    [PR_POOL_OBJECT] = {sizeof(struct pr_object), 6u << 20, 1024, .follower = PR_POOL_BIRTH},
    [PR_POOL_EDGE] = {sizeof(struct pr_edge), 24u << 20, 1024},
    [PR_POOL_SLOT] = {sizeof(struct pr_slot), 4096, 256},
    [PR_POOL_TASK] = {sizeof(struct pr_task), 4u << 20, 256, .follower = PR_POOL_NOTE},
    [PR_POOL_ACTOR] = {sizeof(struct pr_actor), 64u << 10, 256},
    [PR_POOL_LANE] = {sizeof(struct pr_lane), 64u << 10, 128},
    [PR_POOL_CLASS] = {sizeof(struct pr_class), 64u << 10, 128},
    [PR_POOL_STREAM] = {sizeof(struct pr_stream), 1u << 20, 128},
    [PR_POOL_NAME] = {sizeof(struct pr_name), 64u << 10, 16},
    [PR_POOL_ENVIRONMENT] = {sizeof(struct pr_environment), 1024, 16},
    [PR_POOL_FILE] = {sizeof(struct pr_file), 1u << 20, 64},
    [PR_POOL_PLACEMENT] = {sizeof(struct pr_placement), 64u << 10, 16},
    [PR_POOL_BUNDLE] = {sizeof(struct pr_bundle), 256u << 10, 16},
    [PR_POOL_GRAPH] = {sizeof(struct pr_graph), 64u << 10, 16},
    [PR_POOL_CHANNEL] = {sizeof(struct pr_channel), 1u << 20, 64},
    [PR_POOL_BIRTH] = {sizeof(struct pr_birth), 6u << 20, 1024, .is_plain = 1},
    [PR_POOL_NOTE] = {sizeof(struct pr_note), 4u << 20, 256, .is_plain = 1},
    [PR_POOL_LABEL] = {sizeof(struct pr_label), 4096, 16},
    [PR_POOL_EVENT] = {sizeof(struct pr_event), 128u << 10, 256, .is_plain = 1},
    [PR_POOL_TEXT] = {sizeof(struct pr_text), 8192, 2, .is_plain = 1},
    [PR_POOL_ENDED] = {sizeof(struct pr_ended_actor), 16384, 2, .is_plain = 1},
    [PR_POOL_SPAN] = {sizeof(struct pr_span), 64u << 10, 2, .is_plain = 1},
};

/* For tests: so small that they are soon full, and start so small that they have to grow. */
static const struct pr_pool_plan small_tables[PR_POOLS] = {
    [PR_POOL_LATCH] = {sizeof(struct pr_latch), 32, 4},
    [PR_POOL_BLOCK] = {sizeof(struct pr_block), 128, 8},
    [PR_POOL_OBJECT] = {sizeof(struct pr_object), 192, 16, .follower = PR_POOL_BIRTH},
    [PR_POOL_EDGE] = {sizeof(struct pr_edge), 384, 32},
    [PR_POOL_SLOT] = {sizeof(struct pr_slot), 16, 4},
    [PR_POOL_TASK] = {sizeof(struct pr_task), 64, 8, .follower = PR_POOL_NOTE},
    [PR_POOL_ACTOR] = {sizeof(struct pr_actor), 16, 2},
    [PR_POOL_LANE] = {sizeof(struct pr_lane), 16, 2},
    [PR_POOL_CLASS] = {sizeof(struct pr_class), 28, 2},
    [PR_POOL_STREAM] = {sizeof(struct pr_stream), 16, 2},
    [PR_POOL_NAME] = {sizeof(struct pr_name), 8, 2},
    [PR_POOL_ENVIRONMENT] = {sizeof(struct pr_environment), 4, 2},
    [PR_POOL_FILE] = {sizeof(struct pr_file), 16, 2},
    [PR_POOL_PLACEMENT] = {sizeof(struct pr_placement), 8, 2},
    [PR_POOL_BUNDLE] = {sizeof(struct pr_bundle), 16, 2},
    [PR_POOL_GRAPH] = {sizeof(struct pr_graph), 8, 2},
    [PR_POOL_CHANNEL] = {sizeof(struct pr_channel), 16, 2},
    [PR_POOL_BIRTH] = {sizeof(struct pr_birth), 192, 16, .is_plain = 1},
    [PR_POOL_NOTE] = {sizeof(struct pr_note), 64, 8, .is_plain = 1},
    [PR_POOL_LABEL] = {sizeof(struct pr_label), 8, 2},
    [PR_POOL_EVENT] = {sizeof(struct pr_event), 16, 2, .is_plain = 1},
    [PR_POOL_TEXT] = {sizeof(struct pr_text), 4, 2, .is_plain = 1},
    [PR_POOL_ENDED] = {sizeof(struct pr_ended_actor), 4, 2, .is_plain = 1},
    [PR_POOL_SPAN] = {sizeof(struct pr_span), 4, 2, .is_plain = 1},
};

/* ---- slots and latches ---- */

static enum pr_status new_latch(struct pr_context *ctx, pr_index slot, pr_index *latch)
{
    PR_TRY(pr_pool_take(ctx, PR_POOL_LATCH, latch));
    const struct pr_latch *l = pr_latch_at(ctx, *latch);
    const struct pr_slot *s = pr_slot_at(ctx, slot);
    TX_SET(ctx, l->slot, slot);
    TX_SET(ctx, l->watches, PR_NONE);
    TX_SET(ctx, l->armed, 0);
    TX_SET(ctx, l->link, s->latches);
    TX_SET(ctx, s->latches, *latch);
    return PR_OK;
}

enum pr_status pr_slot_new(struct pr_context *ctx, enum pr_slot_kind kind, enum pr_slot_state state,
                           pr_index *slot)
{
    PR_TRY(pr_pool_take(ctx, PR_POOL_SLOT, slot));
    const struct pr_slot *s = pr_slot_at(ctx, *slot);
    if (s->generation == 0) TX_SET(ctx, s->generation, 1);
    TX_SET(ctx, s->state, state);
    TX_SET(ctx, s->kind, kind);
    TX_SET(ctx, s->process_id, 0);
    TX_SET(ctx, s->latches, PR_NONE);
    TX_SET(ctx, s->held, PR_NONE);
    TX_SET(ctx, s->creating, PR_NONE);
    TX_SET(ctx, s->restoring, PR_NONE);
    TX_SET(ctx, s->writing, PR_NONE);
    TX_SET(ctx, s->running, PR_NONE);
    TX_SET(ctx, s->submitting, PR_NONE);
    TX_SET(ctx, s->streams, PR_NONE);
    TX_SET(ctx, s->channels, PR_NONE);
    TX_SET(ctx, s->graphs, PR_NONE);
    TX_SET(ctx, s->actor, PR_NONE);
    TX_SET(ctx, s->shape, PR_NONE);
    TX_SET(ctx, s->requests, 0);
    TX_SET(ctx, s->free_retry, 0);
    TX_SET(ctx, s->wait_status, 0);
    TX_SET(ctx, s->environment, PR_NONE);
    TX_SET(ctx, s->job, PR_NONE);
    TX_SET(ctx, s->tasks_finished, 0);
    pr_index latch;
    PR_TRY(new_latch(ctx, *slot, &latch));
    TX_SET(ctx, s->latch, latch);
    return PR_OK;
}

void pr_session_become(struct pr_context *ctx, pr_index slot)
{
    ctx->slot = slot;
    ctx->slot_generation = pr_slot_at(ctx, slot)->generation;
    ctx->process_id = pr_os_process_id();
    ctx->job = pr_slot_at(ctx, slot)->job;
    ctx->run_chores = pr_chores_run;
}

struct join {
    enum pr_slot_kind kind;
    uint32_t job;
    pr_index slot;
};

static enum pr_status join(struct pr_context *ctx, void *argument)
{
    struct join *op = argument;
    PR_TRY(pr_slot_new(ctx, op->kind, PR_SLOT_BUSY, &op->slot));
    TX_SET(ctx, pr_slot_at(ctx, op->slot)->process_id, pr_os_process_id());
    TX_SET(ctx, pr_slot_at(ctx, op->slot)->job, op->job);
    if (op->kind == PR_SLOT_SUPERVISOR) TX_SET(ctx, pr_engine_root(ctx)->supervisor, op->slot);
    if (op->kind == PR_SLOT_DRIVER) TX_SET(ctx, pr_engine_root(ctx)->driver, op->slot);
    return PR_OK;
}

static enum pr_status join_as(struct pr_context *ctx, enum pr_slot_kind kind, uint32_t job)
{
    PR_TRY(pr_local_open(ctx));
    struct join op = {.kind = kind, .job = job};
    PR_TRY(pr_transact(ctx, join, &op));
    pr_session_become(ctx, op.slot);
    return PR_OK;
}

static void declare_gpus(struct pr_context *ctx, uint32_t resource, int64_t amount)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    PR_ASSERT(amount <= (int64_t)PR_GPU_MAX * PR_RESOURCE_UNIT);
    TX_SET(ctx, root->gpu, resource + 1);
    TX_SET(ctx, root->gpu_count, (amount + PR_RESOURCE_UNIT - 1) / PR_RESOURCE_UNIT);
    for (uint32_t i = 0; i < root->gpu_count; i++, amount -= PR_RESOURCE_UNIT)
        TX_SET(ctx, root->gpus[i], PR_MIN(amount, PR_RESOURCE_UNIT));
}

static enum pr_status initialise(struct pr_context *ctx, void *argument)
{
    const struct pr_session_config *config = argument;
    const struct pr_engine_root *root = pr_engine_root(ctx);
    pr_heap_init(ctx);
    PR_TRY(pr_labels_init(ctx));
    TX_SET(ctx, root->worker_limit, config->worker_limit);
    TX_SET(ctx, root->help_from, config->help_from);
    TX_SET(ctx, root->restart_limit, config->restart_limit);
    TX_SET(ctx, root->restart_window_ms, config->restart_window_ms);
    TX_SET(ctx, root->jobs, config->is_head ? 0 : PR_FIRST_JOB);
    TX_SET(ctx, root->start_limit, PR_MAX(1u, config->cpus * PR_START_LIMIT_PER_CPU));
    TX_SET(ctx, root->resource_count, config->resource_count);
    for (uint32_t i = 0; i < config->resource_count; i++) {
        pr_tx_copy(ctx, root->resources[i].name, config->resources[i].name, PR_NAME_BYTES);
        TX_SET(ctx, root->resources[i].total, config->resources[i].amount);
        TX_SET(ctx, root->resources[i].free, config->resources[i].amount);
        if (strcmp(config->resources[i].name, "CPU") == 0) TX_SET(ctx, root->cpu, i + 1);
        if (strcmp(config->resources[i].name, "GPU") == 0)
            declare_gpus(ctx, i, config->resources[i].amount);
    }
    return PR_OK;
}

enum pr_status pr_session_create(struct pr_context *ctx, const struct pr_session_config *config)
{
    const struct pr_pool_plan *plans = config->small_tables ? small_tables : large_tables;
    PR_ASSERT(config->resource_count <= PR_RESOURCE_MAX);
    PR_TRY(pr_segment_create(ctx, plans, PR_POOLS, PR_ALIGN_UP(config->heap_bytes, 4096)));
    enum pr_status status = pr_transact(ctx, initialise, (void *)config);
    uint32_t job = config->is_head ? PR_NONE : PR_FIRST_JOB;
    if (status == PR_OK) status = join_as(ctx, PR_SLOT_DRIVER, job);
    if (status != PR_OK) pr_session_detach(ctx, false);
    return status;
}

struct class_query {
    const struct pr_class_key *key;
    pr_index *shape;
};

static enum pr_status find_class(struct pr_context *ctx, void *argument)
{
    const struct class_query *query = argument;
    return pr_class_find(ctx, query->key, query->shape);
}

enum pr_status pr_session_class(struct pr_context *ctx, const struct pr_class_key *key,
                                pr_index *shape)
{
    struct class_query query = {key, shape};
    return pr_transact(ctx, find_class, &query);
}

/* What only this process knows about the session: its local counts and the pages it has touched. */
static void close_private(struct pr_context *ctx)
{
    if (ctx->header == NULL) return;
    pr_local_close(ctx);
    pr_heap_forget(ctx);
}

enum pr_status pr_session_keep(struct pr_context *ctx, enum pr_status status)
{
    if (status == PR_OK) return PR_OK;
    ctx->control_fd = ctx->heap_fd = -1;
    pr_session_detach(ctx, false);
    return status;
}

enum pr_status pr_session_map(struct pr_context *ctx, int control_fd, int heap_fd, uint32_t small)
{
    return pr_segment_attach(ctx, small ? small_tables : large_tables, PR_POOLS, control_fd,
                             heap_fd);
}

enum pr_status pr_session_attach(struct pr_context *ctx, int control_fd, int heap_fd,
                                 enum pr_slot_kind kind, uint32_t small)
{
    PR_ASSERT(kind == PR_SLOT_DRIVER ||
              kind == PR_SLOT_SUPERVISOR); /* workers are counted: pr_worker_attach */
    PR_TRY(pr_session_map(ctx, control_fd, heap_fd, small));
    return pr_session_keep(ctx, join_as(ctx, kind, PR_NONE));
}

enum pr_status pr_session_observe(struct pr_context *ctx, int control_fd, int heap_fd)
{
    return pr_segment_attach(ctx, large_tables, PR_POOLS, control_fd, heap_fd);
}

void pr_session_detach(struct pr_context *ctx, bool keep_heap)
{
    close_private(ctx);
    pr_segment_detach(ctx, keep_heap);
}

/* ---- workers ---- */

struct environment_query {
    const uint64_t *hash;
    struct pr_ref description;
    pr_index *environment;
};

static enum pr_status find_environment(struct pr_context *ctx, void *argument)
{
    const struct environment_query *query = argument;
    const struct pr_engine_root *root = pr_engine_root(ctx);
    const struct pr_environment *e;
    pr_index found;
    for (found = root->environments; found != PR_NONE; found = e->link) {
        e = pr_environment_at(ctx, found);
        if (e->job != ctx->job) continue;
        if (e->hash[0] != query->hash[0] || e->hash[1] != query->hash[1]) continue;
        *query->environment = found;
        return PR_OK;
    }
    const struct pr_object *description;
    PR_TRY(pr_object_find(ctx, query->description, &description));
    PR_TRY(pr_pool_take(ctx, PR_POOL_ENVIRONMENT, &found));
    e = pr_environment_at(ctx, found);
    pr_object_ref(ctx, query->description.index);
    TX_SET(ctx, e->description, query->description.index);
    TX_SET(ctx, e->job, ctx->job);
    TX_SET(ctx, e->hash[0], query->hash[0]);
    TX_SET(ctx, e->hash[1], query->hash[1]);
    TX_SET(ctx, e->link, root->environments);
    TX_SET(ctx, root->environments, found);
    *query->environment = found;
    return PR_OK;
}

enum pr_status pr_session_environment(struct pr_context *ctx, const uint64_t hash[2],
                                      struct pr_ref description, pr_index *environment)
{
    struct environment_query query = {hash, description, environment};
    return pr_operate(ctx, find_environment, &query);
}

struct description_query {
    pr_index environment;
    struct pr_ref *description;
};

static enum pr_status read_description(struct pr_context *ctx, void *argument)
{
    const struct description_query *query = argument;
    pr_index object = pr_environment_at(ctx, query->environment)->description;
    *query->description = (struct pr_ref){object, pr_object_at(ctx, object)->generation};
    return PR_OK;
}

enum pr_status pr_environment_description(struct pr_context *ctx, pr_index environment,
                                          struct pr_ref *description)
{
    struct description_query query = {environment, description};
    return pr_transact(ctx, read_description, &query);
}

/* Somebody wants a worker of this environment; or none. */
static pr_index environment_in_need(const struct pr_context *ctx)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    pr_index environment = root->crew.spawn_requests > 0 ? PR_NONE : root->environments;
    while (environment != PR_NONE && pr_crew_of(ctx, environment)->spawn_requests == 0)
        environment = pr_environment_at(ctx, environment)->link;
    return environment;
}

static enum pr_status reserve(struct pr_context *ctx, void *argument)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    pr_index *slot = argument;
    if (root->spawn_requests == 0) return PR_EMPTY;
    pr_index environment = environment_in_need(ctx);
    const struct pr_crew *crew = pr_crew_of(ctx, environment);
    PR_ASSERT(crew->spawn_requests > 0);
    PR_TRY(pr_slot_new(ctx, PR_SLOT_WORKER, PR_SLOT_STARTING, slot));
    TX_SET(ctx, pr_slot_at(ctx, *slot)->environment, environment);
    TX_SET(ctx, pr_slot_at(ctx, *slot)->job, pr_job_of(ctx, environment));
    TX_SET(ctx, root->spawn_requests, root->spawn_requests - 1);
    TX_SET(ctx, crew->spawn_requests, crew->spawn_requests - 1);
    TX_ADD(ctx, crew->starting, 1);
    TX_ADD(ctx, root->worker_count, 1);
    return PR_OK;
}

enum pr_status pr_worker_reserve(struct pr_context *ctx, pr_index *slot)
{
    return pr_transact(ctx, reserve, slot);
}

static enum pr_status adopt(struct pr_context *ctx, void *argument)
{
    const pr_index *slot = argument;
    const struct pr_slot *s = pr_slot_at(ctx, *slot);
    if (s->state != PR_SLOT_STARTING) return PR_STATE;
    TX_SET(ctx, s->process_id, pr_os_process_id());
    return PR_OK;
}

enum pr_status pr_worker_adopt(struct pr_context *ctx, pr_index slot)
{
    close_private(ctx); /* a forked child has inherited its parent's */
    PR_TRY(pr_local_open(ctx));
    PR_TRY(pr_transact(ctx, adopt, &slot));
    pr_session_become(ctx, slot);
    return PR_OK;
}

enum pr_status pr_worker_attach(struct pr_context *ctx, int control_fd, int heap_fd, pr_index slot,
                                uint32_t small)
{
    PR_TRY(pr_session_map(ctx, control_fd, heap_fd, small));
    return pr_session_keep(ctx, pr_worker_adopt(ctx, slot));
}

static enum pr_status request(struct pr_context *ctx, void *argument)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    if (root->worker_count + root->spawn_requests >= root->worker_limit) return PR_EMPTY;
    pr_sched_request(ctx, &root->crew);
    return PR_OK;
}

enum pr_status pr_worker_request(struct pr_context *ctx) { return pr_transact(ctx, request, NULL); }

/* The crew to take a worker from: that of an environment before the job's. */
static const struct pr_crew *crew_to_trim(const struct pr_context *ctx, uint32_t *idle)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    const struct pr_crew *chosen = &root->crew;
    *idle = root->crew.idle_count;
    for (pr_index i = root->environments; i != PR_NONE; i = pr_environment_at(ctx, i)->link) {
        *idle += pr_crew_of(ctx, i)->idle_count;
        if (pr_crew_of(ctx, i)->idle_count > 0) chosen = pr_crew_of(ctx, i);
    }
    return chosen;
}

static enum pr_status trim(struct pr_context *ctx, void *argument)
{
    const uint32_t *keep = argument;
    uint32_t idle;
    const struct pr_crew *crew = crew_to_trim(ctx, &idle);
    if (idle <= *keep) return PR_EMPTY;
    pr_index oldest = crew->idle_tail;
    const struct pr_slot *s = pr_slot_at(ctx, oldest);
    pr_idle_remove(ctx, oldest);
    TX_SET(ctx, s->state, PR_SLOT_WAKING);
    TX_ADD(ctx, crew->waking, 1);
    TX_SET(ctx, s->requests, s->requests | PR_REQUEST_EXIT);
    pr_tx_wake(ctx, s->latch);
    return PR_OK;
}

enum pr_status pr_worker_trim(struct pr_context *ctx, uint32_t keep)
{
    return pr_transact(ctx, trim, &keep);
}

static enum pr_status retire(struct pr_context *ctx, void *argument)
{
    const struct pr_slot *s = pr_slot_at(ctx, ctx->slot);
    if (s->running == PR_NONE || s->actor != PR_NONE) return PR_STATE;
    TX_SET(ctx, s->requests, s->requests | PR_REQUEST_EXIT);
    return PR_OK;
}

enum pr_status pr_worker_retire(struct pr_context *ctx) { return pr_transact(ctx, retire, NULL); }

static enum pr_status claim_latch(struct pr_context *ctx, void *argument)
{
    return new_latch(ctx, ctx->slot, argument);
}

enum pr_status pr_latch_claim(struct pr_context *ctx, pr_index *latch)
{
    return pr_transact(ctx, claim_latch, latch);
}

/* The private marks "watched by this latch" go before the watches do: another thread may get the
 * same latch, and must not believe them. */
static void forget_watches(struct pr_context *ctx, pr_index latch)
{
    pr_index edge = pr_latch_at(ctx, latch)->watches;
    for (uint32_t i = 0; i < PR_STEP_EDGES && edge != PR_NONE;
         i++, edge = pr_edge_at(ctx, edge)->link) {
        struct pr_local *local = &ctx->local[pr_edge_at(ctx, edge)->object];
        if (local->watch == latch) local->watch = PR_NONE;
    }
}

static enum pr_status unclaim_latch(struct pr_context *ctx, void *argument)
{
    const pr_index *latch = argument;
    forget_watches(ctx, *latch);
    return pr_repair_latch(ctx, ctx->slot, *latch);
}

void pr_latch_unclaim(struct pr_context *ctx, pr_index latch)
{
    while (pr_transact(ctx, unclaim_latch, &latch) == PR_OK) continue;
}

/* ---- end ---- */

void pr_session_end(struct pr_context *ctx)
{
    uint32_t *ending = pr_writable_at(ctx, &pr_engine_root(ctx)->ending);
    pr_store_release(ending, 1); /* pairs with pr_session_ending */
    pr_latch_wake_all(ctx);
    pr_os_ring(ctx->doorbell_fd);
}

bool pr_session_ending(const struct pr_context *ctx)
{
    return pr_load_acquire(&pr_engine_root(ctx)->ending) != 0;
}
