#include "engine/chores.h"

#include "engine/actor.h"
#include "engine/placement.h"
#include "engine/task.h"

void pr_task_add_chore(struct pr_context *ctx, pr_index task)
{
    const struct pr_store_root *root = pr_store_root(ctx);
    TX_SET(ctx, pr_task_at(ctx, task)->link, root->task_chores);
    TX_SET(ctx, root->task_chores, task);
}

void pr_actor_add_chore(struct pr_context *ctx, pr_index actor)
{
    const struct pr_store_root *root = pr_store_root(ctx);
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    if (a->on_chores) return;
    TX_SET(ctx, a->on_chores, 1);
    TX_SET(ctx, a->link, root->actor_chores);
    TX_SET(ctx, root->actor_chores, actor);
}

/* Each of the three takes the first entry off its list, does one step, and puts it back if work is
 * left. */

static void actor_chore(struct pr_context *ctx, pr_index actor)
{
    const struct pr_actor *a = pr_actor_at(ctx, actor);
    TX_SET(ctx, pr_store_root(ctx)->actor_chores, a->link);
    TX_SET(ctx, a->on_chores, 0);
    if (!pr_actor_chore_step(ctx, actor)) pr_actor_add_chore(ctx, actor);
}

static void task_chore(struct pr_context *ctx, pr_index task)
{
    TX_SET(ctx, pr_store_root(ctx)->task_chores, pr_task_at(ctx, task)->link);
    if (!pr_task_chore_step(ctx, task)) pr_task_add_chore(ctx, task);
}

static bool free_object(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    if (o->flags & PR_FLAG_HOOK) {
        if (!pr_actor_released(ctx, o->producer))
            return true; /* comes back when the actor is dead */
        TX_SET(ctx, o->flags, o->flags & ~(uint32_t)PR_FLAG_HOOK);
    }
    return pr_object_free_step(ctx, object);
}

static void object_chore(struct pr_context *ctx, pr_index object)
{
    const struct pr_object *o = pr_object_at(ctx, object);
    TX_SET(ctx, pr_store_root(ctx)->object_chores, o->link);
    TX_SET(ctx, o->flags, o->flags & ~(uint32_t)PR_FLAG_ON_CHORES);
    bool done = o->waiters == PR_NONE || pr_resolve_step(ctx, object);
    if (done && o->state == PR_OBJECT_FREEING) done = free_object(ctx, object);
    if (!done) pr_object_add_chore(ctx, object);
}

static enum pr_status one_chore(struct pr_context *ctx, void *argument)
{
    const struct pr_store_root *root = pr_store_root(ctx);
    if (root->task_chores != PR_NONE)
        task_chore(ctx, root->task_chores);
    else if (root->actor_chores != PR_NONE)
        actor_chore(ctx, root->actor_chores);
    else if (root->object_chores != PR_NONE)
        object_chore(ctx, root->object_chores);
    else if (!pr_placement_advance(ctx))
        return PR_EMPTY;
    return PR_OK;
}

void pr_chores_run(struct pr_context *ctx)
{
    while (pr_transact(ctx, one_chore, NULL) == PR_OK) PR_FAILPOINT(ctx, CHORE_STEP);
}
