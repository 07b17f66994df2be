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
# Everything in a network namespace is killed, with handshakes in every state
# and with connections coming and going: the namespace ends, which a veth device
# at its other end shows, and then the module can be unloaded.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

peer=$SMC_BUILD_DIR/tests/vm/clc_peer
probe=$SMC_BUILD_DIR/tests/vm/hs_probe
modprobe -a tun veth
cd "$T_TMP"
rounds=12
[ "$LAB_PROFILE" != debug ] || rounds=3

# inside NAME COMMAND...: COMMAND in a namespace, which has the end of NAME.
inside() {
	local name=$1
	shift
	# shellcheck disable=SC2016 # expanded inside
	setsid unshare -n sh -c 'ip link set lo up
		# as long as TCP repeats itself to a peer that is gone
		sysctl -qw net.ipv4.tcp_orphan_retries=2
		echo $$ >pid.'"$name"'
		until ip link show eth0; do sleep 0.1; done >&2
		exec "$@"' sh "$@" >"log.$name" 2>&1 &
	disown
	vm_until 30 test -s "pid.$name"
	ip link add "$name" type veth peer name eth0 netns "$(<"pid.$name")"
}

# ends NAME: its processes are killed.
ends() {
	kill -9 -- "-$(<"pid.$1")" || true
}

gone() {
	[ ! -e "/sys/class/net/$1" ]
}

# Of a client of this host, for the states that come after it.
inside first "$peer" server --net 0 --port 7000 --option --save PROPOSAL \
	--do wait,decline -- "$probe" --host 10.88.0.2 --port 7000 connect sleep:9000
t_check "a PROPOSAL to repeat" vm_until 30 test -s PROPOSAL
ends first

# states, from lines NAME|ROLE|OPTIONS|STEPS|SEEN, the last by peer or probe.
states=()
while IFS='|' read -r name role options steps seen; do
	states+=("$name|$seen")
	n=${#states[@]}
	host=2 does="connect sleep:60000"
	[ "$role" = server ] || host=1 does="listen:9 accept sleep:60000"
	# shellcheck disable=SC2086 # words
	inside "vm$n" "$peer" "$role" --net "$n" --port 7000 $options --do "$steps" \
		-- "$probe" --host "10.88.$n.$host" --port 7000 $does
done <<'END'
client, SYN sent|server|--option --delay 60000|silent|got syn smc
client, silent peer|server|--option|silent|got syn smc
client, half an ACCEPT|server|--option|wait,hex:e2d4c3c402004e2111223344,silent|got proposal
listener, silent peers|client|--option --count 8|silent|got synack smc
listener, half a PROPOSAL|client|--option --count 8|half,silent|got synack smc
listener, ACCEPT sent|client|--option --count 8|file:PROPOSAL,wait,silent|got accept
END
for n in "${!states[@]}"; do
	IFS='|' read -r name seen <<<"${states[n]}"
	t_check "$name" vm_until 30 grep -q "$seen" "log.vm$((n + 1))"
done
for n in "${!states[@]}"; do
	ends "vm$((n + 1))"
done
for n in "${!states[@]}"; do
	t_check "${states[n]%|*}: the namespace ends" vm_until 90 gone "vm$((n + 1))"
done
t_check "that of the PROPOSAL, too" gone first

# Connections, accepted or not, that come and go when the end comes.
cat >busy <<'END'
for port in 7001 7002 7003; do
	"$VM_PROBE" server --port $port --proto smc --bytes 3000 --threads 5 --count 9999 &
done
"$SMC_BUILD_DIR/tests/vm/hs_probe" --host 127.0.0.1 --port 7004 listen:99 sleep:60000 &
until "$VM_PROBE" client --host 127.0.0.1 --port 7001 --proto smc --bytes 3000; do :; done
for port in 7001 7002 7003; do
	"$VM_PROBE" client --host 127.0.0.1 --port $port --proto smc --bytes 3000 \
		--threads 4 --count 9999 &
done
"$LAB_SMCCTL" stats
for i in 1 2 3 4 5 6 7 8 9; do
	"$SMC_BUILD_DIR/tests/vm/hs_probe" --host 127.0.0.1 --port 7004 connect sleep:60000 &
done
echo started
wait
END
export VM_PROBE
for round in $(seq $rounds); do
	inside "busy$round" sh ./busy
	t_check "round $round: connections" vm_until 60 grep -q started "log.busy$round"
	t_ok $(($(awk '$1 == "smcd.clnt" { n = $2 } END { print n }' "log.busy$round") < 1)) \
		"round $round: over SMC-D"
	sleep "0.$((RANDOM % 10))"
	ends "busy$round"
done
for round in $(seq $rounds); do
	t_check "round $round: the namespace ends" vm_until 90 gone "busy$round"
done
t_check "smc_diag can be unloaded" rmmod smc_diag
t_check "the module can be unloaded" vm_unload
t_done
