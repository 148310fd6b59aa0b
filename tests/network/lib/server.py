# SPDX-License-Identifier: Apache-2.0
"""server.py PORT ADDRESS...: a TCP server that sends back what it gets."""
import socket
import socketserver
import sys
import threading


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while data := self.request.recv(4096):
                self.request.sendall(data)
        except OSError:
            pass  # who is killed says nothing


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Server6(Server):
    address_family = socket.AF_INET6


for address in sys.argv[2:]:
    kind = Server6 if ":" in address else Server
    server = kind((address, int(sys.argv[1])), Echo)
    threading.Thread(target=server.serve_forever).start()
print("listening", flush=True)
