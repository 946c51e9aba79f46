#include "tests/world_mutants.h"

static enum pr_status store_past_the_log(struct pr_context *ctx, void *argument)
{
    const struct pr_engine_root *root = pr_engine_root(ctx);
    TX_ADD(ctx, root->retried, 1);
    ((struct pr_engine_root *)pr_writable_at(ctx, root))->deaths++;
    TX_ADD(ctx, root->retried, 1);
    return PR_OK;
}

const char *mutant_store_past_the_log(struct world *world)
{
    (void)!pr_transact(&world->member[0].ctx, store_past_the_log, NULL);
    return "a store past the log";
}

static enum pr_status take_an_object(struct pr_context *ctx, void *argument)
{
    pr_index object;
    PR_TRY(pr_object_new(ctx, PR_OBJECT_PENDING, &object));
    pr_object_ref(ctx, object);
    return PR_OK;
}

/* The object and its claim in two transactions: a death in between leaves it without an owner. */
const char *mutant_claim_apart(struct world *world)
{
    (void)!pr_transact(&world->member[0].ctx, take_an_object, NULL);
    (void)!pr_transact(&world->member[0].ctx, take_an_object, NULL);
    return "a claim in a transaction of its own";
}

const char *mutant_none(struct world *world)
{
    pr_release(&world->member[0].ctx, fixture_put(&world->member[0].ctx, 1));
    return "no mutant";
}
