/* SPDX-License-Identifier: Apache-2.0 */
/* deleted: deletes what it goes on using, in every way that there is, and checks that for itself nothing is different:
 * the names are gone, the memory is there. Then waits for the file "go", with the memory checked again. */

#include "../../apps/src/app.h"

#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { SIZE = 1 << 16 };

#define DIR "/dev/shm/test-deleted"

static void *map_new(int fd)
{
    CHECK(fd >= 0 && ftruncate(fd, SIZE) == 0);
    void *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    close(fd);
    return map;
}

static uint32_t *mapped(const char *path)
{
    return map_new(open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
}

static void fill(uint32_t *word, uint32_t seed)
{
    for (unsigned i = 0; i < SIZE / sizeof(*word); i++)
        word[i] = mix(seed + i);
}

static void check(const uint32_t *word, uint32_t seed)
{
    for (unsigned i = 0; i < SIZE / sizeof(*word); i++)
        CHECK(word[i] == mix(seed + i));
}

static void check_gone(const char *path)
{
    struct stat st;

    CHECK(stat(path, &st) < 0 && errno == ENOENT);
    CHECK(unlink(path) < 0 && errno == ENOENT);
    CHECK(remove(path) < 0 && errno == ENOENT);
}

/* What is refused without the library is refused with it. */
static void check_refusals(void)
{
    errno = 0;
    CHECK(mkdir(DIR "/dir", 0700) == 0 && mkdir(DIR "/dir/in", 0700) == 0);
    CHECK(unlink(DIR "/dir") < 0 && errno == EISDIR);
    CHECK(unlinkat(AT_FDCWD, DIR "/dir", AT_REMOVEDIR) < 0 && errno == ENOTEMPTY);
    CHECK(remove(DIR "/dir") < 0 && errno == ENOTEMPTY);
    CHECK(remove(DIR "/dir/in") == 0 && rmdir(DIR "/dir") == 0);
    CHECK(symlink("nowhere", DIR "/link") == 0 && unlink(DIR "/link") == 0);
    CHECK(sem_open("/one", O_CREAT, 0600, SEM_VALUE_MAX + 1U) == SEM_FAILED && errno == EINVAL);
    CHECK(sem_open("/none", 0) == SEM_FAILED && errno == ENOENT);
    CHECK(sem_open("/a/b", O_CREAT, 0600, 1) == SEM_FAILED);
    CHECK(shm_unlink("/none") < 0 && errno == ENOENT);
    CHECK(sem_unlink("/none") < 0 && errno == ENOENT);
}

static sem_t *semaphore(void)
{
    sem_t *first = sem_open("/one", O_CREAT | O_EXCL, 0600, 1), *second;
    struct stat st;
    int value;

    CHECK(first != SEM_FAILED);
    CHECK(stat("/dev/shm/sem.one", &st) == 0 && st.st_size == sizeof(sem_t) && (st.st_mode & 07777) == 0600);
    CHECK(sem_open("/one", O_CREAT | O_EXCL, 0600, 1) == SEM_FAILED && errno == EEXIST);
    second = sem_open("/one", O_CREAT, 0600, 7);
    CHECK(second == first && sem_getvalue(second, &value) == 0 && value == 1);
    CHECK(sem_close(second) == 0 && sem_unlink("/one") == 0);
    CHECK(sem_open("/one", 0) == SEM_FAILED && errno == ENOENT);
    return first;
}

/* Two processes that meet at a semaphore whose name is gone. */
static void take_turns(sem_t *sem)
{
    int status;
    pid_t pid = fork();

    CHECK(pid >= 0);
    for (int i = 0; i < 100; i++) {
        while (sem_wait(sem) < 0)
            CHECK(errno == EINTR);
        CHECK(sem_post(sem) == 0);
    }
    if (pid == 0)
        _exit(0);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

int main(void)
{
    CHECK(mkdir(DIR, 0700) == 0);
    int dir = open(DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint32_t *map[4] = {mapped(DIR "/unlink"), mapped(DIR "/unlinkat"), mapped(DIR "/remove"),
                        map_new(shm_open("/object", O_RDWR | O_CREAT | O_EXCL, 0600))};

    for (uint32_t i = 0; i < 4; i++)
        fill(map[i], i * 1000);
    CHECK(unlink(DIR "/unlink") == 0 && unlinkat(dir, "unlinkat", 0) == 0 && remove(DIR "/remove") == 0);
    CHECK(shm_unlink("/object") == 0);
    check_gone(DIR "/unlink");
    check_gone("/dev/shm/object");
    check_refusals();
    close(dir);
    CHECK(rmdir(DIR) == 0);
    sem_t *sem = semaphore();

    take_turns(sem);
    puts("ready");
    fflush(stdout);
    while (access("go", F_OK) < 0)
        pause_ms(20);
    for (uint32_t i = 0; i < 4; i++) {
        check(map[i], i * 1000);
        CHECK(munmap(map[i], SIZE) == 0);
    }
    take_turns(sem);
    CHECK(sem_close(sem) == 0);
    puts("done");
    fflush(stdout);
    while (access("end", F_OK) < 0)
        pause_ms(20);
    return 0;
}
