#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Asks smc_diag for all it has of each socket, without a pause, until SIGTERM.
Prints "begun" after the first, and at the end how often, and how many sockets it was
told of."""
import signal
import socket
import struct

SOCK_DIAG_BY_FAMILY, NLMSG_ERROR, NLMSG_DONE = 20, 2, 3
NETLINK_SOCK_DIAG, AF_SMC = 4, 43
REQUEST_DUMP = 0x301

stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
# struct smc_diag_req, with all extensions
req = struct.pack("=BxxB48x", AF_SMC, 0xFF)
hdr = struct.pack("=IHHII", 16 + len(req), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 0, 0)
asked = shown = 0
while not stop:
    sock.send(hdr + req)
    asked += 1
    done = False
    while not done:
        data = sock.recv(65536)
        while len(data) >= 16:
            size, kind = struct.unpack_from("=IH", data)
            if kind == NLMSG_ERROR:
                raise SystemExit("refused")
            done = done or kind == NLMSG_DONE
            shown += kind == SOCK_DIAG_BY_FAMILY
            data = data[(size + 3) & ~3:]
    if asked == 1:
        print("begun", flush=True)
print(asked, shown)
