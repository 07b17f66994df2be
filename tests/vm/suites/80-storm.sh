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
# Connections of all kinds from four processes at once, then threads that race
# on one socket; then nothing is left: the module can be unloaded, and (debug)
# nothing leaked.
# SMC_STORM: how many on the checking kernel, where one takes 16 ms;
# SMC_STORM_SEED: which ones.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

count=20000 rounds=20000
[ "$LAB_PROFILE" != debug ] || count=${SMC_STORM:-4000} rounds=1000
sysctl -qw net.ipv4.ip_local_port_range="10000 65000" net.ipv4.tcp_fastopen=0x603
t_check "$count connections" "$SMC_BUILD_DIR/tests/vm/storm" "$count" \
	"${SMC_STORM_SEED:-0}"
t_ok $(($(vm_fell_back clnt 0x03f10000) < count / 50)) "SMC_USE made some of them TCP"
t_check "$rounds races" "$SMC_BUILD_DIR/tests/vm/race" "$rounds" "${SMC_STORM_SEED:-0}"
rmmod smc_diag
t_check "the module can be unloaded" vm_unload
t_done
