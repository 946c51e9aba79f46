/*
 * The physical limits: what bare C gets from the primitives that a shared-memory task engine is
 * made of. One subcommand per primitive; every repetition prints one number on a line of its own:
 *
 *   pingpong same|two|free ITERATIONS REPEATS  us per blocking round trip over two futexes
 *   pipelined ITEMS REPEATS                    us per item through a ring under a robust mutex
 *   lock ITERATIONS REPEATS                    us per lock and unlock of a robust mutex
 *   recycled THREADS BYTES REPEATS             ms per memcpy into touched, mapped pages
 *   fresh BYTES REPEATS                        ms per pwrite into new pages of a memfd
 *   map BYTES REPEATS                          us per mmap of existing pages and first touch
 *   fork REPEATS                               us until a forked child runs
 *
 * Build: cc -O2 -pthread -o limits limits.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define RING_SLOTS 1024u
#define COPY_THREADS_MAX 16
#define WRITE_STEP (8u << 20)

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void check(int ok, const char *what) {
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void *map_shared(size_t size_bytes, int fd) {
    int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
    void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    check(memory != MAP_FAILED, "mmap");
    return memory;
}

static int new_memfd(size_t size_bytes) {
    int fd = memfd_create("limits", MFD_CLOEXEC);
    check(fd >= 0 && ftruncate(fd, (off_t)size_bytes) == 0, "memfd");
    return fd;
}

static pid_t fork_bound_child(void) {
    pid_t pid = fork();
    check(pid >= 0, "fork");
    if (pid == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static void pin_to(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

/* --- pingpong: two words; each side sleeps on its own and wakes the other -------------------- */

static void futex_await(_Atomic uint32_t *word, uint32_t wanted) {
    uint32_t seen;
    while ((seen = atomic_load_explicit(word, memory_order_acquire)) != wanted)
        syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void futex_post(_Atomic uint32_t *word, uint32_t value) {
    atomic_store_explicit(word, value, memory_order_release);
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void echo_pings(_Atomic uint32_t *ping, _Atomic uint32_t *pong, uint32_t count) {
    for (uint32_t i = 1; i <= count; i++) {
        futex_await(ping, i);
        futex_post(pong, i);
    }
}

static double pingpong_us(const char *placement, uint32_t count) {
    struct { _Alignas(64) _Atomic uint32_t ping; _Alignas(64) _Atomic uint32_t pong; } *words;
    words = map_shared(4096, -1);
    int two_cpus = strcmp(placement, "two") == 0, is_free = strcmp(placement, "free") == 0;
    pid_t child = fork_bound_child();
    if (child == 0) {
        if (!is_free) pin_to(two_cpus ? 1 : 0);
        echo_pings(&words->ping, &words->pong, count);
        _exit(0);
    }
    cpu_set_t before;
    sched_getaffinity(0, sizeof before, &before);
    if (!is_free) pin_to(0);
    double start = now_us();
    for (uint32_t i = 1; i <= count; i++) {
        futex_post(&words->ping, i);
        futex_await(&words->pong, i);
    }
    double elapsed = now_us() - start;
    sched_setaffinity(0, sizeof before, &before);
    waitpid(child, NULL, 0);
    munmap(words, 4096);
    return elapsed / count;
}

/* --- pipelined: the caller fills a ring of tasks, a forked worker empties it, files results --- */

struct ring_shm {
    pthread_mutex_t lock;
    uint64_t pushed, popped, finished;
    uint64_t tasks[RING_SLOTS], results[RING_SLOTS];
};

static void robust_mutex_init(pthread_mutex_t *lock) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    check(pthread_mutex_init(lock, &attributes) == 0, "pthread_mutex_init");
}

/* One task taken, or none there: in the transaction that takes it. */
static int take_task(struct ring_shm *ring, uint64_t *task) {
    pthread_mutex_lock(&ring->lock);
    int is_there = ring->popped < ring->pushed;
    if (is_there) *task = ring->tasks[ring->popped++ % RING_SLOTS];
    pthread_mutex_unlock(&ring->lock);
    return is_there;
}

static int put_task(struct ring_shm *ring, uint64_t task) {
    pthread_mutex_lock(&ring->lock);
    int has_room = ring->pushed - ring->finished < RING_SLOTS;
    if (has_room) ring->tasks[ring->pushed++ % RING_SLOTS] = task;
    pthread_mutex_unlock(&ring->lock);
    return has_room;
}

static void file_result(struct ring_shm *ring, uint64_t result) {
    pthread_mutex_lock(&ring->lock);
    ring->results[ring->finished++ % RING_SLOTS] = result;
    pthread_mutex_unlock(&ring->lock);
}

static double pipelined_us(uint64_t count) {
    struct ring_shm *ring = map_shared(sizeof *ring, -1);
    robust_mutex_init(&ring->lock);
    pid_t child = fork_bound_child();
    if (child == 0) {
        uint64_t task;
        for (uint64_t i = 0; i < count; i++) {
            while (!take_task(ring, &task)) sched_yield();
            file_result(ring, task + 1);
        }
        _exit(0);
    }
    double start = now_us();
    for (uint64_t i = 0; i < count; i++)
        while (!put_task(ring, i)) sched_yield();
    waitpid(child, NULL, 0);
    double elapsed = now_us() - start;
    check(ring->results[(count - 1) % RING_SLOTS] == count, "pipelined: wrong result");
    munmap(ring, sizeof *ring);
    return elapsed / (double)count;
}

static double lock_us(uint64_t count) {
    struct ring_shm *ring = map_shared(sizeof *ring, -1);
    robust_mutex_init(&ring->lock);
    double start = now_us();
    for (uint64_t i = 0; i < count; i++) {
        pthread_mutex_lock(&ring->lock);
        ring->pushed++;
        pthread_mutex_unlock(&ring->lock);
    }
    double elapsed = now_us() - start;
    munmap(ring, sizeof *ring);
    return elapsed / (double)count;
}

/* --- memory -------------------------------------------------------------------------------- */

struct copy_job { char *to; const char *from; size_t size_bytes; };

static void *copy_part(void *argument) {
    struct copy_job *job = argument;
    memcpy(job->to, job->from, job->size_bytes);
    return NULL;
}

static double copy_ms(char *to, const char *from, size_t size_bytes, int thread_count) {
    pthread_t threads[COPY_THREADS_MAX];
    struct copy_job jobs[COPY_THREADS_MAX];
    size_t part_bytes = size_bytes / (size_t)thread_count;
    double start = now_us();
    for (int i = 0; i < thread_count; i++) {
        size_t begin = part_bytes * (size_t)i;
        size_t end = i == thread_count - 1 ? size_bytes : begin + part_bytes;
        jobs[i] = (struct copy_job){to + begin, from + begin, end - begin};
        if (i > 0) check(pthread_create(&threads[i], NULL, copy_part, &jobs[i]) == 0, "thread");
    }
    copy_part(&jobs[0]);
    for (int i = 1; i < thread_count; i++) pthread_join(threads[i], NULL);
    return (now_us() - start) * 1e-3;
}

static char *new_source(size_t size_bytes) {
    char *source = malloc(size_bytes);
    check(source != NULL, "malloc");
    memset(source, 7, size_bytes);
    return source;
}

static void recycled(int thread_count, size_t size_bytes, int repeats) {
    check(thread_count >= 1 && thread_count <= COPY_THREADS_MAX, "threads");
    char *source = new_source(size_bytes), *target = map_shared(size_bytes, new_memfd(size_bytes));
    memset(target, 0, size_bytes);
    for (int i = 0; i < repeats; i++)
        printf("%.6f\n", copy_ms(target, source, size_bytes, thread_count));
}

static double fresh_ms(const char *source, size_t size_bytes) {
    int fd = new_memfd(size_bytes);
    double start = now_us();
    for (size_t done = 0; done < size_bytes;) {
        size_t step = size_bytes - done < WRITE_STEP ? size_bytes - done : WRITE_STEP;
        ssize_t written = pwrite(fd, source + done, step, (off_t)done);
        check(written > 0, "pwrite");
        done += (size_t)written;
    }
    double elapsed = now_us() - start;
    close(fd);
    return elapsed * 1e-3;
}

static double map_us(int fd, size_t size_bytes) {
    double start = now_us();
    volatile char *memory = map_shared(size_bytes, fd);
    char first = memory[0];
    double elapsed = now_us() - start;
    check(first == 7, "map: wrong byte");
    munmap((void *)memory, size_bytes);
    return elapsed;
}

static void map_existing(size_t size_bytes, int repeats) {
    int fd = new_memfd(size_bytes);
    char *memory = map_shared(size_bytes, fd);
    memset(memory, 7, size_bytes);
    for (int i = 0; i < repeats; i++) printf("%.6f\n", map_us(fd, size_bytes));
}

static double fork_us(void) {
    double *started = map_shared(4096, -1);
    double start = now_us();
    pid_t child = fork_bound_child();
    if (child == 0) {
        *started = now_us();
        _exit(0);
    }
    waitpid(child, NULL, 0);
    double elapsed = *started - start;
    munmap(started, 4096);
    return elapsed;
}

/* --- command line -------------------------------------------------------------------------- */

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    int repeats = argc > 2 ? atoi(argv[argc - 1]) : 0;
    unsigned long size = argc > 3 ? strtoul(argv[argc - 2], NULL, 10) : 0;
    if (strcmp(what, "recycled") == 0 && argc == 5) {
        recycled(atoi(argv[2]), size, repeats);
    } else if (strcmp(what, "map") == 0 && argc == 4) {
        map_existing(size, repeats);
    } else if (strcmp(what, "fresh") == 0 && argc == 4) {
        char *source = new_source(size);
        for (int i = 0; i < repeats; i++) printf("%.6f\n", fresh_ms(source, size));
    } else if (strcmp(what, "pingpong") == 0 && argc == 5) {
        for (int i = 0; i < repeats; i++) printf("%.6f\n", pingpong_us(argv[2], (uint32_t)size));
    } else if (strcmp(what, "pipelined") == 0 && argc == 4) {
        for (int i = 0; i < repeats; i++) printf("%.6f\n", pipelined_us(size));
    } else if (strcmp(what, "lock") == 0 && argc == 4) {
        for (int i = 0; i < repeats; i++) printf("%.6f\n", lock_us(size));
    } else if (strcmp(what, "fork") == 0 && argc == 3) {
        for (int i = 0; i < repeats; i++) printf("%.6f\n", fork_us());
    } else {
        fprintf(stderr, "see the head of limits.c for the subcommands\n");
        return 2;
    }
    return 0;
}
