# SPDX-License-Identifier: Apache-2.0
"""multiprocessing: a pool, a queue with locks, and shared memory whose name is deleted at once."""
import multiprocessing as mp
import sys
import time
from multiprocessing import shared_memory


def work(n):
    """Something that takes a while."""
    time.sleep(0.01)
    total = n
    for i in range(2000):
        total = (total * 1103515245 + 12345 + i) % 2147483648
    return total


def produce(queue, lock, counter, first):
    """Puts numbers into the queue."""
    for i in range(first, first + 40):
        with lock:
            counter.value += 1
        queue.put(i)
        time.sleep(0.01)


def main():
    """Prints what does not depend on who was faster."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    block = shared_memory.SharedMemory(create=True, size=1 << 20)
    block.unlink()
    queue, lock, counter = mp.Queue(), mp.Lock(), mp.Value("i", 0)
    producers = [mp.Process(target=produce, args=(queue, lock, counter, i * 40)) for i in range(2)]
    for p in producers:
        p.start()
    with mp.Pool(3) as pool:
        for step in range(steps):
            results = pool.map(work, range(step * 30, step * 30 + 30))
            block.buf[step] = sum(results) % 256
            print(f"step {step}: {sum(results)}", flush=True)
    got = sorted(queue.get() for _ in range(80))
    for p in producers:
        p.join()
    print(f"queue {got == list(range(80))}, counter {counter.value}, block {bytes(block.buf[:steps]).hex()}", flush=True)
    block.close()


if __name__ == "__main__":
    mp.set_start_method("fork")
    main()
