# SPDX-License-Identifier: MIT
#
# memcache.py data PORT FILE: is what memcached gives the file it was given?
# memcache.py speed PORT FILE: 10 clients, one after the other, store and fetch FILE;
# how many requests a second.
import socket, sys, time

CLIENTS, ROUNDS = 10, 150


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.file = self.sock.makefile("rb")

    def set(self, value):
        self.sock.sendall(b"set k 0 0 %d\r\n%s\r\n" % (len(value), value))
        if self.file.readline() != b"STORED\r\n":
            sys.exit("memcache.py: not stored")

    def get(self, value):
        self.sock.sendall(b"get k\r\n")
        if self.file.readline() != b"VALUE k 0 %d\r\n" % len(value):
            sys.exit("memcache.py: no value")
        if self.file.read(len(value) + 7) != value + b"\r\nEND\r\n":
            sys.exit("memcache.py: another value")


what, port, value = sys.argv[1], int(sys.argv[2]), open(sys.argv[3], "rb").read()
if what == "data":
    client = Client(port)
    client.set(value)
    client.get(value)
    sys.exit()
clients = [Client(port) for _ in range(CLIENTS)]
start = time.monotonic()
for _ in range(ROUNDS):
    for client in clients:
        client.set(value)
        client.get(value)
print(2 * CLIENTS * ROUNDS / (time.monotonic() - start))
