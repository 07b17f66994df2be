#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12
# smc: inet stock-lo
# profiles: debug
# long: 6.12.stock-lo.debug
# lab:
# label: debug
#
# The in-tree patches: what TCP makes of the SMC option, seen from the other end
# of the wire.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

peer=$SMC_BUILD_DIR/tests/vm/tun_peer

# try PROTO TEST...
try() {
	local proto=$1 name rc
	shift
	for name; do
		rc=0
		"$peer" "$proto" "$name" >"$T_TMP/out" 2>&1 || rc=$?
		if [ $rc = 77 ]; then
			t_skip "$proto: $name" "$(cat "$T_TMP/out")"
			continue
		fi
		t_ok $rc "$proto: $name"
		[ $rc = 0 ] || t_diag "$(cat "$T_TMP/out")"
	done
}

# In a reuseport group, which AF_SMC cannot join.
try inet request_of_tcp request_of_smc request_again request_timer \
	child_of_smc plain_child_of_smc
for proto in inet af_smc; do
	try $proto fast_open crossed_syns repair
done
if [ "$LAB_SMC" = inet ]; then
	try af_smc no_room
	# Mainline's SMC breaks what is in a sockmap when it falls back.
	try inet listen_again sockmap
	try af_smc sockmap
	t_done
fi

try inet no_room # ours knows that option
# Only mainline's leaves it to TCP to forget.  Without an EID SMC is declined.
"$LAB_SMCCTL" ueid flush
try af_smc disconnect

# The module is unloaded, and another build of it loaded.
coproc PEER { exec "$peer" inet outlive 2>&1; }
in=${PEER[1]} out=${PEER[0]} pid=$PEER_PID
read -r -t 30 line <&"$out"
t_is "$line" ready "inet: outlive: a TCP listener that was a child"
rmmod smc_diag
t_check "inet: outlive: rmmod" vm_until 30 rmmod smc
insmod "${LAB_SELFTEST%/*}/smc.ko"
echo >&"$in"
t_check "inet: outlive: a SYN with the option" wait "$pid"
t_done
