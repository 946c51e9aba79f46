#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"

static enum pr_status failed(int *error)
{
    *error = errno;
    return PR_DISK;
}

static bool is_file(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

/* What is no file is not waited for, either: opening a pipe blocks until somebody is at its end. */
static enum pr_status open_at(int directory, const char *name, int flags, int *fd, int *error)
{
    do {
        *fd = openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    } while (*fd < 0 && errno == EINTR);
    if (*fd < 0) return failed(error);
    if (is_file(*fd)) return PR_OK;
    close(*fd);
    *error = 0;
    return PR_DISK;
}

enum pr_status pr_os_file_create(int directory, const char *name, int *fd, int *error)
{
    enum pr_status status = open_at(directory, name, O_WRONLY | O_CREAT | O_TRUNC, fd, error);
    if (status == PR_DISK && *error == 0) *error = EEXIST;
    return status;
}

enum pr_status pr_os_file_open(int directory, const char *name, int *fd, int *error)
{
    return open_at(directory, name, O_RDONLY, fd, error);
}

enum pr_status pr_os_file_write(int fd, const void *source, uint64_t size_bytes, uint64_t offset,
                                int *error)
{
    const char *from = source;
    while (size_bytes > 0) {
        ssize_t written = pwrite(fd, from, size_bytes, (off_t)offset);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return failed(error);
        from += written;
        offset += (uint64_t)written;
        size_bytes -= (uint64_t)written;
    }
    return PR_OK;
}

enum pr_status pr_os_file_read(int fd, void *target, uint64_t size_bytes, uint64_t offset,
                               int *error)
{
    char *to = target;
    while (size_bytes > 0) {
        ssize_t got = pread(fd, to, size_bytes, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return failed(error);
        if (got == 0) {
            *error = 0;
            return PR_DISK;
        }
        to += got;
        offset += (uint64_t)got;
        size_bytes -= (uint64_t)got;
    }
    return PR_OK;
}

void pr_os_file_in_order(int fd) { (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); }

enum pr_status pr_os_file_close(int fd, int *error)
{
    return close(fd) == 0 || errno == EINTR ? PR_OK : failed(error);
}

enum pr_status pr_os_file_delete(int directory, const char *name, int *error)
{
    return unlinkat(directory, name, 0) == 0 || errno == ENOENT ? PR_OK : failed(error);
}
