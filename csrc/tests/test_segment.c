/* Making, attaching and refusing segments. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/session_fixture.h"

static const struct pr_pool_plan plans[2] = {{64, 100, 10, 0, 0}, {128, 1000, 20, 0, 0}};

static uint32_t count_mappings(void)
{
    char line[512];
    uint32_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    REQUIRE(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) count += strstr(line, "memfd:pyray") != NULL;
    fclose(maps);
    return count;
}

static struct pr_header *header_of(struct pr_context *ctx)
{
    return (struct pr_header *)ctx->writable;
}

static void create_attach_detach(void)
{
    struct pr_context one, two;
    OK(pr_segment_create(&one, plans, 2, 1 << 20));
    CHECK(one.header->magic == PR_MAGIC && one.header->nonce != 0);
    OK(pr_segment_attach(&two, plans, 2, dup(one.control_fd), dup(one.heap_fd)));
    CHECK(two.header != one.header && two.header->nonce == one.header->nonce);
    one.heap_writable[12345] = 'x';
    CHECK(two.heap[12345] == 'x');
    pr_segment_detach(&two, false);
    pr_segment_detach(&one, false);
    CHECK(count_mappings() == 0);
}

static void memfds_are_sealed_and_close_on_exec(void)
{
    struct pr_context ctx;
    OK(pr_segment_create(&ctx, plans, 2, 1 << 20));
    for (int i = 0; i < 2; i++) {
        int fd = i == 0 ? ctx.control_fd : ctx.heap_fd;
        CHECK(ftruncate(fd, 4096) != 0);
        CHECK(ftruncate(fd, 1 << 30) != 0);
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    pr_segment_detach(&ctx, false);
}

static uint8_t *find_writable_through(const void *address)
{
    char line[512];
    unsigned long from, to;
    char rights[8] = "";
    FILE *maps = fopen("/proc/self/maps", "r");
    REQUIRE(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 &&
            (unsigned long)address >= from && (unsigned long)address < to)
            break;
    fclose(maps);
    return rights[1] == 'w' ? (uint8_t *)address : NULL;
}

static void readers_cannot_write(void)
{
    struct pr_context ctx;
    OK(pr_segment_create(&ctx, plans, 2, 1 << 20));
    CHECK(find_writable_through(ctx.header) == NULL);
    CHECK(find_writable_through(ctx.heap) == NULL);
    CHECK(find_writable_through(ctx.writable) != NULL);
    pr_segment_detach(&ctx, false);
}

/* Attaching must be refused, leave no mapping, and leave the descriptors to the caller. */
static void refused(const char *why, struct pr_context *ctx, const struct pr_pool_plan *with,
                    uint32_t count)
{
    struct pr_context other;
    int control = dup(ctx->control_fd), heap = dup(ctx->heap_fd);
    uint32_t before = count_mappings();
    enum pr_status status = pr_segment_attach(&other, with, count, control, heap);
    CHECK_THAT(status == PR_BAD_SEGMENT, "%s: %s", why, pr_status_text(status));
    CHECK_THAT(count_mappings() == before, "%s: %u mappings more", why, count_mappings() - before);
    CHECK_THAT(fcntl(control, F_GETFD) >= 0 && fcntl(heap, F_GETFD) >= 0, "%s", why);
    close(control);
    close(heap);
}

#define REFUSED_WITH(ctx, field, value)                                                            \
    do {                                                                                           \
        __typeof__(header_of(ctx)->field) saved = header_of(ctx)->field;                           \
        header_of(ctx)->field = (value);                                                           \
        refused(#field, ctx, plans, 2);                                                            \
        header_of(ctx)->field = saved;                                                             \
    } while (0)

static void a_damaged_header_is_refused(void)
{
    struct pr_context ctx, other;
    OK(pr_segment_create(&ctx, plans, 2, 1 << 20));
    REFUSED_WITH(&ctx, magic, 0);
    REFUSED_WITH(&ctx, magic, PR_MAGIC + 1);
    REFUSED_WITH(&ctx, layout_version, PR_LAYOUT_VERSION + 1);
    REFUSED_WITH(&ctx, mutex_abi, 1);
    REFUSED_WITH(&ctx, control_size, 1 << 30);
    REFUSED_WITH(&ctx, heap_size, 1 << 30);
    REFUSED_WITH(&ctx, undo_capacity, 1);
    REFUSED_WITH(&ctx, pool_count, 1);
    REFUSED_WITH(&ctx, pool_count, PR_POOL_MAX + 1);
    REFUSED_WITH(&ctx, pools[0].offset, 0);
    REFUSED_WITH(&ctx, pools[1].entry_size, 64);
    REFUSED_WITH(&ctx, pools[1].capacity, 1 << 20);
    REFUSED_WITH(&ctx, pools[1].committed, 1001);
    REFUSED_WITH(&ctx, pools[1].high_water, 1002);
    OK(pr_segment_attach(&other, plans, 2, dup(ctx.control_fd),
                         dup(ctx.heap_fd))); /* all restored */
    pr_segment_detach(&other, false);
    pr_segment_detach(&ctx, false);
}

static void another_build_is_refused(void)
{
    static const struct pr_pool_plan larger[2] = {{64, 100, 10, 0, 0}, {192, 1000, 20, 0, 0}};
    static const struct pr_pool_plan more[3] = {
        {64, 100, 10, 0, 0}, {128, 1000, 20, 0, 0}, {64, 8, 8, 0, 0}};
    struct pr_context ctx;
    OK(pr_segment_create(&ctx, plans, 2, 1 << 20));
    refused("entry size", &ctx, larger, 2);
    refused("more pools", &ctx, more, 3);
    refused("fewer pools", &ctx, plans, 1);
    pr_segment_detach(&ctx, false);
}

static void refused_files(int control, int heap)
{
    struct pr_context ctx;
    uint32_t before = count_mappings();
    enum pr_status status = pr_segment_attach(&ctx, plans, 2, control, heap);
    CHECK_THAT(status == PR_BAD_SEGMENT || status == PR_OS, "%s", pr_status_text(status));
    CHECK(count_mappings() == before);
}

static void other_files_are_refused(void)
{
    struct pr_context ctx;
    OK(pr_segment_create(&ctx, plans, 2, 1 << 20));
    int empty = memfd_create("pyray-empty", 0), truncated = memfd_create("pyray-truncated", 0);
    int zeros = memfd_create("pyray-zeros", 0);
    REQUIRE(ftruncate(truncated, 8192) == 0 && ftruncate(zeros, (off_t)ctx.control_size) == 0);
    REQUIRE(pwrite(truncated, ctx.header, 8192, 0) == 8192);
    refused_files(empty, ctx.heap_fd);
    refused_files(truncated, ctx.heap_fd);
    refused_files(zeros, ctx.heap_fd);
    refused_files(ctx.control_fd, empty);
    refused_files(ctx.control_fd, zeros);
    refused_files(ctx.heap_fd, ctx.control_fd);
    refused_files(-1, ctx.heap_fd);
    refused_files(ctx.control_fd, 987654);
    close(empty);
    close(truncated);
    close(zeros);
    pr_segment_detach(&ctx, false);
}

static void a_session_refuses_other_tables(void)
{
    struct pr_context ctx, other;
    fixture_create(&ctx, 1 << 20, 1);
    int control = dup(ctx.control_fd), heap = dup(ctx.heap_fd);
    CHECK(pr_session_attach(&other, control, heap, PR_SLOT_DRIVER, 0) == PR_BAD_SEGMENT);
    CHECK(pr_worker_attach(&other, control, heap, 1, 1) == PR_STATE); /* slot 1 is the driver's */
    CHECK(fcntl(control, F_GETFD) >= 0 && fcntl(heap, F_GETFD) >= 0);
    CHECK(count_mappings() == 4);
    close(control);
    close(heap);
    pr_session_detach(&ctx, false);
    CHECK(count_mappings() == 0);
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(create_attach_detach);
    RUN(memfds_are_sealed_and_close_on_exec);
    RUN(readers_cannot_write);
    RUN(a_damaged_header_is_refused);
    RUN(another_build_is_refused);
    RUN(other_files_are_refused);
    RUN(a_session_refuses_other_tables);
    return harness_end();
}
