#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet stock-lo
# profiles: fast debug
# not: 6.1.stock-lo 6.1.debug
# long: 6.12.stock-lo.debug 6.1.inet.fast
# lab:
# label: vm
#
# Faults of net/smc that AF_SMC had, too.  With the module that is not patched
# each of them shows, so passing means something.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

faults=$SMC_BUILD_DIR/tests/vm/smc_faults
expected=0
[ "$LAB_SMC" = inet ] || expected=1

# fault CASE FAMILY [PREFIX...]
fault() {
	local rc=0 name=$1 family=$2
	shift 2
	timeout 60 "$@" "$faults" "$name" "$family" >"$T_TMP/said" 2>&1 || rc=$?
	t_is $rc $expected "$name, $family$([ $expected = 0 ] || echo ": fails")"
	[ $rc = $expected ] || t_diag "$(cat "$T_TMP/said")"
}

shows_smcd() {
	"$LAB_SMCCTL" conns | grep -q SMC-D
}

# A dump of smc_diag is in the middle of a connection whose handshake fails, as
# the client resets it.  It shows the connection as it was.
overtaken_dump() {
	local clc_peer=$SMC_BUILD_DIR/tests/vm/clc_peer peer dumps asked=0 shown=0
	# what a client of this kernel offers, for a peer to offer the same
	timeout 10 "$clc_peer" server --net 1 --port 7003 --option \
		--save "$T_TMP/proposal" --do wait,decline --timeout 5 -- \
		"$VM_PROBE" client --host 10.88.1.2 --port 7003 --proto smc --bytes 1 \
		>"$T_TMP/peer" 2>&1 || :
	[ -s "$T_TMP/proposal" ] || t_diag "$(cat "$T_TMP/peer")"
	vm_serve 7002 taskset -c 0 "$VM_PROBE" server --port 7002 --proto smc --bytes 1
	taskset -c 1 "$SMC_SOURCE_DIR/tests/vm/diag_dumps.py" >"$T_TMP/dumps" &
	dumps=$!
	t_check "dumps begin" vm_until 30 grep -q begun "$T_TMP/dumps"
	taskset -c 0 "$clc_peer" client --port 7002 --option --timeout 20 \
		--do "file:$T_TMP/proposal,wait,sleep:4000,rst" >"$T_TMP/peer" 2>&1 &
	peer=$!
	t_check "a dump that is overtaken: the handshake is under way" \
		vm_until 10 shows_smcd
	# longer than the peer waits
	echo 6000 >/sys/module/labprobe/parameters/dump_begins
	wait $peer || t_diag "$(cat "$T_TMP/peer")"
	t_is "$(cat /sys/module/labprobe/parameters/dump_begins)" 0 "... and shown"
	kill "${vm_pids[-1]}" 2>/dev/null || :
	kill $dumps
	wait $dumps || :
	read -r asked shown < <(tail -n 1 "$T_TMP/dumps") || :
	t_ok $((asked < 1 || shown < 1)) "... the dump ends"
}

splices=(splice_dontwait splice_timeout splice_signal splice_closed)
# Each takes 3 seconds where it fails.
[ "$LAB_SMC" = inet ] || splices=(splice_dontwait splice_signal)
aborts=(abort_read abort_splice abort_send abort_poll)
modprobe tun
for family in af_smc inet; do
	vm_mark
	for name in "${splices[@]}" "${aborts[@]}" peer_name; do
		fault "$name" $family
	done
	t_is "$(vm_moved fallback.clnt smcd.clnt)" "0 $((${#splices[@]} + 5))" \
		"$family: all of these were SMC-D"
	for name in fastopen_option fastopen_send short_option level \
		connect_error; do
		fault $name $family
	done
	fault dead_child $family "$SMC_BUILD_DIR/tests/vm/clc_peer" client \
		--port 7000 --count 2 --option --do rst --timeout 30 --
done
[ "$LAB_SMC" != inet ] || fault aborted_child af_smc

# Cursors of a peer that lies.  A crash is what the last comes to.  The checking
# kernel has no kprobes, as it does not patch its text.
cursors=(cursor_count cursor_wrap cursor_read)
[ "$LAB_SMC" != inet ] || cursors+=(cursor_urgent)
if [ "$LAB_PROFILE" != debug ]; then
	insmod "$LAB_SMC_DIR/labprobe.ko"
	for family in af_smc inet; do
		for name in "${cursors[@]}"; do
			fault "$name" $family
		done
	done
	# Races that the inet path loses.  Who is delayed has a processor of its own.
	if [ "$LAB_SMC" = inet ]; then
		server=(taskset -c 0 "$SMC_BUILD_DIR/tests/vm/clc_peer" server
			--port 7001 --option --delay 300 --timeout 30)
		fault poll_stale inet "${server[@]}" \
			--do wait,decline,sleep:4000,data:x -- taskset -c 1
		options=(nodelay_lost peek_off_lost)
		# TCP has no SO_PEEK_OFF there.
		[ "$LAB_BASE" != 6.1 ] || options=(nodelay_lost)
		for name in "${options[@]}"; do
			fault "$name" inet "${server[@]}" \
				--do wait,sleep:1500,decline,sleep:2000 -- taskset -c 1
		done
		fault accept_asleep inet
		[ "$LAB_BASE" = 6.1 ] || overtaken_dump
	fi
fi
t_done
