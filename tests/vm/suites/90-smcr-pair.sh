#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet
# profiles: fast
# long: 6.1.inet.fast
# lab: --pair --ready 7099
# label: pair
#
# SMC-R between two kernels, on Soft-RoCE.  First rdma-core's own tools show
# that the RDMA path works, so that a failure below is one of SMC.  Called
# with "server" on the other guest.
# SMC_BYTES: how many bytes all streams have together.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

small=3000000
# Each way, and threads, both ways.
ways=(blocking poll epoll sendfile splice uring zerocopy nonblock-early)
total=${SMC_BYTES:-1000000000} threads=8
bytes=$((total / 18 + 1))
server_addr=10.77.0.1

serve() {
	local pid port=7000
	# The client's counters judge; here every server must end well.
	trap 'stopped=1' TERM
	stopped=
	vm_serve 18515 ibv_rc_pingpong -d rxe0 -g 1
	rping -s -a 0.0.0.0 -C 20 >"$T_TMP/rping" 2>&1 &
	vm_pids+=($!)
	for io in "${ways[@]}"; do
		port=$((port + 1))
		vm_serve $port "$VM_SMC_RUN" "$VM_PROBE" server --port $port \
			--io "$io" --bytes $bytes
	done
	vm_serve 7010 "$VM_SMC_RUN" "$VM_PROBE" server --port 7010 --io epoll \
		--threads $threads --bytes $((bytes / threads))
	vm_serve 7020 "$VM_PROBE" server --port 7020 --bytes $small
	vm_serve 7030 "$VM_SMC_RUN" "$VM_PROBE" server --port 7030 --bytes $small
	vm_serve 7040 "$VM_SMC_RUN" "$VM_PROBE" server --host :: --port 7040 \
		--bytes $small
	vm_serve 7099 "$VM_SMC_RUN" "$VM_PROBE" server --port 7099 --bytes 1 \
		--count 20
	for pid in "${vm_pids[@]}"; do
		wait "$pid" || [ -n "$stopped" ] || {
			cat "$T_TMP"/server.* "$T_TMP/rping"
			exit 1
		}
	done
}

# stream NAME PORT IO THREADS BYTES: SMC-R, proved on this side.
stream() {
	vm_mark
	t_check "$1: client" "$VM_SMC_RUN" "$VM_PROBE" client \
		--host $server_addr --port "$2" --io "$3" --threads "$4" --bytes "$5" \
		--at-end "$VM_AT_END $T_TMP/end; $LAB_SMCCTL groups >$T_TMP/groups"
	t_smc "$1" SMC-R "$T_TMP/end" $((2 * $4 * $5))
	t_like "$(cat "$T_TMP/groups")" \
		"SMC-R * [1-$4]*link rxe0 [1-$4] *ffff:0a4d:0002 *ffff:0a4d:0001*" \
		"$1: in the link group over rxe0"
}

# plain NAME SIDE CODE PORT HOST SMC_RUN...: ends up as TCP for reason CODE.
plain() {
	local name=$1 side=$2 code=$3 port=$4 host=$5
	shift 5
	vm_mark
	t_check "$name: client" "$@" "$VM_PROBE" client --host "$host" \
		--port "$port" --bytes $small --at-end "$VM_AT_END $T_TMP/end"
	if [ -n "$code" ]; then
		t_fell_back "$name" "$side" "$code" "$T_TMP/end" $small
	else
		t_is "$(vm_end "$T_TMP/end" protocol)" 6 "$name: a TCP socket"
		t_is "$(vm_moved smcr.clnt)" 0 "$name: no SMC connection"
	fi
}

if [ "${1:-}" = server ]; then
	serve
	exit
fi

t_like "$(ibv_devinfo -d rxe0)" "*PORT_ACTIVE*" "ibv_devinfo: port active"
t_check "ibv_rc_pingpong" ibv_rc_pingpong -d rxe0 -g 1 -n 20 $server_addr
t_check "rping" rping -c -a $server_addr -C 20
t_like "$("$LAB_SMCCTL" ueid list)" "SMCLAB*" "a user EID is set"

port=7000
for io in "${ways[@]}"; do
	port=$((port + 1))
	stream "SMC-R $io" $port "$io" 1 $bytes
done
stream "SMC-R $threads threads" 7010 epoll $threads $((bytes / threads))
t_ok $(($(vm_stat smcr.rx_bytes) < total / 2 || $(vm_stat smcr.tx_bytes) < total / 2)) \
	"$(vm_stat smcr.rx_bytes) bytes came over SMC-R, $(vm_stat smcr.tx_bytes) went"
plain "TCP server" clnt "" 7020 $server_addr "$VM_SMC_RUN"
plain "TCP client" clnt "" 7030 $server_addr
# SMC-R version 2 is IPv4 only, which leaves the loopback device; the peer is
# another host, and declines.
plain "IPv6" clnt 0x05000000 7040 fd77::1 "$VM_SMC_RUN"

# Connection after connection re-uses the link group.
vm_mark
t_check "20 connections" "$VM_SMC_RUN" "$VM_PROBE" client --host $server_addr \
	--port 7099 --bytes 1 --count 20 --at-end "$VM_AT_END $T_TMP/end"
t_is "$(vm_moved smcr.clnt) $(vm_moved fallback.clnt)" "20 0" \
	"20 connections: all over SMC-R"
t_done
