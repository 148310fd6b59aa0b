/* SPDX-License-Identifier: Apache-2.0 */
/* Tell Grid Engine about Bivouac. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/name.h"
#include "cli/cmd.h"
#include "cli/gridengine.h"
#include "sched/gridengine/qconf.h"

#define STARTER BV_LIBEXECDIR "/gridengine-starter"
#define UNSAFE  " \t\n\\$,=[]"

/* A file for qconf to read, whose name is told. */
static int write_temporary(const char *text, char ret[PATH_MAX], struct bv_error *err)
{
    const char *dir = getenv("TMPDIR");
    snprintf(ret, PATH_MAX, "%s/bivouac-qconf.XXXXXX", dir && *dir ? dir : "/tmp");
    autoclose int fd = mkstemp(ret);
    if (fd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot write a file for qconf");
    if (bv_write_full(fd, text, strlen(text)) == 0)
        return 0;
    bv_fail(err, BV_EINTERNAL, errno, "cannot write %s", ret);
    unlink(ret);
    return -1;
}

static int install_environment(const char *wanted, struct bv_error *err)
{
    const char *show[] = {"-sckpt", BV_GRIDENGINE_CKPT, NULL};
    struct bv_error e = {0};
    char path[PATH_MAX];
    autofree char *has = NULL, *got = NULL;
    int there = bv_gridengine_qconf(show, &has, &e) == 0;
    if (!there && e.code != BV_EINTERNAL)
        return bv_fail(err, e.code, 0, "%s", e.text);
    if (there && bv_gridengine_agrees(has, wanted)) {
        printf("checkpointing environment %s: is there\n", BV_GRIDENGINE_CKPT);
        return 0;
    }
    if (write_temporary(wanted, path, err) < 0)
        return -1;
    const char *change[] = {there ? "-Mckpt" : "-Ackpt", path, NULL};
    int rc = bv_gridengine_qconf(change, NULL, err);
    unlink(path);
    /* qconf's exit status does not always say that it has failed. */
    if (rc < 0 || bv_gridengine_qconf(show, &got, err) < 0)
        return -1;
    if (!bv_gridengine_agrees(got, wanted))
        return bv_fail(err, BV_EINTERNAL, 0, "qconf %s has not done it: qconf -sckpt %s shows another one", change[0],
                       BV_GRIDENGINE_CKPT);
    printf("checkpointing environment %s: %s\n", BV_GRIDENGINE_CKPT, there ? "changed" : "added");
    return 0;
}

/* What a queue has now. */
struct queue {
    const char *name;
    char *starter, *list;
};

static int read_queue(const char *name, struct queue *ret, struct bv_error *err)
{
    const char *show[] = {"-sq", name, NULL};
    autofree char *text = NULL;
    if (bv_gridengine_qconf(show, &text, err) < 0)
        return -1;
    autofree char *starter = bv_gridengine_attribute(text, "starter_method");
    autofree char *list = bv_gridengine_attribute(text, "ckpt_list");
    if (!starter || !list)
        return bv_fail(err, BV_EINTERNAL, 0, "qconf -sq %s shows no starter_method or no ckpt_list", name);
    free(ret->starter);
    free(ret->list);
    *ret = (struct queue){.name = name, .starter = steal_ptr(&starter), .list = steal_ptr(&list)};
    return 0;
}

static int check_queue(const struct queue *q, int force, struct bv_error *err)
{
    if (force || strcasecmp(q->starter, "NONE") == 0 || strcmp(q->starter, STARTER) == 0)
        return 0;
    return bv_fail(err, BV_EBUSY, 0,
                   "queue %s has the starter_method %s already: let that one end with 'exec %s \"$@\"' and leave it in "
                   "place, or replace it with --force",
                   q->name, q->starter, STARTER);
}

static int change_queue(struct queue *q, struct bv_error *err)
{
    const char *list[] = {"-aattr", "queue", "ckpt_list", BV_GRIDENGINE_CKPT, q->name, NULL};
    const char *starter[] = {"-mattr", "queue", "starter_method", STARTER, q->name, NULL};
    int listed = bv_gridengine_listed(q->list, BV_GRIDENGINE_CKPT), started = strcmp(q->starter, STARTER) == 0;
    if (listed && started) {
        printf("queue %s: is ready\n", q->name);
        return 0;
    }
    if ((!listed && bv_gridengine_qconf(list, NULL, err) < 0) ||
        (!started && bv_gridengine_qconf(starter, NULL, err) < 0) || read_queue(q->name, q, err) < 0)
        return -1;
    if (!bv_gridengine_listed(q->list, BV_GRIDENGINE_CKPT) || strcmp(q->starter, STARTER) != 0)
        return bv_fail(err, BV_EINTERNAL, 0, "qconf has not changed queue %s: are you a manager (qconf -sm)?", q->name);
    printf("queue %s: changed\n", q->name);
    return 0;
}

static int install(const struct cmd_gridengine_install *o, const char *wanted, struct queue *queues,
                   struct bv_error *err)
{
    if (access(STARTER, X_OK) < 0)
        return bv_fail(err, BV_ENOCMD, errno, "%s is not installed", STARTER);
    /* Nothing is changed if any of the queues is not as it should be. */
    for (size_t i = 0; o->queues[i]; i++)
        if (read_queue(o->queues[i], &queues[i], err) < 0 || check_queue(&queues[i], o->force, err) < 0)
            return -1;
    if (install_environment(wanted, err) < 0)
        return -1;
    for (size_t i = 0; o->queues[i]; i++)
        if (change_queue(&queues[i], err) < 0)
            return -1;
    puts("jobs that are submitted with 'qsub -ckpt " BV_GRIDENGINE_CKPT "' are checkpointed now");
    return 0;
}

static void print_plan(const struct cmd_gridengine_install *o, const char *wanted)
{
    printf("# qconf -Ackpt FILE, or -Mckpt FILE to change it, with this as FILE:\n%s\n# and for each queue:\n", wanted);
    for (size_t i = 0; o->queues[i]; i++)
        printf("qconf -aattr queue ckpt_list " BV_GRIDENGINE_CKPT " %s\n"
               "qconf -mattr queue starter_method " STARTER " %s\n",
               o->queues[i], o->queues[i]);
}

/* Our own path, as the commands of the environment name it: nothing that Grid Engine or a shell would take apart. */
static int find_self(char ret[PATH_MAX], struct bv_error *err)
{
    ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
    if (n < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot tell my own path");
    ret[n] = '\0';
    return ret[strcspn(ret, UNSAFE)] ? bv_fail(err, BV_EUSAGE, 0, "the path %s cannot be told to Grid Engine", ret) : 0;
}

int cmd_gridengine_install(const struct cmd_gridengine_install *o)
{
    struct bv_error err = {0};
    char self[PATH_MAX];
    size_t n = 0;
    if (o->dir && (!bv_is_clean_path(o->dir) || o->dir[strcspn(o->dir, UNSAFE)])) {
        bv_fail(&err, BV_EUSAGE, 0, "--ckpt-dir needs an absolute path without spaces, not '%s'", o->dir);
        return cmd_fail(&err, 0);
    }
    if (find_self(self, &err) < 0)
        return cmd_fail(&err, 0);
    autofree char *wanted = bv_gridengine_ckpt_text(self, o->dir);
    if (o->dry_run) {
        print_plan(o, wanted);
        return 0;
    }
    while (o->queues[n])
        n++;
    autofree struct queue *queues = bv_alloc((n + 1) * sizeof(*queues));
    setenv("SGE_SINGLE_LINE", "1", 1);
    int rc = install(o, wanted, queues, &err);
    for (size_t i = 0; i < n; i++) {
        free(queues[i].starter);
        free(queues[i].list);
    }
    return rc < 0 ? cmd_fail(&err, 0) : 0;
}
