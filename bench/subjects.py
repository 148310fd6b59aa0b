# SPDX-License-Identifier: Apache-2.0
"""What is measured: the hog, CRIU alone, and Bivouac. No opinion about numbers is in here."""

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time

LIBEXEC = "/usr/local/libexec/bivouac/bench"
HOG = os.path.join(LIBEXEC, "hog")
WAIT = 300  # seconds until something is taken for hung

# What one would call CRIU with by hand, as an ordinary user in namespaces of his own.
DUMP = ["criu", "dump", "--unprivileged", "--leave-running", "--manage-cgroups=ignore", "--network-lock", "skip"]
RESTORE = ["criu", "restore", "--unprivileged", "--manage-cgroups=ignore", "--restore-detached"]
NAMESPACES = ["unshare", "-U", "-r", "-n", "-p", "-f", "-m", "-i", "--mount-proc", "--kill-child"]


class Failed(Exception):
    pass


def wait_until(condition, what, seconds=WAIT):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"{what}: nothing for {seconds} s")
        time.sleep(0.001)


def tail(path, lines=5):
    try:
        with open(path, errors="replace") as f:
            return " / ".join(line.strip() for line in f.readlines()[-lines:])
    except OSError:
        return ""


def fresh_dir(path):
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def size_of(path):
    """Bytes of the files below a directory."""
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(path) for f in files)


def sync_tree(path):
    """Makes a directory and the files in it durable."""
    for name in sorted(os.listdir(path)):
        fd = os.open(os.path.join(path, name), os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


def warm(path):
    """Brings files into the page cache."""
    for d, _, files in os.walk(path):
        for name in files:
            with open(os.path.join(d, name), "rb", buffering=0) as f:
                while f.read(1 << 22):
                    pass


class Hog:
    """The program, wherever it runs: asked through two files in its directory."""

    def __init__(self, work, size, data="random", seed=1, tick=200, command=()):
        self.dir = work
        self.seq = 0
        os.makedirs(work, exist_ok=True)
        self.argv = [HOG, "--dir", work, "--size", size, "--data", data, "--seed", str(seed), "--tick", str(tick)]
        if command:
            self.argv += ["--"] + list(command)

    def ask(self, verb, alive=lambda: True):
        self.seq += 1
        answer, ask = os.path.join(self.dir, "answer"), os.path.join(self.dir, "ask")
        with open(ask + ".tmp", "w") as f:
            f.write(f"{self.seq} {verb}\n")
        os.rename(ask + ".tmp", ask)
        words = []

        def answered():
            nonlocal words
            if not alive():
                raise Failed(f"hog {verb}: it does not run; {tail(os.path.join(self.dir, 'err'))}")
            try:
                with open(answer) as f:
                    words = f.read().split()
            except FileNotFoundError:
                return False
            return bool(words) and words[0] == str(self.seq)

        wait_until(answered, f"hog {verb}")
        if words[1] != "ok":
            raise Failed(f"hog {verb}: {' '.join(words[1:])}")
        return {k: v if k == "sum" else float(v) for k, v in (w.split("=", 1) for w in words[2:])}


# --- CRIU alone -------------------------------------------------------------------------------------------------------


def inside():
    """Process 1 of the namespaces of Criu below: does what it is told, one JSON object for each line."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    children = {}
    for line in sys.stdin:
        order = json.loads(line)
        if order["op"] == "spawn":
            # Room below for the helpers of a restore, which take pids too.
            with open("/proc/sys/kernel/ns_last_pid", "w") as f:
                f.write("999")
            out, err = (open(os.path.join(order["dir"], n), "ab") for n in ("out", "err"))
            child = subprocess.Popen(order["argv"], cwd=order["dir"], stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=err, start_new_session=True)
            children[child.pid] = child
            reply = {"pid": child.pid}
        elif order["op"] == "run":
            begin = time.time()
            done = subprocess.run(order["argv"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
            reply = {"status": done.returncode, "begin": begin, "end": time.time(), "text": done.stderr[-500:]}
        else:
            os.killpg(order["pid"], order["signal"])
            reply = {}
        print(json.dumps(reply), flush=True)


class Criu:
    """Namespaces of an ordinary user, in which programs run and are dumped or restored by criu."""

    def __init__(self):
        self.server = subprocess.Popen(NAMESPACES + [sys.executable, sys.argv[0], "--inside"], text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def order(self, **order):
        self.server.stdin.write(json.dumps(order) + "\n")
        self.server.stdin.flush()
        line = self.server.stdout.readline()
        if not line:
            raise Failed(f"the namespaces of criu have ended ({order['op']})")
        return json.loads(line)

    def start(self, hog):
        self.hog = hog
        self.pid = self.order(op="spawn", argv=hog.argv, dir=hog.dir)["pid"]
        hog.ask("hello", self.alive)

    def alive(self):
        return self.server.poll() is None

    def criu(self, argv, images):
        reply = self.order(op="run", argv=argv + ["-D", images, "-o", "log"])
        if reply["status"] != 0:
            raise Failed(f"{' '.join(argv[:2])}: {reply['text'].strip()} {tail(os.path.join(images, 'log'))}")
        return reply

    def dump(self, images):
        self.criu(DUMP + ["-t", str(self.pid)], images)

    def restore(self, images):
        return self.criu(RESTORE, images)["begin"]

    def signal(self, number):
        self.order(op="kill", pid=self.pid, signal=number)

    def close(self):
        self.server.kill()
        self.server.wait()


def zstd_command():
    return ["zstd", "-1", "-T0", "-q", "-c"] if shutil.which("zstd") else [os.path.join(LIBEXEC, "zpipe")]


def compress_tree(images, file):
    """tar | zstd -1 -T0 > file, durable."""
    with open(file, "wb") as out:
        tar = subprocess.Popen(["tar", "-cf", "-", "-C", images, "."], stdout=subprocess.PIPE)
        zstd = subprocess.run(zstd_command(), stdin=tar.stdout, stdout=out)
        tar.stdout.close()
        if tar.wait() != 0 or zstd.returncode != 0:
            raise Failed("tar | zstd has failed")
        os.fsync(out.fileno())
    sync_tree(os.path.dirname(file))


# --- Bivouac ----------------------------------------------------------------------------------------------------------


class Bivouac:
    """A job and its supervisor."""

    def __init__(self, store, job):
        self.store, self.job = store, job
        self.supervisor = None
        os.makedirs(store, mode=0o700, exist_ok=True)

    def spawn(self, argv):
        hog = self.hog
        with open(os.path.join(hog.dir, "out"), "ab") as out, open(os.path.join(hog.dir, "err"), "ab") as err:
            self.supervisor = subprocess.Popen(argv, cwd=hog.dir, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def start(self, hog):
        self.hog = hog
        self.spawn(["bivouac", "run", "-s", self.store, "-j", self.job, "--"] + hog.argv)
        hog.ask("hello", self.alive)

    def restart(self, hog, of=None):
        """Continues the job, or begins it as a copy of another. Returns when that was asked for."""
        self.hog = hog
        ref = ["--job", self.job, of] if of else [self.job]
        begin = time.time()
        self.spawn(["bivouac", "restart", "-s", self.store] + ref)
        return begin

    def alive(self):
        return self.supervisor.poll() is None

    def checkpoint(self, *options):
        done = subprocess.run(["bivouac", "checkpoint", "-s", self.store, "--json", *options, self.job],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        end = time.time()
        if done.returncode != 0:
            raise Failed(f"bivouac checkpoint: status {done.returncode}: {done.stderr.strip()}")
        result = json.loads(done.stdout)
        if "--kill" in options:
            self.supervisor.wait(WAIT)
        return result, end

    def generation_files(self, number="*"):
        """inode → bytes. Generations share packs: a name more is not a byte more."""
        name = number if number == "*" else f"{number:06d}"
        found = (os.stat(p) for p in glob.glob(os.path.join(self.store, "jobs", self.job, name, "*")))
        return {st.st_ino: st.st_size for st in found}

    def new_bytes(self, before, result):
        """What a checkpoint has added to the store: what lies there, not what is said about it."""
        after = self.generation_files(result["generation"])
        return sum(size for inode, size in after.items() if inode not in before)

    def resident(self):
        """Bytes of memory of the supervisor and its init."""
        total = 0
        pid = self.supervisor.pid
        for p in [pid] + [int(c) for c in open(f"/proc/{pid}/task/{pid}/children").read().split()]:
            for line in open(f"/proc/{p}/status"):
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) << 10
        return total

    def wait(self):
        self.supervisor.wait(WAIT)

    def close(self):
        if self.supervisor and self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGKILL)
            self.supervisor.wait()
