#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Kernels and sandboxes that refuse SMC: everything works as TCP.
set -euo pipefail
# shellcheck source=../lib/hostlib.sh
. "$SMC_SOURCE_DIR/tests/lib/hostlib.sh"

table="2,1,0 10,1,6 2,0x80801,0 2,1,0 1,1,0 2,2,0 -1,1,0"
# shellcheck disable=SC2086 # a list of words
plain=$("$bin/sockcall" $table)

# EPERM, EACCES, EPROTONOSUPPORT, EAFNOSUPPORT, EINVAL, ENOSYS, ENOMEM, EINTR
for e in 1 13 93 97 22 38 12 4; do
	# shellcheck disable=SC2086 # a list of words
	run_with "" "$bin/refuse" $e env LD_PRELOAD="$lib" \
		"$bin/sockcall" $table
	t_is "$out" "$plain" "I4 seccomp answers errno $e: as if not preloaded"
	t_is "$err$rc" 0 "nothing is printed with errno $e"
done
run_with "" "$bin/refuse" 1 "$bin/sockcall" 2,1,256
t_like "$out" "*errno 1" "the sandbox of this test refuses SMC"

# What is remembered, seen by counting.
many() {
	run RECORD_SMC="$1" RECORD_ERRNO="$2" "$bin/sockcall" -n 100 2,1,0
	calls=$(tr ' ' '\n' <<<"$calls" | sort | uniq -c | awk '{ print $2 "x" $1 }' |
		paste -sd ' ' -)
}
for e in 1 13 22 93 94 97; do
	many none $e
	t_is "$calls" "socket(2,1,0)x100 socket(2,1,256)x1 socket(43,1,0)x1" \
		"errno $e: the kernel is asked once for 100 sockets"
done
for e in 12 105 38; do
	many none $e
	t_is "$calls" "socket(2,1,0)x100 socket(2,1,256)x100 socket(43,1,0)x100" \
		"errno $e: says nothing about the next time"
done
many smc 93
t_is "$calls" "socket(2,1,256)x1 socket(43,1,0)x100" \
	"one absent member does not spoil the other"

# No descriptors: that error, and no second try.
for e in 24 23; do
	run RECORD_SMC=none RECORD_ERRNO=$e "$bin/sockcall" 2,1,0
	t_is "$out" "2,1,0: errno $e" "errno $e is the program's"
	t_is "$calls" "socket(2,1,256)" "after errno $e nothing else is tried"
done
ulimit -Sn 64
run RECORD_SMC=inet,smc "$bin/life" emfile
t_is "$rc" 0 "a process without descriptors gets EMFILE and goes on"
run_with "$lib" "$bin/life" emfile
t_is "$rc" 0 "so it does on the kernel of this machine"
t_done
