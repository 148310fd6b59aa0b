/* SPDX-License-Identifier: Apache-2.0 */
/* hangup: has two terminals whose other sides were opened by a child that has ended; what the child has said last in
 * one of them is still unread. Says so by the file "ready", waits for "go", and reads both to their ends. */

#include "app.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/wait.h>

static int left_by_child(const char *last_words)
{
    int master, slave, status;
    CHECK(openpty(&master, &slave, NULL, NULL, NULL) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(write(slave, last_words, strlen(last_words)) < 0);
    close(slave);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    return master;
}

static void read_to_end(const char *name, int master)
{
    char text[64];
    ssize_t n;
    while ((n = read(master, text, sizeof(text))) > 0)
        printf("%s: %.*s\n", name, (int)n, text);
    printf("%s: %s\n", name, strerror(errno));
}

int main(void)
{
    int silent = left_by_child(""), unread = left_by_child("last\nwords\n");
    CHECK(close(open("ready", O_WRONLY | O_CREAT, 0644)) == 0);
    while (access("go", F_OK) < 0)
        pause_ms(10);
    read_to_end("silent", silent);
    read_to_end("unread", unread);
    return 0;
}
