#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet
# profiles: fast debug
# not: 6.12.fast 6.1.debug
# lab:
# label: vm
#
# What a program can do with a live SMC-D or SMC-R connection on IPPROTO_SMC
# sockets: it does what TCP does, or refuses; and when all is closed nothing is left.
# The same program says so of TCP on this kernel.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

live=$SMC_BUILD_DIR/tests/vm/smc_live
runs=("smc 4" "smc 6" "smc mapped" "tcp 4" "tcp 6")
[ "$LAB_PROFILE" != debug ] || runs=("smc 4" "smc 6")

# At once: most of their time they wait.
run_all() {
	local run proto family
	for run; do
		read -r proto family <<<"$run"
		"$live" --proto "$proto" --family "$family" >"$T_TMP/$run" 2>&1 &
	done
	wait
	for run; do
		vm_points "$run" "$T_TMP/$run"
		t_ok $((vm_points < 100)) "$run: $vm_points behaviours"
	done
}

run_all "${runs[@]}"

t_check "no connection is left" vm_until 60 vm_conns 0

# An application that does not close its end: the other is waited for as long as
# in TCP's FIN_WAIT2, and neither data nor the end of the stream is lost.
probe=("$SMC_BUILD_DIR/tests/vm/hs_probe" --host 127.0.0.1 --port 7001)
sysctl -qw net.ipv4.tcp_fin_timeout=5
mkfifo "$T_TMP/go"
vm_serve 7001 "${probe[@]}" listen:5 accept mode "run:cat $T_TMP/go" \
	recv recv send:x send:x
t_like "$("${probe[@]}" connect mode send:hello close)" \
	"*connect 0*mode smcd*send:hello 5*close 0" "a client that closes"
t_check "its end waits for the other" vm_conns 2
t_check "its end is given up" vm_until 60 vm_conns 1
echo >"$T_TMP/go"
t_check "the other ends" vm_served
t_like "$(cat "$T_TMP/server.7001")" \
	"*mode smcd*recv 5 hello*recv 0*send:x 1*send:x EPIPE" \
	"... and read and was told all"
t_check "no connection is left of them" vm_until 60 vm_conns 0

# The checking kernel is too slow for what SMC-R does meanwhile.
[ "$LAB_PROFILE" = debug ] || {
	t_check "SMC-R over lo" vm_smcr_lo
	run_all "smcr 4"
	t_check "SMC-R: no connection is left" vm_until 60 vm_conns 0
}
rmmod smc_diag
t_check "the module can be unloaded" vm_unload
t_done
