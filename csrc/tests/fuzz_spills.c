/* Files of spilled objects are damaged at random, replaced by other things, or find other things in
 * their places. Then what comes back is right, or there is an error: never wrong bytes, no crash,
 * no hang. When the right file is there again, nothing has been lost.
 *
 *     fuzz_spills --cases=N --seconds=N --seed=N
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/spill_io.h"
#include "tests/random.h"
#include "tests/session_fixture.h"

enum { HEAP = 1 << 20, OBJECTS = 24, FILES = 4, LARGEST = 40000, READS = 8, HANG_S = 10 };
#define NAME_BYTES 64

static struct pr_context ctx;
static struct random random_numbers;
static uint64_t cases, until_ns;
static struct pr_spill_item items[OBJECTS];

static uint32_t below(uint32_t limit) { return random_below(&random_numbers, limit); }

static void no_end(int number)
{
    static const char text[] = "  no end: a call hangs\n";
    (void)!write(STDOUT_FILENO, text, sizeof text - 1);
    _exit(1);
}

static void start(void)
{
    until_ns =
        pr_os_monotonic_ns() + harness_number("seconds", "PYRAY_TEST_SECONDS", 2) * 1000000000u;
    random_numbers = (struct random){harness_seed()};
    cases = 0;
    struct sigaction action = {.sa_handler = no_end};
    sigaction(SIGALRM, &action, NULL);
    fixture_create(&ctx, HEAP, 1);
}

static bool goes_on(void)
{
    alarm(HANG_S);
    return cases < harness_number("cases", NULL, UINT64_MAX) && harness.failures == 0 &&
           pr_os_monotonic_ns() < until_ns;
}

static void end(void)
{
    int error;
    alarm(0);
    OK(pr_spill_clean(&ctx, &error));
    CHECK(fixture_is_empty(&ctx, 1));
    CHECK(fixture_files() == 0);
    pr_session_detach(&ctx, false);
    printf("  %llu cases\n", (unsigned long long)cases);
}

/* ---- objects ---- */

static struct thing {
    struct pr_ref ref;
    uint64_t seed, size;
} things[OBJECTS];

static void fill(const struct thing *thing, uint8_t *bytes)
{
    struct random random = {thing->seed};
    for (uint64_t i = 0; i < thing->size; i += sizeof(uint64_t)) {
        uint64_t word = random_next(&random);
        memcpy(bytes + i, &word, PR_MIN(sizeof word, thing->size - i));
    }
}

static void put(struct thing *thing)
{
    static uint8_t bytes[LARGEST];
    uint32_t most = below(2) ? LARGEST - 57 : 500;
    *thing = (struct thing){.seed = random_next(&random_numbers), .size = 57 + below(most)};
    fill(thing, bytes);
    thing->ref = fixture_put_large(&ctx, bytes, thing->size);
}

static bool is_right(const struct thing *thing, const uint8_t *bytes)
{
    static uint8_t expected[LARGEST];
    fill(thing, expected);
    return memcmp(bytes, expected, thing->size) == 0;
}

static void release_all(void)
{
    for (int i = 0; i < OBJECTS; i++) pr_release(&ctx, things[i].ref);
}

/* ---- files, and what they were ---- */

static struct file {
    char name[NAME_BYTES];
    uint64_t size;
    uint8_t *bytes;
} files[FILES];

static int open_file(const char *name, int flags)
{
    int fd = openat(fixture_directory(), name, flags | O_CLOEXEC | O_NONBLOCK, 0600);
    REQUIRE(fd >= 0);
    return fd;
}

static void write_file(const char *name, const void *bytes, uint64_t size)
{
    int fd = open_file(name, O_WRONLY | O_CREAT | O_TRUNC);
    REQUIRE(write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static void remove_file(const char *name)
{
    if (unlinkat(fixture_directory(), name, 0) != 0)
        (void)!unlinkat(fixture_directory(), name, AT_REMOVEDIR);
}

static void keep_file(struct file *file, uint64_t number)
{
    struct stat about;
    snprintf(file->name, sizeof file->name, "%llu.spill", (unsigned long long)number);
    int fd = open_file(file->name, O_RDONLY);
    REQUIRE(fstat(fd, &about) == 0);
    file->size = (uint64_t)about.st_size;
    file->bytes = malloc(file->size);
    REQUIRE(file->bytes != NULL && read(fd, file->bytes, file->size) == (ssize_t)file->size);
    close(fd);
}

static void make_good(const struct file *file)
{
    remove_file(file->name);
    write_file(file->name, file->bytes, file->size);
}

/* ---- damage ---- */

static void change_bytes(const struct file *file)
{
    int fd = open_file(file->name, O_WRONLY);
    for (uint32_t i = 1 + below(6); i > 0; i--) {
        uint8_t byte = (uint8_t)below(256);
        REQUIRE(pwrite(fd, &byte, 1, below((uint32_t)file->size)) == 1);
    }
    close(fd);
}

static void cut(const struct file *file)
{
    int fd = open_file(file->name, O_WRONLY);
    REQUIRE(ftruncate(fd, below((uint32_t)file->size)) == 0);
    close(fd);
}

/* A stretch of zeros, of another place of this file, or of another file. */
static void overwrite(const struct file *file)
{
    static const uint8_t zeros[LARGEST];
    const struct file *from = &files[below(FILES)];
    uint32_t size = 1 + below(PR_MIN(LARGEST, (uint32_t)PR_MIN(from->size, file->size)));
    const uint8_t *bytes = below(3) ? from->bytes + below((uint32_t)from->size - size + 1) : zeros;
    int fd = open_file(file->name, O_WRONLY);
    REQUIRE(pwrite(fd, bytes, size, below((uint32_t)file->size)) == (ssize_t)size);
    close(fd);
}

static void shift(const struct file *file)
{
    uint32_t by = 1 + below(200);
    int fd = open_file(file->name, O_WRONLY | O_TRUNC);
    REQUIRE(pwrite(fd, file->bytes, file->size, by) == (ssize_t)file->size);
    close(fd);
}

static void grow(const struct file *file)
{
    int fd = open_file(file->name, O_WRONLY);
    REQUIRE(ftruncate(fd, (off_t)file->size + (1ll << below(40))) == 0);
    close(fd);
}

static void exchange(const struct file *file)
{
    const struct file *other = &files[below(FILES)];
    write_file(file->name, other->bytes, other->size);
    write_file(other->name, file->bytes, file->size);
}

static void take_away(const struct file *file) { remove_file(file->name); }

static void make_socket(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", fixture_directory(),
             name);
    REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    close(fd);
}

/* Something else has the name: nothing of it may be read or written. */
static void make_other(const char *name)
{
    int directory = fixture_directory();
    switch (below(5)) {
    case 0: REQUIRE(mkfifoat(directory, name, 0600) == 0); break;
    case 1: REQUIRE(mkdirat(directory, name, 0700) == 0); break;
    case 2: REQUIRE(symlinkat("innocent", directory, name) == 0); break;
    case 3: REQUIRE(symlinkat(name, directory, name) == 0); break;
    default: make_socket(name); break;
    }
}

static void replace(const struct file *file)
{
    remove_file(file->name);
    make_other(file->name);
}

static void (*const damages[])(const struct file *file) = {
    change_bytes, cut, overwrite, shift, grow, exchange, take_away, replace,
};

/* ---- reading what is damaged ---- */

static enum pr_status read_all(struct pr_restore *job, uint8_t *target)
{
    enum pr_status status;
    while ((status = pr_restore_read(&ctx, job, target)) == PR_PENDING) continue;
    pr_restore_close(job);
    return status;
}

static enum pr_status read_into_heap(const struct thing *thing)
{
    struct pr_restore job;
    struct pr_fetched fetched;
    bool pinned;
    OK(pr_restore_begin(&ctx, thing->ref, &job));
    enum pr_status status = read_all(&job, NULL);
    OK(pr_restore_end(&ctx, &job, status == PR_OK));
    if (status != PR_OK) return status;
    OK(pr_get(&ctx, thing->ref, 0, &fetched, &pinned));
    CHECK(fetched.size_bytes == thing->size && is_right(thing, fetched.bytes));
    pr_unpin(&ctx, thing->ref);
    return PR_OK;
}

static enum pr_status read_privately(const struct thing *thing)
{
    static uint8_t bytes[LARGEST];
    struct pr_restore job;
    enum pr_status status = pr_restore_locate(&ctx, thing->ref, &job);
    if (status == PR_STATE) return PR_OK; /* it is in the heap since a moment ago */
    OK(status);
    status = read_all(&job, bytes);
    CHECK(status != PR_OK || is_right(thing, bytes));
    return status;
}

static enum pr_status read_thing(const struct thing *thing)
{
    struct pr_restore job;
    if (below(2) || pr_restore_locate(&ctx, thing->ref, &job) == PR_STATE)
        return read_privately(thing);
    return read_into_heap(thing);
}

/* Everything is in files again: where its bytes are already. */
static void leave_heap(void)
{
    struct pr_spill job = {.need_bytes = HEAP, .items = items, .room = OBJECTS};
    enum pr_status status = pr_spill_choose(&ctx, &job);
    CHECK(status == PR_EMPTY || (status == PR_OK && job.count == 0));
}

static void spill_to(struct file *file)
{
    enum pr_status status;
    struct pr_spill job = {.need_bytes = HEAP, .items = items, .room = OBJECTS};
    OK(pr_spill_choose(&ctx, &job));
    while ((status = pr_spill_write(&ctx, &job)) == PR_PENDING) continue;
    OK(status);
    OK(pr_spill_end(&ctx, &job));
    keep_file(file, job.number);
}

static void one_damage(void)
{
    uint32_t kind = below(sizeof damages / sizeof damages[0]);
    damages[kind](&files[below(FILES)]);
    for (int i = 0; i < READS; i++) {
        enum pr_status status = read_thing(&things[below(OBJECTS)]);
        CHECK_THAT(status == PR_OK || status == PR_DISK, "damage %u: %s", kind,
                   pr_status_text(status));
    }
    for (int i = 0; i < FILES; i++) make_good(&files[i]);
    OK(read_thing(&things[below(OBJECTS)]));
    leave_heap();
}

static void files_with_damage(void)
{
    start();
    for (int i = 0; i < OBJECTS; i++) {
        put(&things[i]);
        if ((i + 1) % (OBJECTS / FILES) == 0) spill_to(&files[i / (OBJECTS / FILES)]);
    }
    for (; goes_on(); cases++) one_damage();
    AUDIT(&ctx);
    for (int i = 0; i < OBJECTS; i++) OK(read_thing(&things[i]));
    for (int i = 0; i < FILES; i++) free(files[i].bytes);
    release_all();
    end();
}

/* ---- places that are taken ---- */

static void occupy(const char *name)
{
    if (below(4) == 0)
        write_file(name, name, 20); /* what was left there is replaced */
    else
        make_other(name);
}

static void check_innocent(void)
{
    char bytes[16] = "";
    int fd = open_file("innocent", O_RDONLY);
    CHECK(read(fd, bytes, sizeof bytes) == 8 && memcmp(bytes, "innocent", 8) == 0);
    close(fd);
}

static void one_taken_place(void)
{
    char name[NAME_BYTES];
    int error;
    enum pr_status status;
    struct pr_spill job = {.need_bytes = HEAP, .items = items, .room = OBJECTS};
    for (int i = 0; i < OBJECTS; i++) put(&things[i]);
    OK(pr_spill_choose(&ctx, &job));
    snprintf(name, sizeof name, "%llu.spill", (unsigned long long)job.number);
    occupy(name);
    while ((status = pr_spill_write(&ctx, &job)) == PR_PENDING) continue;
    pr_spill_close(&job);
    CHECK(status == PR_OK || status == PR_DISK);
    OK(status == PR_OK ? pr_spill_end(&ctx, &job) : pr_spill_abort(&ctx, &job));
    for (int i = 0; i < READS; i++) OK(read_thing(&things[below(OBJECTS)]));
    check_innocent();
    release_all();
    status = pr_spill_clean(&ctx, &error);
    CHECK(status == PR_OK || status == PR_DISK);
    remove_file(name); /* a directory stays */
}

static void places_that_are_taken(void)
{
    start();
    write_file("innocent", "innocent", 8);
    for (; goes_on(); cases++) one_taken_place();
    remove_file("innocent");
    end();
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(files_with_damage);
    RUN(places_that_are_taken);
    return harness_end();
}
