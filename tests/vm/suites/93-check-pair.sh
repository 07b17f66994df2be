#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12
# smc: inet
# profiles: fast
# lab: --pair --ready 7099
# label: pair
#
# smc_run --check --peer of two hosts: what only the other one lacks is told, and its
# cure is for there; then there is SMC.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

server_addr=10.77.0.1

# The other guest changes when it is told to, on port 7600.
if [ "${1:-}" = server ]; then
	trap exit TERM
	vm_serve 7001 "$VM_SMC_RUN" /usr/bin/python3 -m http.server -b $server_addr 7001
	"$LAB_SMCCTL" ueid flush
	vm_serve 7099 "$VM_PROBE" server --port 7099 --bytes 1
	"$VM_PROBE" server --port 7600 --bytes 1
	"$LAB_SMCCTL" ueid add OTHER
	"$VM_PROBE" server --port 7600 --bytes 1
	"$LAB_SMCCTL" ueid add SMCLAB
	"$VM_PROBE" server --port 7600 --bytes 1
	rdma link del rxe0
	"$VM_PROBE" server --port 7600 --bytes 1
	while :; do sleep 1; done
fi

# Returns when what was done last is done.
next() {
	vm_until 60 "$VM_PROBE" client --host $server_addr --port 7600 --bytes 1 \
		>/dev/null 2>&1
}

# says NAME STATUS RESULT PATTERN: --check --peer
says() {
	local status=0
	"$VM_SMC_RUN" --check --peer $server_addr:7001 >"$T_TMP/out" 2>&1 || status=$?
	t_is "$status $(tail -n 1 "$T_TMP/out")" "$2 result: $3" "$1"
	t_like "$(sed 's/  */ /g' "$T_TMP/out")" "*$4*" "$1: what it says"
	t_like "$(sed 's/  */ /g' "$T_TMP/out")" "*eid OK SMCLAB*" "$1: this host has one"
}

lacks="peer FAIL $server_addr:7001: TCP, 0x05000000 peer declined; the peer says: "
eid="no common user EID; cure: smcd ueid add NAME (or smcr), the same NAME on both hosts"
says "no user EID there" 10 "tcp (peer)" "$lacks$eid"
t_check "the other guest has another" next
says "another user EID there" 10 "tcp (peer)" "$lacks$eid"
t_check "the cure of that" next
vm_mark
says "the same there" 0 smc "peer OK $server_addr:7001: SMC-R"
t_is "$(vm_moved smcr.clnt)" 1 "... that is so"
t_check "its device goes" next
says "no device there" 10 "tcp (peer)" "${lacks}no device for SMC*; cure: SMC needs an RDMA or ISM device"
t_diag "$(cat "$T_TMP/out")"
t_done
