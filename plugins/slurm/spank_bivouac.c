/* SPDX-License-Identifier: Apache-2.0 */
/* The SPANK plugin: options of sbatch, srun and salloc, and "bivouac run" in front of the batch script. All of it runs
 * as the user; what root loads it into (slurmd, slurmstepd) only registers the options.
 *
 *     required spank_bivouac.so store=/shared/checkpoints/%u every=auto
 *
 * SPANK hands no pointer of ours to the callback of an option, so what was asked for is a static object; each of
 * Slurm's processes deals with one job. */
#include <stdint.h>
#include <sys/types.h>

#include <slurm/spank.h>

#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bivouac/bivouac.h"

SPANK_PLUGIN(bivouac, 1)

#define BATCH_STEP 0xfffffffbU /* SLURM_BATCH_SCRIPT, which is in slurm.h alone */
#define LAST_STEP  0xfffffff0U /* what is above is Slurm's own */
#define ARGS_MAX   16

static struct {
    /* From the options. "" = not given. */
    int on, off, steps;
    char every[64], store[PATH_MAX], from[256], lead[64], network[256];
    /* From plugstack.conf. */
    int site_on;
    char program[PATH_MAX], site_store[PATH_MAX], site_every[64], site_lead[64], site_network[256], site_drain[16];
} wish = {.program = BV_BINDIR "/bivouac"};

/* --- values --------------------------------------------------------------------------------- */

static int copy(char *to, size_t size, const char *text)
{
    if (snprintf(to, size, "%s", text) < (int)size)
        return 0;
    slurm_error("bivouac: '%.40s...' is too long", text);
    return -1;
}

/* A value of setting `key` that was given by `what`. */
static int take(const char *what, const char *key, const char *text, char *to, size_t size)
{
    char message[512];
    if (bivouac_check_setting(key, text, message, sizeof(message)) == 0)
        return copy(to, size, text);
    slurm_error("bivouac: %s: %s", what, message);
    return -1;
}

static int take_dir(const char *what, const char *text, char *to, size_t size)
{
    if (text[0] == '/' || (to == wish.site_store && strncmp(text, "%h/", 3) == 0))
        return copy(to, size, text);
    slurm_error("bivouac: %s needs an absolute path, not '%s'", what, text);
    return -1;
}

/* --- the environment of sbatch -------------------------------------------------------------- */

/* A requeued job must not truncate its output, and must be one that can be requeued. sbatch reads these variables after
 * the script's #SBATCH lines, and before the command line. */
static void prepare_submission(void)
{
    setenv("SBATCH_OPEN_MODE", "append", 0);
    setenv("SBATCH_REQUEUE", "1", 0);
}

/* Whether the command line asks for us: it is read too late for the variables. */
static int is_on_command_line(void)
{
    char text[65536];
    int found = 0, fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    for (const char *word = text; word < text + n; word += strlen(word) + 1)
        found |= strncmp(word, "--checkpoint", 12) == 0 || strncmp(word, "--restart-from", 14) == 0;
    return found;
}

/* --- options -------------------------------------------------------------------------------- */

enum { OPT_CHECKPOINT, OPT_DIR, OPT_FROM, OPT_LEAD, OPT_NETWORK, OPT_STEPS, OPT_NONE };

static int take_from(const char *text)
{
    char message[512];
    if (bivouac_check_job(text, message, sizeof(message)) == 0)
        return copy(wish.from, sizeof(wish.from), text);
    slurm_error("bivouac: --restart-from: %s", message);
    return -1;
}

static int take_option(int which, const char *text)
{
    switch (which) {
    case OPT_CHECKPOINT:
        return text ? take("--checkpoint", "every", text, wish.every, sizeof(wish.every)) : 0;
    case OPT_DIR:
        return take_dir("--checkpoint-dir", text, wish.store, sizeof(wish.store));
    case OPT_FROM:
        return take_from(text);
    case OPT_LEAD:
        return take("--checkpoint-lead", "lead", text, wish.lead, sizeof(wish.lead));
    case OPT_NETWORK:
        return take("--checkpoint-network", "network", text, wish.network, sizeof(wish.network));
    case OPT_STEPS:
        wish.steps = 1;
        return 0;
    default:
        wish.off = 1;
        return 0;
    }
}

static int on_option(int which, const char *text, int remote)
{
    /* srun's own word for an option without its optional value. */
    const char *value = text && *text && strcmp(text, "(null)") != 0 ? text : NULL;
    if (take_option(which, value ? value : which == OPT_CHECKPOINT ? NULL : "") < 0)
        return -1;
    if (which != OPT_NONE)
        wish.on = 1;
    if (!remote && which != OPT_NONE)
        prepare_submission();
    return 0;
}

static struct spank_option options[] = {
    {(char *)"checkpoint", (char *)"INTERVAL|auto",
     (char
          *)"make checkpoints, so often, and before the job's time is over; go on from the last one when it is requeued",
     2, OPT_CHECKPOINT, on_option},
    {(char *)"checkpoint-dir", (char *)"DIR", (char *)"where checkpoints are kept; every node must see it", 1, OPT_DIR,
     on_option},
    {(char *)"restart-from", (char *)"JOB[@GEN]",
     (char *)"instead of starting the script, go on from that checkpoint of an earlier job", 1, OPT_FROM, on_option},
    {(char *)"checkpoint-lead", (char *)"TIME|auto",
     (char *)"begin the last checkpoint so long before the job's time is over", 1, OPT_LEAD, on_option},
    {(char *)"checkpoint-network", (char *)"host|private",
     (char *)"private: a network of the job's own, in which TCP connections are kept", 1, OPT_NETWORK, on_option},
    {(char *)"checkpoint-steps", NULL,
     (char *)"checkpoint each task of the job's steps, instead of its script, which is run again", 0, OPT_STEPS,
     on_option},
    {(char *)"no-checkpoint", NULL, (char *)"no checkpoints, where they are the site's default", 0, OPT_NONE,
     on_option},
    SPANK_OPTIONS_TABLE_END,
};

/* --- plugstack.conf ------------------------------------------------------------------------- */

static int take_site_word(const char *key, const char *text)
{
    if (strcmp(key, "store") == 0)
        return take_dir("store=", text, wish.site_store, sizeof(wish.site_store));
    if (strcmp(key, "bivouac") == 0)
        return take_dir("bivouac=", text, wish.program, sizeof(wish.program));
    if (strcmp(key, "every") == 0)
        return take("every=", key, text, wish.site_every, sizeof(wish.site_every));
    if (strcmp(key, "lead") == 0)
        return take("lead=", key, text, wish.site_lead, sizeof(wish.site_lead));
    if (strcmp(key, "network") == 0)
        return take("network=", key, text, wish.site_network, sizeof(wish.site_network));
    if (strcmp(key, "drain") == 0 &&
        (strcmp(text, "ignore") == 0 || strcmp(text, "checkpoint") == 0 || strcmp(text, "stop") == 0))
        return copy(wish.site_drain, sizeof(wish.site_drain), text);
    if (strcmp(key, "default") == 0 && (strcmp(text, "on") == 0 || strcmp(text, "off") == 0)) {
        wish.site_on = strcmp(text, "on") == 0;
        return 0;
    }
    slurm_error("bivouac: '%s=%s' in plugstack.conf means nothing", key, text);
    return -1;
}

static int take_site(int count, char **words)
{
    for (int i = 0; i < count; i++) {
        char key[32] = "";
        const char *equals = strchr(words[i], '=');
        if (equals)
            snprintf(key, sizeof(key), "%.*s", (int)(equals - words[i]), words[i]);
        if (take_site_word(key, equals ? equals + 1 : words[i]) < 0)
            return -1;
    }
    return 0;
}

int slurm_spank_init(spank_t spank, int count, char **words)
{
    spank_context_t context = spank_context();
    if (context != S_CTX_LOCAL && context != S_CTX_ALLOCATOR && context != S_CTX_REMOTE)
        return 0;
    for (int i = 0; options[i].name; i++)
        if (spank_option_register(spank, &options[i]) != ESPANK_SUCCESS)
            return -1;
    if (take_site(count, words) < 0)
        return -1;
    if (context == S_CTX_ALLOCATOR && (wish.site_on || is_on_command_line()))
        prepare_submission();
    return 0;
}

/* --- the task ------------------------------------------------------------------------------- */

/* "%u" is the user's name, "%h" the home directory. */
static int expand(const char *text, char *ret, size_t size)
{
    const struct passwd *user = getpwuid(getuid());
    size_t n = 0;
    for (; *text; text++) {
        const char *part = NULL;
        if (text[0] == '%' && (text[1] == 'u' || text[1] == 'h')) {
            if (!user)
                return -1;
            part = *++text == 'u' ? user->pw_name : user->pw_dir;
        }
        int added = part ? snprintf(ret + n, size - n, "%s", part) : snprintf(ret + n, size - n, "%c", *text);
        if (added < 0 || (size_t)added >= size - n)
            return -1;
        n += (size_t)added;
    }
    ret[n] = '\0';
    return 0;
}

/* What the site says is said by variables: what the user's own environment says counts more. */
static int set_site(spank_t spank)
{
    const struct {
        const char *name, *value;
    } said[] = {{"BIVOUAC_EVERY", wish.site_every},
                {"BIVOUAC_LEAD", wish.site_lead},
                {"BIVOUAC_NETWORK", wish.site_network},
                {"BIVOUAC_SLURM_DRAIN", wish.site_drain}};
    char store[PATH_MAX];
    if (wish.site_store[0]) {
        if (expand(wish.site_store, store, sizeof(store)) < 0) {
            slurm_error("bivouac: cannot tell the store of user %u from %s", (unsigned)getuid(), wish.site_store);
            return -1;
        }
        spank_setenv(spank, "BIVOUAC_STORE", store, 0);
    }
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
        if (said[i].value[0])
            spank_setenv(spank, said[i].name, said[i].value, 0);
    return 0;
}

static int add(const char **args, int n, const char *option, const char *value)
{
    if (!value[0])
        return n;
    args[n] = option;
    args[n + 1] = value;
    return n + 2;
}

static int prepend(spank_t spank, int is_batch)
{
    const char *args[ARGS_MAX] = {wish.program, "run"};
    int n = 2;
    n = add(args, n, "--store", wish.store);
    n = add(args, n, "--every", wish.every);
    n = add(args, n, "--lead", wish.lead);
    n = add(args, n, "--network", wish.network);
    n = add(args, n, "--from", wish.from);
    if (is_batch)
        args[n++] = "--keep-script";
    args[n++] = "--";
    if (spank_prepend_task_argv(spank, n, args) == ESPANK_SUCCESS)
        return 0;
    slurm_error("bivouac: cannot put %s in front of the task", wish.program);
    return -1;
}

/* Commands of ours, as "bivouac checkpoint", are no jobs. */
static int is_bivouac(spank_t spank)
{
    int count = 0;
    char **words = NULL;
    if (spank_get_item(spank, S_JOB_ARGV, &count, &words) != ESPANK_SUCCESS || count < 1)
        return 0;
    const char *slash = strrchr(words[0], '/');
    return strcmp(slash ? slash + 1 : words[0], "bivouac") == 0;
}

/* The options are inherited by whatever the script submits or starts. That is wanted where they are meant for its
 * steps; else they have been heeded here. */
static void forget_options(spank_t spank)
{
    for (int i = 0; options[i].name; i++) {
        char name[128];
        snprintf(name, sizeof(name), "SLURM_SPANK__SLURM_SPANK_OPTION_bivouac_%s", options[i].name);
        for (char *c = name; *c; c++)
            if (*c == '-')
                *c = '_';
        spank_unsetenv(spank, name);
    }
}

/* As the user, in the process that is to become the task. */
int slurm_spank_task_init(spank_t spank, int count, char **words)
{
    uint32_t step = 0;
    (void)count;
    (void)words;
    if (wish.off || !(wish.on || wish.site_on) || spank_get_item(spank, S_JOB_STEPID, &step) != ESPANK_SUCCESS)
        return 0;
    int is_batch = step == BATCH_STEP;
    if (is_batch && !wish.steps) {
        forget_options(spank);
        return set_site(spank) < 0 || prepend(spank, 1) < 0 ? -1 : 0;
    }
    if (!is_batch && wish.steps && step < LAST_STEP && !is_bivouac(spank))
        return set_site(spank) < 0 || prepend(spank, 0) < 0 ? -1 : 0;
    return 0;
}
