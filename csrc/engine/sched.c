#include "engine/sched.h"

#include "engine/placement.h"

/* ---- queues ---- */

static void count_ready(struct pr_context *ctx, const struct pr_class *c, uint32_t change)
{
    TX_SET(ctx, c->count, c->count + change);
    TX_SET(ctx, pr_engine_root(ctx)->ready_count, pr_engine_root(ctx)->ready_count + change);
}

static void insert(struct pr_context *ctx, pr_index task, pr_index before, pr_index after)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    const struct pr_class *c = pr_class_at(ctx, t->shape);
    TX_SET(ctx, t->state, PR_TASK_READY);
    TX_SET(ctx, t->previous, before);
    TX_SET(ctx, t->link, after);
    if (before != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, before)->link, task);
    else
        TX_SET(ctx, c->head, task);
    if (after != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, after)->previous, task);
    else
        TX_SET(ctx, c->tail, task);
    count_ready(ctx, c, 1);
}

void pr_queue_push(struct pr_context *ctx, pr_index task)
{
    insert(ctx, task, pr_class_at(ctx, pr_task_at(ctx, task)->shape)->tail, PR_NONE);
}

void pr_queue_push_front(struct pr_context *ctx, pr_index task)
{
    insert(ctx, task, PR_NONE, pr_class_at(ctx, pr_task_at(ctx, task)->shape)->head);
}

void pr_queue_remove(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    const struct pr_class *c = pr_class_at(ctx, t->shape);
    PR_ASSERT(t->state == PR_TASK_READY && c->count > 0);
    if (t->previous != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, t->previous)->link, t->link);
    else
        TX_SET(ctx, c->head, t->link);
    if (t->link != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, t->link)->previous, t->previous);
    else
        TX_SET(ctx, c->tail, t->previous);
    count_ready(ctx, c, (uint32_t)-1);
}

/* The class that comes `step` classes after the one that was served last. */
static pr_index class_in_turn(const struct pr_engine_root *root, uint32_t step)
{
    return (root->class_cursor + step) % root->class_count + 1;
}

/* The next class of an environment, in turn, that has a ready task and fits; or none. */
static pr_index runnable_class(const struct pr_context *ctx, pr_index environment)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    if (root->ready_count == 0) return PR_NONE;
    for (uint32_t i = 0; i < root->class_count; i++) {
        pr_index shape = class_in_turn(root, i);
        const struct pr_class *c = pr_class_at(ctx, shape);
        if (c->count > 0 && c->environment == environment && pr_resources_fit(ctx, shape))
            return shape;
    }
    return PR_NONE;
}

/* ---- idle workers ---- */

void pr_idle_push(struct pr_context *ctx, pr_index slot)
{
    const struct pr_slot *s = pr_slot_at(ctx, slot);
    const struct pr_crew *crew = pr_crew_of(ctx, s->environment);
    TX_SET(ctx, s->link, crew->idle_head);
    TX_SET(ctx, s->idle_previous, PR_NONE);
    if (crew->idle_head != PR_NONE)
        TX_SET(ctx, pr_slot_at(ctx, crew->idle_head)->idle_previous, slot);
    else
        TX_SET(ctx, crew->idle_tail, slot);
    TX_SET(ctx, crew->idle_head, slot);
    TX_ADD(ctx, crew->idle_count, 1);
    TX_SET(ctx, s->state, PR_SLOT_IDLE);
}

void pr_idle_remove(struct pr_context *ctx, pr_index slot)
{
    const struct pr_slot *s = pr_slot_at(ctx, slot);
    const struct pr_crew *crew = pr_crew_of(ctx, s->environment);
    PR_ASSERT(s->state == PR_SLOT_IDLE && crew->idle_count > 0);
    if (s->idle_previous != PR_NONE)
        TX_SET(ctx, pr_slot_at(ctx, s->idle_previous)->link, s->link);
    else
        TX_SET(ctx, crew->idle_head, s->link);
    if (s->link != PR_NONE)
        TX_SET(ctx, pr_slot_at(ctx, s->link)->idle_previous, s->idle_previous);
    else
        TX_SET(ctx, crew->idle_tail, s->idle_previous);
    TX_SET(ctx, crew->idle_count, crew->idle_count - 1);
}

void pr_sched_leave_state(struct pr_context *ctx, pr_index slot)
{
    const struct pr_slot *s = pr_slot_at(ctx, slot);
    const struct pr_crew *crew = pr_crew_of(ctx, s->environment);
    if (s->state == PR_SLOT_STARTING) TX_SET(ctx, crew->starting, crew->starting - 1);
    if (s->state == PR_SLOT_WAKING) TX_SET(ctx, crew->waking, crew->waking - 1);
    if (s->state == PR_SLOT_IDLE) pr_idle_remove(ctx, slot);
}

/* How many workers may be on their way at once: no more than tasks that could run with what is
 * free. */
static uint32_t useful_workers(const struct pr_context *ctx, pr_index shape)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    const struct pr_class *c = pr_class_at(ctx, shape);
    int64_t fit = root->start_limit;
    for (uint32_t i = 0; c->placement == PR_NONE && i < c->demand_count; i++)
        if (c->demand[i].amount > 0)
            fit = PR_MIN(fit, root->resources[c->demand[i].resource].free / c->demand[i].amount);
    return (uint32_t)PR_MIN(PR_MAX(fit, 0), (int64_t)root->ready_count);
}

static void wake_idle(struct pr_context *ctx, const struct pr_crew *crew)
{
    pr_index slot = crew->idle_head;
    pr_idle_remove(ctx, slot);
    TX_SET(ctx, pr_slot_at(ctx, slot)->state, PR_SLOT_WAKING);
    TX_ADD(ctx, crew->waking, 1);
    pr_tx_wake(ctx, pr_slot_at(ctx, slot)->latch);
}

void pr_slot_request(struct pr_context *ctx, pr_index slot, uint32_t requests)
{
    const struct pr_slot *s = pr_slot_at(ctx, slot);
    if ((s->requests & requests) == requests) return;
    TX_SET(ctx, s->requests, s->requests | requests);
    TX_ADD(ctx, pr_engine_root(ctx)->signal_requests, 1);
    ctx->ring_doorbell = true;
}

void pr_sched_request(struct pr_context *ctx, const struct pr_crew *crew)
{
    TX_ADD(ctx, crew->spawn_requests, 1);
    TX_ADD(ctx, pr_engine_root(ctx)->spawn_requests, 1);
    ctx->ring_doorbell = true;
}

/* ---- turns ---- */

/* A worker takes tasks of its own crew only, and while there are such it never sleeps: so those of
 * another crew, which may be another driver's, would wait for ever for what it has. When they have
 * waited for PR_TURN_NS, and could run with what it has just given back, it passes: an idle worker
 * of theirs is woken, and until that one looks (or dies) the next task is its crew's (`turn`). */
#define PR_TURN_NS 10000000u

#ifdef PR_CRASH_INJECTION
#define TURN_CLOCK_NS(ctx) (++(ctx)->turns * (PR_TURN_NS / 2)) /* the same at each run */
#else
#define TURN_CLOCK_NS(ctx) pr_os_monotonic_ns()
#endif

bool pr_sched_is_turn_of_others(const struct pr_context *ctx, pr_index environment)
{
    uint32_t turn = pr_engine_root(ctx)->turn;
    return turn != 0 && turn != environment + 1 && pr_crew_of(ctx, turn - 1)->waking > 0;
}

static pr_index waiting_class(const struct pr_context *ctx, pr_index environment)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    for (uint32_t i = 0; i < root->class_count; i++) {
        pr_index shape = class_in_turn(root, i);
        const struct pr_class *c = pr_class_at(ctx, shape);
        if (c->count > 0 && c->environment != environment && pr_resources_fit(ctx, shape))
            return shape;
    }
    return PR_NONE;
}

/* True when this worker has passed its turn on. */
static bool pass_turn(struct pr_context *ctx, pr_index environment)
{
    pr_index shape = waiting_class(ctx, environment);
    if (shape == PR_NONE) {
        ctx->turn_ns = 0;
        return false;
    }
    uint64_t now = TURN_CLOCK_NS(ctx);
    if (ctx->turn_ns == 0) ctx->turn_ns = now;
    if (now - ctx->turn_ns < PR_TURN_NS) return false;
    pr_index other = pr_class_at(ctx, shape)->environment;
    if (pr_crew_of(ctx, other)->idle_head == PR_NONE) {
        pr_sched_spare(ctx, pr_crew_of(ctx, other));
        return false;
    }
    ctx->turn_ns = 0;
    TX_SET(ctx, pr_engine_root(ctx)->turn, other + 1);
    TX_SET(ctx, pr_engine_root(ctx)->class_cursor, shape - 1);
    wake_idle(ctx, pr_crew_of(ctx, other));
    return true;
}

/* Whether a worker of this crew may take a task now. */
static bool may_take(struct pr_context *ctx, pr_index environment)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    if (PR_LIKELY(root->environments == PR_NONE)) return true;
    if (pr_sched_is_turn_of_others(ctx, environment)) return false;
    if (root->turn != 0) TX_SET(ctx, root->turn, 0);
    return !pass_turn(ctx, environment);
}

pr_index pr_queue_pop(struct pr_context *ctx, pr_index environment)
{
    pr_index shape = runnable_class(ctx, environment);
    if (shape == PR_NONE || !may_take(ctx, environment)) return PR_NONE;
    pr_index task = pr_class_at(ctx, shape)->head;
    pr_queue_remove(ctx, task);
    if (pr_engine_root(ctx)->class_count > 1) TX_SET(ctx, pr_engine_root(ctx)->class_cursor, shape);
    return task;
}

/* ---- waking ---- */

/* Gets a worker on the way to a runnable class, unless enough are. */
static void send_worker(struct pr_context *ctx, pr_index shape)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    const struct pr_crew *crew = pr_crew_of(ctx, pr_class_at(ctx, shape)->environment);
    uint32_t useful = useful_workers(ctx, shape);
    if (crew->idle_head != PR_NONE) { /* does not wait for those that start, which takes long */
        if (crew->waking < useful) wake_idle(ctx, crew);
    } else if (crew->spawn_requests + crew->starting + crew->waking < useful &&
               root->worker_count + root->spawn_requests < root->worker_limit) {
        pr_sched_request(ctx, crew);
    }
}

void pr_sched_spare(struct pr_context *ctx, const struct pr_crew *crew)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    if (crew->idle_head != PR_NONE || crew->spawn_requests + crew->starting + crew->waking > 0)
        return;
    if (root->worker_count + root->spawn_requests < root->worker_limit) pr_sched_request(ctx, crew);
}

void pr_sched_send(struct pr_context *ctx)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    if (root->ready_count == 0) return;
    /* Where there are several crews, one may be needed that the first class does not ask for. */
    uint32_t tries = root->environments == PR_NONE ? 1 : PR_STEP_RESULTS;
    for (uint32_t i = 0; i < root->class_count && tries > 0; i++) {
        pr_index shape = class_in_turn(root, i);
        const struct pr_class *c = pr_class_at(ctx, shape);
        if (c->count == 0 || pr_sched_is_turn_of_others(ctx, c->environment)) continue;
        if (!pr_resources_fit(ctx, shape)) continue;
        send_worker(ctx, shape);
        tries--;
    }
}

void pr_sched_nudge(struct pr_context *ctx)
{
    if (PR_UNLIKELY(pr_engine_root(ctx)->pending_head != PR_NONE)) pr_placement_look(ctx);
    pr_sched_send(ctx);
}
