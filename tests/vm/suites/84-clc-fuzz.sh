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
# Messages of the handshake with errors, to listeners and to clients, IPPROTO_SMC
# and AF_SMC, many at the same time, by sockets some of which are closed in the
# middle. Each handshake ends in time, its connection is SMC, or TCP that works,
# or lost. Then nothing is left, and SMC still works.
# SMC_FUZZ: how many handshakes; SMC_FUZZ_SEED: what is sent follows from it.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

programs=$SMC_BUILD_DIR/tests/vm
count=15000 flight=300
[ "$LAB_PROFILE" != debug ] || count=2000 flight=120
count=${SMC_FUZZ:-$count}
seed=${SMC_FUZZ_SEED:-1}
half=$((count / 2))
modprobe tun
cd "$T_TMP"
# as long as ends wait for peers that do not close
sysctl -qw net.ipv4.tcp_fin_timeout=3 net.ipv4.tcp_orphan_retries=2

# got KEY: a number that was printed, of 0 if none was
got() {
	awk -v key="$1" '$2 == key { n = $3 } END { print n + 0 }' log
}

# codes SIDE: how many different reasons peers of that side were given
codes() {
	grep -c "^fuzz $1[.]decline[.]0x" log || true
}

# t_least NUMBER LEAST NAME
t_least() {
	t_ok $(($1 < $2)) "$3"
	[ "$1" -ge "$2" ] || t_diag "$1, not $2"
}

fuzz() {
	"$programs/clc_fuzz" --seed "$seed" --count $half --flight $((flight / 2)) -- \
		"$programs/hs_flood" --seed "$seed" --count $half \
		--flight $((flight / 2)) >log 2>&1
}

no_sockets() {
	! "$LAB_SMCCTL" conns | grep .
}

no_connections() {
	! ss -Htn state connected exclude time-wait | grep .
}

t_diag "$count handshakes with SMC_FUZZ_SEED=$seed"
vm_mark
start=$SECONDS
t_check "$count handshakes" fuzz
t_diag "in $((SECONDS - start)) s"
t_diag "$(cat log)"
t_is "$(grep violation log | tail -n 10)" "flood violations 0
fuzz violations 0" "nothing happened that must not"
t_is "$(got client.handshakes) $(got server.handshakes)" "$half $half" "all began"
for side in client server; do
	case $side in
	client) past=accept kernel=accepted ;;
	server) past=confirm kernel=connected ;;
	esac
	t_least "$(got "$side.$past")" $((half / 20)) "peer is $side: the second message is read"
	t_least "$(got "$side.decline")" $((half / 20)) "peer is $side: declined"
	t_least "$(codes "$side")" 4 "peer is $side: ... for several reasons"
	t_least "$(got "$side.rst")" $((half / 20)) "peer is $side: reset"
	t_least "$(got "$kernel.echoed")" $((half / 20)) "peer is $side: TCP that works"
	t_is "$(got "$side.undecided")" 0 "peer is $side: each was decided"
done
read -r clnt srv < <(vm_moved smcd.clnt smcd.srv)
t_least "$clnt" $((half / 40)) "some clients became SMC-D"
t_least "$srv" $((half / 40)) "some servers became SMC-D"
t_ok $(($(got handshake_ms) > 15000)) "none took longer than the protocol allows"
t_ok $(($(got stall_ms) > 10000)) "no call took that long"

t_check "no connection is left" vm_until 60 vm_conns 0
t_check "no socket of SMC is left" vm_until 60 no_sockets
t_check "no connection of TCP is left" vm_until 60 no_connections
vm_stream 7005 "a connection afterwards" 127.0.0.1 127.0.0.1 blocking 100000 \
	"$VM_SMC_RUN" -- "$VM_SMC_RUN"
t_smc "a connection afterwards" SMC-D "$T_TMP/clnt.end" 200000
t_check "smc_diag can be unloaded" rmmod smc_diag
t_check "the module can be unloaded" vm_unload
t_done
