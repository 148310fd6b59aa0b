/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "config/settings.h"

/* The site file and the job file: INI with one section, [run]. libinih splits the lines; what it would take silently
 * (lines cut, lines that go on the one before, sections without keys) is refused before it gets there. */

#define FILE_MAX        (64 << 10)
#define SECTION         "[run]"
#define BLANKS          " \t\r"
#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* some editors begin a text with it */

struct reading {
    struct bv_settings *settings;
    const char *name;
    enum bv_layer layer;
    const char *at, *end;
    unsigned line;
    int in_section;
    struct bv_error *err;
    int failed;
};

/* Remember that it is over, with "NAME:LINE: " before the reason. */
#define REFUSE(r, ...)                                                                                                 \
    do {                                                                                                               \
        bv_fail((r)->err, BV_EUSAGE, 0, __VA_ARGS__);                                                                  \
        bv_wrap((r)->err, "%s:%u", (r)->name, (r)->line);                                                              \
        (r)->failed = 1;                                                                                               \
    } while (0)

static void check_section(struct reading *r, const char *line)
{
    size_t n = strcspn(line, "]");
    size_t after = n + 1 + strspn(line + n + (line[n] == ']'), BLANKS);
    if (line[n] != ']' || (line[after] && !strchr(";#", line[after])))
        REFUSE(r, "this is no line '[section]'");
    else if (n + 1 != strlen(SECTION) || strncmp(line, SECTION, n + 1) != 0)
        REFUSE(r, "there is no section '%.*s', only " SECTION, (int)n + 1, line);
    else
        r->in_section = 1;
}

static void check_text(struct reading *r, const char *line)
{
    for (const char *c = line; *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f) {
            REFUSE(r, "there is a control character in the line");
            return;
        }
}

/* The next line, like fgets(); NULL ends the reading. */
static char *next_line(char *buffer, int size, void *arg)
{
    struct reading *r = arg;
    if (r->at == r->end || r->failed)
        return NULL;
    r->line++;
    const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
    size_t n = (size_t)((newline ? newline : r->end) - r->at);
    const char *begin = r->at;
    r->at = newline ? newline + 1 : r->end;
    while (n > 0 && strchr(BLANKS, begin[0]) && *begin) {
        begin++;
        n--;
    }
    while (n > 0 && strchr(BLANKS, begin[n - 1]) && begin[n - 1])
        n--;
    if (n + 2 > (size_t)size) {
        REFUSE(r, "the line is longer than %d characters", size - 2);
        return NULL;
    }
    if (memchr(begin, '\0', n)) {
        REFUSE(r, "there is a NUL byte in the line");
        return NULL;
    }
    memcpy(buffer, begin, n);
    buffer[n] = '\0';
    check_text(r, buffer);
    if (!r->failed && buffer[0] == '[')
        check_section(r, buffer);
    return r->failed ? NULL : buffer;
}

/* One "key = value". Returns 0 to say that it is wrong. */
static int take_pair(void *arg, const char *section, const char *key, const char *value)
{
    struct reading *r = arg;
    (void)section;
    if (r->failed)
        return 0;
    if (!r->in_section) {
        REFUSE(r, "the key %.60s is in no section: put " SECTION " above it", key);
        return 0;
    }
    const struct bv_setting *setting = bv_setting_find(key);
    const char *nearest = bv_setting_nearest(key);
    if (!setting && nearest)
        REFUSE(r, "there is no key '%.60s': do you mean %s?", key, nearest);
    else if (!setting)
        REFUSE(r, "there is no key '%.60s' (bivouac.conf(5) has them all)", key);
    if (!setting)
        return 0;
    autofree char *where = bv_asprintf("%s:%u", r->name, r->line);
    r->failed = bv_settings_set(r->settings, setting, value, r->layer, where, r->err) < 0;
    return !r->failed;
}

int bv_settings_parse(struct bv_settings *s, const char *text, size_t size, const char *name, enum bv_layer layer,
                      struct bv_error *err)
{
    if (size >= strlen(BYTE_ORDER_MARK) && memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0) {
        text += strlen(BYTE_ORDER_MARK);
        size -= strlen(BYTE_ORDER_MARK);
    }
    struct reading r = {.settings = s, .name = name, .layer = layer, .at = text, .end = text + size, .err = err};
    int wrong = ini_parse_stream(next_line, &r, take_pair, &r);
    if (!r.failed && wrong) {
        r.line = wrong > 0 ? (unsigned)wrong : r.line;
        REFUSE(&r, "this is no line 'key = value'");
    }
    return r.failed ? -1 : 0;
}

/* --- the file --- */

static int read_whole(int fd, const char *path, off_t size, char **ret, size_t *ret_size, struct bv_error *err)
{
    if (size > FILE_MAX)
        return bv_fail(err, BV_EUSAGE, 0, "%s is larger than the %d bytes that settings may have", path, FILE_MAX);
    autofree char *text = bv_alloc((size_t)size + 1);
    ssize_t n = bv_read_full(fd, text, (size_t)size);
    if (n < 0)
        return bv_fail(err, BV_EUSAGE, errno, "cannot read %s", path);
    *ret = steal_ptr(&text);
    *ret_size = (size_t)n;
    return 0;
}

int bv_settings_load_file(struct bv_settings *s, const char *path, enum bv_layer layer, struct bv_error *err)
{
    struct stat st;
    autofree char *text = NULL;
    size_t size = 0;
    autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return bv_fail(err, errno == EACCES ? BV_EDENIED : BV_EUSAGE, errno, "cannot read the %s %s",
                       bv_layer_name(layer), path);
    if (!S_ISREG(st.st_mode))
        return bv_fail(err, BV_EUSAGE, 0, "the %s %s is no regular file", bv_layer_name(layer), path);
    /* The site file speaks for everybody on the host: nobody else may change what it says. */
    if (layer == BV_LAYER_SITE && ((st.st_uid != 0 && st.st_uid != geteuid()) || st.st_mode & (S_IWGRP | S_IWOTH)))
        return bv_fail(err, BV_EDENIED, 0,
                       "the site file %s can be changed by others: it must belong to root, mode 0644", path);
    if (read_whole(fd, path, st.st_size, &text, &size, err) < 0)
        return -1;
    return bv_settings_parse(s, text, size, path, layer, err);
}
