#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Moments in the life of a process: fork, exec, exit, signals, threads.
set -euo pipefail
# shellcheck source=../lib/hostlib.sh
. "$SMC_SOURCE_DIR/tests/lib/hostlib.sh"

export RECORD_SMC=inet
mapped="socket(2,1,256)"

# situation NAME N: it opens N sockets, all mapped
situation() {
	local want
	run SMC_DEBUG=1 SMC_RCVBUF=8192 "$bin/life" "$1"
	t_is "$rc" 0 "$1: the process ends as it should"
	want=$(awk -v n="$2" 'BEGIN { while (n--) print "socket(2,1,256)" }' |
		paste -sd ' ' -)
	t_is "${calls// setsockopt(1,33,8192)/}" "$want" "$1: all are mapped"
	t_is "$(grep -c 'map sock to IPPROTO_SMC' <<<"$err")" "$2" \
		"$1: each has its line"
}
situation fork 2
situation vfork 3
situation spawn 1
situation exec 2
situation atexit 1
situation threads 64

run SMC_DEBUG=3 SMC_SNDBUF=4096 "$bin/life" signal
t_is "$rc" 0 "I2 sockets in a signal handler, level 3"
t_unlike " $calls " "*socket(2,1,0)*" "I2 all of them are mapped"
t_is "$(grep -vc '^libsmc-preload: \(map sock to IPPROTO_SMC\|sockopt 7 set to 4096\)$' <<<"$err" || :)" \
	0 "I2 no line is torn"
run RECORD_SMC=none "$bin/life" signal
t_is "$rc" 0 "I2 sockets in a signal handler, without SMC"

for smc in inet,smc smc none; do
	run_with "$lib:$bin/libcount.so:$record" RECORD_SMC=$smc SMC_DEBUG=3 \
		SMC_RCVBUF=4096 "$bin/life" count
	t_is "$out" 0 "I2 no malloc and no getenv after the start, kernel has $smc"
done
run SMC_DEBUG=1 SMC_RCVBUF=4096 "$bin/life" cancel
t_is "$out" survived "socket() is no cancellation point, with its lines"

# dup, close, and the number again: nothing is remembered about a number.
run "$bin/life" reuse
t_is "$rc" 0 "I7 numbers that were SMC sockets are used for others"
t_is "$calls" "$mapped socket(2,2,0) $mapped" "I7 what they were is forgotten"
t_done
