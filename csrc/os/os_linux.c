#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

_Static_assert(sizeof(pthread_mutex_t) <= PR_OS_MUTEX_SIZE,
               "the mutex must fit its place in the header");

static enum pr_status status_of_errno(int error)
{
    return error == ENOMEM || error == ENOSPC || error == EFAULT ? PR_NO_MEMORY : PR_OS;
}

/* Never 0, 1 or 2, which may be free: there the memory would be taken for a program's input or
 * output. */
static int above_standard(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO) return fd;
    int other = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int error = errno;
    close(fd);
    errno = error;
    return other;
}

enum pr_status pr_os_memfd(const char *label, uint64_t size_bytes, int *fd)
{
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    *fd = memfd_create(label, flags | MFD_NOEXEC_SEAL);
    if (*fd < 0 && errno == EINVAL) *fd = memfd_create(label, flags); /* kernels before 6.3 */
    *fd = above_standard(*fd);
    if (*fd < 0) return status_of_errno(errno);
    if (ftruncate(*fd, (off_t)size_bytes) == 0 &&
        fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return PR_OK;
    enum pr_status status = status_of_errno(errno);
    close(*fd);
    *fd = -1;
    return status;
}

enum pr_status pr_os_fd_size(int fd, uint64_t *size_bytes)
{
    struct stat about;
    if (fstat(fd, &about) != 0) return PR_OS;
    *size_bytes = (uint64_t)about.st_size;
    return PR_OK;
}

static enum pr_status map(int fd, uint64_t size_bytes, int protection, int flags, void **address)
{
    void *where = mmap(NULL, size_bytes, protection, flags, fd, 0);
    if (where == MAP_FAILED) return status_of_errno(errno);
    *address = where;
    return PR_OK;
}

enum pr_status pr_os_map(int fd, uint64_t size_bytes, bool writable, void **address)
{
    return map(fd, size_bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED | MAP_NORESERVE,
               address);
}

enum pr_status pr_os_map_private(uint64_t size_bytes, void **address)
{
    return map(-1, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
               address);
}

enum pr_status pr_os_map_copy_on_write(int fd, uint64_t offset, uint64_t size_bytes, void **address)
{
    void *where = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd,
                       (off_t)offset);
    if (where == MAP_FAILED) return status_of_errno(errno);
    *address = where;
    return PR_OK;
}

void pr_os_unmap(void *address, uint64_t size_bytes) { munmap(address, size_bytes); }

void pr_os_no_dump(void *address, uint64_t size_bytes)
{
    madvise(address, size_bytes, MADV_DONTDUMP);
}

enum pr_status pr_os_reserve(int fd, uint64_t offset, uint64_t size_bytes)
{
    while (fallocate(fd, 0, (off_t)offset, (off_t)size_bytes) != 0)
        if (errno != EINTR) return status_of_errno(errno);
    return PR_OK;
}

enum pr_status pr_os_populate_write(void *address, uint64_t size_bytes)
{
    while (madvise(address, size_bytes, MADV_POPULATE_WRITE) != 0) {
        if (errno == EINVAL) return PR_OK; /* kernels before 5.14: the pages come by faults */
        if (errno != EINTR && errno != EAGAIN) return status_of_errno(errno);
    }
    return PR_OK;
}

enum pr_status pr_os_write_at(int fd, const void *source, uint64_t size_bytes, uint64_t offset)
{
    const char *from = source;
    while (size_bytes > 0) {
        ssize_t written = pwrite(fd, from, size_bytes, (off_t)offset);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return status_of_errno(errno);
        from += written;
        offset += (uint64_t)written;
        size_bytes -= (uint64_t)written;
    }
    return PR_OK;
}

enum pr_status pr_os_futex_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    struct timespec limit = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    long rc =
        syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout_ns < 0 ? NULL : &limit, NULL, 0);
    if (rc == 0 || errno == EAGAIN) return PR_OK;
    return errno == ETIMEDOUT ? PR_TIMEOUT : PR_INTERRUPTED;
}

void pr_os_futex_wake(const uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

void pr_os_close(int fd) { close(fd); }

void pr_os_ring(int fd)
{
    if (fd >= 0) (void)!eventfd_write(fd, 1);
}

uint64_t pr_os_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t pr_os_coarse_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t pr_os_random(void)
{
    uint64_t value = 0;
    if (getrandom(&value, sizeof value, 0) != sizeof value) value = pr_os_monotonic_ns();
    return value;
}

uint32_t pr_os_process_id(void) { return (uint32_t)getpid(); }

uint32_t pr_os_cpu(void)
{
    int cpu = sched_getcpu();
    return cpu < 0 ? 0 : (uint32_t)cpu;
}

uint32_t pr_os_cpu_count(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
    int count = CPU_COUNT(&allowed);
    return count > 0 ? (uint32_t)count : 1;
}

static void end_family(int signal_number);

/* SIGKILL would leave what this process has started; a handler can end that first. */
void pr_os_die_with_parent(void)
{
    struct sigaction action = {.sa_handler = end_family};
    sigfillset(&action.sa_mask);
    int rc = sigaction(SIGRTMAX, &action, NULL);
    prctl(PR_SET_PDEATHSIG, rc == 0 ? SIGRTMAX : SIGKILL, 0, 0, 0);
}

#define CHILDREN_BYTES 4096
#define FAMILY_DEPTH 16

static char *append_text(char *to, const char *text)
{
    while (*text != '\0') *to++ = *text++;
    return to;
}

static char *append_number(char *to, unsigned number)
{
    if (number >= 10) to = append_number(to, number / 10);
    *to++ = (char)('0' + number % 10);
    return to;
}

/* Asynchronous-signal-safe, as all below: the ids of children that the main thread of `pid`
 * started, as text. */
static size_t read_children(unsigned pid, char *text, size_t size)
{
    char path[64];
    char *end = append_number(append_text(path, "/proc/"), pid);
    end = append_number(append_text(end, "/task/"), pid);
    *append_text(end, "/children") = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t got = read(fd, text, size);
    close(fd);
    return got > 0 ? (size_t)got : 0;
}

static void end_children(unsigned pid, int depth)
{
    char text[CHILDREN_BYTES];
    size_t size = read_children(pid, text, sizeof text);
    unsigned child = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            child = child * 10 + (unsigned)(text[i] - '0');
            continue;
        }
        if (child != 0 && depth > 0) end_children(child, depth - 1);
        if (child != 0) kill((pid_t)child, SIGKILL);
        child = 0;
    }
}

static void end_family(int signal_number)
{
    end_children((unsigned)getpid(), FAMILY_DEPTH);
    kill(0, SIGKILL); /* this process and the rest of its group */
}

void pr_os_signal_thread(uint32_t process_id, int number)
{
    syscall(SYS_tgkill, process_id, process_id, number); /* the main thread has the process's id */
}

void pr_os_become_subreaper(void) { prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

_Noreturn void pr_os_kill_self(void)
{
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

void pr_os_sleep_ns(uint64_t duration_ns)
{
    struct timespec duration = {(time_t)(duration_ns / 1000000000u),
                                (long)(duration_ns % 1000000000u)};
    nanosleep(&duration, NULL);
}

enum pr_status pr_os_spawn(struct pr_os_thread *thread, void *(*work)(void *), void *argument)
{
    pthread_t handle;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals stay with the program's own threads */
    int rc = pthread_create(&handle, NULL, work, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) return PR_NO_MEMORY;
    thread->handle = (uint64_t)handle;
    return PR_OK;
}

void pr_os_join(struct pr_os_thread *thread) { pthread_join((pthread_t)thread->handle, NULL); }

uint32_t pr_os_mutex_abi(void) { return (uint32_t)sizeof(pthread_mutex_t); }

enum pr_status pr_os_mutex_init(void *mutex)
{
    pthread_mutexattr_t attributes;
    if (pthread_mutexattr_init(&attributes) != 0) return PR_OS;
    int rc = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (rc == 0) rc = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (rc == 0) rc = pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return rc == 0 ? PR_OK : PR_OS;
}

enum pr_status pr_os_mutex_lock(void *mutex)
{
    int rc = pthread_mutex_lock(mutex);
    if (PR_LIKELY(rc == 0)) return PR_OK;
    return rc == EOWNERDEAD ? PR_STATE : PR_CORRUPT;
}

void pr_os_mutex_repaired(void *mutex) { PR_ASSERT(pthread_mutex_consistent(mutex) == 0); }

void pr_os_mutex_unlock(void *mutex) { PR_ASSERT(pthread_mutex_unlock(mutex) == 0); }
