#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A contract driver: does to the executables around a job what LSF does, and nothing else.

It has no scheduler. Called as bsub, bchkpnt, brestart, bmig, bkill, bstop, bresume, bjobs, bhist or bpeek (links to this
file) it starts jobs at once, on this host, as this user, and reproduces: sessions and process groups, descriptors,
ignored signals, working directories, the environment; the job file and its first line at a restart; ID.tmp and how its
files are published; a method killed by a signal taken for success; the directory renamed by brestart; res that forgets
the signal of its child; a hook that is called once; the storm after "bchkpnt" without a period.

LSF_SIM        directory of its state; queues.json in it has the queues' hooks
LSF_SIM_MODE   lsf10: also what IBM documents beyond that (job arrays, LSB_USE_MY_JOBFILE, TERM_CHKPNT)
LSF_SIM_MINUTE seconds that a minute of -W and of a period has
"""
import fcntl
import glob
import json
import os
import re
import shlex
import signal
import sys
import time

TOP = os.environ.get("LSF_SIM", "")
LSF10 = os.environ.get("LSF_SIM_MODE") == "lsf10"
MINUTE = float(os.environ.get("LSF_SIM_MINUTE", "60"))
CMDSTART = "# LSBATCH: User input\n"
ECHKPNT_IGNORED = [1, 2, 3, 13, 14, 15, 20, 21, 22]
ERESTART_IGNORED = [1, 2, 10, 12, 15]


def die(text, status=255):
    sys.stderr.write(text + "\n")
    sys.exit(status)


# --- state ---


def job_file(name, what):
    return os.path.join(TOP, "jobs", f"{name}.{what}")


class Lock:
    """Held until the process ends or it is released; children that exec do not inherit it."""

    def __init__(self, name, what, wait=True):
        self.fd = os.open(job_file(name, what), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.held = True
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            self.held = False

    def release(self):
        os.close(self.fd)


def is_free(name, what):
    lock = Lock(name, what, wait=False)
    lock.release()
    return lock.held


def load(name):
    try:
        with open(job_file(name, "json")) as f:
            return json.load(f)
    except FileNotFoundError:
        die(f"Job <{name}> is not found")


def save(rec):
    tmp = job_file(rec["name"], f"json.{os.getpid()}")
    with open(tmp, "w") as f:
        json.dump(rec, f)
    os.rename(tmp, job_file(rec["name"], "json"))


def update(name, **values):
    lock = Lock(name, "lock")
    rec = load(name)
    rec.update(values)
    save(rec)
    lock.release()
    return rec


def bhist(name, text):
    with open(job_file(name, "hist"), "a") as f:
        f.write(f"{time.strftime('%b %d %H:%M:%S')}: {text};\n")


def new_id():
    os.makedirs(os.path.join(TOP, "jobs"), exist_ok=True)
    lock = Lock("next", "lock")
    path = os.path.join(TOP, "next")
    number = int(open(path).read()) if os.path.exists(path) else 103
    with open(path, "w") as f:
        f.write(str(number + 1))
    lock.release()
    return number


def queue_of(name):
    with open(os.path.join(TOP, "queues.json")) as f:
        return json.load(f).get(name, {})


# --- processes ---


def only_standard_fds(out="/dev/null", err=None, append=True):
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else 0)
    os.dup2(os.open("/dev/null", os.O_RDWR), 0)
    os.dup2(os.open(out, flags, 0o600), 1)
    os.dup2(os.open(err, flags, 0o600) if err else 1, 2)
    os.closerange(3, 1024)


def ignore(numbers):
    for n in range(1, signal.NSIG):
        if n not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
            signal.signal(n, signal.SIG_IGN if n in numbers else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def execute(argv, env):
    try:
        os.execve(argv[0], argv, env)
    except OSError as e:
        os.write(2, f"{argv[0]}: {e.strerror}\n".encode())
        os._exit(127)


def in_background(work):
    """work() in a process of its own session that nobody waits for."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    only_standard_fds(err=os.path.join(TOP, "driver.err"))
    try:
        work()
    except BaseException as e:  # pylint: disable=broad-except
        import traceback
        os.write(2, traceback.format_exc().encode())
        os._exit(99 if not isinstance(e, SystemExit) else 98)
    os._exit(0)


def job_env(rec, **more):
    env = dict(rec["env"])
    env.update(
        LSB_JOBID=str(rec["id"]), LSB_JOBINDEX=str(rec["index"]), LSB_QUEUE=rec["queue"], LSB_JOBNAME=rec["jobname"],
        LS_SUBCWD=rec["cwd"], LSB_TRAPSIGS="trap # 15 10 12 2 1", LSB_RCP1="", LSB_RCP2="", LSB_RCP3="",
        LSB_CHKFILENAME=f"{rec['home']}/.lsbatch/{rec['jobfile']}",
        LSB_JOBFILENAME=f"{rec['home']}/.lsbatch/{rec['jobfile']}",
        PATH=rec["env"]["LSF_BINDIR"] + ":" + rec["env"].get("PATH", "/bin:/usr/bin"))
    if rec["dir"]:
        env.update(LSB_CHKPNT_DIR=f"{rec['dir']}/{rec['name']}", LSB_CHKPNT_PERIOD=str(rec["period"]))
        if rec["method"]:
            env["LSB_ECHKPNT_METHOD"] = rec["method"]
    env.update(more)
    return env


def base_of(rec):
    return os.path.join(rec["cwd"], rec["dir"])


def place_of(rec):
    return os.path.join(base_of(rec), rec["name"]) if rec["dir"] else rec["home"] + "/.lsbatch"


def spool_of(rec):
    return os.path.join(place_of(rec), rec["jobfile"] + ".out")


def method_of(rec, name):
    return os.path.join(rec["env"]["LSF_SERVERDIR"], f"{name}.{rec['method'] or 'default'}")


def group_lives(rec):
    try:
        os.kill(-rec["pgid"], 0)
        return rec["pgid"] > 1
    except OSError:
        return False


def signal_job(rec, number):
    if rec["pgid"] > 1:
        try:
            os.kill(-rec["pgid"], number)
        except OSError:
            pass


# --- the job file ---


def write_job_file(rec, command, script):
    starter = queue_of(rec["queue"]).get("starter", "")

    def started(line):
        if not starter:
            return line
        return starter.replace("%USRCMD", line) if "%USRCMD" in starter else f"{starter} {line}"

    if script is None:
        user = started(command) + "\nExitStat=$?\n"
    else:
        user = ("( cat <<_USER_\\SCRIPT_\n" + script + "_USER_SCRIPT_\n) > $LSB_CHKFILENAME.shell\n"
                "chmod u+x $LSB_CHKFILENAME.shell\n" + started("$LSB_JOBFILENAME.shell") + "\nsaveExit=$?\n"
                "rm -f $LSB_JOBFILENAME.shell\n(exit $saveExit)\nExitStat=$?\n")
    path = os.path.join(place_of(rec), rec["jobfile"])
    with open(path, "w") as f:
        f.write("#! /bin/sh\n\n$LSB_TRAPSIGS\n$LSB_RCP1\n$LSB_RCP2\n$LSB_RCP3\n" + CMDSTART + user +
                "wait\n# LSBATCH: End user input\ntrue\nexit `expr $? \"|\" $ExitStat`\n")
    os.chmod(path, 0o700)


def link_job_file(rec):
    batch = rec["home"] + "/.lsbatch"
    os.makedirs(batch, exist_ok=True)
    for suffix in ("", ".out", ".err", ".shell") if rec["dir"] else ():
        link = f"{batch}/{rec['jobfile']}{suffix}"
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(os.path.join(place_of(rec), rec["jobfile"] + suffix), link)


def restart_file(rec, lines):
    """The job file with its first user line replaced; its path, to be run by /bin/sh."""
    command = lines[0][len("LSB_RESTART_CMD="):].rstrip("\n")
    if LSF10 and "LSB_USE_MY_JOBFILE=Y\n" in lines[1:]:
        return command
    path = os.path.join(place_of(rec), rec["jobfile"])
    with open(path) as f:
        text = f.read()
    head, _, user = text.partition(CMDSTART)
    with open(path + ".restart", "w") as f:
        f.write(head + CMDSTART + command + "\n" + user.partition("\n")[2])
    return path + ".restart"


# --- a run of a job ---


def res(rec):
    """The leader of the job's process group; it forgets what signal its child died of."""
    pid = os.fork()
    if pid == 0:
        execute(["/bin/sh", f"{place_of(rec)}/{rec['jobfile']}"], job_env(rec))
    os._exit(os.waitpid(pid, 0)[1] >> 8 & 0xff)


def erestart(rec):
    """The leader of a restarted job's process group."""
    env = job_env(rec, LSB_RESTART="Y", LSB_OLD_JOBID=rec["old"], LS_EXEC_T="START", LSB_RESTART_PID="0",
                  LSB_RESTART_PGID=str(os.getpid()))
    force = ["-f"] if rec["forced"] else []
    os.chdir(base_of(rec))
    try:
        with open(os.path.join(rec["name"], ".echkpnt")) as f:
            if "LSB_OLD_JOBID" not in f.read():
                os._exit(1)
    except OSError:
        os._exit(1)
    ignore(ERESTART_IGNORED)
    pid = os.fork()
    if pid == 0:
        out = os.path.join(rec["name"], "erestart.out") if rec["keep_output"] else "/dev/null"
        only_standard_fds(out)
        execute([method_of(rec, "erestart")] + force + [rec["name"]], env)
    status = os.waitpid(pid, 0)[1] >> 8 & 0xff
    if status:
        os._exit(status)
    command = os.path.join(rec["name"], ".restart_cmd")
    path = os.path.join(place_of(rec), rec["jobfile"])
    if os.path.exists(command):
        with open(command) as f:
            lines = f.readlines()
        os.unlink(command)
        if len(lines[0]) >= 512 or not lines[0].startswith("LSB_RESTART_CMD="):
            os._exit(1)
        path = restart_file(rec, lines)
    os.chdir(rec["cwd"])
    pid = os.fork()
    if pid == 0:
        execute(["/bin/sh", path] if os.path.basename(path) != "bivouac.jobfile" else [path], env)
    os._exit(os.waitpid(pid, 0)[1] >> 8 & 0xff)


def start(rec):
    """sbatchd starts the job: returns the pid of the leader of its process group."""
    if rec["restart"] and not rec["forced"]:
        base = base_of(rec)
        os.rename(os.path.join(base, rec["old"]), os.path.join(base, rec["name"]))
        os.symlink(os.path.join(base, rec["name"]), os.path.join(base, rec["old"]))
        link_job_file(rec)
    ready_r, ready_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ready_w)
        os.setpgid(0, 0)
        os.read(ready_r, 1)
        os.chdir(rec["cwd"])
        only_standard_fds(spool_of(rec))
        ignore([])
        (erestart if rec["restart"] else res)(rec)
    update(rec["name"], pgid=pid, state="RUN", started=time.time())
    bhist(rec["name"], f"Starting (Pid {pid})")
    os.close(ready_w)
    os.close(ready_r)
    return pid


def end_of(status):
    if os.WIFSIGNALED(status):
        return f"Exited by signal {os.WTERMSIG(status)}"
    code = os.WEXITSTATUS(status)
    return f"Exited with exit code {code}" if code else "Done successfully"


def run_hook(rec, reasons, subreasons):
    """JOB_CONTROLS TERMINATE[...], as a user in a session of its own."""
    pids = " ".join(group_pids(rec["pgid"]))
    env = job_env(rec, LSB_SUSP_REASONS=str(reasons), LSB_SUSP_SUBREASONS=str(subreasons), LSB_JOBPIDS=pids,
                  LSB_JOBPGIDS=str(rec["pgid"]), LS_EXEC_T="JOB_CONTROLS")
    lock = Lock(rec["name"], "hook")
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.chdir(rec["cwd"])
        only_standard_fds()
        execute(["/bin/sh", "-c", queue_of(rec["queue"])["terminate"]], env)
    status = os.waitpid(pid, 0)[1] >> 8 & 0xff
    lock.release()
    bhist(rec["name"], f"Termination action completed with status {status}")
    return status


def group_pids(pgid):
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            fields = open(path).read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == pgid:
            found.append(path.split("/")[2])
    return found


def terminate(rec, why, reasons, subreasons):
    bhist(rec["name"], f"{why} termination action initiated")
    if queue_of(rec["queue"]).get("terminate"):
        return run_hook(rec, reasons, subreasons)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        signal_job(rec, number)
        until = time.time() + 3
        while group_lives(rec) and time.time() < until:
            time.sleep(0.05)
    return 0


def post_exec(rec, status):
    line = queue_of(rec["queue"]).get("post_exec")
    if not line:
        return
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.chdir("/tmp")
        only_standard_fds()
        env = job_env(rec, LSB_JOBEXIT_STAT=str(status), LS_EXEC_T="END",
                      PATH="/bin:/usr/bin:/sbin:/usr/sbin:/usr/local/bin")
        execute(["/bin/sh", "-c", line], env)
    os.waitpid(pid, 0)


def sbatchd(rec):
    """Everything that happens to one job until its end."""
    name, leader, status, hooked = rec["name"], start(rec), None, 0
    checked = time.time()
    while status is None:
        pid, got = os.waitpid(leader, os.WNOHANG)
        if pid:
            status = got
            break
        rec = load(name)
        now = time.time()
        limit = rec["limit"] * MINUTE
        if limit and now - rec["started"] > limit and (not hooked or (LSF10 and hooked == 2)):
            bhist(name, "RUNLIMIT was reached")
            in_background(lambda: terminate(load(name), "RUNLIMIT", 131072, 1))
            hooked = 1
        due = rec["period"] and (rec["period"] < 0 or now - checked >= rec["period"] / 60 * MINUTE)
        if due and is_free(name, "action"):
            checked = now
            in_background(lambda: action(name, [], ""))
        time.sleep(0.05)
    Lock(name, "action").release()  # an action that runs is waited for
    rec = load(name)
    if rec["output"] and os.path.exists(spool_of(rec)):
        with open(spool_of(rec)) as spool, open(os.path.join(rec["cwd"], rec["output"]), "w") as out:
            out.write(f"Job <{name}>: {end_of(status)}\n\n" + spool.read())
    text = end_of(status)
    if LSF10 and rec["killed_by_checkpoint"]:
        text += "; TERM_CHKPNT: job killed after checkpointing"
    bhist(name, text)
    post_exec(rec, status)
    update(name, state="DONE" if status == 0 else "EXIT", status=status)
    if rec["migrate"]:
        rec = update(name, migrate=False, restart=True, forced=True, old=name, killed_by_checkpoint=False)
        in_background(lambda: sbatchd(rec))


# --- checkpoints ---


def publish(rec):
    base, name = base_of(rec), rec["name"]
    tmp = os.path.join(base, name + ".tmp")
    for entry in sorted(os.listdir(tmp)):
        os.rename(os.path.join(tmp, entry), os.path.join(base, name, entry))
    os.rmdir(tmp)
    with open(os.path.join(base, name, ".echkpnt"), "w") as f:
        f.write(f"LSB_OLD_JOBID=\"{name}\"\nLSB_ACCT_FILE=\"\"\n")
    with open(os.path.join(base, name, "chklog"), "w") as f:
        f.write(f"JOB_NEW {name}\nJOB_START {name}\n")
    if rec["restart"] and os.path.islink(os.path.join(base, rec["old"])):
        os.unlink(os.path.join(base, rec["old"]))


def discard(rec):
    tmp = os.path.join(base_of(rec), rec["name"] + ".tmp")
    for entry in os.listdir(tmp):
        if not os.path.isdir(os.path.join(tmp, entry)):
            os.unlink(os.path.join(tmp, entry))


def action(name, flags, result):
    """One run of echkpnt. `result`: a file for its raw wait status."""
    hook = Lock(name, "hook")  # what a hook asks for happens when it has returned
    hook.release()
    lock = Lock(name, "action", wait=False)
    if not lock.held:
        bhist(name, "Operation is in progress")
        return
    rec = load(name)
    base, was_stopped = base_of(rec), rec["state"] == "USUSP"
    os.makedirs(os.path.join(base, name + ".tmp"), exist_ok=True)
    signal_job(rec, signal.SIGCONT)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        ignore(ECHKPNT_IGNORED)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        os.chdir(base)
        out = os.path.join(name, "echkpnt.out") if rec["keep_output"] else "/dev/null"
        only_standard_fds(out, out.replace(".out", ".err") if rec["keep_output"] else None)
        execute([method_of(rec, "echkpnt")] + flags + ["-d", name + ".tmp", str(rec["pgid"])],
                job_env(rec, LS_EXEC_T="CHKPNT"))
    bhist(name, f"Checkpoint initiated (actpid {pid})")
    with open(job_file(name, "actpid"), "w") as f:
        f.write(str(pid))
    status = os.waitpid(pid, 0)[1]
    failed = status >> 8 & 0xff
    if not failed:
        try:
            publish(rec)
        except OSError:
            failed = 1
    if failed:
        discard(rec)
        update(name, migrate=False)
    elif "-k" in flags:
        update(name, killed_by_checkpoint=True)
    bhist(name, "Checkpoint failed" if failed else "Checkpoint succeeded")
    if was_stopped:
        signal_job(rec, signal.SIGSTOP)
    if result:
        with open(result, "w") as f:
            f.write(f"{status}\n")
    lock.release()


def request_checkpoint(name, flags):
    rec = load(name)
    if not rec["dir"]:
        die(f"Job <{name}>: Job is not checkpointable")
    if rec["state"] not in ("RUN", "USUSP"):
        die(f"Job <{name}>: Job has not started yet, or is done")
    if not is_free(name, "action"):
        die(f"Job <{name}>: Operation is in progress")
    in_background(lambda: action(name, flags, job_file(name, "actstatus")))
    print(f"Job <{name}> is being checkpointed")


# --- commands ---


def options(argv, flags, valued):
    """Parses as bsub does: up to the first word that is no option."""
    found = {}
    while argv and argv[0].startswith("-") and len(argv[0]) > 1:
        word = argv.pop(0)[1:]
        if word in valued:
            found[word] = argv.pop(0)
        elif word in flags:
            found[word] = True
        else:
            die(f"{word}: unknown option")
    return found


def parse_k(text):
    words = text.split()
    period, method = 0, ""
    for word in words[1:]:
        if word.startswith("method="):
            method = word[7:]
        elif word.startswith("init=") and LSF10:
            pass
        elif word.isdigit():
            period = int(word) * 60
        else:
            die('Syntax error. Correct syntax is bsub -k "chkpnt_dir [period] [method=checkpoint method]". '
                "Job not submitted.")
    return words[0], period, method


def submit(number, index, opts, command, script, env):
    name = f"{number}[{index}]" if index else str(number)
    directory, period, method = parse_k(opts["k"]) if "k" in opts else ("", 0, "")
    rec = {
        "name": name, "id": number, "index": index, "queue": opts.get("q", "normal"), "dir": directory,
        "jobname": opts.get("J", ""), "period": period, "method": method, "limit": float(opts.get("W", 0)),
        "output": opts.get("o", "").replace("%J", name), "cwd": os.getcwd(), "home": env["HOME"], "env": env,
        "jobfile": f"{int(time.time())}.{name}", "state": "PEND", "pgid": 0, "old": "", "restart": False,
        "forced": False, "migrate": False, "killed_by_checkpoint": False, "started": 0, "status": None,
        "keep_output": env.get("LSB_ECHKPNT_KEEP_OUTPUT", "") in ("y", "Y"),
    }
    if directory:
        os.makedirs(base_of(rec), 0o777, exist_ok=True)
        os.mkdir(place_of(rec), 0o700)
    os.makedirs(rec["home"] + "/.lsbatch", exist_ok=True)
    write_job_file(rec, command, script)
    link_job_file(rec)
    save(rec)
    bhist(name, f"Submitted to Queue <{rec['queue']}>")
    in_background(lambda: sbatchd(rec))


def bsub(argv):
    opts = options(argv, "r", "kqJoWnR")
    script = None if argv else sys.stdin.read()
    number = new_id()
    array = re.search(r"\[(\d+)-(\d+)\]", opts.get("J", ""))
    if array and not LSF10:
        die("Job arrays with -k never start")
    indices = range(int(array[1]), int(array[2]) + 1) if array else [0]
    for index in indices:
        submit(number, index, opts, " ".join(shlex.quote(w) for w in argv) if len(argv) != 1 else argv[0] if argv else "",
               script, dict(os.environ))
    print(f"Job <{number}> is submitted to queue <{opts.get('q', 'normal')}>.")


def bchkpnt(argv):
    opts = options(argv, "kf", "p")
    name = argv[0]
    rec = load(name)
    if "p" in opts:
        update(name, period=int(opts["p"]) * 60)
    elif not rec["period"]:
        update(name, period=-1)
    flags = (["-f"] if "f" in opts else []) + (["-c", "-k"] if "k" in opts else [])
    request_checkpoint(name, flags)


def brestart(argv):
    opts = options(argv, "f", "WqMnR")
    directory, old = argv
    place = os.path.join(directory, old)
    if not os.path.exists(os.path.join(place, "chklog")):
        die("Checkpoint log is not found or is corrupted. Job not submitted.")
    previous = os.path.basename(os.path.realpath(place))
    rec = load(previous)
    number = new_id()
    rec.update(name=str(number), id=number, index=0, old=previous, restart=True, forced=False, pgid=0, state="PEND",
               killed_by_checkpoint=False, limit=float(opts.get("W", 0)), status=None, migrate=False)
    save(rec)
    bhist(rec["name"], f"Submitted to Queue <{rec['queue']}>, restart of <{previous}>")
    in_background(lambda: sbatchd(rec))
    print(f"Job <{number}> is submitted to queue <{rec['queue']}>.")


def bmig(argv):
    update(argv[0], migrate=True)
    request_checkpoint(argv[0], ["-c", "-k"])


def bkill(argv):
    opts = options(argv, "", "s")
    name = argv[0]
    rec = load(name)
    if opts.get("s") == "KILL" and not queue_of(rec["queue"]).get("terminate"):
        signal_job(rec, signal.SIGKILL)
    else:
        in_background(lambda: terminate(load(name), "User", 2, 0))
    print(f"Job <{name}> is being terminated")


def bstop(argv):
    number = signal.SIGTSTP if os.environ.get("LSF_SIM_PARALLEL") else signal.SIGSTOP
    signal_job(update(argv[0], state="USUSP"), number)
    print(f"Job <{argv[0]}> is being stopped")


def bresume(argv):
    signal_job(update(argv[0], state="RUN"), signal.SIGCONT)
    print(f"Job <{argv[0]}> is being resumed")


def bjobs(argv):
    long = argv and argv[0] == "-l"
    rec = load(argv[-1])
    if not long:
        print(rec["state"])
        return
    print(f"\nJob <{rec['name']}>, User <{rec['env'].get('USER', '')}>, Status <{rec['state']}>, Queue <{rec['queue']}>")
    if rec["limit"]:
        print(f"\n RUNLIMIT\n {rec['limit']:.1f} min of host\n")


def show_hist(argv):
    with open(job_file(argv[-1], "hist")) as f:
        sys.stdout.write(f.read())


def bpeek(argv):
    with open(spool_of(load(argv[0]))) as f:
        sys.stdout.write(f.read())


def main():
    commands = {
        "bsub": bsub, "bchkpnt": bchkpnt, "brestart": brestart, "bmig": bmig, "bkill": bkill, "bstop": bstop,
        "bresume": bresume, "bjobs": bjobs, "bhist": show_hist, "bpeek": bpeek,
    }
    commands[os.path.basename(sys.argv[0])](sys.argv[1:])


main()
