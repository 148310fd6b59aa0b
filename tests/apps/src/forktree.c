/* SPDX-License-Identifier: Apache-2.0 */
/* forktree [ROUNDS]: every round a tree of 15 processes; leaves compute slowly, every node sums what its children send
 * through a pipe and checks that their exit codes agree. Beside it one child that is stopped every other round and a
 * dead one that is not waited for until the next round. Ends with status 42. */

#include "app.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

enum { FANOUT = 2, DEPTH = 3 };

static uint32_t node(unsigned depth, uint32_t seed);

static uint32_t leaf(uint32_t seed)
{
    for (unsigned i = 0; i < 20; i++) {
        seed = mix(seed + i);
        pause_ms(5 + seed % 10);
    }
    return seed;
}

static int exit_code_of(uint32_t value)
{
    return (int)(value % 97);
}

static pid_t start_child(unsigned depth, uint32_t seed, int *ret_fd)
{
    int ends[2];

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        uint32_t value = node(depth, seed);
        write_all(ends[1], &value, sizeof(value));
        _exit(exit_code_of(value));
    }
    close(ends[1]);
    *ret_fd = ends[0];
    return pid;
}

static uint32_t node(unsigned depth, uint32_t seed)
{
    pid_t pid[FANOUT];
    int fd[FANOUT];
    uint32_t sum = seed;

    if (depth == 0)
        return leaf(seed);
    for (unsigned i = 0; i < FANOUT; i++)
        pid[i] = start_child(depth - 1, mix(seed + i + 1), &fd[i]);
    for (unsigned i = 0; i < FANOUT; i++) {
        uint32_t value;
        int status;

        read_all(fd[i], &value, sizeof(value));
        close(fd[i]);
        CHECK(waitpid(pid[i], &status, 0) == pid[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == exit_code_of(value));
        sum += value * (i + 1);
    }
    return sum;
}

/* A child that answers every byte with the next one. */
static pid_t start_echo(int *ret_to, int *ret_from)
{
    int to[2], from[2];
    unsigned char byte;

    CHECK(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(to[1]);
        close(from[0]);
        while (read(to[0], &byte, 1) == 1) {
            byte++;
            write_all(from[1], &byte, 1);
        }
        _exit(5);
    }
    close(to[0]);
    close(from[1]);
    *ret_to = to[1];
    *ret_from = from[0];
    return pid;
}

static pid_t start_zombie(unsigned round)
{
    siginfo_t info;
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0)
        _exit((int)(round % 50) + 1);
    CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
    return pid;
}

int main(int argc, char **argv)
{
    unsigned rounds = argument(argc, argv, 1, 22);
    int to, from, status;
    pid_t echo = start_echo(&to, &from);

    for (unsigned round = 0; round < rounds; round++) {
        int stopped = round % 2;
        unsigned char byte = (unsigned char)round;
        pid_t zombie = start_zombie(round);

        if (stopped) {
            CHECK(kill(echo, SIGSTOP) == 0);
            CHECK(waitpid(echo, &status, WUNTRACED) == echo && WIFSTOPPED(status));
        }
        write_all(to, &byte, 1);
        uint32_t sum = node(DEPTH, round);
        if (stopped)
            CHECK(kill(echo, SIGCONT) == 0);
        read_all(from, &byte, 1);
        CHECK(byte == (unsigned char)(round + 1));
        CHECK(waitpid(zombie, &status, 0) == zombie);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == (int)(round % 50) + 1);
        printf("round %u: %08x\n", round, sum);
        fflush(stdout);
    }
    close(to);
    CHECK(waitpid(echo, &status, 0) == echo);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    return 42;
}
