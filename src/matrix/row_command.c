/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of a row: a user could type each of them. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/words.h"
#include "matrix/row_private.h"
#include "store/generation.h"
#include "store/store.h"

#define OUTPUT_MAX   65536 /* bytes of a file that are read */
#define REAP_SECONDS 30.0

/* "@NAME" is a program of ours. */
static void add_list(const struct row_run *r, struct bv_words *w, const char *const *list)
{
    for (; list && *list; list++) {
        autofree char *path = **list == '@' ? bv_asprintf("%s/%s", r->m->programs, *list + 1) : bv_strdup(*list);
        bv_words_add(w, path);
    }
}

static pid_t start(const struct row_run *r, const struct bv_words *w, const char *work, int out, int log)
{
    autoclose int dir = openat(r->dirfd, work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -1;
    return bv_child_start(&(struct bv_child){.path = w->word[0],
                                             .argv = bv_words_argv(w),
                                             .dir = dir,
                                             .out = out,
                                             .err = log,
                                             .mask = r->m->mask,
                                             .own_session = 1});
}

static int open_log(const struct row_run *r)
{
    return openat(r->dirfd, ROW_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int started(pid_t pid, const char *work, struct row_attempt *ret, struct bv_error *err)
{
    if (pid < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot start bivouac");
    *ret = (struct row_attempt){.pid = pid, .work = work};
    return 0;
}

/* What is in the file, from its end; allocated, "" if there is nothing. */
static char *tail_of(const struct row_run *r, const char *path)
{
    struct stat st;
    char *text = bv_alloc(OUTPUT_MAX + 1);
    autoclose int fd = openat(r->dirfd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        ssize_t n = bv_pread_full(fd, text, OUTPUT_MAX, st.st_size > OUTPUT_MAX ? st.st_size - OUTPUT_MAX : 0);
        text[n > 0 ? n : 0] = '\0';
    }
    return text;
}

/* The last line that begins with `begin`, without it; allocated. */
static char *last_line(const char *text, const char *begin)
{
    const char *found = "";
    size_t n = strlen(begin);
    for (const char *line = text; *line;) {
        size_t size = strcspn(line, "\n");
        if (size > n && strncmp(line, begin, n) == 0)
            found = line + n;
        line += size + (line[size] == '\n');
    }
    return bv_strndup(found, strcspn(found, "\n"));
}

int row_prepare(struct row_run *r, struct bv_error *err)
{
    autowords struct bv_words w = {0};
    autoclose int log = open_log(r);
    if (!r->row->prepare)
        return 0;
    add_list(r, &w, r->row->prepare);
    int status = bv_child_wait(start(r, &w, ROW_WORK, log, log), bv_deadline_ms(r->deadline) / 1000.0);
    autofree char *said = tail_of(r, ROW_LOG), *words = last_line(said, "");
    if (status != 0)
        return bv_fail(err, BV_ENOEXEC, 0, "'%s' ended with status %d: %s", r->row->prepare[0], status, words);
    return 0;
}

int row_start_beside(struct row_run *r, struct bv_error *err)
{
    autowords struct bv_words w = {0};
    autoclose int log = open_log(r);
    if (!r->row->beside)
        return 0;
    add_list(r, &w, r->row->beside);
    pid_t pid = start(r, &w, ROW_WORK, log, log);
    if (pid < 0)
        return bv_fail(err, BV_ENOEXEC, errno, "cannot start %s", r->row->beside[0]);
    r->beside = pid;
    return 0;
}

int row_start(struct row_run *r, struct row_attempt *ret, struct bv_error *err)
{
    static const char *const settings[] = {"--every", "off", "--requeue-exit", "85", NULL};
    autowords struct bv_words w = {0};
    autoclose int log = open_log(r), work = openat(r->dirfd, ROW_WORK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclose int out = openat(work, ROW_OUT, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0 || out < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create files in %s", r->dir);
    add_list(r, &w, r->row->run_in);
    bv_words_add_list(&w, (const char *[]){r->m->self, "run", "--store", r->store, "--job", r->row->name, NULL});
    add_list(r, &w, settings);
    add_list(r, &w, r->row->options);
    bv_words_add(&w, "--");
    add_list(r, &w, r->row->argv);
    return started(start(r, &w, ROW_WORK, out, log), ROW_WORK, ret, err);
}

static int start_restart(struct row_run *r, const char *work, const char *copy, struct row_attempt *ret,
                         struct bv_error *err)
{
    autowords struct bv_words w = {0};
    autoclose int log = open_log(r);
    add_list(r, &w, r->row->restart_in);
    bv_words_add_list(&w, (const char *[]){r->m->self, "restart", "--store", r->store, NULL});
    if (strcmp(work, ROW_WORK) != 0) {
        autofree char *path = bv_asprintf("%s/%s", r->dir, work);
        bv_words_add_list(&w, (const char *[]){"--chdir", path, NULL});
    }
    if (copy)
        bv_words_add_list(&w, (const char *[]){"--job", copy, NULL});
    bv_words_add(&w, r->row->name);
    return started(start(r, &w, work, log, log), work, ret, err);
}

/* --- waiting --- */

static int has_ended(struct row_attempt *a)
{
    int status;
    if (a->pid > 0 && waitpid(a->pid, &status, WNOHANG) == a->pid) {
        a->pid = 0;
        a->status = bv_child_status(status);
    }
    return a->pid == 0;
}

static int nap(const struct row_run *r, const char *what, struct bv_error *err)
{
    if (bv_deadline_passed(r->deadline))
        return bv_fail(err, BV_ETIMEOUT, 0, "%s for %.0f s; --timeout gives more", what, r->m->timeout);
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    return 0;
}

int row_await_end(struct row_run *r, struct row_attempt *a, struct bv_error *err)
{
    while (!has_ended(a))
        if (nap(r, "the job did not end", err) < 0)
            return -1;
    return 0;
}

static char *output_of(const struct row_run *r, const char *work)
{
    autofree char *path = bv_asprintf("%s/%s", work, ROW_OUT);
    return tail_of(r, path);
}

static int has_line(const char *text, const char *line)
{
    size_t n = strlen(line);
    while (*text) {
        size_t size = strcspn(text, "\n");
        if (size == n && text[size] == '\n' && strncmp(text, line, n) == 0)
            return 1;
        text += size + (text[size] == '\n');
    }
    return 0;
}

int row_await_word(struct row_run *r, struct row_attempt *a, const char *word, struct bv_error *err)
{
    autofree char *what = bv_asprintf("the program did not say '%s'", word);
    for (;;) {
        int ended = has_ended(a); /* before we look */
        autofree char *output = output_of(r, a->work);
        if (has_line(output, word))
            return 1;
        if (ended)
            return 0;
        if (nap(r, what, err) < 0)
            return -1;
    }
}

static int is_only_child(pid_t pid)
{
    char *end;
    autofree char *children = bv_read_proc(AT_FDCWD, "/proc/thread-self/children", 4096);
    return children && strtol(children, &end, 10) == pid && end[strspn(end, " ")] == '\0';
}

void row_crash(struct row_run *r, struct row_attempt *a)
{
    struct bv_deadline patience = bv_deadline_in(REAP_SECONDS);
    if (a->pid > 0)
        kill(a->pid, SIGKILL);
    while (!bv_deadline_passed(patience)) {
        pid_t got = waitpid(-1, NULL, WNOHANG);
        if (got > 0 && got == r->beside)
            r->beside = 0;
        if (got < 0 || (got == 0 && r->beside > 0 && is_only_child(r->beside)))
            break;
        if (got == 0)
            nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    a->pid = 0;
}

/* A restart is told when CRIU has let all processes go. One of them that kills another one before that makes it fail,
 * so no program may begin to look at what it has. */
int row_restart(struct row_run *r, const char *work, const char *copy, struct row_attempt *ret, struct bv_error *err)
{
    if (start_restart(r, work, copy, ret, err) < 0)
        return -1;
    for (;;) {
        int ended = has_ended(ret); /* before we look */
        autofree char *log = tail_of(r, ROW_LOG);
        if (ended || strstr(log, " goes on from checkpoint "))
            return 0;
        if (nap(r, "the restart did not end", err) < 0)
            return -1;
    }
}

/* --- the checkpoint --- */

static int take_answer(struct row_run *r, int status, struct bv_error *err)
{
    autofree char *text = NULL, *why = NULL;
    autojson json_t *answer = NULL;
    size_t size = 0;
    if (status < 0)
        return bv_fail(err, BV_ETIMEOUT, 0, "bivouac checkpoint did not end");
    if (bv_read_file(r->dirfd, "answer", OUTPUT_MAX, &text, &size, err) < 0 ||
        bv_json_parse(text, size, &answer, NULL) < 0)
        return bv_fail(err, BV_EENGINE, 0, "bivouac checkpoint ended with status %d and said nothing that is JSON",
                       status);
    if (status != 0) {
        if (bv_json_get_bytes(json_object_get(answer, "error"), "text", &why, NULL) < 0)
            return bv_fail(err, BV_EENGINE, 0, "bivouac checkpoint ended with status %d", status);
        return bv_fail(err, (enum bv_code)status, 0, "%s", why);
    }
    r->result->frozen = json_number_value(json_object_get(answer, "frozen_s"));
    r->result->stored = (uint64_t)json_integer_value(json_object_get(answer, "stored_bytes"));
    r->result->raw = (uint64_t)json_integer_value(json_object_get(answer, "raw_bytes"));
    return 0;
}

static int try_checkpoint(struct row_run *r, int kill_it, struct bv_error *err)
{
    autowords struct bv_words w = {0};
    autoclose int log = open_log(r);
    autoclose int answer = openat(r->dirfd, "answer", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    double left = bv_deadline_ms(r->deadline) / 1000.0;
    autofree char *timeout = bv_asprintf("%.0f", left > 1 ? left : 1);
    if (log < 0 || answer < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create files in %s", r->dir);
    bv_words_add_list(
        &w, (const char *[]){r->m->self, "checkpoint", "--json", "--timeout", timeout, "--store", r->store, NULL});
    if (kill_it)
        bv_words_add(&w, "--kill");
    bv_words_add(&w, r->row->name);
    return take_answer(r, bv_child_wait(start(r, &w, ROW_WORK, answer, log), left + 5), err);
}

/* A program may be ready before its supervisor knows that it runs. */
int row_checkpoint(struct row_run *r, int kill_it, struct bv_error *err)
{
    for (;;) {
        struct bv_error why = {0};
        if (try_checkpoint(r, kill_it, &why) == 0)
            return 0;
        if (why.code != BV_EBUSY || bv_deadline_ms(r->deadline) == 0)
            return bv_fail(err, why.code, 0, "%s", why.text);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

static char *find_topic(const json_t *findings, const char *topic)
{
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *f = json_array_get(findings, i);
        const char *name = json_string_value(json_object_get(f, "topic"));
        char *text = NULL;
        if (name && strcmp(name, topic) == 0 && bv_json_get_bytes(f, "text", &text, NULL) == 0)
            return text;
    }
    return NULL;
}

char *row_finding(const struct row_run *r, const char *topic)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    autogen struct bv_gen *g = NULL;
    if (bv_store_open(r->store, 0, &store, NULL) < 0 || bv_job_open(&store, r->row->name, &job, NULL) < 0 ||
        bv_gen_open(&job, 1, &g, NULL) < 0)
        return NULL;
    return find_topic(json_object_get(bv_gen_content(g), "findings"), topic);
}

/* --- files --- */

int row_touch(const struct row_run *r, const char *work, const char *name, struct bv_error *err)
{
    autofree char *path = bv_asprintf("%s/%s", work, name);
    autoclose int fd = openat(r->dirfd, path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? bv_fail(err, BV_EINTERNAL, errno, "cannot create %s/%s", r->dir, path) : 0;
}

int row_untouch(const struct row_run *r, const char *work, const char *name, struct bv_error *err)
{
    autofree char *path = bv_asprintf("%s/%s", work, name);
    return unlinkat(r->dirfd, path, 0) < 0 ? bv_fail(err, BV_EINTERNAL, errno, "cannot remove %s/%s", r->dir, path) : 0;
}

char *row_last_words(const struct row_run *r, const char *work)
{
    autofree char *text = output_of(r, work);
    return last_line(text, "");
}

char *row_last_complaint(const struct row_run *r)
{
    autofree char *text = tail_of(r, ROW_LOG);
    return last_line(text, "bivouac: ");
}
