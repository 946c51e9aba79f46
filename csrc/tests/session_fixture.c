#include "tests/session_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- a directory for spilled objects, gone with the test program ---- */

static char directory[] = "/tmp/pyray-test-XXXXXX";
static int directory_fd = -1;
static pid_t directory_owner;

uint32_t fixture_files(void)
{
    uint32_t count = 0;
    DIR *listing = opendir(directory);
    REQUIRE(listing != NULL);
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(listing);
    return count;
}

static void remove_directory(void)
{
    DIR *listing = getpid() == directory_owner ? opendir(directory) : NULL;
    if (listing == NULL) return;
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
        unlinkat(directory_fd, entry->d_name, 0);
    closedir(listing);
    rmdir(directory);
}

int fixture_directory(void)
{
    if (directory_fd >= 0) return directory_fd;
    REQUIRE(mkdtemp(directory) != NULL);
    directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(directory_fd > 2);
    directory_owner = getpid();
    atexit(remove_directory);
    return directory_fd;
}

void fixture_create(struct pr_context *ctx, uint64_t heap_bytes, uint32_t small_tables)
{
    struct pr_session_config config = {.heap_bytes = heap_bytes,
                                       .cpus = 4,
                                       .worker_limit = 8,
                                       .help_from = 1,
                                       .restart_limit = FIXTURE_RESTARTS,
                                       .restart_window_ms = 3600000,
                                       .resource_count = 2,
                                       .small_tables = small_tables};
    strcpy(config.resources[0].name, "CPU");
    config.resources[0].amount = 4 * PR_RESOURCE_UNIT;
    strcpy(config.resources[1].name, "GPU");
    config.resources[1].amount = PR_RESOURCE_UNIT;
    OK(pr_session_create(ctx, &config));
    ctx->spill_fd = fixture_directory();
}

static uint32_t is_small(const struct pr_context *ctx)
{
    return ctx->header->pools[PR_POOL_OBJECT].capacity < 100000;
}

void fixture_attach(struct pr_context *ctx, const struct pr_context *to, enum pr_slot_kind kind)
{
    OK(pr_session_attach(ctx, dup(to->control_fd), dup(to->heap_fd), kind, is_small(to)));
    ctx->spill_fd = to->spill_fd;
}

struct pr_joined fixture_join(struct pr_context *ctx, struct pr_context *to)
{
    struct pr_joined joined;
    OK(pr_driver_reserve(to, pr_os_process_id(), false, &joined));
    OK(pr_driver_attach(ctx, dup(to->control_fd), dup(to->heap_fd), joined.slot, is_small(to)));
    ctx->spill_fd = to->spill_fd;
    return joined;
}

void fixture_worker(struct pr_context *ctx, struct pr_context *to)
{
    pr_index slot;
    if (pr_engine_root(to)->spawn_requests == 0) OK(pr_worker_request(to));
    OK(pr_worker_reserve(to, &slot));
    OK(pr_worker_attach(ctx, dup(to->control_fd), dup(to->heap_fd), slot, is_small(to)));
    ctx->spill_fd = to->spill_fd;
}

struct shape_call {
    struct pr_demand demand;
    pr_index shape;
};

static enum pr_status find_shape(struct pr_context *ctx, void *argument)
{
    struct shape_call *call = argument;
    struct pr_class_key key = {.demand = &call->demand, .demand_count = call->demand.amount > 0};
    return pr_class_find(ctx, &key, &call->shape);
}

pr_index fixture_shape(struct pr_context *ctx, int64_t cpus)
{
    struct shape_call call = {.demand = {.resource = 0, .amount = cpus}};
    OK(pr_transact(ctx, find_shape, &call));
    return call.shape;
}

struct pr_ref fixture_put(struct pr_context *ctx, uint64_t number)
{
    struct pr_ref ref;
    struct pr_value value = {.kind = 1, .bytes = &number, .size_bytes = sizeof number};
    OK(pr_put_inline(ctx, &value, &ref));
    return ref;
}

struct pr_ref fixture_put_large(struct pr_context *ctx, const void *bytes, uint64_t size_bytes)
{
    struct pr_ref ref;
    uint64_t offset;
    struct pr_value value = {.kind = 2, .in_block = 1, .size_bytes = size_bytes};
    OK(pr_put_begin(ctx, size_bytes, &ref, &offset));
    OK(pr_heap_write(ctx, offset, bytes, size_bytes));
    OK(pr_put_end(ctx, ref, &value));
    return ref;
}

struct pr_submission fixture_submission(struct pr_ref function, pr_index shape,
                                        uint32_t result_count, struct pr_ref *results)
{
    return (struct pr_submission){.function = function,
                                  .shape = shape,
                                  .result_count = result_count,
                                  .results = results,
                                  .name = "task"};
}

uint64_t fixture_number(struct pr_context *ctx, struct pr_ref ref)
{
    struct pr_fetched fetched;
    bool pinned;
    uint64_t number;
    OK(pr_get(ctx, ref, 0, &fetched, &pinned));
    REQUIRE(fetched.size_bytes == sizeof number && fetched.bytes == NULL);
    memcpy(&number, fetched.value, sizeof number);
    return number;
}

enum pr_status fixture_finish(struct pr_context *ctx, const struct pr_taken *done, uint64_t number,
                              struct pr_taken *next)
{
    struct pr_value values[128];
    REQUIRE(done->result_count <= 128);
    for (uint32_t i = 0; i < done->result_count; i++)
        values[i] = (struct pr_value){.kind = 1, .bytes = &number, .size_bytes = sizeof number};
    return pr_finish(ctx, done->task, values, done->result_count, next);
}

void fixture_audit(struct pr_context *ctx, const char *file, int line)
{
    const char *what;
    enum pr_status status = pr_audit(ctx, NULL, &what);
    if (status != PR_OK) harness_fail(file, line, "audit: %s: %s", pr_status_text(status), what);
}

struct pr_accounts fixture_accounts(struct pr_context *ctx)
{
    struct pr_accounts accounts;
    const char *what;
    OK(pr_audit(ctx, &accounts, &what));
    return accounts;
}

bool fixture_is_empty(struct pr_context *ctx, uint32_t slots)
{
    struct pr_accounts a = fixture_accounts(ctx);
    bool empty = a.objects + a.tasks + a.actors + a.edges + a.blocks + a.lanes + a.files +
                     a.streams + a.channels ==
                 0;
    bool equal = a.slots == slots && a.latches == slots && a.heap_used_bytes == 0;
    if (!empty || !equal)
        printf("  left: %u objects %u tasks %u actors %u edges %u blocks %u lanes %u slots %u "
               "latches %llu bytes\n",
               a.objects, a.tasks, a.actors, a.edges, a.blocks, a.lanes, a.slots, a.latches,
               (unsigned long long)a.heap_used_bytes);
    return empty && equal;
}
