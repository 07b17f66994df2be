#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet
# profiles: fast debug
# not: 6.12.fast 6.1.debug
# long: 6.1.inet.fast
# lab:
# label: vm
#
# The module cannot be unloaded while a socket needs it, in whatever state, can
# be unloaded afterwards, and works again when it is loaded again.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

rmmod smc_diag

# A process that has made one socket of the kind in $1, says so, and waits.
cat >"$T_TMP/hold.py" <<'END'
import ctypes, os, socket, struct, sys
libc = ctypes.CDLL(None)
inet, inet6, stream, smc = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, 256
def make(family=inet):
    return socket.socket(family, stream, smc)
def listener(family=inet, protocol=smc):
    s = socket.socket(family, stream, protocol)
    s.bind(("::1" if family == inet6 else "127.0.0.1", 0))
    s.listen()
    return s
def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    s.close()
def connected(family=inet):
    l = listener(family)
    c = make(family)
    c.connect(l.getsockname())
    return l, c, l.accept()[0]
kind = sys.argv[1]
keep = []
if kind == "idle": keep = [make()]
if kind == "idle6": keep = [make(inet6)]
if kind == "bound":
    keep = [make()]
    keep[0].bind(("127.0.0.1", 0))
if kind == "listening": keep = [listener()]
if kind == "listening6": keep = [listener(inet6)]
if kind == "demoted":
    keep = [make()]
    keep[0].setsockopt(286, 0x101, 2)
if kind == "shut":
    keep = [listener()]
    keep[0].shutdown(socket.SHUT_RD)
if kind == "disconnected":
    l = listener(protocol=0)
    keep = [make()]
    keep[0].connect(l.getsockname())
    libc.connect(keep[0].fileno(), bytes(16), 16)
    reset(l)
if kind == "connecting":
    l = listener(protocol=0)
    filter = ctypes.create_string_buffer(b"\6\0\0\0\0\0\0\0")
    l.setsockopt(socket.SOL_SOCKET, 26, # SO_ATTACH_FILTER: drop
                 struct.pack("HP", 1, ctypes.addressof(filter)))
    keep = [make(), l]
    keep[0].setblocking(False)
    keep[0].connect_ex(l.getsockname())
if kind == "netns":
    if libc.unshare(0x40000000) or os.system("ip link set lo up"):
        sys.exit("no network namespace")
    keep = list(connected()) + list(connected(inet6))
if kind == "client":
    l = listener(protocol=0)
    keep = [make()]
    keep[0].connect(l.getsockname())
    reset(l)
if kind == "refused":
    l = listener()
    address = l.getsockname()
    l.close()
    keep = [make()]
    try: keep[0].connect(address)
    except ConnectionRefusedError: pass
if kind == "queued":
    l = listener()
    c = socket.create_connection(l.getsockname())
    keep = [l, c]
if kind == "accepted":
    l = listener()
    c = socket.create_connection(l.getsockname())
    keep = [c, l.accept()[0]]
    l.close()
if kind == "af_smc": keep = [socket.socket(43, stream, 0)]
if kind == "sockmap":
    # A listener whose children are made by sockmap: bpf(2) by its number.
    def bpf(cmd, attr):
        fd = libc.syscall(321, cmd, attr, len(attr))
        if fd < 0: sys.exit("bpf(%d)" % cmd)
        return fd
    keys = ctypes.create_string_buffer(struct.pack("I", 0))
    l = listener()
    values = ctypes.create_string_buffer(struct.pack("Q", l.fileno()))
    map = bpf(0, struct.pack("IIII", 15, 4, 8, 1) + bytes(100))
    bpf(2, struct.pack("IxxxxPPQ", map, ctypes.addressof(keys),
                       ctypes.addressof(values), 0) + bytes(100))
    c = socket.create_connection(l.getsockname())
    keep = [c, l.accept()[0]]
    l.close()
    os.close(map)
print("ready", flush=True)
sys.stdin.read()
if kind in ("accepted", "sockmap"):
    for a, b in keep, keep[::-1]:
        a.sendall(b"after")
        if b.recv(5, socket.MSG_WAITALL) != b"after":
            sys.exit("no data after rmmod")
for s in keep: reset(s)
END

# hold KIND WANT: rmmod is refused (1) or works (0) while there is such a socket.
hold() {
	local kind=$1 want=$2 rc=0 in out
	coproc HOLD { exec /usr/bin/python3 "$T_TMP/hold.py" "$kind"; }
	in=${HOLD[1]} out=${HOLD[0]}
	read -r -t 30 _ <&"$out"
	rmmod smc 2>"$T_TMP/err" || rc=$?
	t_is "$rc" "$want" "$kind: rmmod $([ "$want" = 0 ] && echo works || echo is refused)"
	exec {in}>&-
	t_check "$kind: the socket works on" wait "$HOLD_PID"
	if [ "$want" = 1 ]; then
		t_like "$(cat "$T_TMP/err")" "*in use*" "$kind: because it is in use"
		t_check "$kind: and works when it is closed" vm_until 80 rmmod smc
	fi
	t_check "$kind: loaded again" insmod "$LAB_SMC_DIR/smc.ko"
}

for kind in idle idle6 bound listening listening6 shut demoted connecting client \
	disconnected refused queued netns af_smc; do
	hold $kind 1
done
# An accepted socket without its listener is TCP's alone, also if sockmap made it.
hold accepted 0
hold sockmap 0

# A client that closed first leaves a timewait sock, which counts as well.
/usr/bin/python3 -c '
import socket
l = socket.create_server(("127.0.0.1", 0))
c = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 256)
c.connect(l.getsockname())
a = l.accept()[0]
c.close()
assert a.recv(1) == b""
'
t_like "$(rmmod smc 2>&1)" "*in use*" "timewait: rmmod is refused"
t_check "timewait: and works a minute later" vm_until 90 rmmod smc
t_check "timewait: loaded again" insmod "$LAB_SMC_DIR/smc.ko"

# Loading and unloading while others open sockets and race on them.
mkdir -p /etc/modprobe.d
echo 'install smc /bin/false' >/etc/modprobe.d/smc-lab.conf
# One in TIME_WAIT would hold the module for a minute.
sysctl -qw net.ipv4.tcp_max_tw_buckets=0
"$SMC_BUILD_DIR/tests/vm/race" --unload >"$T_TMP/race" 2>&1 &
racer=$!
loads=0 end=$((SECONDS + 120))
while ((loads < 5 && SECONDS < end)) && kill -0 $racer 2>/dev/null; do
	if rmmod smc 2>/dev/null; then
		loads=$((loads + 1))
		insmod "$LAB_SMC_DIR/smc.ko"
	fi
done
kill $racer
t_check "unloading under fire: sockets were made" wait $racer
t_diag "$(cat "$T_TMP/race")"
t_is "$loads" 5 "unloading under fire: unloaded and loaded again"
t_done
