/* A quota that is used up, for one folder and the process that loads this: while the file QUOTA_USED_UP is
 * there, a write that would make a file below QUOTA_OF longer fails with EDQUOT, as on a shared host. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int refused(int fd, off_t end) {
    const char *folder = getenv("QUOTA_OF"), *flag = getenv("QUOTA_USED_UP");
    char link[64], path[4096];
    struct stat file;
    if (!folder || !flag || access(flag, F_OK) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || strncmp(path, folder, strlen(folder)) != 0) return 0;
    if (fstat(fd, &file) != 0 || end <= file.st_size) return 0;
    errno = EDQUOT;
    return 1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    ssize_t (*next)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    return refused(fd, offset + (off_t)count) ? -1 : next(fd, bytes, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) { return pwrite64(fd, bytes, count, offset); }

ssize_t write(int fd, const void *bytes, size_t count) {
    ssize_t (*next)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    off_t at = lseek(fd, 0, SEEK_CUR);
    return at >= 0 && refused(fd, at + (off_t)count) ? -1 : next(fd, bytes, count);
}
