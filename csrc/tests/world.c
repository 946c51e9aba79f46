#include "tests/world.h"

#include <unistd.h>

static void start_member(struct world *world, uint32_t i, enum role role)
{
    struct member *m = &world->member[i];
    m->role = role;
    m->world = world;
    m->random.state = random_next(&world->random);
}

/* Tables as small as these meet left-over work rarely: every second world calls transactions long
 * soon. */
static void choose_limit(struct world *world)
{
#ifdef PR_CRASH_INJECTION
    uint32_t limit = random_one_in(&world->random, 2) ? 0 : 24 + random_below(&world->random, 200);
    for (uint32_t i = 0; i < WORLD_MEMBERS; i++) world->member[i].ctx.tx_long = limit;
    world->reaper.tx_long = limit;
#endif
}

void world_shapes(struct pr_context *ctx, pr_index shapes[WORLD_SHAPES])
{
    struct pr_ref description = fixture_put(ctx, 1);
    uint64_t hash[2] = {1, 2};
    pr_index environment;
    OK(pr_session_environment(ctx, hash, description, &environment));
    pr_release(ctx, description);
    bool guest = pr_slot_at(ctx, ctx->slot)->job > PR_FIRST_JOB;
    pr_index home = guest ? environment : PR_NONE;
    struct pr_demand half_a_gpu = {.resource = 1, .amount = PR_RESOURCE_UNIT / 2};
    struct pr_demand one_cpu = {.resource = 0, .amount = PR_RESOURCE_UNIT};
    struct pr_class_key of_gpus = {.demand = &half_a_gpu, .demand_count = 1, .environment = home};
    struct pr_class_key elsewhere = {
        .demand = &one_cpu, .demand_count = 1, .environment = environment};
    for (uint32_t i = 0; i < 3; i++) {
        struct pr_demand cpus = {.resource = 0, .amount = (int64_t)i * 2 * PR_RESOURCE_UNIT};
        struct pr_class_key key = {.demand = &cpus, .demand_count = i > 0, .environment = home};
        OK(pr_session_class(ctx, &key, &shapes[i]));
    }
    OK(pr_session_class(ctx, &of_gpus, &shapes[3]));
    OK(pr_session_class(ctx, &elsewhere, &shapes[4]));
}

void world_create(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->random.state = seed;
    struct pr_context *first = &world->member[0].ctx;
    fixture_create(first, 1 << 16, 1);
    for (uint32_t i = 0; i < WORLD_MEMBERS; i++)
        start_member(world, i, i == 0 || i == 2 ? DRIVER : i == 1 ? SUPERVISOR : WORKER);
    fixture_attach(&world->reaper, first, PR_SLOT_SUPERVISOR);
    fixture_attach(&world->member[1].ctx, first, PR_SLOT_SUPERVISOR);
    CHECK(fixture_join(&world->member[WORLD_GUEST].ctx, first).job == WORLD_GUESTS_JOB);
    for (uint32_t i = 3; i < WORLD_MEMBERS; i++) fixture_worker(&world->member[i].ctx, first);
    for (uint32_t i = 0; i < WORLD_MEMBERS; i++)
        world_shapes(i == WORLD_GUEST ? &world->member[i].ctx : first, world->member[i].shapes);
    choose_limit(world);
}

void world_keep_files(struct world *world)
{
#ifdef PR_CRASH_INJECTION
    for (uint32_t i = 0; i < WORLD_MEMBERS; i++) world->member[i].ctx.keep_files = true;
    world->reaper.keep_files = true;
#endif
}

void world_destroy(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_MEMBERS; i++) pr_session_detach(&world->member[i].ctx, false);
    pr_session_detach(&world->reaper, false);
}

void member_forget(struct member *m)
{
    m->role = ABSENT;
    m->leaving = m->running = m->sleeping = m->waiting = m->wants_room = false;
    m->stream_count = m->graph_count = m->read_count = 0;
    m->receiving.index = PR_NONE;
    m->ref_count = m->pin_count = m->handle_count = m->call_count = 0;
    m->creating = (struct pr_ref){0};
    m->spill.count = 0;
    m->restore.ref.index = PR_NONE;
    m->latch = PR_NONE;
    m->begun = 0;
    if (m->world != NULL) memcpy(m->shapes, m->world->member[0].shapes, sizeof m->shapes);
}

/* Words about a death are a text: they refer to nothing, least of all to what they become part of.
 */
static bool can_be_words(const struct pr_context *ctx, struct pr_ref ref)
{
    const struct pr_object *o = pr_object_at(ctx, ref.index);
    return o->state == PR_OBJECT_SEALED && o->children == PR_NONE && !(o->flags & PR_FLAG_RESULT);
}

enum pr_status member_sweep(struct member *supervisor, const struct member *dead)
{
    struct random *random = &supervisor->random;
    struct pr_obituary obituary = {.wait_status = 9, .cause = PR_CAUSE_WORKER_DIED};
    if (random_one_in(random, 3)) obituary.cause = PR_CAUSE_OUT_OF_MEMORY;
    obituary.free_retry = random_one_in(random, 4);
    if (supervisor->ref_count > 0 && random_one_in(random, 2)) {
        struct pr_ref words = supervisor->refs[random_below(random, supervisor->ref_count)];
        if (can_be_words(&supervisor->ctx, words)) obituary.words = words;
    }
    return pr_sweep_with(&supervisor->ctx, dead->ctx.slot, &obituary);
}

bool member_join(struct member *worker, struct pr_context *supervisor)
{
    pr_index slot;
    if (pr_worker_reserve(supervisor, &slot) != PR_OK) return false;
    OK(pr_worker_adopt(&worker->ctx, slot));
    worker->role = WORKER;
    return true;
}

const char *world_operate(struct world *world)
{
    for (;;) {
        struct member *m = &world->member[random_below(&world->random, WORLD_MEMBERS)];
        if (m->role != ABSENT) return member_operate(m);
        struct pr_context *supervisor = &world->member[1].ctx;
        if (world->member[1].role != SUPERVISOR) continue;
        if (pr_engine_root(supervisor)->spawn_requests > 0 && member_join(m, supervisor))
            return "join";
    }
}

/* ---- sleepers ---- */

static bool condition_holds(const struct member *m)
{
    uint32_t ready = 0;
    for (uint32_t i = 0; i < m->wait_count; i++) {
        const struct pr_object *o = pr_object_at(&m->ctx, m->wait_refs[i].index);
        if (o->state != PR_OBJECT_SEALED) continue;
        ready++;
        if (m->wait_errors && (o->flags & PR_FLAG_ERROR)) return true;
    }
    return ready >= m->wait_need;
}

static bool has_room(const struct member *m)
{
    const struct pr_stream *s = pr_stream_at(&m->ctx, pr_task_at(&m->ctx, m->taken.task)->stream);
    return s->consumer == PR_NONE || s->published - s->taken < s->limit;
}

static bool channel_has_news(const struct member *m)
{
    const struct pr_channel *c = pr_channel_at(&m->ctx, m->receiving.index);
    if (c->generation != m->receiving.generation || c->reader != m->ctx.slot) return false;
    return c->count > 0 || pr_graph_at(&m->ctx, c->graph)->state != PR_GRAPH_OPEN;
}

const char *member_check_sleep(struct member *m)
{
    const struct pr_slot *s = pr_slot_at(&m->ctx, m->ctx.slot);
    if (m->waiting && condition_holds(m) &&
        pr_latch_sequence(&m->ctx, m->wait_latch) == m->wait_seen)
        return "a waiter sleeps although its condition holds";
    if (m->wants_room && pr_latch_sequence(&m->ctx, s->latch) == m->room_seen && has_room(m))
        return "a producer sleeps although there is room";
    if (m->receiving.index != PR_NONE && pr_latch_sequence(&m->ctx, s->latch) == m->receive_seen &&
        channel_has_news(m))
        return "a reader sleeps although there is a value";
    if (!m->sleeping || pr_latch_sequence(&m->ctx, s->latch) != m->seen) return NULL;
    if (s->state == PR_SLOT_WAKING) return "a worker sleeps although it is on the way";
    if ((s->requests & PR_REQUEST_KILL) || pr_placement_is_removed(&m->ctx, s->shape))
        return NULL; /* its sleep ends otherwise */
    if (s->requests & PR_REQUEST_EXIT) return "a worker sleeps although it should end";
    if (s->actor != PR_NONE && pr_mailbox_has_calls(&m->ctx, s->actor))
        return "an actor sleeps although its mailbox has calls";
    return NULL;
}

static const char *crew_without_worker(const struct pr_context *ctx, pr_index environment)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    const struct pr_crew *crew = pr_crew_of(ctx, environment);
    bool runnable = false;
    for (pr_index i = 1; i <= root->class_count; i++)
        runnable |= pr_class_at(ctx, i)->count > 0 && pr_resources_fit(ctx, i) &&
                    pr_class_at(ctx, i)->environment == environment;
    if (!runnable || crew->waking > 0) return NULL;
    if (pr_sched_is_turn_of_others(ctx, environment)) return NULL;
    if (crew->idle_count > 0) return "a task could run and a worker idles, but nobody wakes it";
    if (crew->spawn_requests + crew->starting > 0) return NULL;
    if (root->worker_count + root->spawn_requests < root->worker_limit)
        return "a task could run, but no worker is asked for";
    return NULL;
}

const char *runnable_without_worker(const struct pr_context *ctx)
{
    const char *wrong = crew_without_worker(ctx, PR_NONE);
    pr_index i = pr_engine_root(ctx)->environments;
    for (; i != PR_NONE && wrong == NULL; i = pr_environment_at(ctx, i)->link)
        wrong = crew_without_worker(ctx, i);
    return wrong;
}

const char *world_check_wakes(struct world *world)
{
    const char *wrong = runnable_without_worker(&world->reaper);
    for (uint32_t i = 0; i < WORLD_MEMBERS && wrong == NULL; i++)
        if (world->member[i].role != ABSENT) wrong = member_check_sleep(&world->member[i]);
    return wrong;
}

/* ---- the end ---- */

static bool sweep_all(struct pr_context *reaper)
{
    for (pr_index i = 1; i < reaper->header->pools[PR_POOL_SLOT].high_water; i++)
        if (i != reaper->slot && pr_sweep(reaper, i, 9) != PR_OK) return false;
    return true;
}

/* A worker that runs all it is given; constructors fail and succeed in turn, and so do those of one
 * actor that restarts for ever. */
static void run_all(struct pr_context *ctx, int round)
{
    static struct pr_taken taken;
    struct pr_value values[WORLD_RESULTS];
    enum pr_status status = pr_take(ctx, &taken);
    for (int i = 0; status == PR_OK && i < 500; i++) {
        struct pr_value value = {
            .kind = 1, .flags = (i + round) % 2 ? PR_FLAG_ERROR : 0, .bytes = "", .size_bytes = 0};
        for (uint32_t j = 0; j < taken.result_count; j++) values[j] = value;
        status = pr_finish(ctx, taken.task, values, taken.result_count, &taken);
    }
}

/* But the descriptions of environments. */
static bool nothing_left(const struct pr_context *ctx, const struct pr_accounts *a)
{
    return a->objects == ctx->header->pools[PR_POOL_ENVIRONMENT].used &&
           ctx->header->pools[PR_POOL_PLACEMENT].used == 0 &&
           a->tasks + a->actors + a->edges + a->blocks + a->lanes + a->files + a->streams +
                   a->channels ==
               0 &&
           a->heap_used_bytes == 0 && a->slots == 1 && a->latches == 1;
}

static const char *describe(const struct pr_accounts *a)
{
    static char text[200];
    snprintf(
        text, sizeof text,
        "left over: %u objects %u tasks %u actors %u edges %u blocks %u lanes %u slots %u latches "
        "%u files",
        a->objects, a->tasks, a->actors, a->edges, a->blocks, a->lanes, a->slots, a->latches,
        a->files);
    return text;
}

static bool kill_detached(struct pr_context *reaper)
{
    for (pr_index i = 1; i < reaper->header->pools[PR_POOL_ACTOR].high_water; i++) {
        const struct pr_actor *a = pr_actor_at(reaper, i);
        if (a->state == PR_ACTOR_FREE || !(a->flags & PR_ACTOR_DETACHED)) continue;
        struct pr_ref handle = {a->handle, pr_object_at(reaper, a->handle)->generation};
        if (pr_actor_kill(reaper, handle, true) != PR_OK) return false;
    }
    return true;
}

const char *world_end(struct world *world)
{
    struct pr_context *reaper = &world->reaper, *heir = &world->member[WORLD_MEMBERS - 1].ctx;
    struct pr_accounts accounts;
    struct pr_job_rest rest;
    const char *what = "";
    for (int round = 0; round < 60; round++) {
        pr_index slot;
        int error;
        if (!sweep_all(reaper)) return "sweep failed";
        if (!kill_detached(reaper)) return "kill failed";
        if (pr_job_end(reaper, WORLD_GUESTS_JOB, &rest) != PR_OK) return "job not ended";
        if (pr_spill_clean(reaper, &error) != PR_OK) return "files not deleted";
        if (!world_remove_groups(reaper)) return "groups stay";
        if (pr_audit(reaper, &accounts, &what) != PR_OK) return what;
        if (nothing_left(reaper, &accounts)) return NULL;
        if (pr_engine_root(reaper)->spawn_requests == 0 && pr_worker_request(reaper) != PR_OK)
            return "no worker";
        if (pr_worker_reserve(reaper, &slot) != PR_OK) return "no slot";
        if (pr_worker_adopt(heir, slot) != PR_OK) return "not adopted";
        run_all(heir, round);
    }
    return describe(&accounts);
}

/* ---- one death ---- */

static struct member *owner_of(struct world *world, pr_index slot)
{
    for (int i = 0; i < WORLD_MEMBERS; i++)
        if (world->member[i].role != ABSENT && world->member[i].ctx.slot == slot)
            return &world->member[i];
    return NULL;
}

/* Slots in DEAD were being swept by the supervisor that died; a worker without a member had just
 * been started by it. */
static bool sweep_dead(struct world *world, pr_index died)
{
    struct pr_context *reaper = &world->reaper;
    for (pr_index i = 1; i < reaper->header->pools[PR_POOL_SLOT].high_water; i++) {
        const struct pr_slot *s = pr_slot_at(reaper, i);
        bool worker = s->kind == PR_SLOT_WORKER && s->state != PR_SLOT_EMPTY;
        if (i == died || s->state == PR_SLOT_DEAD || (worker && owner_of(world, i) == NULL))
            if (pr_sweep(reaper, i, 9) != PR_OK) return false;
    }
    return true;
}

static bool is_sound(struct world *world, const char **what)
{
    return pr_audit(&world->reaper, NULL, what) == PR_OK;
}

const char *world_survive(struct world *world, struct member *dead, bool to_the_end)
{
    const char *what = "";
    pr_index died = dead->ctx.slot;
    if (!is_sound(world, &what)) return what;
    member_forget(dead);
    for (int i = random_below(&world->random, 4); i > 0; i--) {
        for (int j = 0; j < WORLD_MEMBERS; j++)
            if (world->member[j].role != ABSENT && random_one_in(&world->random, 3))
                member_operate(&world->member[j]);
        if (!is_sound(world, &what)) return what;
    }
    if (!sweep_dead(world, died)) return "sweep failed";
    if (!is_sound(world, &what)) return what;
    if ((what = world_check_wakes(world)) != NULL) return what;
    return to_the_end ? world_end(world) : NULL;
}
