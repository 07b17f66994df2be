#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1/6.12
# smc: inet
# profiles: fast
# lab: --pair --ready 7099
# label: pair
#
# The module against 6.12's own on the other guest ("server"), over SMC-R, in both
# directions, with AF_SMC and mainline's IPPROTO_SMC there; TCP when the
# EIDs differ, with the reason on either side.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

bytes=2000000
server_addr=10.77.0.1 client_addr=10.77.0.2
peer_declined=0x05000000 no_eid=0x03030008

# probe ROLE PORT ARG...
probe() {
	"$VM_PROBE" "$1" --port "$2" --bytes $bytes "${@:3}"
}

# Waits until the other guest has come to this point, too.
gate() { # wait|open PORT
	if [ "$1" = open ]; then
		"$VM_PROBE" server --port "$2" --bytes 1
	else
		vm_until 60 "$VM_PROBE" client --host $client_addr --port "$2" \
			--bytes 1 >/dev/null 2>&1
	fi
}

if [ "${1:-}" = server ]; then
	rmmod smc_diag smc
	modprobe smc_diag
	"$LAB_SMCCTL" ueid add SMCLAB
	trap exit TERM
	vm_serve 7001 probe server 7001 --proto smc
	vm_serve 7002 probe server 7002 --proto af_smc
	vm_serve 7099 "$VM_PROBE" server --port 7099 --bytes 1
	for proto in smc af_smc; do
		gate wait 7600
		probe client 7100 --host $client_addr --proto $proto
	done
	gate wait 7600
	"$LAB_SMCCTL" ueid flush
	"$LAB_SMCCTL" ueid add OTHER
	vm_serve 7003 probe server 7003 --proto af_smc
	gate wait 7600
	gate wait 7600
	probe client 7101 --host $client_addr --proto af_smc
	wait "${vm_pids[0]}" "${vm_pids[1]}" "${vm_pids[3]}"
	while :; do sleep 1; done
fi

port=7001
for proto in IPPROTO_SMC AF_SMC; do
	vm_mark
	t_check "to $proto: client" probe client $port --host $server_addr \
		--proto smc --at-end "$VM_AT_END $T_TMP/end"
	t_smc "to $proto" SMC-R "$T_TMP/end" $((2 * bytes))
	port=$((port + 1))
done

for proto in IPPROTO_SMC AF_SMC; do
	vm_mark
	vm_serve 7100 probe server 7100 --proto smc \
		--at-end "$VM_AT_END $T_TMP/end"
	t_check "from $proto: both are there" gate open 7600
	t_check "from $proto: server" wait "${vm_pids[-1]}"
	t_smc "from $proto" SMC-R "$T_TMP/end" $((2 * bytes))
done

t_check "EIDs differ: both are there" gate open 7600
t_check "EIDs differ: the other is ready" gate open 7600
vm_mark
t_check "declined by the peer: client" probe client 7003 --host $server_addr \
	--proto smc --at-end "$VM_AT_END $T_TMP/end"
t_fell_back "declined by the peer" clnt $peer_declined "$T_TMP/end" $bytes
vm_mark
vm_serve 7101 probe server 7101 --proto smc --at-end "$VM_AT_END $T_TMP/end"
t_check "declined by us: both are there" gate open 7600
t_check "declined by us: server" wait "${vm_pids[-1]}"
t_fell_back "declined by us" srv $no_eid "$T_TMP/end" $bytes
t_done
