#include "tests/strand.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
static const void *scheduler_stack;
static size_t scheduler_stack_size;
#endif

static struct strand *starting; /* makecontext takes no pointers */

/* ---- from one stack to another ---- */

static void enter(struct strand *s)
{
#ifdef __SANITIZE_ADDRESS__
    void *own = NULL;
    __sanitizer_start_switch_fiber(&own, s->stack, STRAND_STACK);
    swapcontext(&s->scheduler, &s->context);
    __sanitizer_finish_switch_fiber(own, NULL, NULL);
#else
    swapcontext(&s->scheduler, &s->context);
#endif
}

static void leave(struct strand *s)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(s->ended ? NULL : &s->fake_stack, scheduler_stack,
                                   scheduler_stack_size);
    swapcontext(&s->context, &s->scheduler);
    __sanitizer_finish_switch_fiber(s->fake_stack, NULL, NULL);
#else
    swapcontext(&s->context, &s->scheduler);
#endif
}

static void arrived(void)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(NULL, &scheduler_stack, &scheduler_stack_size);
#endif
}

/* ---- what it does ---- */

static void stop(void *argument)
{
    struct strand *s = argument;
    s->within = true;
    leave(s);
}

static void add(struct strand *s, uint64_t value) { s->seen = (s->seen ^ value) * 0x100000001b3u; }

/* What the operation came to, as the process knows it. Where entries are depends on who was first,
 * and says nothing. */
static void note_outcome(struct strand *s)
{
    const struct member *m = s->member;
    uint32_t counts[] = {m->role,
                         m->leaving,
                         m->ref_count,
                         m->pin_count,
                         m->handle_count,
                         m->creating.index != PR_NONE,
                         m->spill.count,
                         m->restore.ref.index != PR_NONE,
                         m->stream_count,
                         m->wants_room,
                         m->graph_count,
                         m->read_count,
                         m->running,
                         m->running ? m->taken.result_count : 0,
                         m->call_count,
                         m->sleeping,
                         m->latch != 0,
                         m->waiting,
                         m->waiting ? m->wait_count : 0};
    for (uint32_t i = 0; i < sizeof counts / sizeof counts[0]; i++) add(s, counts[i]);
}

static void work(void)
{
    struct strand *s = starting;
    arrived();
    leave(s);
    while (s->done < s->operations && s->member->role != ABSENT) {
        s->names[s->done] = "";
        s->names[s->done] = s->operate(s->member);
        s->within = false;
        s->done++;
        note_outcome(s);
        if (s->done < s->operations) leave(s);
    }
    s->ended = true;
    leave(s);
}

/* ---- the scheduler's side ---- */

void strand_open(struct strand *s)
{
    *s = (struct strand){.stack = malloc(STRAND_STACK)};
    REQUIRE(s->stack != NULL);
}

void strand_close(struct strand *s) { free(s->stack); }

static void hook(struct strand *s, void (*at_step)(void *argument))
{
    s->member->ctx.at_step = at_step;
    s->member->ctx.injection_argument = s;
}

void strand_start(struct strand *s, struct member *member, uint32_t operations)
{
    REQUIRE(operations <= STRAND_OPERATIONS);
    *s = (struct strand){
        .stack = s->stack, .member = member, .operate = member_operate, .operations = operations};
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(s->stack, STRAND_STACK); /* of calls that never returned */
#endif
    REQUIRE(getcontext(&s->context) == 0);
    s->context.uc_stack.ss_sp = s->stack;
    s->context.uc_stack.ss_size = STRAND_STACK;
    makecontext(&s->context, work, 0);
    starting = s;
    enter(s);
}

void strand_step(struct strand *s)
{
    if (s->member->role == ABSENT) s->ended = true;
    if (s->ended) return;
    hook(s, stop);
    enter(s);
    hook(s, NULL);
}

void strand_kill(struct strand *s) { s->ended = true; }
