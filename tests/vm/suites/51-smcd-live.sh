#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12
# smc: inet
# profiles: fast debug
# lab:
# label: vm
#
# What a program can do with a live SMC-D connection on IPPROTO_SMC sockets: it
# does what TCP does, or refuses; and when all is closed nothing is left.  The
# same program says so of TCP on this kernel.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

live=$SMC_BUILD_DIR/tests/vm/smc_live
runs=("smc 4" "smc 6" "smc mapped" "tcp 4" "tcp 6")
[ "$LAB_PROFILE" != debug ] || runs=("smc 4" "smc 6")

# judge TITLE FILE: each line of the program's as a point.
judge() {
	local title=$1 line points=0 name
	while IFS= read -r line; do
		name=${line#not } name=${name#ok }
		case $line in
		"ok "* | "not ok "*) ;;
		*)
			t_diag "${line#\# }"
			continue
			;;
		esac
		points=$((points + 1))
		t_ok "$([[ $line = ok* ]] && echo 0 || echo 1)" "$title: $name"
	done <"$2"
	t_is "$(tail -n 1 "$2")" "done $points" "$title: the program ran to its end"
	t_ok $((points < 100)) "$title: $points behaviours"
}

# At once: most of their time they wait.
for run in "${runs[@]}"; do
	read -r proto family <<<"$run"
	"$live" --proto "$proto" --family "$family" >"$T_TMP/$run" 2>&1 &
done
wait
for run in "${runs[@]}"; do
	judge "$run" "$T_TMP/$run"
done

t_check "no connection is left" vm_until 60 sh -c "! '$LAB_SMCCTL' conns | grep ."
rmmod smc_diag
t_check "the module can be unloaded" vm_unload
t_done
