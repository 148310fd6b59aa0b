# SPDX-License-Identifier: Apache-2.0
"""Three worker threads fed through a queue, results in a SQLite database in WAL mode, and a temporary file without a
name that holds every result a second time. At the end all three must agree."""

import queue
import random
import sqlite3
import sys
import tempfile
import threading
import time

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 600
WORKERS = 3


def work(tasks, results, lock):
    name = threading.local()
    name.value = threading.current_thread().name
    while (number := tasks.get()) is not None:
        value = random.Random(number).getrandbits(40)
        time.sleep(0.02)
        with lock:
            results[number] = value
            lock.notify_all()
    assert name.value == threading.current_thread().name


def main():
    tasks, results, lock = queue.Queue(), {}, threading.Condition()
    workers = [threading.Thread(target=work, args=(tasks, results, lock), name=f"worker-{i}") for i in range(WORKERS)]
    for worker in workers:
        worker.start()
    for number in range(STEPS):
        tasks.put(number)
    for _ in workers:
        tasks.put(None)

    database = sqlite3.connect("results.db")
    assert database.execute("pragma journal_mode = wal").fetchone() == ("wal",)
    database.execute("create table result (number integer primary key, value integer)")
    scratch = tempfile.TemporaryFile("w+")
    for number in range(STEPS):
        with lock:
            lock.wait_for(lambda wanted=number: wanted in results)
            value = results[number]
        with database:
            database.execute("insert into result values (?, ?)", (number, value))
        print(value, file=scratch, flush=True)
        if number % 20 == 19:
            count, total = database.execute("select count(*), sum(value) from result").fetchone()
            assert count == number + 1 and total == sum(results[i] for i in range(number + 1))
            print(f"{count} results, sum {total}", flush=True)

    for worker in workers:
        worker.join()
    scratch.seek(0)
    stored = [value for value, in database.execute("select value from result order by number")]
    assert [int(line) for line in scratch] == stored == [results[i] for i in range(STEPS)]
    assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    database.close()
    print("all agree")


main()
