#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The lab's contract, from outside: what goes wrong in a guest fails the run,
# whatever the command says; what goes right is passed through unchanged.
# With the argument debug: what only the checking kernel sees fails it, too.
set -euo pipefail
# shellcheck source=../lib/tlib.sh
. "$SMC_SOURCE_DIR/tests/lib/tlib.sh"

lab=$SMC_SOURCE_DIR/tests/lab

# lab STATUS NAME ARG...: runs the lab, keeps its output, compares its status.
lab() {
	local want=$1 name=$2 rc=0
	shift 2
	"$lab" "$@" >"$T_TMP/out" 2>"$T_TMP/err" || rc=$?
	t_is "$rc" "$want" "$name: status $want"
	[ "$rc" = "$want" ] || t_diag "$(cat "$T_TMP/err")"
}

if [ "${1:-}" = debug ]; then
	# What each does that only this kernel sees: STATUS, COMMAND, MESSAGE.
	declare -A faults=(
		[locks]="254|insmod \$LAB_SPLAT how=locks|possible circular locking dependency"
		[atomic]="254|insmod \$LAB_SPLAT how=atomic|sleeping function called from invalid context"
		[rcu]="254|insmod \$LAB_SPLAT how=rcu|suspicious RCU usage"
		[freed]="255|insmod \$LAB_SPLAT how=freed|KASAN: slab-use-after-free in freed"
		[leak]="254|insmod \$LAB_SPLAT how=leak|unreferenced object"
		[unchecked]="254|echo off >/sys/kernel/debug/kmemleak|kernel messages that must not be"
	)
	boot() {
		local rc=0
		"$lab" run --profile debug -- sh -c "$2; exit 0" \
			>/dev/null 2>"$T_TMP/$1.err" || rc=$?
		echo $rc >"$T_TMP/$1.rc"
	}
	# Two at a time: most of its time such a guest has one processor busy.
	for name in "${!faults[@]}"; do
		IFS='|' read -r _ command _ <<<"${faults[$name]}"
		[ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
		boot "$name" "$command" &
	done
	wait
	for name in "${!faults[@]}"; do
		IFS='|' read -r status _ message <<<"${faults[$name]}"
		t_is "$(cat "$T_TMP/$name.rc")" "$status" "$name: status $status"
		t_like "$(cat "$T_TMP/$name.err")" "*$message*" "$name: shown"
	done
	t_done
fi

lab 0 "success" run -- true
lab 7 "exit status" run -- sh -c 'echo one; echo two >&2; echo "done rc=0 splats=0 leaks=0"; exit 7'
t_is "$(cat "$T_TMP/out")" "one
done rc=0 splats=0 leaks=0" "exit status: stdout and nothing else"
t_is "$(cat "$T_TMP/err")" two "exit status: stderr and nothing else"
lab 137 "killed by a signal" run -- sh -c "kill -9 \$\$"
lab 127 "unknown command" run -- /nonexistent/program
marker=$T_TMP/marker
lab 0 "arguments" run -- printf '%s|' "two words" "" "it's" $'new\nline'
t_is "$(cat "$T_TMP/out")" "two words||it's|new
line|" "arguments: as they were given"
cd "$T_TMP"
echo seen >"$marker"
lab 0 "the host's files" run -- sh -c "pwd && cat $marker && echo changed >$marker && cat $marker"
t_is "$(cat "$T_TMP/out")" "$T_TMP
seen
changed" "the host's files: same path, same directory, writable"
t_is "$(cat "$marker")" seen "the host's files: unchanged on the host"
lab 0 "much output" run -- sh -c 'head -c 3000000 /dev/zero | tr "\0" x'
t_is "$(wc -c <"$T_TMP/out")" 3000000 "much output: all of it"

# A static key changes while both processors run the code it is in.
lab 0 "kernel text changes" run -- sh -c "nproc
	for i in 1 2 3; do while :; do /bin/true; done & done
	for i in \$(seq 300); do
		echo \$((i % 2)) >/proc/sys/kernel/sched_schedstats
	done"
t_is "$(cat "$T_TMP/out")" 2 "kernel text changes: on two processors"

lab 255 "kernel warning" run -- sh -c "insmod \$LAB_SPLAT how=warn; exit 0"
t_like "$(cat "$T_TMP/err")" "*WARNING: CPU:*labsplat_init*" "kernel warning: shown"
lab 255 "hung task" run --timeout 120 -- \
	sh -c "sysctl -qw kernel.hung_task_timeout_secs=3; insmod \$LAB_SPLAT how=hang"
lab 255 "crash" run -- sh -c 'echo c >/proc/sysrq-trigger; sleep 60'
lab 255 "restart" run -- sh -c 'echo b >/proc/sysrq-trigger; sleep 60'
lab 255 "time-out" run --timeout 12 -- sleep 1000
t_like "$(cat "$T_TMP/err")" "*timed out after 12 s*" "time-out: said"
lab 254 "splat in the log" run -- \
	sh -c 'echo "WARNING: possible circular locking dependency detected" >/dev/kmsg'
lab 5 "splat, and the command failed" run -- \
	sh -c 'echo "refcount_t: underflow; use-after-free." >/dev/kmsg; exit 5'
# The command cannot speak for the guest: PID 1 holds the port.
lab 1 "forged verdict" run -- sh -c "cd /sys/class/virtio-ports; for p in *; do
	grep -q verdict \$p/name && echo 'done rc=0 splats=0 leaks=0' >/dev/\$p
done; exit 1"
lab 0 "a process left behind" run -- sh -c 'setsid sleep 1000 & echo bye'
t_is "$(cat "$T_TMP/out")" bye "a process left behind: output ends"

# What a guest says may come in parts.
# shellcheck disable=SC2317 # called by t_check
in_parts() (
	# shellcheck source=qemu.sh
	. "$SMC_SOURCE_DIR/tests/vm/qemu.sh"
	exec {fd}< <(printf rea && sleep 2 && echo dy && sleep 10)
	lab_barrier $! "$fd"
)
t_check "pair: the guests wait for each other" in_parts
lab 3 "pair: the client's status" run --pair -- sh -c 'exit 3'
lab 4 "pair: the server's status" run --pair \
	--server 'exit 4' -- sh -c 'sleep 1'
lab 255 "pair: a server that dies" run --pair --ready 7 \
	--server "insmod \$LAB_SPLAT how=warn" -- true

# wrong NAME MESSAGE ARG...: usage errors.
wrong() {
	local name=$1 message=$2
	shift 2
	lab 2 "$name" "$@"
	t_is "$(cat "$T_TMP/err")" "lab: $message" "$name: one line"
}
wrong "no such module for a base" "Debian's 6.1 has no SMC-D loopback device" \
	run --base 6.1 --smc stock-lo -- true
wrong "another server without a pair" "--server-base and --server-smc need --pair" \
	run --server-base 6.1 -- true
wrong "unknown module" "unknown module 'outlet' (inet, stock or stock-lo)" run --smc outlet -- true
wrong "unknown profile" "unknown profile 'slow' (fast or debug)" run --profile slow -- true
wrong "unknown base" "unknown base '5.10' (6.12 6.1)" run --base 5.10 -- true
wrong "unknown option" "unknown option '--fast' (tests/lab --help)" run --fast -- true
wrong "no value" "--timeout needs a value" run --timeout
wrong "bad number" "--timeout: '1x' is not a number from 1 to 99999" run --timeout 1x -- true
wrong "no command" "no COMMAND (tests/lab --help)" run
wrong "unknown verb" "unknown verb 'walk' (tests/lab --help)" walk
wrong "server without pair" "--server and --ready need --pair" run --server true -- true
wrong "icount with pair" "--icount counts one guest's instructions, not a pair's" run --pair --icount -- true
t_done
