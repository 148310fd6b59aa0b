# SPDX-License-Identifier: Apache-2.0
"""full.py ADDRESS: a TCP connection within the job that has more to carry than it has room for, says "ready", and when
there is a file "go" whether all of it has arrived."""
import os
import socket
import sys
import time

family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listener = socket.create_server((sys.argv[1], 0), family=family)
writer = socket.create_connection(listener.getsockname()[:2])
reader, _ = listener.accept()
writer.setblocking(False)
sent = idle = 0
while idle < 20:
    try:
        sent += writer.send(b"x" * 65536)
        idle = 0
    except BlockingIOError:
        idle += 1
        time.sleep(0.01)
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.05)
writer.close()
while data := reader.recv(65536):
    sent -= len(data)
print("all" if sent == 0 else "not all", flush=True)
sys.exit(5)
