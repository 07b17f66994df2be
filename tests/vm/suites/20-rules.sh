#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12
# smc: stock-lo inet
# profiles: fast
# label: vm
#
# Every worked example of the interface's section 3.7: the SYN, or the answer to one
# that offers SMC, carries the option or lacks it, the socket is SMC or TCP, and the
# data arrives.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

sel=$SMC_BUILD_DIR/tests/vm/sel_probe
for addr in 10.0.0.1 10.0.0.2 10.1.2.3 10.1.0.1 10.5.0.1 10.6.0.1 10.8.1.1 10.9.0.1 \
	10.9.1.1 192.0.2.1 192.0.2.10 198.51.100.1; do
	ip addr add $addr/32 dev lo
done
for addr in fd00::1 fd00:1::5 fd00:2::5; do
	ip addr add $addr/128 dev lo nodad
done
unset SMC_RULES SMC_DENY SMC_ALLOW SMC_EXCLUDE SMC_PROGS
vm_watch

# peers PORT...: what is connected to, SMC for both families; ended by no_peers.
peers() {
	local port
	peer_pids=()
	for port in "$@"; do
		vm_serve "$port" "$sel" smc6 "listen:[::]:$port" forever
		peer_pids+=("${vm_pids[-1]}")
	done
}

no_peers() {
	local pid
	for pid in "${peer_pids[@]}"; do
		kill "$pid"
		wait "$pid" || true
	done 2>/dev/null
}

# to NAME WANT ADDRESS:PORT [PROGRAM]: a connection, under the rules in the
# environment, of a program that knows TCP only.
to() {
	local name=$1 want=$2 addr=$3 prog=${4:-$sel} socket=socket option=plain
	[ "$want" = tcp ] || option=smc
	[[ $addr != \[* ]] || socket=socket6
	vm_forget
	t_is "$("$VM_SMC_RUN" "$prog" $socket "connect:$addr" kind data) $(
		vm_seen syn "${addr/::ffff:/}")" "0 0 $want same $option" \
		"$name: connect $addr: $want"
}

# on NAME WANT ADDRESS:PORT [PROGRAM]: the same for a listener, which an SMC socket
# connects to.
on() {
	local name=$1 want=$2 addr=$3 prog=${4:-$sel} port=${3#*:} option=plain
	local host=${addr%:*}
	[ "$want" = tcp ] || option=smc
	vm_serve "$port" "$VM_SMC_RUN" "$prog" socket "listen:$addr" kind \
		accept kind serve
	vm_forget
	t_is "$("$sel" smc6 "connect:[::ffff:${host/0.0.0.0/127.0.0.1}]:$port" nap data) $(
		vm_served && cat "$vm_log") $(vm_seen synack "*:$port")" \
		"0 0 same 0 0 $want $want served $option" \
		"$name: listen $addr: $want"
}

[ "$LAB_SMC" = inet ] || vm_probes=1
# proved NAME FROM TO PORT ROLE: the same with all evidence of SMC, for the
# program in that role; the other is SMC without rules.
proved() {
	local name=$1 from=$2 to=$3 port=$4 role=$5 rules=$SMC_RULES clnt=() srv=()
	unset SMC_RULES
	case $role in
	connect) clnt=(env "SMC_RULES=$rules") ;;
	listen) srv=(env "SMC_RULES=$rules") ;;
	esac
	vm_stream "$port" "$name, proved" "$from" "$to" poll 300000 \
		"${srv[@]}" "$VM_SMC_RUN" -- "${clnt[@]}" "$VM_SMC_RUN"
	t_smc "$name, proved" SMC-D "$T_TMP/clnt.end" 600000
	t_is "$(vm_fell_back clnt 0x03060000)" "$vm_probes" \
		"$name, proved: but the library's probe"
}

# same_name FILE...: programs with these names.
same_name() {
	local name
	for name in "$@"; do
		cp "$sel" "$T_TMP/$name"
	done
}
same_name redis-server nginx sshd

peers 22 53 80 443 5432 5433 6379
to 1 smc 10.1.2.3:5432
export SMC_RULES='use tcp to :53'
to 2 tcp 10.0.0.1:53
to 2 smc 10.0.0.1:5432
to 2 tcp "[fd00::1]:53"
SMC_RULES='use smc to 10.0.0.0/8:5432; use tcp'
to 3 smc 10.1.2.3:5432
to 3 smc "[::ffff:10.1.2.3]:5432"
to 3 tcp 10.1.2.3:5433
SMC_RULES='use smc to [fd00:1::/64]; use tcp'
to 4 smc "[fd00:1::5]:80"
to 4 tcp "[fd00:2::5]:80"
t_is "$("$VM_SMC_RUN" "$sel" socket kind socket6 kind)" "0 tcp 0 smc" \
	"4: no SMC socket is ever made for IPv4"
SMC_RULES='use tcp to 10.9.0.0/16; use smc to 10.0.0.0/8; use tcp'
to 5 tcp 10.9.1.1:80
to 5 smc 10.8.1.1:80
to 5 tcp 192.0.2.1:80
SMC_RULES='use smc to 10.0.0.0/8; use tcp to 10.9.0.0/16; use tcp'
to "5, swapped" smc 10.9.1.1:80
six='use smc listen prog redis-server on :6379-6380; use tcp'
SMC_RULES=$six
to 6 tcp 10.0.0.2:6379 "$T_TMP/redis-server"
eight='use tcp listen on 192.0.2.10:443'
SMC_RULES=$eight
to 8 smc 192.0.2.10:443
unset SMC_RULES

export SMC_DENY=10.9.0.0/16 SMC_ALLOW='10.0.0.0/8,[fd00::/8]:443'
to 9 tcp 10.9.0.1:443
to 9 smc 10.1.0.1:22
to 9 smc "[fd00::1]:443"
to 9 tcp "[fd00::1]:80"
on 9 tcp 0.0.0.0:7009
unset SMC_DENY SMC_ALLOW

export SMC_EXCLUDE=sshd,sudo SMC_PROGS='redis-*,postgres,sshd'
to "10, sshd" tcp 10.1.2.3:80 "$T_TMP/sshd"
to "10, redis-server" smc 10.1.2.3:80 "$T_TMP/redis-server"
to "10, nginx" tcp 10.1.2.3:80 "$T_TMP/nginx"
t_is "$("$VM_SMC_RUN" "$T_TMP/sshd" socket kind) $(
	"$VM_SMC_RUN" "$T_TMP/nginx" socket kind)" "0 tcp 0 tcp" \
	"10: sshd and nginx never make an SMC socket"
on "10, redis-server" smc 0.0.0.0:7010 "$T_TMP/redis-server"
unset SMC_EXCLUDE SMC_PROGS

export SMC_RULES='use require to 10.5.0.0/16; use tcp'
to "11, SMC there" smc 10.5.0.1:80
to "11, SMC there" tcp 10.6.0.1:80
unset SMC_RULES

mkdir -p /etc/smc
printf '%s\n' 'use smc to 10.0.0.0/8' 'use tpc to 10.9.0.0/16' >/etc/smc/smc.conf
unset SMC_DEBUG
bad="/etc/smc/smc.conf:2:5: unknown word 'tpc' (smc, tcp or require)"
to 12 tcp 10.8.1.1:80 2>"$T_TMP/err"
t_is "$(cat "$T_TMP/err")" "smc_run: $bad
smc_run: bad list, running on TCP" "12: smc_run says where, and starts it"
LD_PRELOAD=$SMC_BUILD_DIR/preload/libsmc-preload.so "$sel" socket \
	connect:10.8.1.1:80 kind >"$T_TMP/out" 2>"$T_TMP/err"
t_is "$(cat "$T_TMP/out")" "0 0 tcp" "12: the library alone: TCP"
t_is "$(grep -c '' "$T_TMP/err")" 1 "12: the library alone: one line"
t_like "$(cat "$T_TMP/err")" "libsmc-preload: $bad*" "12: the library says where"
rc=0
"$VM_SMC_RUN" --strict "$sel" socket kind >"$T_TMP/out" 2>"$T_TMP/err" || rc=$?
t_is "$rc $(cat "$T_TMP/out")" "125 " "12: --strict starts nothing"
t_is "$(cat "$T_TMP/err")" "smc_run: $bad
smc_run: refused by --strict: bad list" "12: --strict says where"
rm /etc/smc/smc.conf
no_peers

on 1 smc 0.0.0.0:5432
export SMC_RULES='use tcp to :53'
on 2 smc 0.0.0.0:53
SMC_RULES='use smc to 10.0.0.0/8:5432; use tcp'
on 3 tcp 0.0.0.0:5432
SMC_RULES=$six
on 6 smc 0.0.0.0:6379 "$T_TMP/redis-server"
on 6 tcp 127.0.0.1:26379 "$T_TMP/redis-server"
on "7, nginx" tcp 0.0.0.0:6379 "$T_TMP/nginx"
t_is "$("$VM_SMC_RUN" "$T_TMP/nginx" socket kind socket6 kind)" "0 tcp 0 tcp" \
	"7: nginx never makes an SMC socket"
SMC_RULES=$eight
on 8 tcp 0.0.0.0:443
on 8 tcp 192.0.2.10:443
on 8 smc 198.51.100.1:443
on 8 smc 0.0.0.0:80

SMC_RULES='use smc to 10.0.0.0/8:5432; use tcp'
proved 3 10.1.2.3 10.1.2.3 5432 connect
export SMC_RULES='use smc to [fd00:1::/64]; use tcp'
proved 4 "fd00:1::5" "fd00:1::5" 80 connect
export SMC_RULES='use smc listen on :6379-6380; use tcp'
proved 6 0.0.0.0 127.0.0.1 6380 listen
export SMC_RULES=$eight
proved 8 198.51.100.1 198.51.100.1 443 listen

# Example 11 in a kernel without SMC.
for pid in "${vm_pids[@]:1}"; do
	kill "$pid" 2>/dev/null || true
done
rmmod smc_diag
t_check "11: the module goes" vm_unload
mkdir -p /etc/modprobe.d
echo 'install smc /bin/false' >/etc/modprobe.d/smc-lab.conf
"$sel" socket listen:0.0.0.0:80 forever >"$T_TMP/plain" &
vm_pids+=($!)
vm_until 30 vm_listens 80
export SMC_RULES='use require to 10.5.0.0/16; use tcp'
vm_forget
t_is "$("$VM_SMC_RUN" "$sel" socket connect:10.5.0.1:80)" "0 EPROTONOSUPPORT" \
	"11, no SMC: 10.5.0.1 is refused"
t_is "$(vm_seen syn 10.5.0.1:80)" none "11, no SMC: nothing was sent there"
to "11, no SMC" tcp 10.6.0.1:80
t_done
