/* SPDX-License-Identifier: Apache-2.0 */
/* code PROCESSES: so many processes, which wait until there is a file "go" and look then whether their code is what it
 * was. CRIU injects system calls over the begin of it. */

#include "app.h"

#include <sys/wait.h>

enum { SIZE = 64 };

static const unsigned char *first_code(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4352];
    unsigned long start;
    char rights[5];

    CHECK(maps);
    while (fgets(line, sizeof(line), maps)) {
        CHECK(sscanf(line, "%lx-%*x %4s", &start, rights) == 2);
        if (strcmp(rights, "r-xp") == 0) {
            fclose(maps);
            return (const unsigned char *)start; /* NOLINT(performance-no-int-to-ptr) */
        }
    }
    CHECK(!"no code");
    return NULL;
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 1, bad = 0;
    const unsigned char *code = first_code();
    unsigned char was[SIZE];

    memcpy(was, code, SIZE);
    for (long i = 0; i < count; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            while (access("go", F_OK) < 0)
                usleep(10000);
            for (int k = 0; k < SIZE; k++)
                if (code[k] != was[k])
                    fprintf(stderr, "byte %d of process %ld was %02x and is %02x\n", k, i, was[k], code[k]);
            _exit(memcmp(code, was, SIZE) != 0);
        }
    }
    fclose(fopen("ready", "w"));
    for (int status; wait(&status) > 0;)
        bad += status != 0;
    printf("%ld of %ld processes have other code now\n", bad, count);
    return bad != 0;
}
