/* The random operations of tests/world.h. Each checks that the answer is one of those it may get;
 * tables and heap are small, so that running out of room is among them. */
#include "engine/chores.h"
#include "engine/help.h"
#include "tests/world.h"
#include "tests/world_calls.h"
#include "tests/world_channels.h"
#include "tests/world_events.h"
#include "tests/world_spilling.h"
#include "tests/world_streams.h"
#include "tests/world_waiting.h"

bool world_is_interleaved(const struct member *m)
{
#ifdef PR_CRASH_INJECTION
    return m->ctx.at_step != NULL;
#else
    return false;
#endif
}

void member_unexpected(struct member *m, const char *what, enum pr_status status)
{
    harness_fail(__FILE__, __LINE__, "%s answers: %s", what, pr_status_text(status));
    if (m->world != NULL) m->world->failures++;
}

/* PR_OK? Otherwise it must be for lack of room. */
bool member_done(struct member *m, const char *what, enum pr_status status)
{
    if (status == PR_OK) return true;
    if (status != PR_FULL && status != PR_TABLE_FULL) member_unexpected(m, what, status);
    return false;
}

static bool done(struct member *m, const char *what, enum pr_status status)
{
    return member_done(m, what, status);
}

static uint32_t below(struct member *m, uint32_t limit) { return random_below(&m->random, limit); }
static bool one_in(struct member *m, uint32_t n) { return random_one_in(&m->random, n); }

static void keep(struct member *m, struct pr_ref ref)
{
    if (m->ref_count == MEMBER_REFS)
        pr_release(&m->ctx, ref);
    else
        m->refs[m->ref_count++] = ref;
}

static struct pr_ref any_ref(struct member *m) { return m->refs[below(m, m->ref_count)]; }

/* Now and then the last of the references names what is gone; the operation must have no effect
 * then. */
static bool spoil(struct member *m, struct pr_ref *refs, uint32_t count)
{
    if (count == 0 || !one_in(m, 12)) return false;
    refs[count - 1].generation += 1000;
    return true;
}

static uint32_t some_refs(struct member *m, struct pr_ref *refs, uint32_t limit)
{
    uint32_t count = m->ref_count == 0 ? 0 : below(m, limit + 1);
    for (uint32_t i = 0; i < count; i++) refs[i] = any_ref(m);
    return count;
}

/* ---- objects ---- */

static void put_inline(struct member *m)
{
    struct pr_ref ref, children[3];
    uint8_t bytes[PR_INLINE_BYTES] = {1, 2, 3};
    struct pr_value value = {.kind = 1,
                             .flags = one_in(m, 8) ? PR_FLAG_ERROR : 0,
                             .bytes = bytes,
                             .size_bytes = below(m, PR_INLINE_BYTES + 1),
                             .children = children};
    value.child_count = one_in(m, 2) ? some_refs(m, children, 3) : 0;
    bool spoilt = spoil(m, children, value.child_count);
    enum pr_status status = pr_put_inline(&m->ctx, &value, &ref);
    if (spoilt && status == PR_STALE) return;
    if (done(m, "put", status)) keep(m, ref);
}

/* The first and the last eight bytes say how large the value is. */
static void write_bytes(struct member *m, uint64_t offset, uint64_t size)
{
    if (!m->check_bytes) return;
    OK(pr_heap_write(&m->ctx, offset, &size, 8));
    OK(pr_heap_write(&m->ctx, offset + size - 8, &size, 8));
}

/* Without a pin the bytes may be another object's while they are read; pr_get_held tells. */
__attribute__((no_sanitize("thread"))) static uint64_t read_racing(const uint8_t *at)
{
    return *(const volatile uint64_t *)at;
}

static void check_bytes(struct member *m, const struct pr_fetched *fetched, bool pinned)
{
    if (!m->check_bytes || fetched->bytes == NULL || fetched->size_bytes % 8 != 0) return;
    uint64_t first = read_racing(fetched->bytes);
    uint64_t last = read_racing(fetched->bytes + fetched->size_bytes - 8);
    bool right = first == fetched->size_bytes && last == fetched->size_bytes;
    CHECK(right || (!pinned && !pr_get_held(&m->ctx, fetched)));
}

static uint64_t large_size(struct member *m) { return 64 + 8 * below(m, 1u << (1 + below(m, 10))); }

static void put_large(struct member *m)
{
    uint64_t offset, size = large_size(m);
    if (m->creating.index != PR_NONE) return;
    if (done(m, "put_begin", pr_put_begin(&m->ctx, size, &m->creating, &offset)))
        write_bytes(m, offset, size);
    else
        m->creating = (struct pr_ref){0};
}

static void put_end(struct member *m)
{
    struct pr_ref ref = m->creating, children[40];
    struct pr_value value = {.kind = 2, .in_block = 1, .children = children};
    if (ref.index == PR_NONE) return;
    m->creating = (struct pr_ref){0};
    if (m->pin_count < MEMBER_PINS && one_in(m, 4)) {
        if (!done(m, "put_end_pinned", pr_put_end_pinned(&m->ctx, ref, &value))) return;
        keep(m, ref);
        m->pins[m->pin_count++] = ref;
        return;
    }
    value.child_count = some_refs(m, children, one_in(m, 4) ? 40 : 2);
    bool spoilt = spoil(m, children, value.child_count);
    enum pr_status status = one_in(m, 5) ? PR_STALE : pr_put_end(&m->ctx, ref, &value);
    if (status == PR_OK)
        keep(m, ref);
    else
        pr_put_abort(&m->ctx, ref);
    if (status != PR_STALE) done(m, "put_end", status);
    CHECK(!spoilt || status != PR_OK);
}

static void get(struct member *m)
{
    struct pr_fetched fetched;
    bool pinned = false;
    if (m->ref_count == 0) return;
    struct pr_ref ref = any_ref(m);
    bool pin = m->pin_count < MEMBER_PINS && one_in(m, 2);
    enum pr_status status = pr_get(&m->ctx, ref, pin ? 100 : 0, &fetched, &pinned);
    if (status == PR_PENDING || status == PR_SPILLED_OUT || status == PR_FREED) return;
    if (!done(m, "get", status)) return;
    check_bytes(m, &fetched, pinned);
    if (pinned) m->pins[m->pin_count++] = ref;
}

static void free_value(struct member *m)
{
    if (m->ref_count == 0) return;
    enum pr_status status = pr_free_value(&m->ctx, any_ref(m));
    if (status != PR_STATE) done(m, "free_value", status);
}

static void unpin(struct member *m)
{
    if (m->pin_count == 0) return;
    uint32_t i = below(m, m->pin_count);
    struct pr_ref ref = m->pins[i];
    m->pins[i] = m->pins[--m->pin_count];
    pr_unpin(&m->ctx, ref);
}

/* Somebody from whom references can be had without asking: another member, or oneself. */
static struct member *lender(struct member *m)
{
    if (m->world == NULL || world_is_interleaved(m)) return m; /* others may let go meanwhile */
    return &m->world->member[below(m, WORLD_MEMBERS)];
}

static void acquire(struct member *m)
{
    struct pr_ref refs[4];
    struct member *from = lender(m);
    if (from->role == ABSENT || from->ref_count == 0) return;
    uint32_t count = 1 + below(m, 4);
    for (uint32_t i = 0; i < count; i++) refs[i] = from->refs[below(m, from->ref_count)];
    if (!done(m, "acquire", pr_acquire(&m->ctx, refs, count))) return;
    for (uint32_t i = 0; i < count; i++) keep(m, refs[i]);
}

static void stop_waiting_for(struct member *m, struct pr_ref ref)
{
    for (uint32_t i = 0; i < m->wait_count; i++)
        if (m->wait_refs[i].index == ref.index) m->waiting = false;
}

static void release(struct member *m)
{
    if (m->handle_count > 0 && one_in(m, 6)) {
        pr_release(&m->ctx, m->handles[--m->handle_count]);
        return;
    }
    if (m->ref_count == 0) return;
    uint32_t i = below(m, m->ref_count);
    struct pr_ref ref = m->refs[i];
    m->refs[i] = m->refs[--m->ref_count];
    stop_waiting_for(m, ref);
    pr_release(&m->ctx, ref);
}

static void release_many(struct member *m)
{
    while (m->ref_count > 2) release(m);
}

static void statistics(struct member *m)
{
    struct pr_store_stats stats;
    OK(pr_store_stats(&m->ctx, &stats));
}

/* ---- tasks ---- */

/* Alone in their processes, members would submit faster than they run. */
static bool crowded(const struct member *m)
{
    return m->world == NULL && pr_load_relaxed(&m->ctx.header->pools[PR_POOL_TASK].used) > 200;
}

struct wish {
    struct pr_ref awaited[40], captured[40], results[WORLD_RESULTS];
    struct pr_submission s;
};

static void wish(struct member *m, struct wish *wish)
{
    wish->s = (struct pr_submission){.function = any_ref(m),
                                     .awaited = wish->awaited,
                                     .captured = wish->captured,
                                     .results = wish->results};
    wish->s.awaited_count = one_in(m, 2) ? some_refs(m, wish->awaited, one_in(m, 6) ? 40 : 3) : 0;
    wish->s.captured_count = one_in(m, 3) ? some_refs(m, wish->captured, one_in(m, 6) ? 40 : 3) : 0;
    if (one_in(m, 4)) wish->s.arguments = any_ref(m);
    wish->s.value = "some packed arguments";
    wish->s.size_bytes = below(m, 22);
    wish->s.result_count = one_in(m, 8) ? 17 + below(m, WORLD_RESULTS - 17) : 1 + below(m, 3);
    wish->s.retries = (int32_t)below(m, 3) - 1;
    wish->s.shape = m->shapes[below(m, WORLD_SHAPES)];
    if (m->running) wish->s.parent = m->taken.serial;
    wish->s.label = world_any_label(m);
}

static bool submit_wish(struct member *m, struct wish *wish)
{
    bool spoilt = spoil(m, wish->captured, wish->s.captured_count);
    enum pr_status status = pr_submit(&m->ctx, &wish->s);
    if ((spoilt && status == PR_STALE) || !done(m, "submit", status)) return false;
    for (uint32_t i = 0; i < wish->s.result_count; i++) keep(m, wish->results[i]);
    return true;
}

static void submit(struct member *m)
{
    struct wish w;
    if (m->ref_count == 0 || crowded(m)) return;
    wish(m, &w);
    submit_wish(m, &w);
}

static const uint8_t names[] = "spacename0name1name2";

/* One of a few names, so that some are taken. */
static struct pr_actor_name some_name(struct member *m)
{
    return (struct pr_actor_name){.text = names, .space_size = 5, .name_size = 4 + below(m, 2) * 6};
}

static struct pr_actor_plan some_plan(struct member *m)
{
    struct pr_actor_plan plan = {.flags = one_in(m, 4) ? PR_ACTOR_OUT_OF_ORDER : 0,
                                 .groups = one_in(m, 4) ? 1 + below(m, 2) : 0,
                                 .restarts = (int32_t)below(m, 4) - 1};
    if (one_in(m, 6)) plan.flags |= PR_ACTOR_DETACHED;
    if (one_in(m, 3)) plan.name = some_name(m);
    if (one_in(m, 2)) plan.about = any_ref(m);
    return plan;
}

static void create_actor(struct member *m)
{
    struct wish w;
    if (m->ref_count == 0 || m->handle_count == MEMBER_HANDLES || crowded(m)) return;
    if (m->world == NULL && !one_in(m, 8)) return; /* few workers, and each actor takes one */
    wish(m, &w);
    struct pr_actor_plan plan = some_plan(m);
    if (m->world == NULL) plan.flags &= ~(uint32_t)PR_ACTOR_DETACHED; /* nobody would end it */
    w.s.plan = one_in(m, 4) ? NULL : &plan;
    w.s.flags = PR_TASK_CREATES_ACTOR | (one_in(m, 2) ? PR_TASK_KEEPS : 0);
    bool spoilt = spoil(m, w.captured, w.s.captured_count);
    enum pr_status status = pr_submit(&m->ctx, &w.s);
    if (status == PR_STATE && w.s.plan != NULL && plan.name.text != NULL) return; /* taken */
    if ((spoilt && status == PR_STALE) || !done(m, "create", status)) return;
    for (uint32_t i = 0; i < w.s.result_count; i++) keep(m, w.results[i]);
    m->handles[m->handle_count++] = w.s.actor;
}

static void find_name(struct member *m)
{
    struct pr_actor_name name = some_name(m);
    struct pr_ref handle, about;
    enum pr_status status = pr_name_find(&m->ctx, &name, &handle, &about);
    if (status == PR_EMPTY || m->handle_count == MEMBER_HANDLES) return;
    if (!done(m, "name_find", status)) return;
    status = pr_acquire(&m->ctx, &handle, 1);
    if (status != PR_STALE && done(m, "acquire", status)) m->handles[m->handle_count++] = handle;
}

static void list_names(struct member *m)
{
    struct pr_name name;
    uint32_t after = 0;
    enum pr_status status;
    while ((status = pr_name_next(&m->ctx, &after, &name)) == PR_OK)
        CHECK(name.space_size == 5 && memcmp(name.text, names, 5) == 0);
    if (status != PR_EMPTY) member_unexpected(m, "name_next", status);
}

static bool any_handle(struct member *m, struct pr_ref *handle)
{
    struct member *from = lender(m);
    if (from->role == ABSENT || from->handle_count == 0) return false;
    *handle = from->handles[below(m, from->handle_count)];
    return true;
}

static void call_actor(struct member *m)
{
    struct wish w;
    struct pr_ref handle;
    if (m->ref_count == 0 || crowded(m) || !any_handle(m, &handle)) return;
    wish(m, &w);
    w.s.flags = PR_TASK_OF_ACTOR | below(m, 3) << PR_GROUP_SHIFT;
    w.s.actor = handle;
    w.s.most_calls = one_in(m, 4) ? 1 + below(m, 4) : 0;
    if (w.s.most_calls == 0) {
        submit_wish(m, &w);
        return;
    }
    enum pr_status status = pr_submit(&m->ctx, &w.s);
    if (status == PR_LIMIT || !done(m, "call", status)) return;
    for (uint32_t i = 0; i < w.s.result_count; i++) keep(m, w.results[i]);
}

/* Calls that have to wait behind the first, if that one's argument is pending. */
static void call_actor_often(struct member *m)
{
    struct pr_ref handle, result;
    if (m->ref_count == 0 || crowded(m) || !any_handle(m, &handle)) return;
    for (uint32_t i = 0; i < 8; i++) {
        struct pr_ref awaited = any_ref(m);
        struct pr_submission s = fixture_submission(any_ref(m), m->shapes[0], 1, &result);
        s.flags = PR_TASK_OF_ACTOR;
        s.actor = handle;
        s.awaited = &awaited;
        s.awaited_count = i == 0;
        if (!done(m, "call", pr_submit(&m->ctx, &s))) return;
        keep(m, result);
    }
}

static void kill_actor(struct member *m)
{
    struct pr_ref handle;
    if (any_handle(m, &handle)) done(m, "kill", pr_actor_kill(&m->ctx, handle, one_in(m, 2)));
}

/* The actor of this process ends itself, which may have happened before. */
static void leave_actor(struct member *m)
{
    pr_index actor = pr_slot_at(&m->ctx, m->ctx.slot)->actor;
    if (actor == PR_NONE || !one_in(m, 3)) return;
    const struct pr_actor *a = pr_actor_at(&m->ctx, actor);
    struct pr_ref handle = {a->handle, pr_object_at(&m->ctx, a->handle)->generation};
    enum pr_status status = pr_actor_leave(&m->ctx, handle);
    if (status != PR_STALE) done(m, "leave", status);
}

static void note_taken(struct member *m, enum pr_status status)
{
    m->running = status == PR_OK;
    m->wants_room = false;
    m->begun = 0;
    m->leaving = status == PR_EXIT;
    m->sleeping = status == PR_EMPTY;
    if (status != PR_OK && status != PR_EXIT && status != PR_EMPTY)
        member_unexpected(m, "take", status);
    for (uint32_t i = 0; m->running && i < m->taken.result_count; i += PR_STEP_RESULTS)
        OK(pr_task_results(&m->ctx, m->taken.task, i > 0 ? &m->results[i - 1] : NULL,
                           m->results + i, PR_MIN(PR_STEP_RESULTS, m->taken.result_count - i)));
}

static void listen(struct member *m)
{
    m->seen = pr_latch_sequence(&m->ctx, pr_slot_at(&m->ctx, m->ctx.slot)->latch);
}

static void take(struct member *m)
{
    if (m->running || m->leaving) return;
    listen(m);
    m->sleeping = false;
    note_taken(m, pr_take(&m->ctx, &m->taken));
}

/* What a task was given can be kept beyond its end. */
static void borrow(struct member *m)
{
    if (!m->running) return;
    struct pr_ref ref = m->taken.function;
    if (m->taken.arguments.index != PR_NONE && one_in(m, 2)) ref = m->taken.arguments;
    if (m->taken.result_count > 0 && one_in(m, 3))
        ref = m->results[below(m, m->taken.result_count)];
    if (done(m, "borrow", pr_acquire(&m->ctx, &ref, 1))) keep(m, ref);
}

/* The bytes are made elsewhere first, and become the result's. */
static enum pr_status adopt(struct member *m, struct pr_ref result, uint64_t size)
{
    struct pr_ref source;
    uint64_t offset;
    enum pr_status status = pr_put_begin(&m->ctx, size, &source, &offset);
    if (status != PR_OK) return status;
    write_bytes(m, offset, size);
    status = pr_result_adopt(&m->ctx, result, source);
    pr_put_abort(&m->ctx, source);
    return status;
}

static void begin_result(struct member *m)
{
    if (!m->running || m->taken.result_count == 0) return;
    uint64_t offset, size = large_size(m);
    uint32_t i = below(m, m->taken.result_count);
    if (one_in(m, 3)) {
        enum pr_status adopted = adopt(m, m->results[i], size);
        if (adopted != PR_STATE && done(m, "result_adopt", adopted)) m->begun |= 1ull << i;
        return;
    }
    enum pr_status status = pr_result_begin(&m->ctx, m->results[i], size, &offset);
    if (status == PR_STATE || !done(m, "result_begin", status)) return;
    m->begun |= 1ull << i;
    write_bytes(m, offset, size);
}

/* Values without references inside. With others, a result could come to contain itself, and what
 * refers to itself is never freed: that is known of reference counts, and not what is tested here.
 */
static uint32_t some_leaves(struct member *m, struct pr_ref *refs, uint32_t limit)
{
    uint32_t leaves = 0, count = m->world == NULL ? 0 : some_refs(m, refs, limit);
    for (uint32_t i = 0; i < count; i++) {
        const struct pr_object *o = pr_object_at(&m->ctx, refs[i].index);
        if (o->state == PR_OBJECT_SEALED && o->children == PR_NONE) refs[leaves++] = refs[i];
    }
    return leaves;
}

static void abort_result(struct member *m)
{
    if (!m->running || m->begun == 0) return;
    uint32_t i = (uint32_t)__builtin_ctzll(m->begun);
    m->begun &= m->begun - 1;
    pr_result_abort(&m->ctx, m->results[i]);
}

static void choose_results(struct member *m, struct pr_value *values, struct pr_ref *children)
{
    for (uint32_t i = 0; i < m->taken.result_count; i++) {
        bool begun = m->begun >> i & 1 && !one_in(m, 6);
        values[i] = (struct pr_value){
            .kind = 1, .bytes = "result", .size_bytes = below(m, 7), .in_block = begun};
        values[i].flags = !begun && one_in(m, 8) ? PR_FLAG_ERROR : 0;
        values[i].children = children;
        values[i].child_count = one_in(m, 3) ? some_leaves(m, children, one_in(m, 8) ? 32 : 2) : 0;
        children += values[i].child_count;
    }
}

static void finish(struct member *m)
{
    struct pr_value values[WORLD_RESULTS];
    struct pr_ref children[WORLD_RESULTS * 32];
    struct pr_taken next;
    if (!m->running) return;
    choose_results(m, values, children);
    listen(m);
    enum pr_status status = pr_finish(&m->ctx, m->taken.task, values, m->taken.result_count, &next);
    if (status == PR_TABLE_FULL) return; /* as before: it may be finished again */
    m->taken = next;
    note_taken(m, status);
}

static void lend(struct member *m)
{
    if (!m->running) return;
    if (one_in(m, 2))
        pr_task_lend(&m->ctx, m->taken.task);
    else
        pr_task_reclaim(&m->ctx, m->taken.task);
}

/* The helped task ends at once: what comes in between is other members' work. */
static void help(struct member *m)
{
    struct pr_taken taken;
    struct pr_value values[WORLD_RESULTS];
    if (!m->running || m->ref_count == 0) return;
    struct pr_ref awaited = any_ref(m);
    bool spoilt = spoil(m, &awaited, 1);
    enum pr_status status = one_in(m, 4) ? pr_help_start(&m->ctx, awaited, &taken)
                                         : pr_help_take(&m->ctx, m->taken.task, awaited, &taken);
    if (status == PR_EMPTY || (spoilt && status == PR_STALE) || !done(m, "help", status)) return;
    for (uint32_t i = 0; i < taken.result_count; i++)
        values[i] = (struct pr_value){.kind = 1, .bytes = "", .size_bytes = 0};
    while (!done(m, "finish", pr_finish(&m->ctx, taken.task, values, taken.result_count, NULL)))
        ;
}

/* ---- processes ---- */

static void request_worker(struct member *m)
{
    enum pr_status status = pr_worker_request(&m->ctx);
    if (status != PR_EMPTY) done(m, "request", status);
}

static void trim(struct member *m)
{
    enum pr_status status = m->role == WORKER ? pr_worker_retire(&m->ctx) /* by itself */
                                              : pr_worker_trim(&m->ctx, below(m, 2));
    if (status != PR_EMPTY && status != PR_STATE) done(m, "trim", status);
}

static void join(struct member *m)
{
    for (uint32_t i = 0; m->world != NULL && i < WORLD_MEMBERS; i++)
        if (m->world->member[i].role == ABSENT) {
            member_join(&m->world->member[i], &m->ctx);
            return;
        }
}

/* Those that were told to end do; those that are to be killed are; now and then another one dies,
 * or the driver that has joined. */
static void sweep(struct member *m)
{
    if (m->world == NULL) return;
    for (uint32_t i = 0; i < WORLD_MEMBERS; i++) {
        struct member *dead = &m->world->member[i];
        if (dead->role != WORKER && !(i == WORLD_GUEST && dead->role == DRIVER)) continue;
        bool kill = pr_slot_at(&m->ctx, dead->ctx.slot)->requests & PR_REQUEST_KILL;
        if (!dead->leaving && !kill && !one_in(m, dead->role == WORKER ? 12 : 40)) continue;
        member_forget(dead);
        done(m, "sweep", member_sweep(m, dead));
        return;
    }
}

static void chores(struct member *m) { pr_chores_run(&m->ctx); }

static const struct {
    const char *name;
    void (*operation)(struct member *m);
    uint32_t roles;
    uint32_t weight;
} operations[] = {
    {"put_inline", put_inline, 7, 4},
    {"put_large", put_large, 7, 4},
    {"put_end", put_end, 7, 4},
    {"get", get, 7, 3},
    {"free_value", free_value, 7, 1},
    {"unpin", unpin, 7, 2},
    {"spill_choose", spill_choose, 7, 3},
    {"spill_end", spill_end, 7, 4},
    {"restore_begin", restore_begin, 7, 4},
    {"restore_end", restore_end, 7, 4},
    {"read_spilled", read_spilled, 7, 1},
    {"clean", spill_clean, SUPERVISOR, 2},
    {"acquire", acquire, 7, 3},
    {"release", release, 7, 7},
    {"release_many", release_many, 7, 1},
    {"statistics", statistics, 7, 1},
    {"submit", submit, 7, 6},
    {"create_actor", create_actor, 7, 2},
    {"new_group", world_new_group, 7, 2},
    {"remove_group", world_remove_group, 7, 1},
    {"submit_to_group", world_submit_to_group, 7, 4},
    {"call_actor", call_actor, 7, 5},
    {"call_actor_often", call_actor_often, 7, 2},
    {"kill_actor", kill_actor, DRIVER, 1},
    {"find_name", find_name, 7, 1},
    {"list_names", list_names, 7, 1},
    {"leave_actor", leave_actor, WORKER, 1},
    {"take_another", take_another, WORKER, 6},
    {"exchange", exchange, WORKER, 6},
    {"retry_call", retry_call, WORKER, 1},
    {"take", take, WORKER, 16},
    {"begin_result", begin_result, WORKER, 6},
    {"abort_result", abort_result, WORKER, 2},
    {"finish", finish, WORKER, 12},
    {"borrow", borrow, WORKER, 4},
    {"lend", lend, WORKER, 3},
    {"help", help, WORKER, 4},
    {"submit_stream", submit_stream, 7, 4},
    {"publish", publish, WORKER, 20},
    {"ask_room", ask_room, WORKER, 4},
    {"next_item", next_item, 7, 6},
    {"close_stream", close_stream, 7, 2},
    {"new_graph", new_graph, 7, 3},
    {"read_channel", read_channel, 7, 4},
    {"send_value", send_value, 7, 8},
    {"receive_value", receive_value, 7, 8},
    {"leave_channel", leave_channel, 7, 1},
    {"poison_graph", poison_graph, 7, 1},
    {"close_graph", close_graph, 7, 2},
    {"cancel", cancel, 7, 4},
    {"notice_cancel", notice_cancel, WORKER, 3},
    {"interrupt", interrupt, SUPERVISOR, 1},
    {"claim_latch", claim_latch, 7, 2},
    {"unclaim_latch", unclaim_latch, 7, 1},
    {"wait_arm", wait_arm, 7, 5},
    {"request_worker", request_worker, 7, 1},
    {"trim", trim, WORKER | SUPERVISOR, 2},
    {"join", join, SUPERVISOR, 5},
    {"sweep", sweep, SUPERVISOR, 5},
    {"end_job", world_end_job, SUPERVISOR, 2},
    {"reserve_driver", world_reserve_driver, SUPERVISOR, 1},
    {"chores", chores, SUPERVISOR, 1},
    {"new_label", world_new_label, 7, 1},
    {"add_text", world_add_text, 7, 1},
    {"add_span", world_add_span, 7, 1},
    {"look", world_look, 7, 1},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

const char *member_operate(struct member *m)
{
    uint32_t total = 0, i;
    for (i = 0; i < OPERATIONS; i++)
        total += operations[i].roles & m->role ? operations[i].weight : 0;
    uint32_t choice = below(m, total);
    for (i = 0;; i++) {
        uint32_t weight = operations[i].roles & m->role ? operations[i].weight : 0;
        if (choice < weight) break;
        choice -= weight;
    }
    operations[i].operation(m);
    return operations[i].name;
}
