/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Cleanup bound to scope: `autoclose int fd = -1;`, `autofree char *s = NULL;`. Every destructor keeps errno, so that
 * a return expression may still use it. Hand a resource to the caller with steal_fd()/steal_ptr(). */

static inline void bv_cleanup_free(void *p)
{
    free(*(void **)p);
}

static inline void bv_cleanup_close(const int *fd)
{
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    errno = saved;
}

static inline void bv_cleanup_closedir(DIR **dir)
{
    int saved = errno;
    if (*dir)
        closedir(*dir);
    errno = saved;
}

static inline void bv_cleanup_fclose(FILE **file)
{
    int saved = errno;
    if (*file)
        fclose(*file);
    errno = saved;
}

#define autofree     __attribute__((cleanup(bv_cleanup_free)))
#define autoclose    __attribute__((cleanup(bv_cleanup_close)))
#define autoclosedir __attribute__((cleanup(bv_cleanup_closedir)))
#define autofclose   __attribute__((cleanup(bv_cleanup_fclose)))

static inline int steal_fd(int *fd)
{
    int value = *fd;
    *fd = -1;
    return value;
}

#define steal_ptr(p)                                                                                                   \
    ({                                                                                                                 \
        __typeof__(*(p)) bv_stolen = *(p);                                                                             \
        *(p) = NULL;                                                                                                   \
        bv_stolen;                                                                                                     \
    })

/* Close `*fd` now, if open, and mark it closed. */
static inline void close_fd(int *fd)
{
    bv_cleanup_close(fd);
    *fd = -1;
}
