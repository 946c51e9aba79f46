#include "engine/mailbox.h"

#include "engine/chores.h"

/* ---- lists of calls ---- */

static void append(struct pr_context *ctx, const uint32_t *head, const uint32_t *tail,
                   pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    TX_SET(ctx, t->previous, *tail);
    TX_SET(ctx, t->link, PR_NONE);
    if (*tail != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, *tail)->link, task);
    else
        TX_SET(ctx, *head, task);
    TX_SET(ctx, *tail, task);
}

static void prepend(struct pr_context *ctx, const uint32_t *head, const uint32_t *tail,
                    pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    TX_SET(ctx, t->previous, PR_NONE);
    TX_SET(ctx, t->link, *head);
    if (*head != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, *head)->previous, task);
    else
        TX_SET(ctx, *tail, task);
    TX_SET(ctx, *head, task);
}

static void take_out(struct pr_context *ctx, const uint32_t *head, const uint32_t *tail,
                     pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    if (t->previous != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, t->previous)->link, t->link);
    else
        TX_SET(ctx, *head, t->link);
    if (t->link != PR_NONE)
        TX_SET(ctx, pr_task_at(ctx, t->link)->previous, t->previous);
    else
        TX_SET(ctx, *tail, t->previous);
}

static pr_index take_first(struct pr_context *ctx, const uint32_t *head, const uint32_t *tail)
{
    pr_index task = *head;
    if (task != PR_NONE) take_out(ctx, head, tail, task);
    return task;
}

/* ---- groups ---- */

struct box {
    const uint32_t *head, *tail, *doubt_head, *doubt_tail;
};

static struct box main_box(const struct pr_actor *a)
{
    return (struct box){&a->head, &a->tail, &a->doubt_head, &a->doubt_tail};
}

static struct box group_box(const struct pr_lane *l)
{
    return (struct box){&l->head, &l->tail, &l->doubt_head, &l->doubt_tail};
}

/* A group that the actor does not have: the default one. */
static struct box box_of(const struct pr_context *ctx, const struct pr_task *t)
{
    const struct pr_actor *a = pr_actor_at(ctx, t->actor);
    uint32_t number = t->flags >> PR_GROUP_SHIFT;
    if (number != 0)
        for (pr_index g = a->groups; g != PR_NONE; g = pr_lane_at(ctx, g)->link)
            if (pr_lane_at(ctx, g)->caller == number) return group_box(pr_lane_at(ctx, g));
    return main_box(a);
}

enum pr_status pr_mailbox_open_groups(struct pr_context *ctx, pr_index actor, uint32_t count)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    PR_ASSERT(count < PR_GROUP_MAX);
    for (uint32_t number = count; number > 0; number--) {
        pr_index group;
        PR_TRY(pr_pool_take(ctx, PR_POOL_LANE, &group));
        const struct pr_lane *l = pr_lane_at(ctx, group);
        TX_SET(ctx, l->link, a->groups);
        TX_SET(ctx, l->actor, actor);
        TX_SET(ctx, l->caller, number);
        TX_SET(ctx, l->head, PR_NONE);
        TX_SET(ctx, l->tail, PR_NONE);
        TX_SET(ctx, l->doubt_head, PR_NONE);
        TX_SET(ctx, l->doubt_tail, PR_NONE);
        TX_SET(ctx, a->groups, group);
    }
    return PR_OK;
}

void pr_mailbox_close_groups(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    while (a->groups != PR_NONE) {
        pr_index group = a->groups;
        TX_SET(ctx, a->groups, pr_lane_at(ctx, group)->link);
        pr_pool_give(ctx, PR_POOL_LANE, group);
    }
}

static void deliver(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    const struct pr_actor *a = pr_actor_at(ctx, t->actor);
    struct box box = box_of(ctx, t);
    TX_SET(ctx, t->state, PR_TASK_READY);
    if (*box.doubt_head != PR_NONE)
        append(ctx, box.doubt_head, box.doubt_tail, task);
    else
        append(ctx, box.head, box.tail, task);
    if (a->slot != PR_NONE) pr_tx_wake(ctx, pr_slot_at(ctx, a->slot)->latch);
}

/* ---- lanes ---- */

static pr_index find_lane(const struct pr_context *ctx, const struct pr_task *t)
{
    for (pr_index lane = pr_actor_at(ctx, t->actor)->lanes; lane != PR_NONE;
         lane = pr_lane_at(ctx, lane)->link) {
        const struct pr_lane *l = pr_lane_at(ctx, lane);
        if (l->caller == t->submitter && l->caller_generation == t->submitter_generation)
            return lane;
    }
    return PR_NONE;
}

static enum pr_status open_lane(struct pr_context *ctx, const struct pr_task *t, pr_index *lane)
{
    const struct pr_actor *a = pr_actor_at(ctx, t->actor);
    PR_TRY(pr_pool_take(ctx, PR_POOL_LANE, lane));
    const struct pr_lane *l = pr_lane_at(ctx, *lane);
    TX_SET(ctx, l->previous, PR_NONE);
    TX_SET(ctx, l->link, a->lanes);
    if (a->lanes != PR_NONE) TX_SET(ctx, pr_lane_at(ctx, a->lanes)->previous, *lane);
    TX_SET(ctx, a->lanes, *lane);
    TX_SET(ctx, l->actor, t->actor);
    TX_SET(ctx, l->caller, t->submitter);
    TX_SET(ctx, l->caller_generation, t->submitter_generation);
    TX_SET(ctx, l->head, PR_NONE);
    TX_SET(ctx, l->tail, PR_NONE);
    return PR_OK;
}

static void close_lane(struct pr_context *ctx, pr_index lane)
{
    const struct pr_lane *l = pr_lane_at(ctx, lane);
    if (l->link != PR_NONE) TX_SET(ctx, pr_lane_at(ctx, l->link)->previous, l->previous);
    if (l->previous != PR_NONE)
        TX_SET(ctx, pr_lane_at(ctx, l->previous)->link, l->link);
    else
        TX_SET(ctx, pr_actor_at(ctx, l->actor)->lanes, l->link);
    pr_pool_give(ctx, PR_POOL_LANE, lane);
}

static void leave_lane(struct pr_context *ctx, const struct pr_lane *l, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    take_out(ctx, &l->head, &l->tail, task);
    TX_SET(ctx, t->flags, t->flags & ~(uint32_t)PR_TASK_IN_LANE);
    deliver(ctx, task);
}

/* Moves the ready calls at a lane's head to the mailbox. True when the lane needs no further step
 * now. */
static bool drain_lane(struct pr_context *ctx, pr_index lane)
{
    const struct pr_lane *l = pr_lane_at(ctx, lane);
    while (l->head != PR_NONE && !pr_tx_is_long(ctx)) {
        if (pr_task_at(ctx, l->head)->awaited > 0) return true;
        leave_lane(ctx, l, l->head);
    }
    if (l->head != PR_NONE) return pr_task_at(ctx, l->head)->awaited > 0;
    close_lane(ctx, lane);
    return true;
}

bool pr_mailbox_drain_lanes(struct pr_context *ctx, pr_index actor)
{
    pr_index next;
    for (pr_index lane = pr_actor_at(ctx, actor)->lanes; lane != PR_NONE; lane = next) {
        next = pr_lane_at(ctx, lane)->link;
        if (!drain_lane(ctx, lane)) return false;
    }
    return true;
}

enum pr_status pr_mailbox_accept(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    bool in_order = !(pr_actor_at(ctx, t->actor)->flags & PR_ACTOR_OUT_OF_ORDER);
    pr_index lane = in_order || t->awaited > 0 ? find_lane(ctx, t) : PR_NONE;
    if (lane == PR_NONE && t->awaited == 0) {
        deliver(ctx, task);
        return PR_OK;
    }
    if (lane == PR_NONE) PR_TRY(open_lane(ctx, t, &lane));
    TX_SET(ctx, t->flags, t->flags | PR_TASK_IN_LANE);
    append(ctx, &pr_lane_at(ctx, lane)->head, &pr_lane_at(ctx, lane)->tail, task);
    return PR_OK;
}

void pr_mailbox_call_ready(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    pr_index lane = find_lane(ctx, t);
    PR_ASSERT(lane != PR_NONE && (t->flags & PR_TASK_IN_LANE));
    if (pr_actor_at(ctx, t->actor)->flags & PR_ACTOR_OUT_OF_ORDER) {
        leave_lane(ctx, pr_lane_at(ctx, lane), task);
        if (pr_lane_at(ctx, lane)->head == PR_NONE) close_lane(ctx, lane);
    } else if (!drain_lane(ctx, lane)) {
        pr_actor_add_chore(ctx, t->actor);
    }
}

/* ---- taking ---- */

pr_index pr_mailbox_pop(struct pr_context *ctx, pr_index actor, uint32_t groups)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (a->head != PR_NONE && (groups & 1)) return take_first(ctx, &a->head, &a->tail);
    for (pr_index g = a->groups; g != PR_NONE; g = pr_lane_at(ctx, g)->link) {
        const struct pr_lane *l = pr_lane_at(ctx, g);
        if (l->head != PR_NONE && (groups >> l->caller & 1))
            return take_first(ctx, &l->head, &l->tail);
    }
    return PR_NONE;
}

void pr_mailbox_remove(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    if (t->flags & PR_TASK_IN_LANE) {
        pr_index lane = find_lane(ctx, t);
        PR_ASSERT(lane != PR_NONE);
        take_out(ctx, &pr_lane_at(ctx, lane)->head, &pr_lane_at(ctx, lane)->tail, task);
        TX_SET(ctx, t->flags, t->flags & ~(uint32_t)PR_TASK_IN_LANE);
        if (!drain_lane(ctx, lane)) pr_actor_add_chore(ctx, t->actor); /* those behind are ready */
        return;
    }
    struct box box = box_of(ctx, t); /* on one of its two lists: which one matters at their ends */
    take_out(ctx, *box.doubt_head == task ? box.doubt_head : box.head,
             *box.doubt_tail == task ? box.doubt_tail : box.tail, task);
}

bool pr_mailbox_has_calls(const struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    bool has = a->head != PR_NONE;
    for (pr_index g = a->groups; g != PR_NONE && !has; g = pr_lane_at(ctx, g)->link)
        has = pr_lane_at(ctx, g)->head != PR_NONE;
    return has;
}

void pr_mailbox_return(struct pr_context *ctx, pr_index task)
{
    const struct pr_task *t = pr_task_at(ctx, task);
    const struct pr_actor *a = pr_actor_at(ctx, t->actor);
    struct box box = box_of(ctx, t);
    TX_SET(ctx, t->state, PR_TASK_READY);
    prepend(ctx, box.head, box.tail, task);
    if (a->slot != PR_NONE) pr_tx_wake(ctx, pr_slot_at(ctx, a->slot)->latch);
}

/* ---- after a death ---- */

static void doubt_box(struct pr_context *ctx, struct box box)
{
    PR_ASSERT(*box.doubt_head == PR_NONE);
    if (*box.head == PR_NONE) return;
    TX_SET(ctx, *box.doubt_head, *box.head);
    TX_SET(ctx, *box.doubt_tail, *box.tail);
    TX_SET(ctx, *box.head, PR_NONE);
    TX_SET(ctx, *box.tail, PR_NONE);
}

void pr_mailbox_doubt(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    doubt_box(ctx, main_box(a));
    for (pr_index g = a->groups; g != PR_NONE; g = pr_lane_at(ctx, g)->link)
        doubt_box(ctx, group_box(pr_lane_at(ctx, g)));
}

pr_index pr_mailbox_next_doubt(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    pr_index task = take_first(ctx, &a->doubt_head, &a->doubt_tail);
    for (pr_index g = a->groups; g != PR_NONE && task == PR_NONE; g = pr_lane_at(ctx, g)->link) {
        const struct pr_lane *l = pr_lane_at(ctx, g);
        task = take_first(ctx, &l->doubt_head, &l->doubt_tail);
    }
    return task;
}

void pr_mailbox_keep(struct pr_context *ctx, pr_index task)
{
    struct box box = box_of(ctx, pr_task_at(ctx, task));
    append(ctx, box.head, box.tail, task);
}

pr_index pr_mailbox_next_victim(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    pr_index task = pr_mailbox_next_doubt(ctx, actor);
    if (task == PR_NONE) task = pr_mailbox_pop(ctx, actor, UINT32_MAX);
    while (task == PR_NONE && a->lanes != PR_NONE) {
        const struct pr_lane *l = pr_lane_at(ctx, a->lanes);
        task = take_first(ctx, &l->head, &l->tail);
        if (task == PR_NONE) close_lane(ctx, a->lanes);
    }
    return task;
}
