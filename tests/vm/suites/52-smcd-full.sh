#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet
# profiles: fast
# long: 6.1.inet.fast
# lab:
# label: vm
#
# A loopback device has 5000 buffers, and each end of a connection takes one.
# When they are gone the server declines; and a client declines, late, what the
# server accepted, if only the server has a buffer.  A guest of its own, because
# used buffers stay with their link group.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

no_buffer=0x030d0000
smc=(env PROBE_OPTIONS="--proto smc")
af_smc=(env PROBE_OPTIONS="--proto af_smc")
# A receive buffer of another size.
small=("$VM_SMC_RUN" -r 4096)
port=7000

# declined NAME SIDE IO SERVER-PREFIX... -- CLIENT-PREFIX...
declined() {
	port=$((port + 1))
	vm_declined $port "$1" "$2" $no_buffer "${@:3}"
}

cat >"$T_TMP/fill.py" <<'END'
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (6000, 6000))
smc = lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 256)
l = smc()
l.bind(("127.0.0.1", 0))
l.listen(100)
keep = []
for i in range(2500):
    c = smc()
    c.connect(l.getsockname())
    keep += [c, l.accept()[0]]
def room(s):
    s.setblocking(False)
    sent = 0
    try:
        while True:
            sent += s.send(bytes(16384))
    except BlockingIOError:
        return sent
print("full", room(keep[1]) > 250000, room(keep[-1]) > 200000, flush=True)
sys.stdin.readline()
keep.pop().close()
keep.pop().close()
print("one less", flush=True)
sys.stdin.readline()
for s in keep:
    s.close()
END
vm_mark
coproc FILL { exec /usr/bin/python3 "$T_TMP/fill.py"; }
filler=$FILL_PID to=${FILL[1]} from=${FILL[0]}
read -r -t 300 line <&"$from" || line=none
t_is "$line $(vm_moved smcd.clnt)" "full True False 2500" \
	"2500 connections over SMC-D, only the first with large buffers"
for io in blocking epoll uring nonblock-early; do
	declined "the server has no buffer, $io" srv $io "${smc[@]}" -- "${smc[@]}"
done
declined "the server has no buffer, AF_SMC client" srv epoll "${smc[@]}" -- "${af_smc[@]}"
declined "the AF_SMC server has no buffer" srv epoll "${af_smc[@]}" -- "${smc[@]}"

# One connection less: each end has a buffer again, but of that size only.
echo >&"$to"
read -r -t 30 line <&"$from" || line=none
t_is "$line" "one less" "one connection is closed"
t_check "its buffers are free" vm_until 30 vm_conns 4998
for io in blocking epoll uring nonblock-early; do
	declined "the client has no buffer, $io" clnt $io \
		"${smc[@]}" -- "${small[@]}" -f inet
done
declined "the AF_SMC client has no buffer" clnt epoll \
	"${smc[@]}" -- "${small[@]}" -f smc
declined "the server has none of its size" srv epoll \
	"${small[@]}" -f inet -- "${smc[@]}"

# What the device has it gives.
port=$((port + 1))
vm_stream $port "the last buffers" 127.0.0.1 127.0.0.1 blocking 100000 \
	"${smc[@]}" -- "${smc[@]}"
t_smc "the last buffers" SMC-D "$T_TMP/clnt.end" 200000
exec {to}>&-
t_check "2499 connections are closed" wait "$filler"
t_check "no connection is left" vm_until 60 vm_conns 0
t_done
