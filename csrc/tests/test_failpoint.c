/* Parsing of PYRAY_FAILPOINTS, and what an armed failpoint does. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/session_fixture.h"

static void every_name_is_found(void)
{
    struct pr_failpoints points;
    char text[64];
    for (int i = 0; i < PR_FP_COUNT; i++) {
        snprintf(text, sizeof text, "%s=count", pr_failpoint_name((enum pr_failpoint)i));
        CHECK(pr_failpoints_parse(&points, text) == 0);
        for (int j = 0; j < PR_FP_COUNT; j++)
            CHECK(points.point[j].action == (i == j ? PR_FP_TALLY : PR_FP_OFF));
    }
    CHECK(pr_failpoint_name(PR_FP_COUNT) == NULL);
}

static void lists_are_parsed(void)
{
    struct pr_failpoints points;
    CHECK(pr_failpoints_parse(&points, "") == 0);
    CHECK(pr_failpoints_parse(&points, "put.created=kill@3,take.done=delay:20,chore.step=count") ==
          0);
    CHECK(points.point[PR_FP_PUT_CREATED].action == PR_FP_KILL);
    CHECK(points.point[PR_FP_PUT_CREATED].argument == 3);
    CHECK(points.point[PR_FP_TAKE_DONE].action == PR_FP_DELAY);
    CHECK(points.point[PR_FP_TAKE_DONE].argument == 20000000);
    CHECK(points.point[PR_FP_CHORE_STEP].action == PR_FP_TALLY);
}

static void mistakes_are_located(void)
{
    static const struct {
        const char *text;
        uint32_t position;
    } cases[] = {
        {"nonsense", 1},           {"nonsense=count", 1},     {"put.created", 1},
        {"put.created=die", 1},    {"put.created=count;", 1}, {"put.created=count,x=count", 19},
        {"put.created=kill@", 1},  {"put.created=kill@0", 1}, {"put.created=kill@-1", 1},
        {"put.created=delay:", 1},
    };
    struct pr_failpoints points;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t position = pr_failpoints_parse(&points, cases[i].text);
        CHECK_THAT(position == cases[i].position, "%s: %u", cases[i].text, position);
    }
}

static void hits_are_counted(void)
{
    struct pr_context ctx;
    struct pr_failpoints points;
    fixture_create(&ctx, 1 << 20, 1);
    CHECK(pr_failpoints_parse(&points, "put.created=count,put.copied=count,release.before=count") ==
          0);
    ctx.failpoints = &points;
    struct pr_ref ref = fixture_put_large(&ctx, "0123456789", 10);
    pr_release(&ctx, ref);
    CHECK(points.point[PR_FP_PUT_CREATED].hits == 1);
    CHECK(points.point[PR_FP_PUT_COPIED].hits == 1);
    CHECK(points.point[PR_FP_RELEASE_BEFORE].hits == 1);
    pr_session_detach(&ctx, false);
}

static void a_delay_delays(void)
{
    struct pr_context ctx;
    struct pr_failpoints points;
    fixture_create(&ctx, 1 << 20, 1);
    CHECK(pr_failpoints_parse(&points, "release.before=delay:15") == 0);
    struct pr_ref ref = fixture_put(&ctx, 1);
    ctx.failpoints = &points;
    uint64_t before = pr_os_monotonic_ns();
    pr_release(&ctx, ref);
    CHECK(pr_os_monotonic_ns() - before >= 15000000);
    pr_session_detach(&ctx, false);
}

static void kill_strikes_at_its_hit(void)
{
    struct pr_context ctx;
    struct pr_failpoints points;
    fixture_create(&ctx, 1 << 20, 1);
    CHECK(pr_failpoints_parse(&points, "release.before=kill@2") == 0);
    struct pr_ref first = fixture_put(&ctx, 1), second = fixture_put(&ctx, 2);
    ctx.failpoints = &points;
    pid_t child = fork();
    if (child == 0) {
        pr_release(&ctx, first);
        pr_release(&ctx, second);
        _exit(0);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    struct pr_accounts accounts = fixture_accounts(&ctx);
    CHECK_THAT(accounts.objects == 1, "the second release did not happen: %u objects",
               accounts.objects);
    pr_session_detach(&ctx, false);
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(every_name_is_found);
    RUN(lists_are_parsed);
    RUN(mistakes_are_located);
    RUN(hits_are_counted);
    RUN(a_delay_delays);
    RUN(kill_strikes_at_its_hit);
    return harness_end();
}
