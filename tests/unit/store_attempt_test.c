/* SPDX-License-Identifier: Apache-2.0 */
/* One supervisor at a time: attempts, leases and fencing. */
#include <signal.h>
#include <sys/wait.h>

#include "store_fixture.h"

#include "store/attempt.h"

static struct bv_attempt claim(const struct bv_job *j, double lease)
{
    struct bv_attempt a = {.dirfd = -1};
    struct bv_attempt_claim how = {.lease = lease};
    assert_ok(bv_attempt_claim(j, &how, &a, &err));
    return a;
}

static void assert_busy(const struct bv_job *j, const char *says)
{
    struct bv_attempt a;
    struct bv_error err = {0};
    assert_int_equal(bv_attempt_claim(j, &(struct bv_attempt_claim){0}, &a, &err), -1);
    assert_int_equal(err.code, BV_EBUSY);
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
}

/* Claim in a child, which ends without recording it, as if killed. */
static void claim_and_die(const struct bv_job *j, double lease)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct bv_attempt a;
        struct bv_attempt_claim how = {.lease = lease};
        _exit(bv_attempt_claim(j, &how, &a, NULL) < 0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Make it look as if another host had claimed attempt `name`. */
static void move_to_another_host(const struct bv_job *j, const char *name)
{
    char path[64];
    autofree char *text = NULL;
    size_t size;
    snprintf(path, sizeof(path), "attempts/%s", name);
    assert_ok(bv_read_file(j->dirfd, path, 65536, &text, &size, &err));
    autojson json_t *o = json_loads(text, 0, NULL);
    bv_json_set(o, "host", json_string("node17"));
    bv_json_set(o, "boot_id", json_string("11111111-2222-3333-4444-555555555555"));
    autofree char *changed = bv_json_canonical(o);
    autoclose int fd = openat(j->dirfd, path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(bv_write_full(fd, changed, strlen(changed)), 0);
}

/* Set the last renewal back by `seconds`. */
static void age(const struct bv_job *j, const char *name, int seconds)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof(path), "attempts/%s", name);
    assert_int_equal(fstatat(j->dirfd, path, &st, 0), 0);
    st.st_mtim.tv_sec -= seconds;
    assert_int_equal(utimensat(j->dirfd, path, (struct timespec[2]){st.st_mtim, st.st_mtim}, 0), 0);
}

static void a_job_begins_without_an_attempt(void **state)
{
    struct fixture *f = *state;
    struct bv_attempt_info i;
    assert_int_equal(bv_attempt_last(&f->job, &i, NULL), 0);
}

static void the_first_attempt_is_0_and_is_described(void **state)
{
    struct fixture *f = *state;
    struct bv_attempt a = {.dirfd = -1};
    struct bv_attempt_info i;
    struct bv_attempt_claim how = {.lease = 30, .socket_path = "/run/user/1000/bivouac/job-1/control"};
    assert_ok(bv_attempt_claim(&f->job, &how, &a, &err));
    assert_int_equal(a.number, 0);
    assert_int_equal(bv_attempt_last(&f->job, &i, NULL), 1);
    assert_int_equal(i.number, 0);
    assert_int_equal(i.pid, getpid());
    assert_string_equal(i.socket_path, how.socket_path);
    assert_true(i.alive && i.here && !i.ended);
    assert_true(i.lease_left > 25 && i.lease_left <= 30.1);
    bv_attempt_info_free(&i);
    bv_attempt_close(&a);
}

static void a_socket_path_that_no_socket_can_have_is_refused(void **state)
{
    struct fixture *f = *state;
    struct bv_attempt a;
    char path[109];
    memset(path, 'p', 108);
    path[108] = '\0';
    struct bv_attempt_claim how = {.socket_path = path};
    assert_fails(BV_EINTERNAL, bv_attempt_claim(&f->job, &how, &a, &err));
    how.socket_path = path + 1;
    assert_ok(bv_attempt_claim(&f->job, &how, &a, &err));
    bv_attempt_close(&a);
}

static void a_living_attempt_is_not_succeeded(void **state)
{
    struct fixture *f = *state;
    struct bv_attempt a = claim(&f->job, 60);
    assert_busy(&f->job, "on this host (attempt 0)");
    bv_attempt_close(&a);
}

static void a_process_that_is_gone_is_succeeded_at_once(void **state)
{
    struct fixture *f = *state;
    struct bv_attempt_info i;
    claim_and_die(&f->job, 3600);
    assert_int_equal(bv_attempt_last(&f->job, &i, NULL), 1);
    assert_true(!i.alive && i.here && !i.ended && i.lease_left > 0);
    struct bv_attempt a = claim(&f->job, 60);
    assert_int_equal(a.number, 1);
    bv_attempt_close(&a);
}

static void another_host_is_believed_alive_until_its_lease_runs_out(void **state)
{
    struct fixture *f = *state;
    claim_and_die(&f->job, 30);
    move_to_another_host(&f->job, "0000");
    assert_busy(&f->job, "on host node17 (attempt 0)");
    age(&f->job, "0000", 25);
    assert_busy(&f->job, "lease");
    age(&f->job, "0000", 10);
    struct bv_attempt a = claim(&f->job, 60);
    assert_int_equal(a.number, 1);
    bv_attempt_close(&a);
}

static void a_renewal_makes_the_lease_whole_again(void **state)
{
    struct fixture *f = *state;
    struct bv_attempt a = claim(&f->job, 30);
    move_to_another_host(&f->job, "0000");
    age(&f->job, "0000", 1000);
    assert_ok(bv_attempt_renew(&a, &err));
    assert_busy(&f->job, "node17");
    bv_attempt_close(&a);
}

static void the_scheduler_may_vouch_for_the_death_of_another_host(void **state)
{
    struct fixture *f = *state;
    struct bv_attempt a;
    claim_and_die(&f->job, 3600);
    move_to_another_host(&f->job, "0000");
    struct bv_attempt_claim how = {.vouched = 1};
    assert_ok(bv_attempt_claim(&f->job, &how, &a, &err));
    assert_int_equal(a.number, 1);
    bv_attempt_close(&a);
}

static void an_end_that_is_recorded_frees_the_job_at_once(void **state)
{
    struct fixture *f = *state;
    struct bv_attempt_info i;
    struct bv_attempt a = claim(&f->job, 3600);
    autojson json_t *outcome = json_pack("{s:s, s:i}", "status", "exited", "code", 3);
    assert_ok(bv_attempt_end(&a, outcome, &err));
    assert_fails(BV_EENDED, bv_attempt_end(&a, outcome, &err));
    assert_int_equal(bv_attempt_last(&f->job, &i, NULL), 1);
    assert_true(i.ended && !i.alive);
    assert_int_equal(json_integer_value(json_object_get(i.outcome, "code")), 3);
    bv_attempt_info_free(&i);
    struct bv_attempt b = claim(&f->job, 60);
    assert_int_equal(b.number, 1);
    bv_attempt_close(&a);
    bv_attempt_close(&b);
}

static void whoever_was_succeeded_is_fenced(void **state)
{
    struct fixture *f = *state;
    struct bv_attempt a = claim(&f->job, 30), b;
    age(&f->job, "0000", 31);
    assert_busy(&f->job, "this host"); /* a supervisor that is only suspended keeps its job */
    assert_ok(bv_attempt_claim(&f->job, &(struct bv_attempt_claim){.lease = 30, .vouched = 1}, &b, &err));
    assert_fails(BV_EFENCED, bv_attempt_check(&a, &err));
    assert_fails(BV_EFENCED, bv_attempt_renew(&a, &err));
    assert_fails(BV_EFENCED, bv_attempt_end(&a, NULL, &err));
    assert_ok(bv_attempt_renew(&b, &err));
    assert_ok(bv_attempt_end(&b, NULL, &err));
    bv_attempt_close(&a);
    bv_attempt_close(&b);
}

static void whoever_was_succeeded_commits_nothing(void **state)
{
    struct fixture *f = *state;
    struct bv_attempt a = claim(&f->job, 30);
    struct bv_gen_writer *w = begin_generation(&f->job, 1, a.number);
    assert_ok(bv_gen_writer_finish(w, NULL, NULL, &err));
    bv_gen_writer_close(w);
    struct bv_attempt_claim how = {.vouched = 1};
    struct bv_attempt b;
    assert_ok(bv_attempt_claim(&f->job, &how, &b, &err));
    assert_fails(BV_EFENCED, bv_generation_commit(&f->job, 1, a.number, &err));
    bv_attempt_close(&a);
    bv_attempt_close(&b);
}

static void of_many_claimants_at_once_one_wins(void **state)
{
    struct fixture *f = *state;
    enum { CLAIMANTS = 16 };
    int go[2], status, won = 0;
    pid_t pids[CLAIMANTS];
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    for (int i = 0; i < CLAIMANTS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            char c;
            struct bv_attempt a;
            struct bv_error err = {0};
            close(go[1]);
            if (read(go[0], &c, 1) != 0)
                _exit(2);
            if (bv_attempt_claim(&f->job, &(struct bv_attempt_claim){0}, &a, &err) < 0)
                _exit(err.code == BV_EBUSY ? 1 : 2);
            pause(); /* the winner lives */
            _exit(0);
        }
    }
    close(go[0]);
    close(go[1]); /* all at once */
    for (int left = CLAIMANTS - 1; left > 0; left--) {
        pid_t pid = wait(&status);
        assert_true(pid > 0);
        assert_int_equal(WEXITSTATUS(status), 1);
        for (int i = 0; i < CLAIMANTS; i++)
            if (pids[i] == pid)
                pids[i] = 0;
    }
    for (int i = 0; i < CLAIMANTS; i++)
        if (pids[i]) {
            won++;
            kill(pids[i], SIGKILL);
            waitpid(pids[i], &status, 0);
        }
    assert_int_equal(won, 1);
    struct bv_attempt_info info;
    assert_int_equal(bv_attempt_last(&f->job, &info, NULL), 1);
    assert_int_equal(info.number, 0);
}

static void a_damaged_attempt_is_reported_and_can_be_vouched_for(void **state)
{
    static const char *const bad[] = {"", "{}", "[]", "{\"format\":\"bivouac-attempt 1\",\"attempt\":0}"};
    struct fixture *f = *state;
    struct bv_attempt_info i;
    struct bv_attempt a = claim(&f->job, 60);
    bv_attempt_close(&a);
    for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
        autoclose int fd = openat(f->job.dirfd, "attempts/0000", O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_int_equal(bv_write_full(fd, bad[k], strlen(bad[k])), 0);
        assert_fails(BV_ECORRUPT, bv_attempt_last(&f->job, &i, &err));
        assert_fails(BV_ECORRUPT, bv_attempt_claim(&f->job, &(struct bv_attempt_claim){0}, &a, &err));
    }
    struct bv_attempt_claim how = {.vouched = 1};
    assert_ok(bv_attempt_claim(&f->job, &how, &a, &err));
    bv_attempt_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(a_job_begins_without_an_attempt),
        store_test(the_first_attempt_is_0_and_is_described),
        store_test(a_socket_path_that_no_socket_can_have_is_refused),
        store_test(a_living_attempt_is_not_succeeded),
        store_test(a_process_that_is_gone_is_succeeded_at_once),
        store_test(another_host_is_believed_alive_until_its_lease_runs_out),
        store_test(a_renewal_makes_the_lease_whole_again),
        store_test(the_scheduler_may_vouch_for_the_death_of_another_host),
        store_test(an_end_that_is_recorded_frees_the_job_at_once),
        store_test(whoever_was_succeeded_is_fenced),
        store_test(whoever_was_succeeded_commits_nothing),
        store_test(of_many_claimants_at_once_one_wins),
        store_test(a_damaged_attempt_is_reported_and_can_be_vouched_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
