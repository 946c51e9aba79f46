/* The only door to the operating system: memory, files, sleeping, time. No other folder makes
 * system calls. Every function that can fail returns a pr_status and leaves nothing half done. */
#ifndef PYRAY_OS_OS_H
#define PYRAY_OS_OS_H

#include <stdbool.h>

#include "base/status.h"

/* A new anonymous file of `size_bytes`, close-on-exec, sealed against shrinking and growing: nobody
 * who holds it can cause SIGBUS by truncation. It has no name in any file system. */
PR_MUST_CHECK enum pr_status pr_os_memfd(const char *label, uint64_t size_bytes, int *fd);

PR_MUST_CHECK enum pr_status pr_os_fd_size(int fd, uint64_t *size_bytes);

void pr_os_close(int fd);

/* Maps all of `fd`, shared; never unmapped while the process lives, except by pr_os_unmap at
 * detach. */
PR_MUST_CHECK enum pr_status pr_os_map(int fd, uint64_t size_bytes, bool writable, void **address);
PR_MUST_CHECK enum pr_status pr_os_map_private(uint64_t size_bytes, void **address);
/* Copy-on-write view of a range: writes stay in this process. `offset` is a multiple of the page
 * size. */
PR_MUST_CHECK enum pr_status pr_os_map_copy_on_write(int fd, uint64_t offset, uint64_t size_bytes,
                                                     void **address);
void pr_os_unmap(void *address, uint64_t size_bytes);

/* Keeps the range out of core dumps. */
void pr_os_no_dump(void *address, uint64_t size_bytes);

/* Commits the pages of a range: PR_NO_MEMORY instead of a later SIGBUS. */
PR_MUST_CHECK enum pr_status pr_os_reserve(int fd, uint64_t offset, uint64_t size_bytes);
PR_MUST_CHECK enum pr_status pr_os_populate_write(void *address, uint64_t size_bytes);
PR_MUST_CHECK enum pr_status pr_os_write_at(int fd, const void *source, uint64_t size_bytes,
                                            uint64_t offset);

/* Files in a directory that the caller has open: names that are gone with it, no path is looked up.
 * Each answers PR_OK, or PR_DISK with *error set to the system's error number; 0 there means that
 * the file ends too early, or is no file but a pipe, a device or a directory. Files are made for
 * this user alone and closed on exec. */
PR_MUST_CHECK enum pr_status pr_os_file_create(int directory, const char *name, int *fd,
                                               int *error);
PR_MUST_CHECK enum pr_status pr_os_file_open(int directory, const char *name, int *fd, int *error);
PR_MUST_CHECK enum pr_status pr_os_file_write(int fd, const void *source, uint64_t size_bytes,
                                              uint64_t offset, int *error);
PR_MUST_CHECK enum pr_status pr_os_file_read(int fd, void *target, uint64_t size_bytes,
                                             uint64_t offset, int *error);
/* The file is going to be read in order. */
void pr_os_file_in_order(int fd);
/* Closing can be what tells that a write has failed. */
PR_MUST_CHECK enum pr_status pr_os_file_close(int fd, int *error);
/* A file that is not there counts as deleted. */
PR_MUST_CHECK enum pr_status pr_os_file_delete(int directory, const char *name, int *error);

/* Sleeps while *word == expected, at most timeout_ns (negative: no limit).
 * PR_OK when woken or when the word differs, PR_TIMEOUT, or PR_INTERRUPTED. */
enum pr_status pr_os_futex_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns);
void pr_os_futex_wake(const uint32_t *word, int count);

/* Adds one to an eventfd; errors are ignored, since its only reader's death ends the session. */
void pr_os_ring(int eventfd);

uint64_t pr_os_monotonic_ns(void);
uint64_t pr_os_coarse_ns(void); /* the same, some milliseconds late, and cheaper */
uint64_t pr_os_random(void);
uint32_t pr_os_process_id(void);
uint32_t pr_os_cpu_count(void);
uint32_t pr_os_cpu(void); /* which one this thread runs on just now */

/* When the thread that forked this process ends, it ends too, and with it its children and its
 * process group. To be called by a process that leads its group. */
void pr_os_die_with_parent(void);
/* Sends a signal to the main thread of a process. */
void pr_os_signal_thread(uint32_t process_id, int number);
/* Orphans of descendants become this process's children. */
void pr_os_become_subreaper(void);

_Noreturn void pr_os_kill_self(void);
void pr_os_sleep_ns(uint64_t duration_ns);

/* Runs work(argument) in a new thread; join with pr_os_join. */
struct pr_os_thread {
    uint64_t handle;
};
PR_MUST_CHECK enum pr_status pr_os_spawn(struct pr_os_thread *thread, void *(*work)(void *),
                                         void *argument);
void pr_os_join(struct pr_os_thread *thread);

/* A robust, process-shared mutex in memory of the caller's (opaque bytes, PR_OS_MUTEX_SIZE of
 * them). */
#define PR_OS_MUTEX_SIZE 64
uint32_t pr_os_mutex_abi(void);
PR_MUST_CHECK enum pr_status pr_os_mutex_init(void *mutex);
/* PR_OK: taken. PR_STATE: taken, and the last owner died holding it: repair, then
 * pr_os_mutex_repaired. */
PR_MUST_CHECK enum pr_status pr_os_mutex_lock(void *mutex);
void pr_os_mutex_repaired(void *mutex);
void pr_os_mutex_unlock(void *mutex);

#endif
