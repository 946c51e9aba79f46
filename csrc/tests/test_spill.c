/* Objects that go to files and come back: who is chosen, what becomes of the memory and the files,
 * deaths in between, and files with other bytes than were written. */
#include <fcntl.h>
#include <unistd.h>

#include "engine/chores.h"
#include "shm/heap_copy.h"
#include "store/spill_io.h"
#include "tests/random.h"
#include "tests/session_fixture.h"

enum { HEAP = 1 << 20, ITEMS = 512, SIZE = 50000, MANY = 16 };
enum { LARGE_HEAP = 8 << 20, LARGE = PR_SPILL_PIECE + 3 * (256 << 10) + 4321 }; /* many blocks */

static struct pr_context ctx;
static struct pr_spill_item items[ITEMS];
static uint8_t bytes[LARGE_HEAP];

static void fill(uint64_t seed, uint64_t size)
{
    struct random random = {seed + 1};
    for (uint64_t i = 0; i < size; i++) bytes[i] = (uint8_t)random_next(&random);
}

static struct pr_ref put(uint64_t seed, uint64_t size)
{
    fill(seed, size);
    return fixture_put_large(&ctx, bytes, size);
}

static bool is_right(struct pr_ref ref, uint64_t seed, uint64_t size)
{
    struct pr_fetched fetched;
    bool pinned;
    OK(pr_get(&ctx, ref, 0, &fetched, &pinned));
    fill(seed, size);
    return fetched.size_bytes == size && memcmp(fetched.bytes, bytes, size) == 0;
}

static bool is_out(struct pr_ref ref)
{
    struct pr_fetched fetched;
    bool pinned;
    return pr_get(&ctx, ref, 0, &fetched, &pinned) == PR_SPILLED_OUT;
}

static struct pr_spill choose(uint64_t need, uint32_t room)
{
    struct pr_spill spill = {.need_bytes = need, .items = items, .room = room};
    enum pr_status status = pr_spill_choose(&ctx, &spill);
    CHECK(status == PR_OK || status == PR_EMPTY);
    return spill;
}

static void finish(struct pr_spill *spill)
{
    enum pr_status status;
    while ((status = pr_spill_write(&ctx, spill)) == PR_PENDING) continue;
    OK(status);
    OK(pr_spill_end(&ctx, spill));
}

static uint32_t spill(uint64_t need)
{
    struct pr_spill job = choose(need, ITEMS);
    if (job.count > 0) finish(&job);
    return job.count;
}

static enum pr_status restore(struct pr_ref ref)
{
    struct pr_restore job;
    enum pr_status status = pr_restore_begin(&ctx, ref, &job);
    if (status != PR_OK) return status;
    while ((status = pr_restore_read(&ctx, &job, NULL)) == PR_PENDING) continue;
    pr_restore_close(&job);
    OK(pr_restore_end(&ctx, &job, status == PR_OK));
    if (status == PR_OK) pr_unpin(&ctx, ref);
    return status;
}

static void open_session(void) { fixture_create(&ctx, HEAP, 0); }

static void close_session(const struct pr_ref *refs, uint32_t count)
{
    int error;
    for (uint32_t i = 0; i < count; i++) pr_release(&ctx, refs[i]);
    OK(pr_spill_clean(&ctx, &error));
    CHECK(fixture_is_empty(&ctx, 1));
    CHECK(fixture_files() == 0);
    pr_session_detach(&ctx, false);
}

static void goes_and_comes_back(void)
{
    struct pr_ref refs[MANY];
    open_session();
    for (uint32_t i = 0; i < MANY; i++) refs[i] = put(i, SIZE + i);
    CHECK(spill(HEAP) == MANY);
    CHECK(spill(HEAP) == 0); /* nothing is left */
    CHECK(fixture_accounts(&ctx).heap_used_bytes == 0);
    for (uint32_t i = 0; i < MANY; i++) {
        CHECK(is_out(refs[i]));
        OK(restore(refs[i]));
        CHECK(is_right(refs[i], i, SIZE + i));
        CHECK(restore(refs[i]) == PR_STATE);
    }
    AUDIT(&ctx);
    close_session(refs, MANY);
}

static void what_is_in_a_file_is_not_written_again(void)
{
    struct pr_ref refs[MANY];
    open_session();
    const struct pr_store_root *root = pr_store_root(&ctx);
    for (uint32_t i = 0; i < MANY; i++) refs[i] = put(i, SIZE + i);
    CHECK(spill(HEAP) == MANY);
    uint64_t written = root->total_spilled_bytes;
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < MANY; i++) OK(restore(refs[i]));
        CHECK(root->spilled_objects == 0 && root->spilled_bytes == 0);
        AUDIT(&ctx);
        struct pr_spill job = choose(HEAP, ITEMS);
        CHECK(job.count == 0 && job.bytes > 0);
        finish(&job); /* nothing to do */
        CHECK(root->spilled_objects == MANY && fixture_accounts(&ctx).heap_used_bytes == 0);
        AUDIT(&ctx);
    }
    CHECK(root->total_spilled_bytes == written && fixture_files() == 1);
    for (uint32_t i = 0; i < MANY; i++) OK(restore(refs[i]));
    for (uint32_t i = 0; i < MANY; i++) CHECK(is_right(refs[i], i, SIZE + i));
    close_session(refs, MANY);
}

static void a_full_disk_costs_the_copies(void)
{
    struct pr_ref refs[MANY];
    int error;
    open_session();
    for (uint32_t i = 0; i < MANY; i++) refs[i] = put(i, SIZE + i);
    CHECK(pr_spill_drop_copies(&ctx) == PR_EMPTY);
    CHECK(spill(HEAP) == MANY);
    CHECK(pr_spill_drop_copies(&ctx) == PR_EMPTY); /* they are nowhere else */
    for (uint32_t i = 0; i < MANY; i++) OK(restore(refs[i]));
    OK(pr_spill_drop_copies(&ctx));
    AUDIT(&ctx);
    OK(pr_spill_clean(&ctx, &error));
    CHECK(fixture_files() == 0);
    CHECK(spill(HEAP) == MANY); /* written once more */
    for (uint32_t i = 0; i < MANY; i++) OK(restore(refs[i]));
    for (uint32_t i = 0; i < MANY; i++) CHECK(is_right(refs[i], i, SIZE + i));
    close_session(refs, MANY);
}

static void a_run_becomes_free(void)
{
    struct pr_ref refs[MANY + 1];
    uint64_t offset;
    open_session();
    for (uint32_t i = 0; i < MANY; i++) refs[i] = put(i, HEAP / MANY);
    CHECK(pr_put_begin(&ctx, HEAP / 2, &refs[MANY], &offset) == PR_FULL);
    uint32_t count = spill(HEAP / 2);
    CHECK_THAT(count == MANY / 2, "%u objects", count);
    OK(pr_put_begin(&ctx, HEAP / 2, &refs[MANY], &offset));
    close_session(refs, MANY + 1);
}

static void what_was_read_is_spared_once(void)
{
    struct pr_ref refs[MANY];
    open_session();
    for (uint32_t i = 0; i < MANY; i++) refs[i] = put(i, HEAP / MANY);
    for (uint32_t i = MANY - 4; i < MANY; i++) CHECK(is_right(refs[i], i, HEAP / MANY));
    CHECK(spill(HEAP / 4) == 4);
    for (uint32_t i = MANY - 4; i < MANY; i++) CHECK(!is_out(refs[i]));
    CHECK(spill(HEAP) == MANY - 4); /* the second time round they go, too */
    close_session(refs, MANY);
}

static void views_stay(void)
{
    struct pr_ref refs[MANY];
    struct pr_fetched fetched;
    bool pinned;
    open_session();
    for (uint32_t i = 0; i < MANY; i++) refs[i] = put(i, SIZE);
    OK(pr_get(&ctx, refs[3], 1, &fetched, &pinned));
    struct pr_spill job = choose(HEAP, ITEMS);
    CHECK(job.count == MANY - 1);
    OK(pr_get(&ctx, refs[4], 1, &fetched, &pinned)); /* while it is being written */
    finish(&job);
    CHECK(!is_out(refs[3]) && !is_out(refs[4]) && is_out(refs[5]));
    CHECK(is_right(refs[4], 4, SIZE));
    pr_unpin(&ctx, refs[3]);
    pr_unpin(&ctx, refs[4]);
    close_session(refs, MANY);
}

static void freed_values_leave_their_files(void)
{
    struct pr_ref refs[MANY];
    open_session();
    for (uint32_t i = 0; i < MANY; i++) refs[i] = put(i, SIZE);
    OK(pr_free_value(&ctx, refs[0])); /* before */
    struct pr_spill job = choose(HEAP, ITEMS);
    CHECK(job.count == MANY - 1);
    OK(pr_free_value(&ctx, refs[1])); /* while it is being written */
    finish(&job);
    for (uint32_t i = 2; i < MANY; i++) {
        CHECK(is_out(refs[i]));
        OK(pr_free_value(&ctx, refs[i]));
        AUDIT(&ctx);
    }
    CHECK(pr_free_value(&ctx, refs[1]) == PR_OK && !is_out(refs[1]));
    close_session(refs, MANY);
}

static void let_go_while_it_is_written(void)
{
    struct pr_ref refs[MANY];
    open_session();
    for (uint32_t i = 0; i < MANY; i++) refs[i] = put(i, SIZE);
    struct pr_spill job = choose(HEAP, ITEMS);
    uint64_t used = fixture_accounts(&ctx).heap_used_bytes;
    for (uint32_t i = 1; i < MANY; i++) pr_release(&ctx, refs[i]);
    CHECK(fixture_accounts(&ctx).heap_used_bytes == used); /* its bytes are being read */
    finish(&job);
    CHECK(fixture_accounts(&ctx).heap_used_bytes == 0);
    OK(restore(refs[0]));
    CHECK(is_right(refs[0], 0, SIZE));
    close_session(refs, 1);
}

static void readers_hear_of_a_departure(void)
{
    struct pr_fetched before, after;
    bool pinned;
    open_session();
    struct pr_ref refs[] = {put(1, SIZE), put(2, SIZE)};
    OK(pr_get(&ctx, refs[0], 0, &before, &pinned));
    CHECK(!pinned && pr_get_held(&ctx, &before));
    spill(HEAP);
    CHECK(!pr_get_held(&ctx, &before));
    OK(restore(refs[0]));
    OK(pr_get(&ctx, refs[0], 0, &after, &pinned));
    CHECK(pr_get_held(&ctx, &after));
    close_session(refs, 2);
}

static void small_objects_share_a_file(void)
{
    static struct pr_ref refs[ITEMS];
    open_session();
    for (uint32_t i = 0; i < ITEMS; i++) refs[i] = put(i, 57 + i);
    CHECK(spill(HEAP) == ITEMS);
    CHECK(fixture_files() == 1);
    for (uint32_t i = 0; i < ITEMS; i += 7) OK(restore(refs[i]));
    for (uint32_t i = 0; i < ITEMS; i += 7) CHECK(is_right(refs[i], i, 57 + i));
    close_session(refs, ITEMS);
}

static void aborting_changes_nothing(void)
{
    struct pr_ref refs[MANY];
    open_session();
    for (uint32_t i = 0; i < MANY; i++) refs[i] = put(i, SIZE);
    struct pr_spill job = choose(HEAP, ITEMS);
    OK(pr_spill_abort(&ctx, &job));
    for (uint32_t i = 0; i < MANY; i++) CHECK(is_right(refs[i], i, SIZE));
    AUDIT(&ctx);
    close_session(refs, MANY);
}

/* Another process dies with objects half way out, and half way in. */
static void deaths_lose_nothing(void)
{
    struct pr_ref refs[MANY];
    struct pr_context other;
    struct pr_spill job = {.need_bytes = HEAP, .items = items, .room = ITEMS};
    struct pr_restore in;
    open_session();
    for (uint32_t i = 0; i < MANY; i++) refs[i] = put(i, SIZE);
    fixture_attach(&other, &ctx, PR_SLOT_DRIVER);
    OK(pr_spill_choose(&other, &job));
    while (pr_spill_write(&other, &job) == PR_PENDING) continue;
    OK(pr_sweep(&ctx, other.slot, 9));
    AUDIT(&ctx);
    for (uint32_t i = 0; i < MANY; i++) CHECK(is_right(refs[i], i, SIZE));
    pr_session_detach(&other, false);

    spill(HEAP);
    fixture_attach(&other, &ctx, PR_SLOT_DRIVER);
    OK(pr_acquire(&other, refs, MANY));
    for (uint32_t i = 0; i < 3; i++) OK(pr_restore_begin(&other, refs[i], &in));
    CHECK(restore(refs[0]) == PR_PENDING); /* another process is about it */
    OK(pr_sweep(&ctx, other.slot, 9));
    AUDIT(&ctx);
    for (uint32_t i = 0; i < MANY; i++) OK(restore(refs[i]));
    for (uint32_t i = 0; i < MANY; i++) CHECK(is_right(refs[i], i, SIZE));
    pr_session_detach(&other, false);
    close_session(refs, MANY);
}

static int open_spilled(const struct pr_spill *job)
{
    char name[64];
    snprintf(name, sizeof name, "%llu.spill", (unsigned long long)job->number);
    int fd = openat(fixture_directory(), name, O_RDWR);
    REQUIRE(fd >= 0);
    return fd;
}

/* A wrong byte anywhere is an error, and the right ones make it good again. */
static void damage_is_found(void)
{
    struct random random = {harness_seed()};
    open_session();
    struct pr_ref ref = put(1, SIZE);
    struct pr_spill job = choose(HEAP, ITEMS);
    finish(&job);
    int fd = open_spilled(&job);
    for (int i = 0; i < 3000 && harness.failures == 0; i++) {
        uint8_t before, after;
        off_t at = random_below(&random, SIZE);
        REQUIRE(pread(fd, &before, 1, at) == 1);
        after = before ^ (uint8_t)(1u + random_below(&random, 255));
        REQUIRE(pwrite(fd, &after, 1, at) == 1);
        CHECK(restore(ref) == PR_DISK);
        CHECK(is_out(ref));
        REQUIRE(pwrite(fd, &before, 1, at) == 1);
    }
    fill(1, SIZE);
    REQUIRE(ftruncate(fd, SIZE / 2) == 0);
    CHECK(restore(ref) == PR_DISK);
    REQUIRE(pwrite(fd, bytes, SIZE, 0) == SIZE);
    OK(restore(ref));
    CHECK(is_right(ref, 1, SIZE));
    close(fd);
    close_session(&ref, 1);
}

/* Into memory of this process, and into the heap. */
static void check_read(struct pr_ref ref, enum pr_status expected)
{
    static uint8_t copy[LARGE];
    struct pr_restore job;
    enum pr_status status;
    OK(pr_restore_locate(&ctx, ref, &job));
    memset(copy, 0, sizeof copy);
    while ((status = pr_restore_read(&ctx, &job, copy)) == PR_PENDING) continue;
    pr_restore_close(&job);
    CHECK(status == expected && job.error == 0);
    CHECK(expected != PR_OK || memcmp(copy, bytes, LARGE) == 0);
    CHECK(restore(ref) == expected);
    CHECK(is_out(ref) == (expected != PR_OK));
}

/* Damage to the last of many blocks, and files that end before it or in it; `mapped`: the heap's
 * pages are read into at once. */
static void the_last_block_counts(bool mapped)
{
    enum { LAST = LARGE - 4321 };
    fixture_create(&ctx, LARGE_HEAP, 0);
    if (mapped) OK(pr_heap_open(&ctx, 0, LARGE_HEAP));
    struct pr_ref ref = put(1, LARGE);
    struct pr_spill job = choose(LARGE_HEAP, ITEMS);
    finish(&job);
    int fd = open_spilled(&job);
    uint8_t wrong = (uint8_t)~bytes[LARGE - 1];
    REQUIRE(pwrite(fd, &wrong, 1, LARGE - 1) == 1);
    check_read(ref, PR_DISK);
    REQUIRE(ftruncate(fd, LARGE - 1) == 0);
    check_read(ref, PR_DISK);
    REQUIRE(ftruncate(fd, LAST) == 0);
    check_read(ref, PR_DISK);
    REQUIRE(pwrite(fd, bytes + LAST, LARGE - LAST, LAST) == LARGE - LAST);
    check_read(ref, PR_OK);
    CHECK(is_right(ref, 1, LARGE));
    close(fd);
    close_session(&ref, 1);
}

static void large_objects_bounce(void) { the_last_block_counts(false); }

static void large_objects_go_into_mapped_pages(void) { the_last_block_counts(true); }

/* Every two words of a value exchanged, and bits changed in pairs. */
static void checksums_differ(void)
{
    uint64_t words[16], seen = 0;
    for (int i = 0; i < 16; i++) words[i] = 0x0101010101010101u * (uint64_t)i;
    struct pr_checksum sum;
    pr_checksum_start(&sum);
    pr_checksum_add(&sum, words, sizeof words);
    uint64_t right = pr_checksum_end(&sum);
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++)
            for (int bit = 0; bit < 64; bit++) {
                if (i == j) continue;
                words[i] ^= 1ull << bit;
                words[j] ^= 1ull << bit;
                pr_checksum_start(&sum);
                pr_checksum_add(&sum, words, sizeof words);
                seen += pr_checksum_end(&sum) == right;
                words[i] ^= 1ull << bit;
                words[j] ^= 1ull << bit;
            }
    CHECK(seen == 0);
    pr_checksum_start(&sum); /* in pieces it is the same */
    pr_checksum_add(&sum, words, 32);
    pr_checksum_add(&sum, words + 4, sizeof words - 32);
    CHECK(pr_checksum_end(&sum) == right);
}

int main(int argc, char **argv)
{
    harness_start(argc, argv);
    RUN(goes_and_comes_back);
    RUN(what_is_in_a_file_is_not_written_again);
    RUN(a_full_disk_costs_the_copies);
    RUN(a_run_becomes_free);
    RUN(what_was_read_is_spared_once);
    RUN(views_stay);
    RUN(freed_values_leave_their_files);
    RUN(let_go_while_it_is_written);
    RUN(readers_hear_of_a_departure);
    RUN(small_objects_share_a_file);
    RUN(aborting_changes_nothing);
    RUN(deaths_lose_nothing);
    RUN(damage_is_found);
    RUN(large_objects_bounce);
    RUN(large_objects_go_into_mapped_pages);
    RUN(checksums_differ);
    return harness_end();
}
