#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet stock-lo
# profiles: fast
# not: 6.1.stock-lo
# long: 6.12.stock-lo.fast
# lab:
# label: vm
#
# smc_run --summary: its counts of sockets, handshakes, fallbacks and bytes are those
# of the kernel, with redis and with a program whose sockets become all there is.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

cat >"$T_TMP/program.py" <<'END'
import socket, sys
IP = "127.0.0.1"
def listener(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((IP, port))
    s.listen()
    return s
def talk(port, l=None):
    c = socket.socket()
    c.connect((IP, port))
    a = l.accept()[0] if l else None
    c.sendall(bytes(30000))
    if l:
        assert len(a.recv(30000, socket.MSG_WAITALL)) == 30000
        a.sendall(bytes(3000))
    assert len(c.recv(3000, socket.MSG_WAITALL)) == 3000
    return c, a
def plain():
    s = listener(7100)
    while True:
        c = s.accept()[0]
        c.recv(30000, socket.MSG_WAITALL)
        c.sendall(bytes(3000))
        c.recv(1)
def mixed():
    l, t = listener(7001), listener(7002)
    return [talk(7001, l) for i in range(4)] + [talk(7002, t), talk(7100)]
def option():
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
def required():
    try:
        socket.socket().connect((IP, 7100))
    except OSError as e:
        print(e.errno)
def one():
    l = listener(7003)
    return talk(7003, l)
kept = [globals()[name]() for name in sys.argv[1:]]
END
program=(/usr/bin/python3 "$T_TMP/program.py")

# run ARGUMENT...: smc_run --summary; its lines in line, what else it said in out
run() {
	local rc=0
	vm_mark 2>/dev/null || true
	"$VM_SMC_RUN" --summary "$@" >"$T_TMP/out" 2>"$T_TMP/err" || rc=$?
	mapfile -t line <"$T_TMP/err"
	out=$rc$(cat "$T_TMP/out")
}

# as_kernel NAME: the second and third line are what the kernel's counters did
as_kernel() {
	local name=$1 dc ds rc rs fc fs drx dtx rrx rtx
	read -r dc ds rc rs fc fs drx dtx rrx rtx < <(vm_moved smcd.clnt smcd.srv \
		smcr.clnt smcr.srv fallback.clnt fallback.srv smcd.rx_bytes \
		smcd.tx_bytes smcr.rx_bytes smcr.tx_bytes)
	t_is "$rc $rs" "0 0" "$name: no SMC-R here"
	t_like "${line[1]:-}" "smc_run: this network namespace meanwhile: $((dc + ds)) SMC handshakes (SMC-D: $dc as client, $ds as server), $((fc + fs)) fallback*" \
		"$name: handshakes and fallbacks"
	t_like "${line[2]:-}" \
		"smc_run: bytes received, sent there: SMC $((drx + rrx)), $((dtx + rtx)); IP [1-9]*, [1-9]* (TCP and all else, with headers)" \
		"$name: bytes"
	t_is ${#line[@]} 3 "$name: three lines"
}

vm_serve 7100 "${program[@]}" plain
plain=${vm_pids[-1]}

# Two listeners and six connections: to one is TCP by two rules, one goes to somebody
# who does not offer SMC.
run --rule 'use tcp listen on :7002 as web; use tcp to :7002 as wan' \
	"${program[@]}" mixed
t_is "$out" 0 "mixed: it ran"
t_is "${line[0]:-}" "smc_run: 8 TCP sockets: 6 left to SMC, 1 TCP by rule web, 1 TCP by rule wan" \
	"mixed: sockets"
t_is "$(vm_moved smcd.clnt smcd.srv)" "4 4" "mixed: the kernel saw four over SMC-D"
# The project's module does not count what is TCP without a handshake, but what was
# asked for.
reason="x 0x03010000 peer did not offer SMC"
[ "$LAB_SMC" != inet ] || reason="2 x 0x03f10000 TCP was asked for (SMC_USE)"
t_like "${line[1]:-}" "*$reason*" "mixed: the reason"
as_kernel mixed
t_ok $(($(vm_moved smcd.tx_bytes) < 4 * 33000)) "mixed: SMC carried the payload"

# IP carries what SMC does not, both ways over lo, and little else.
run --rule 'use tcp as all' "${program[@]}" one
t_is "$out ${line[0]:-}" "0 smc_run: 2 TCP sockets: 0 left to SMC, 2 TCP by rule all" \
	"TCP: sockets"
t_like "${line[1]:-}" "*meanwhile: 0 SMC handshakes, 0 fallbacks" "TCP: no handshake"
ip=${line[2]##*; IP }
t_ok $((${ip%%,*} < 33000 || ${ip%%,*} > 60000)) "TCP: the bytes of IP"
t_diag "${line[2]:-}"

# An option that only TCP has: the project's module decides that itself.
run "${program[@]}" option
t_is "$out ${line[0]:-}" "0 smc_run: 1 TCP socket: $(
	[ "$LAB_SMC" = inet ] && echo 1 left to SMC ||
		echo 0 left to SMC, 1 TCP for an option that SMC does not have)" \
	"an option"

# redis and its clients, each with a summary of its own.  The server's, of all that
# happened in its life, comes last.
cp /usr/bin/redis-check-rdb "$T_TMP/redis-server"
vm_mark
cp "$T_TMP/mark" "$T_TMP/mark.server"
vm_serve 6379 "$VM_SMC_RUN" --summary "$T_TMP/redis-server" --port 6379 \
	--bind 127.0.0.1 --save ''
run redis-benchmark -p 6379 -c 5 -n 500 -d 4000 -t set,get --csv
t_like "$out" '0*"GET",*' "redis: the benchmark ran"
sockets=$(vm_moved smcd.clnt)
t_is "${line[0]:-}" "smc_run: $sockets TCP sockets: $sockets left to SMC" \
	"redis: the client's sockets"
t_ok $((sockets < 10)) "redis: all its connections were SMC-D"
as_kernel "redis, the client"
kill -TERM "${vm_pids[-1]}"
t_check "redis ends by a signal to smc_run" vm_served
mapfile -t line < <(grep ^smc_run: "$vm_log")
cp "$T_TMP/mark.server" "$T_TMP/mark"
t_is "${line[0]:-}" "smc_run: 1 TCP socket: 1 left to SMC" "redis: the server's socket"
as_kernel "redis, the server"

# Another network namespace has numbers of its own.
run unshare -n true
t_like "${line[1]:-}" "*meanwhile: 0 SMC handshakes, 0 fallbacks" \
	"no sockets: nothing happened"

# Without the module
kill "$plain"
wait "$plain" 2>/dev/null || true
rmmod smc_diag
t_check "the module goes" vm_unload
mkdir -p /etc/modprobe.d
echo 'install smc /bin/false' >/etc/modprobe.d/smc-lab.conf
vm_serve 7100 "${program[@]}" plain
run "${program[@]}" one
t_is "$out ${line[0]:-}" "0 smc_run: 2 TCP sockets: 0 left to SMC, 2 TCP because SMC was unavailable (EPROTONOSUPPORT)" \
	"no module: sockets"
t_is "${line[1]:-}" "smc_run: this network namespace meanwhile: no statistics of SMC in this kernel: module smc is not loaded" \
	"no module: no numbers"
t_like "${line[2]:-}" "smc_run: bytes received, sent there: IP [1-9]*" "no module: bytes"
run --rule 'use require to :7100' "${program[@]}" required
t_is "$out ${line[0]:-}" "093 smc_run: 1 TCP socket: 0 left to SMC, 1 TCP because SMC was unavailable (EPROTONOSUPPORT); 1 call failed as SMC is required" \
	"no module: require"
run sh -c 'sed -i d /etc/modprobe.d/smc-lab.conf && modprobe smc && exec "$@"' - \
	"${program[@]}" one
t_is "$out ${line[0]:-}" "0 smc_run: 2 TCP sockets: 2 left to SMC" \
	"loaded meanwhile: sockets"
t_like "${line[1]:-}" "*meanwhile: 0 SMC handshakes, * fallbacks*" \
	"loaded meanwhile: numbers from 0 on"
t_done
