#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet
# profiles: fast
# long: 6.1.inet.fast
# lab:
# label: vm
#
# AF_SMC works beside the inet path: SMC-D between its sockets and with those of
# the inet path, TCP with everybody else, and what used to go wrong when one fell
# back.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

peer_has_no_smc=0x03010000
af_smc=("$VM_SMC_RUN" -f smc)
inet=("$VM_SMC_RUN" -f inet)
port=7000

# stream NAME ADDR IO BYTES SERVER-PREFIX... -- CLIENT-PREFIX...
stream() {
	local name=$1 addr=$2
	shift 2
	port=$((port + 1))
	vm_stream $port "$name" "$addr" "$addr" "$@"
}

for io in blocking poll epoll sendfile; do
	for addr in 127.0.0.1 ::1; do
		stream "AF_SMC $addr $io" $addr $io 1000000 "${af_smc[@]}" -- "${af_smc[@]}"
		t_smc "AF_SMC $addr $io" SMC-D "$T_TMP/clnt.end" 2000000
	done
	stream "AF_SMC to TCP $io" 127.0.0.1 $io 1000000 -- "${af_smc[@]}"
	t_fell_back "AF_SMC to TCP $io" clnt $peer_has_no_smc "$T_TMP/clnt.end" 1000000
	stream "TCP to AF_SMC $io" ::1 $io 1000000 "${af_smc[@]}" --
	t_fell_back "TCP to AF_SMC $io" srv $peer_has_no_smc "$T_TMP/srv.end" 1000000
	stream "AF_SMC to inet $io" 127.0.0.1 $io 1000000 "${inet[@]}" -- "${af_smc[@]}"
	t_smc "AF_SMC to inet $io" SMC-D "$T_TMP/clnt.end" 2000000
	stream "inet to AF_SMC $io" ::1 $io 1000000 "${af_smc[@]}" -- "${inet[@]}"
	t_smc "inet to AF_SMC $io" SMC-D "$T_TMP/srv.end" 2000000
done

# A connection that fell back delivers what SO_LINGER waits for, on either side;
# the other end is plain TCP and reads late.
cat >"$T_TMP/linger.py" <<'END'
import socket, struct, sys, threading, time
lingers = sys.argv[1]
smc = lambda: socket.socket(43, socket.SOCK_STREAM, 0)
tcp = lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)
port = int(sys.argv[2])
l, c = (smc(), tcp()) if lingers == "accepted" else (tcp(), smc())
# Python does not know addresses of AF_SMC.
inet = lambda s: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, s.detach())
l, c = inet(l), inet(c)
sender = l if lingers == "accepted" else c
sender.setsockopt(socket.SOL_SOCKET, 32, 800000) # SO_SNDBUFFORCE
sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
l.bind(("127.0.0.1", port))
l.listen()
c.connect(("127.0.0.1", port))
a = l.accept()[0]
a.setblocking(True)
sender, reader = (a, c) if lingers == "accepted" else (c, a)
assert sender.send(bytes(400000), socket.MSG_DONTWAIT) == 400000
threading.Thread(target=sender.close).start()
time.sleep(0.5)
got = 0
while (n := len(reader.recv(65536))):
    got += n
assert got == 400000, got
END
port=$((port + 1))
t_check "linger, client" /usr/bin/python3 "$T_TMP/linger.py" client $port
port=$((port + 1))
t_check "linger, accepted" /usr/bin/python3 "$T_TMP/linger.py" accepted $port

# Declined handshakes are over when they are over: more of them than the backlog
# do not keep the next client out.
"$LAB_SMCCTL" ueid flush
cat >"$T_TMP/declined.py" <<'END'
import socket, sys
smc = lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0,
                            socket.socket(43, socket.SOCK_STREAM, 0).detach())
address = ("127.0.0.1", int(sys.argv[1]))
l = smc()
l.bind(address)
l.listen(3)
for i in range(12):
    c = smc() if i < 10 else socket.socket()
    c.settimeout(20)
    c.connect(address)
    a = l.accept()[0]
    c.send(b"x")
    assert a.recv(1) == b"x"
    c.close()
    a.close()
END
port=$((port + 1))
vm_mark
t_check "declined handshakes" timeout 60 /usr/bin/python3 "$T_TMP/declined.py" $port
t_is "$(vm_fell_back clnt 0x05000000) $(vm_moved smcd.clnt)" "10 0" \
	"declined handshakes: ten clients were"
t_done
