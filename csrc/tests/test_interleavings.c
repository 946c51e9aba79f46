/* Interleavings of processes at every transaction, and at every wake that follows one.
 *
 * Two processes with three operations each: every order of their steps, and every order with one
 * death at every step. What an order without a death comes to must be what some order of whole
 * operations comes to. Four processes with fifty operations each: random orders and deaths. The
 * operations are those of world_operations.c, from random states.
 *
 *     test_interleavings --seconds=N --seed=N
 */
#include "tests/strand.h"
#include "tests/world_channels.h"
#include "tests/world_snapshot.h"

#if !defined PR_CRASH_INJECTION || defined __SANITIZE_THREAD__

int main(void)
{
    printf("compiled without PR_CRASH_INJECTION, or with ThreadSanitizer\n");
    return EXIT_SKIP;
}

#else

enum { PAIR = 2, PAIR_OPERATIONS = 3, CROWD = 4, CROWD_OPERATIONS = 50, WARM_UP = 250 };
enum { MOST_STEPS = 400, MOST_ORDERS = 4000, MOST_OUTCOMES = 512 };

static struct world world;
static struct snapshot before;
static struct strand strands[CROWD];
static struct random random_numbers;
static uint64_t until_ns, scenarios, orders, cut_off, deaths;

static uint32_t below(uint32_t limit) { return random_below(&random_numbers, limit); }

static void start(void)
{
    uint64_t seconds = harness_number("seconds", "PYRAY_TEST_SECONDS", 1);
    until_ns = pr_os_monotonic_ns() + seconds * 1000000000u;
    random_numbers = (struct random){harness_seed()};
    scenarios = orders = cut_off = deaths = 0;
    for (int i = 0; i < CROWD; i++) strand_open(&strands[i]);
}

static bool goes_on(void)
{
    return harness.failures == 0 && (scenarios == 0 || pr_os_monotonic_ns() < until_ns);
}

static void end(void)
{
    for (int i = 0; i < CROWD; i++) strand_close(&strands[i]);
    printf("  %llu scenarios, %llu orders, %llu deaths, %llu scenarios cut off\n",
           (unsigned long long)scenarios, (unsigned long long)orders, (unsigned long long)deaths,
           (unsigned long long)cut_off);
}

static void make_world(void)
{
    world_create(&world, random_next(&random_numbers));
    world_keep_files(&world);
    for (int i = below(WARM_UP); i > 0; i--) world_operate(&world);
}

static uint32_t choose_members(uint32_t wanted, struct member **chosen)
{
    uint32_t count = 0;
    for (uint32_t i = 0, at = below(WORLD_MEMBERS); i < WORLD_MEMBERS && count < wanted; i++) {
        struct member *m = &world.member[(at + i) % WORLD_MEMBERS];
        if (m->role != ABSENT) chosen[count++] = m;
    }
    return count;
}

static bool may_die(const struct member *m)
{
    return m->role == WORKER || m == &world.member[WORLD_GUEST];
}

/* ---- one order of the steps ---- */

/* A choice at each step: which strand goes on, or, beyond their number, which one dies. */
static struct order {
    uint8_t chosen[MOST_STEPS], options[MOST_STEPS];
    uint32_t length; /* of the part that is prescribed; behind it, always the first option */
    uint32_t steps;
    bool is_serial; /* operations were not interrupted */
    struct strand *dead;
} order;

static uint32_t list_options(bool with_death, struct strand **options)
{
    uint32_t count = 0;
    for (int i = 0; i < PAIR; i++)
        if (!strands[i].ended) options[count++] = &strands[i];
    for (int i = 0; i < PAIR && with_death && order.dead == NULL; i++)
        if (!strands[i].ended && may_die(strands[i].member)) options[count++] = &strands[i];
    return count;
}

static uint32_t living(void) { return (uint32_t)!strands[0].ended + (uint32_t)!strands[1].ended; }

static void perform(bool with_death)
{
    struct strand *options[2 * PAIR], *last = NULL;
    order.is_serial = true;
    order.dead = NULL;
    for (order.steps = 0; living() > 0 && order.steps < MOST_STEPS; order.steps++) {
        uint32_t at = order.steps, count = list_options(with_death, options), alive = living();
        if (at >= order.length) order.chosen[at] = 0;
        order.options[at] = (uint8_t)count;
        struct strand *s = options[order.chosen[at]];
        if (order.chosen[at] >= alive) {
            strand_kill(s);
            order.dead = s;
            continue;
        }
        if (last != NULL && last != s && last->within && !last->ended) order.is_serial = false;
        strand_step(s);
        last = s;
    }
}

/* The next order, depth first. False: that was the last. */
static bool next_order(void)
{
    uint32_t at = order.steps;
    while (at > 0 && order.chosen[at - 1] + 1 >= order.options[at - 1]) at--;
    if (at == 0) return false;
    order.chosen[at - 1]++;
    order.length = at;
    return true;
}

/* ---- what came of it ---- */

static const char *describe_order(void)
{
    static char text[2000];
    int at = 0;
    for (int i = 0; i < PAIR; i++) {
        const struct strand *s = &strands[i];
        at += snprintf(text + at, sizeof text - (size_t)at,
                       "member %d:", (int)(s->member - world.member));
        for (uint32_t j = 0; j < s->operations && s->names[j] != NULL; j++)
            at += snprintf(text + at, sizeof text - (size_t)at, " %s", s->names[j]);
        at += snprintf(text + at, sizeof text - (size_t)at, "; ");
    }
    for (uint32_t i = 0; i < order.steps && at < 1900; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%d", order.chosen[i]);
    return text;
}

static const char *check_state(void)
{
    const char *what = "";
    if (pr_audit(&world.reaper, NULL, &what) != PR_OK) return what;
    if (order.dead == NULL || order.dead->member->role == ABSENT) return world_check_wakes(&world);
    deaths++;
    return world_survive(&world, order.dead->member, below(50) == 0);
}

static uint64_t outcome(void)
{
    struct pr_accounts a = fixture_accounts(&world.reaper);
    uint64_t sum = strands[0].seen * 3 + strands[1].seen;
    uint64_t counts[] = {a.objects, a.tasks, a.actors,  a.edges,    a.slots,
                         a.latches, a.lanes, a.streams, a.channels, a.heap_used_bytes};
    for (uint32_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        sum = (sum ^ counts[i]) * 0x100000001b3u;
    return sum;
}

static struct outcome {
    uint64_t sum;
    bool is_serial; /* whole operations come to it, too */
    struct order first;
} outcomes[MOST_OUTCOMES];
static uint32_t outcome_count;

static void note_order(void)
{
    uint64_t sum = outcome();
    uint32_t i = 0;
    while (i < outcome_count && outcomes[i].sum != sum) i++;
    if (i == MOST_OUTCOMES) return;
    if (i == outcome_count) outcomes[outcome_count++] = (struct outcome){sum, false, order};
    outcomes[i].is_serial |= order.is_serial;
}

/* ---- all orders ---- */

static void begin_pair(struct member **members)
{
    snapshot_restore(&before, &world);
    for (int i = 0; i < PAIR; i++) strand_start(&strands[i], members[i], PAIR_OPERATIONS);
}

static void run_orders(struct member **members, bool with_death)
{
    uint32_t count = 0;
    order.length = 0;
    outcome_count = 0;
    do {
        begin_pair(members);
        perform(with_death);
        const char *what = check_state();
        CHECK_THAT(what == NULL, "scenario %llu: %s; %s", (unsigned long long)scenarios, what,
                   describe_order());
        if (!with_death) note_order();
        count++;
    } while (harness.failures == 0 && count < MOST_ORDERS && next_order());
    orders += count;
    cut_off += count == MOST_ORDERS;
    for (uint32_t i = 0; i < outcome_count && count < MOST_ORDERS; i++)
        CHECK_THAT(outcomes[i].is_serial, "scenario %llu: no order of whole operations does this",
                   (unsigned long long)scenarios);
}

static void all_orders_of_two(void)
{
    struct member *members[PAIR];
    start();
    for (; goes_on(); scenarios++) {
        make_world();
        snapshot_open(&before, &world);
        snapshot_take(&before, &world);
        if (choose_members(PAIR, members) == PAIR) {
            run_orders(members, false);
            run_orders(members, true);
        }
        snapshot_restore(&before, &world);
        snapshot_close(&before);
        const char *what = world_end(&world);
        CHECK_THAT(what == NULL, "in the end: %s", what);
        world_destroy(&world);
    }
    end();
}

/* ---- random orders ---- */

static void random_orders_of_four(void)
{
    struct member *members[CROWD];
    start();
    for (; goes_on(); scenarios++) {
        const char *what = "";
        make_world();
        uint32_t count = choose_members(CROWD, members), left = count;
        uint32_t death = below(4 * CROWD * CROWD_OPERATIONS);
        for (uint32_t i = 0; i < count; i++)
            strand_start(&strands[i], members[i], CROWD_OPERATIONS);
        order.dead = NULL;
        for (uint32_t step = 0; left > 0 && harness.failures == 0; step++) {
            struct strand *s = &strands[below(count)];
            if (step >= death && order.dead == NULL && !s->ended && may_die(s->member)) {
                strand_kill(s);
                order.dead = s;
            }
            strand_step(s);
            left = 0;
            for (uint32_t i = 0; i < count; i++) left += !strands[i].ended;
            if (step % 16 == 0)
                CHECK_THAT(pr_audit(&world.reaper, NULL, &what) == PR_OK, "step %u: %s", step,
                           what);
        }
        orders++;
        what = check_state();
        if (what == NULL) what = world_end(&world);
        CHECK_THAT(what == NULL, "scenario %llu: %s", (unsigned long long)scenarios, what);
        world_destroy(&world);
    }
    end();
}

/* ---- what must be found ---- */

static const char *receive(struct member *m)
{
    receive_value(m);
    return "receive";
}

/* Whoever sends in between finds nobody to wake. */
static const char *receive_and_look_too_late(struct member *m)
{
    receive_value(m);
    m->ctx.at_step(m->ctx.injection_argument);
    if (m->receiving.index != PR_NONE)
        m->receive_seen = pr_latch_sequence(&m->ctx, pr_slot_at(&m->ctx, m->ctx.slot)->latch);
    return "receive too late";
}

static const char *send(struct member *m)
{
    send_value(m);
    return "send";
}

static bool some_order_is_wrong(struct member **members,
                                const char *(*first)(struct member *member))
{
    bool wrong = false;
    order.length = 0;
    do {
        snapshot_restore(&before, &world);
        for (int i = 0; i < PAIR; i++) strand_start(&strands[i], members[i], 1);
        strands[0].operate = first;
        strands[1].operate = send;
        perform(false);
        wrong |= check_state() != NULL;
        orders++;
    } while (next_order());
    return wrong;
}

/* A channel with a reader who has nothing to read yet, from a random world's members. */
static void make_channel_world(void)
{
    struct member *owner = &world.member[0], *reader = &world.member[3];
    do {
        if (scenarios++ > 0) world_destroy(&world);
        world_create(&world, random_next(&random_numbers));
        new_graph(owner);
        read_channel(reader);
    } while (owner->graph_count == 0 || reader->read_count == 0);
}

static void sleeping_on_what_has_come_is_found(void)
{
    struct member *members[PAIR] = {&world.member[3], &world.member[0]};
    bool found = false;
    start();
    for (int round = 0; round < 500 && !found; round++) { /* the sender chooses any channel */
        make_channel_world();
        snapshot_open(&before, &world);
        snapshot_take(&before, &world);
        CHECK(!some_order_is_wrong(members, receive));
        found = some_order_is_wrong(members, receive_and_look_too_late);
        snapshot_close(&before);
    }
    CHECK(found);
    world_destroy(&world);
    end();
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(sleeping_on_what_has_come_is_found);
    RUN(all_orders_of_two);
    RUN(random_orders_of_four);
    return harness_end();
}

#endif
