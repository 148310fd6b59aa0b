/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX and System V objects that exist on their own. */
#include <fcntl.h>
#include <mqueue.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#include "matrix/programs/object.h"

static void queue(void)
{
    char text[64];
    struct mq_attr a = {.mq_maxmsg = 4, .mq_msgsize = sizeof(text)};
    mqd_t q = mq_open("/bivouac-matrix", O_RDWR | O_CREAT | O_NONBLOCK, 0600, &a);
    have(q, "make a message queue");
    have(mq_send(q, "hello", 5, 3), "use a message queue");
    mq_unlink("/bivouac-matrix");
    hold();
    row_check(mq_receive(q, text, sizeof(text), NULL) == 5, "the message is gone");
}

static void shared_memory(void)
{
    int id = have(shmget(IPC_PRIVATE, 65536, IPC_CREAT | 0600), "make a shared memory segment");
    char *m = shmat(id, NULL, 0);
    have(m == (void *)-1 ? -1 : 0, "attach a shared memory segment");
    strcpy(m, "hello");
    hold();
    struct shmid_ds ds;
    row_check(strcmp(m, "hello") == 0, "the segment is not what it was");
    row_check(shmctl(id, IPC_STAT, &ds) == 0 && ds.shm_nattch == 1, "the segment has lost its number");
    shmctl(id, IPC_RMID, NULL);
}

static void shared_memory_detached(void)
{
    int id = have(shmget(IPC_PRIVATE, 65536, IPC_CREAT | 0600), "make a shared memory segment");
    hold();
    void *m = shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    row_check(m != (void *)-1, "the segment is gone");
}

static void semaphores(void)
{
    int id = have(semget(IPC_PRIVATE, 2, IPC_CREAT | 0600), "make a semaphore");
    have(semctl(id, 1, SETVAL, 5), "set a semaphore");
    hold();
    int value = semctl(id, 1, GETVAL);
    semctl(id, 0, IPC_RMID);
    row_check(value == 5, "the semaphore is gone");
}

static void messages(void)
{
    struct {
        long type;
        char text[16];
    } m = {4, "hello"};
    int id = have(msgget(IPC_PRIVATE, IPC_CREAT | 0600), "make a message queue");
    have(msgsnd(id, &m, sizeof(m.text), IPC_NOWAIT), "use a message queue");
    hold();
    ssize_t n = msgrcv(id, &m, sizeof(m.text), 4, IPC_NOWAIT);
    msgctl(id, IPC_RMID, NULL);
    row_check(n == sizeof(m.text), "the message is gone");
}

const struct row_case object_ipc_cases[] = {
    {"mqueue", queue},        {"sysv-shm", shared_memory}, {"sysv-shm-detached", shared_memory_detached},
    {"sysv-sem", semaphores}, {"sysv-msg", messages},      {NULL},
};
