#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12
# smc: inet
# profiles: fast
# lab: --pair --ready 7099
# label: pair
#
# The RDMA device goes away while SMC-R connections use it: they end on both
# sides, with an error, and new ones are TCP until there is a device again.
# Called with "server" on the other guest.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

server_addr=10.77.0.1 threads=6 huge=4000000000 small=200000
wait=60 settle=2

# streams client|server PORT ARG...: more than can be sent, in the background.
streams() {
	"$VM_PROBE" "$1" --port "$2" --proto smc --bytes $huge --threads $threads \
		"${@:3}" >"$T_TMP/$1.$2" 2>&1 &
	vm_pids+=($!)
}

moves() {
	local conns bytes
	read -r conns bytes < <(vm_moved smcr.clnt smcr.tx_bytes)
	[ "$conns" -ge $threads ] && [ "$bytes" -ge $((threads * 100000)) ]
}

ended() {
	! kill -0 "$1" 2>/dev/null
}

# t_lost NAME FILE: what the last streams said.
t_lost() {
	t_check "$1: they end" vm_until $wait ended "${vm_pids[-1]}"
	t_fails "$1: with an error" wait "${vm_pids[-1]}"
	t_like "$(cat "$2")" "*@(Connection reset by peer|Broken pipe|Connection aborted|connection abort|stream ended|revents)*" \
		"$1: which they name"
}

device() {
	case $1 in
	del) rdma link del rxe0 ;;
	add)
		rdma link add rxe0 type rxe netdev eth0
		vm_until 30 grep -q ACTIVE /sys/class/infiniband/rxe0/ports/1/state
		sleep $settle # until SMC knows of it and its addresses
		;;
	esac
}

# The other guest does what the client's gates let it.
if [ "${1:-}" = server ]; then
	trap exit TERM
	streams server 7001
	streams server 7002
	vm_until 30 vm_listens 7001
	vm_until 30 vm_listens 7002
	vm_serve 7003 "$VM_PROBE" server --port 7003 --proto smc --bytes $small --count 99
	vm_serve 7098 "$VM_PROBE" server --port 7098 --bytes 1
	vm_serve 7097 "$VM_PROBE" server --port 7097 --bytes 1
	vm_serve 7099 "$VM_PROBE" server --port 7099 --bytes 1
	# 7098: this side's device goes while the second streams run.
	wait "${vm_pids[3]}"
	device del
	wait "${vm_pids[4]}"
	device add
	while :; do sleep 1; done
fi

# gate PORT: lets the other guest go on.
gate() {
	t_check "gate $1" vm_until 60 "$VM_PROBE" client --host $server_addr \
		--port "$1" --bytes 1
}

stream() { # NAME
	vm_mark
	t_check "$1: client" "$VM_PROBE" client --host $server_addr --port 7003 \
		--proto smc --bytes $small --at-end "$VM_AT_END $T_TMP/end"
	t_diag "$("$LAB_SMCCTL" reasons)"
}

# The other side may have the old link group until its retries are over.
is_smcr() {
	vm_mark
	"$VM_PROBE" client --host $server_addr --port 7003 --proto smc \
		--bytes $small
	[ "$(vm_moved smcr.clnt)" = 1 ]
}

vm_mark
streams client 7001 --host $server_addr
t_check "streams over SMC-R" vm_until $wait moves
device del
t_lost "our device goes" "$T_TMP/client.7001"
stream "without a device"
t_is "$(vm_end "$T_TMP/end" protocol) $(vm_moved smcr.clnt)" "6 0" \
	"without a device: TCP"
device add
t_check "SMC-R again" vm_until $wait is_smcr
stream "with a device again"
t_smc "with a device again" SMC-R "$T_TMP/end" $((2 * small))

vm_mark
streams client 7002 --host $server_addr
t_check "streams over SMC-R again" vm_until $wait moves
gate 7098
t_lost "the peer's device goes" "$T_TMP/client.7002"
gate 7097
sleep $settle
t_check "SMC-R again, the peer's device" vm_until $wait is_smcr
stream "the peer has a device again"
t_smc "the peer has a device again" SMC-R "$T_TMP/end" $((2 * small))

t_check "smc_diag can be unloaded" rmmod smc_diag
t_check "the module can be unloaded" vm_unload
t_done
