/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zpipe: what "zstd -1 -T0" does, from standard input to standard output, where that program is not installed: the
 * same library at the same level with a worker for each core.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

static size_t check(size_t result)
{
    if (ZSTD_isError(result)) {
        fprintf(stderr, "zpipe: %s\n", ZSTD_getErrorName(result));
        exit(1);
    }
    return result;
}

static void put(const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(STDOUT_FILENO, data, size);
        if (n < 0 && errno != EINTR) {
            perror("zpipe: write");
            exit(1);
        }
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
}

int main(void)
{
    size_t in_size = 1 << 20, out_size = ZSTD_CStreamOutSize();
    char *in = malloc(in_size), *out = malloc(out_size);
    ZSTD_CCtx *z = ZSTD_createCCtx();
    if (!in || !out || !z)
        return 1;
    check(ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, 1));
    check(ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1));
    check(ZSTD_CCtx_setParameter(z, ZSTD_c_nbWorkers, (int)sysconf(_SC_NPROCESSORS_ONLN)));
    for (int last = 0; !last;) {
        ssize_t n = read(STDIN_FILENO, in, in_size);
        if (n < 0) {
            perror("zpipe: read");
            return 1;
        }
        last = n == 0;
        ZSTD_inBuffer from = {in, (size_t)n, 0};
        size_t left;
        do {
            ZSTD_outBuffer to = {out, out_size, 0};
            left = check(ZSTD_compressStream2(z, &to, &from, last ? ZSTD_e_end : ZSTD_e_continue));
            put(out, to.pos);
        } while (last ? left > 0 : from.pos < from.size);
    }
    ZSTD_freeCCtx(z);
    free(in);
    free(out);
    return 0;
}
