/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

/* The character at the begin of the text, and how many bytes it has; 0 if there is none. */
static size_t decode(const unsigned char *p, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (n == 0 || (n > 1 && c < least[n]) || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
        return 0;
    *ret = c;
    return n;
}

static int is_plain(uint32_t c)
{
    return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != 0xad && c != 0x61c && !(c >= 0x200b && c < 0x2010) &&
           !(c >= 0x2028 && c < 0x202f) && !(c >= 0x2060 && c < 0x2070) && c != 0xfeff && (c & 0xfffe) != 0xfffe &&
           !(c >= 0xfff9 && c < 0xfffc) && !(c >= 0xe0000 && c < 0xe0080) && !(c >= 0xfdd0 && c < 0xfdf0);
}

char *cmd_plain_text(const char *bytes)
{
    char *out = bv_alloc(4 * strlen(bytes) + 1), *to = out;
    for (const unsigned char *p = (const unsigned char *)bytes; *p;) {
        uint32_t c = 0;
        size_t n = decode(p, &c);
        if (n && is_plain(c)) {
            memcpy(to, p, n);
            to += n;
            p += n;
            continue;
        }
        for (size_t i = 0; i < (n ? n : 1); i++)
            to += sprintf(to, "\\x%02x", *p++);
    }
    return out;
}

char *cmd_plain_json(const json_t *string)
{
    autofree char *bytes = NULL;
    return cmd_plain_text(bv_json_unescape(string, &bytes, NULL) < 0 ? "?" : bytes);
}

int cmd_write_file(const char *path, const char *bytes, size_t size, mode_t mode, struct bv_error *err)
{
    struct stat st;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    autofree char *dir = slash ? bv_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : bv_strdup(".");
    autoclose int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return bv_fail(err, BV_EUSAGE, errno, "cannot open the directory of %s", path);
    if (!*name || (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode)))
        return bv_fail(err, BV_EUSAGE, 0, "%s is no regular file: name one that is, or a new one", path);

    /* Whoever reads all files of a directory, by their suffix, must not take the new one before it is whole. */
    autofree char *aside = bv_asprintf(".%s.%d.new", name, (int)getpid());
    if (bv_publish(dirfd, aside, bytes, size, 1, err) < 0)
        return bv_wrap(err, "%s", path);
    if (fchmodat(dirfd, aside, mode, 0) < 0 || renameat(dirfd, aside, dirfd, name) < 0 || fsync(dirfd) < 0) {
        int saved = errno;
        unlinkat(dirfd, aside, 0);
        return bv_fail(err, bv_store_code(saved), saved, "cannot write %s", path);
    }
    return 0;
}
