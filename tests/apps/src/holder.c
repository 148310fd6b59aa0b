/* SPDX-License-Identifier: Apache-2.0 */
/* holder [STEPS]: has files in all the ways that a file system can make trouble with: deleted ones, shared and private
 * mappings, a POSIX and a BSD lock, and looks at each step whether they are as it has left them. */

#include "app.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { WORDS = 1024 };

static int create(const char *name)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    return fd;
}

static uint32_t *map(const char *name, int flags)
{
    int fd = create(name);
    CHECK(ftruncate(fd, WORDS * sizeof(uint32_t)) == 0);
    uint32_t *words = mmap(NULL, WORDS * sizeof(uint32_t), PROT_READ | PROT_WRITE, flags, fd, 0);
    CHECK(words != MAP_FAILED);
    close(fd);
    return words;
}

/* Are both locked for others? */
static void check_locks(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct flock wanted = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 4, .l_len = 1};
        int posix = open("posix", O_RDWR), bsd = open("bsd", O_RDWR);
        if (posix < 0 || bsd < 0 || fcntl(posix, F_GETLK, &wanted) < 0)
            _exit(2);
        _exit(wanted.l_type != F_WRLCK || flock(bsd, LOCK_EX | LOCK_NB) == 0);
    }
    int status;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
}

int main(int argc, char **argv)
{
    uint32_t steps = argument(argc, argv, 1, 60), got;
    int deleted = create("deleted"), posix = create("posix"), bsd = create("bsd");
    uint32_t *shared = map("shared", MAP_SHARED), *private = map("private", MAP_PRIVATE);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 3, .l_len = 5};

    CHECK(unlink("deleted") == 0);
    CHECK(fcntl(posix, F_SETLK, &lock) == 0 && flock(bsd, LOCK_EX | LOCK_NB) == 0);
    for (uint32_t step = 0; step < steps; step++) {
        uint32_t mark = mix(step);

        CHECK(pwrite(deleted, &mark, sizeof(mark), step * 4) == sizeof(mark));
        shared[step % WORDS] = mark;
        private[step % WORDS] = mark;
        for (uint32_t i = 0; i <= step; i++) {
            CHECK(pread(deleted, &got, sizeof(got), i * 4) == sizeof(got) && got == mix(i));
            CHECK(shared[i % WORDS] == mix(i) && private[i % WORDS] == mix(i));
        }
        check_locks();
        if (step % 10 == 9) {
            printf("%u steps\n", step + 1);
            fflush(stdout);
        }
        pause_ms(20);
    }
    printf("done\n");
    return 0;
}
