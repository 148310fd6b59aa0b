/* SPDX-License-Identifier: Apache-2.0 */
/* library status|checkpoint|end STORE JOB; library check KEY VALUE: asks libbivouac, for library.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bivouac/bivouac.h>

static int tell(int code, const char *message)
{
    if (code)
        fprintf(stderr, "%s\n", message);
    return code;
}

static int checkpoint(char **argv, enum bivouac_then then)
{
    char message[512] = "";
    unsigned generation = 0;
    int code = bivouac_checkpoint(argv[2], argv[3], then, 60, "stop", &generation, message, sizeof(message));
    if (code == 0)
        printf("%u\n", generation);
    return tell(code, message);
}

static int status(char **argv)
{
    char message[512] = "", *json = NULL;
    int code = bivouac_status(argv[2], argv[3], &json, message, sizeof(message));
    if (code == 0)
        puts(json);
    free(json);
    return tell(code, message);
}

int main(int argc, char **argv)
{
    char message[512] = "";
    if (argc != 4)
        return 64;
    if (strcmp(argv[1], "status") == 0)
        return status(argv);
    if (strcmp(argv[1], "checkpoint") == 0)
        return checkpoint(argv, BIVOUAC_GO_ON);
    if (strcmp(argv[1], "end") == 0)
        return checkpoint(argv, BIVOUAC_END);
    if (strcmp(argv[1], "nonsense") == 0)
        return checkpoint(argv, (enum bivouac_then)7);
    /* Without room for a message, it is only the code. */
    if (bivouac_check_setting(argv[2], argv[3], NULL, 0) != bivouac_check_setting(argv[2], argv[3], message, 8))
        return 65;
    return tell(bivouac_check_setting(argv[2], argv[3], message, sizeof(message)), message);
}
