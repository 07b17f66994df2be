#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet stock-lo
# profiles: fast debug
# not: 6.1.stock-lo 6.1.debug
# long: 6.12.stock-lo.debug
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
	fi
fi
t_done
