# SPDX-License-Identifier: Apache-2.0
"""listen.py tcp|udp ADDRESS PORT [shared]: has that port, says "ready", and ends with status 5 when there is a file "go".
Every line of the file "log", which it has open, is one of its own."""
import os
import socket
import sys
import time

kind = socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
s = socket.socket(family, kind)
if family == socket.AF_INET6:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
if "shared" in sys.argv:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind((sys.argv[2], int(sys.argv[3])))
if kind == socket.SOCK_STREAM:
    s.listen(5)
print("ready", flush=True)
with open("log", "a", buffering=1) as log:
    while not os.path.exists("go"):
        log.write("line\n")
        time.sleep(0.05)
sys.exit(5)
