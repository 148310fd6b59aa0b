/* SPDX-License-Identifier: Apache-2.0 */
/* The room that cgroups leave, in trees as Slurm makes them. */
#include "tmpdir.h"

#include "proc/memory.h"

#define GIB (UINT64_C(1) << 30)

/* Directories on the way to `path`, below the test's. */
static void make_dirs(const struct tmpdir *d, const char *path)
{
    autofree char *part = bv_strdup(path);
    for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdirat(d->fd, part, 0700); /* several share one */
        *slash = '/';
    }
    mkdirat(d->fd, part, 0700);
}

static void put_in(const struct tmpdir *d, const char *dir, const char *name, const char *text)
{
    autofree char *path = bv_asprintf("%s/%s", dir, name);
    put_text(d->fd, path, text);
}

#define V2_JOB  "system.slice/slurmstepd.scope/job_7"
#define V2_TASK V2_JOB "/step_batch/user/task_0"

/* Slurm with cgroup v2: the job is limited, what is below it is not. */
static void slurm_v2(const struct tmpdir *d)
{
    make_dirs(d, V2_TASK);
    put_in(d, V2_JOB, "memory.max", "4294967296\n");
    put_in(d, V2_JOB, "memory.current", "1073741824\n");
    put_in(d, V2_JOB, "memory.stat", "anon 536870912\nfile 536870912\ninactive_anon 0\ninactive_file 268435456\n");
    put_in(d, V2_TASK, "memory.max", "max\n");
    put_in(d, V2_TASK, "memory.current", "1073741824\n");
    put_in(d, "system.slice", "memory.max", "max\n");
    put_in(d, "system.slice", "memory.current", "6442450944\n");
}

static void the_limit_of_a_job_holds_for_its_task(void **state)
{
    struct tmpdir *d = *state;
    slurm_v2(d);
    assert_int_equal(bv_memory_cgroup_room(d->fd, "/" V2_TASK, 1), 3 * GIB + GIB / 4);
}

static void the_narrowest_on_the_way_counts(void **state)
{
    struct tmpdir *d = *state;
    slurm_v2(d);
    put_in(d, V2_TASK, "memory.max", "2147483648\n");
    assert_int_equal(bv_memory_cgroup_room(d->fd, "/" V2_TASK, 1), GIB);
}

static void a_cgroup_that_is_full_leaves_nothing(void **state)
{
    struct tmpdir *d = *state;
    slurm_v2(d);
    put_in(d, V2_JOB, "memory.current", "5368709120\n");
    assert_int_equal(bv_memory_cgroup_room(d->fd, "/" V2_TASK, 1), 0);
}

static void without_a_limit_there_is_no_end(void **state)
{
    struct tmpdir *d = *state;
    slurm_v2(d);
    put_in(d, V2_JOB, "memory.max", "max\n");
    assert_true(bv_memory_cgroup_room(d->fd, "/" V2_TASK, 1) == UINT64_MAX);
    assert_true(bv_memory_cgroup_room(d->fd, "/", 1) == UINT64_MAX);
    assert_true(bv_memory_cgroup_room(d->fd, "/no/such/group", 1) == UINT64_MAX);
}

static void what_is_no_number_is_no_limit(void **state)
{
    static const char *const wrong[] = {"", "\n", "-1\n", "lots\n", "99999999999999999999999\n"};
    struct tmpdir *d = *state;
    slurm_v2(d);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        put_in(d, V2_JOB, "memory.max", wrong[i]);
        assert_true(bv_memory_cgroup_room(d->fd, "/" V2_TASK, 1) == UINT64_MAX);
    }
}

/* With v1 the files have other names, and a group without a limit has a very large one. */
static void version_1_has_its_own_names(void **state)
{
    struct tmpdir *d = *state;
    make_dirs(d, "slurm/uid_1000/job_7/step_batch");
    put_in(d, "slurm", "memory.limit_in_bytes", "9223372036854771712\n");
    put_in(d, "slurm", "memory.usage_in_bytes", "8589934592\n");
    put_in(d, "slurm/uid_1000/job_7", "memory.limit_in_bytes", "2147483648\n");
    put_in(d, "slurm/uid_1000/job_7", "memory.usage_in_bytes", "536870912\n");
    put_in(d, "slurm/uid_1000/job_7/step_batch", "memory.limit_in_bytes", "9223372036854771712\n");
    put_in(d, "slurm/uid_1000/job_7/step_batch", "memory.usage_in_bytes", "536870912\n");
    assert_int_equal(bv_memory_cgroup_room(d->fd, "/slurm/uid_1000/job_7/step_batch", 0), GIB + GIB / 2);
    assert_true(bv_memory_cgroup_room(d->fd, "/slurm/uid_1000/job_7/step_batch", 1) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tmpdir_test(the_limit_of_a_job_holds_for_its_task), tmpdir_test(the_narrowest_on_the_way_counts),
        tmpdir_test(a_cgroup_that_is_full_leaves_nothing),  tmpdir_test(without_a_limit_there_is_no_end),
        tmpdir_test(what_is_no_number_is_no_limit),         tmpdir_test(version_1_has_its_own_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
