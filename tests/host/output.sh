#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What is printed, when, and where to.
set -euo pipefail
# shellcheck source=../lib/hostlib.sh
. "$SMC_SOURCE_DIR/tests/lib/hostlib.sh"

p="libsmc-preload:"
size="ignored (decimal bytes, k or m may follow)"

run RECORD_SMC=inet SMC_RCVBUF=1k SMC_SNDBUF=1k "$bin/sockcall" 2,1,0
t_is "$err" "" "I1 nothing is printed unasked"
for level in "" 1 2 yes; do
	run RECORD_SMC=inet SMC_DEBUG=$level "$bin/sockcall" 2,1,0 1,1,0
	t_is "$err" "$p map sock to IPPROTO_SMC" "SMC_DEBUG='$level': line of IPPROTO_SMC"
done
run RECORD_SMC=smc SMC_DEBUG=1 SMC_RCVBUF=1m SMC_SNDBUF=010 "$bin/sockcall" 10,1,0
t_is "$err" "$p map sock to AF_SMC
$p sockopt 7 set to 10
$p sockopt 8 set to 1048576" "lines of AF_SMC and of both sizes"
run RECORD_SMC=none SMC_DEBUG=1 "$bin/sockcall" 2,1,0
t_is "$err" "" "level 1 says nothing of a socket that stayed TCP"
run RECORD_SMC=none SMC_DEBUG=3 "$bin/sockcall" 2,1,0
t_is "$err" "$p no IPPROTO_SMC, errno 93
$p no AF_SMC, errno 93" "level 3 says why"

# Wrong values.
for value in "" abc 1g 1kk "8|" -1 +1 " 1" 0x10 2147483648 2097152k 1.5m; do
	run RECORD_SMC=inet SMC_RCVBUF="$value" "$bin/sockcall" 2,1,0 2,1,0
	t_is "$err" "$p SMC_RCVBUF='$value' $size" "one line for SMC_RCVBUF='$value'"
	t_is "$calls" "socket(2,1,256) socket(2,1,256)" "SMC_RCVBUF='$value' is not used"
done
run RECORD_SMC=inet SMC_SNDBUF=x SMC_RCVBUF=y SMC_SOCK_FAMILY=z "$bin/sockcall" 2,1,0
t_is "$err" "$p SMC_SNDBUF='x' $size
$p SMC_RCVBUF='y' $size
$p SMC_SOCK_FAMILY='z' ignored (inet, smc or auto)" "a line for each wrong value"
run RECORD_SMC=none SMC_SOCK_FAMILY= "$bin/sockcall" 2,1,0
t_is "$err" "$p SMC_SOCK_FAMILY='' ignored (inet, smc or auto)" "an empty family is wrong"
t_is "$calls" "socket(2,1,256) socket(43,1,0) socket(2,1,0)" "a wrong family is auto"
run RECORD_SMC=inet SMC_DEBUG=0 SMC_RCVBUF=x SMC_SOCK_FAMILY=z "$bin/sockcall" 2,1,0
t_is "$err" "" "I1 SMC_DEBUG=0 keeps warnings back"
t_is "$calls" "socket(2,1,256)" "SMC_DEBUG=0 changes nothing else"
run SMC_RCVBUF="$(head -c 5000 /dev/zero | tr '\0' x)" "$bin/sockcall" 1,1,0
t_is "${#err}" 383 "a long line is cut at 384 bytes, newline included"
run SMC_RCVBUF=$'1\n2\e[31m' "$bin/sockcall" 1,1,0
t_is "$err" "$p SMC_RCVBUF='1?2?[31m' $size" "a value cannot add lines or colours"

# fd 2 is somebody else's.
run RECORD_SMC=inet SMC_DEBUG=1 "$bin/sockcall" 2,1,0 close2 2,1,0
t_is "$rc$(wc -l <<<"$err")" 01 "a closed fd 2 takes no lines"
run RECORD_SMC=inet SMC_DEBUG=1 "$bin/sockcall" reuse2 "$T_TMP/data" 2,1,0
t_is "$(cat "$T_TMP/data")" "" "a file that became fd 2 is not written to"
rc=0
RECORD_SMC=inet RECORD_FD=9 SMC_DEBUG=1 SMC_RCVBUF=x LD_PRELOAD=$lib:$record \
	"$bin/sockcall" reuse2 "$T_TMP/data" 2,1,0 \
	2>&- 9>/dev/null >/dev/null || rc=$?
t_is "$rc$(cat "$T_TMP/data")" 0 "fd 2 closed at load: never a line"
if [ -w /dev/full ]; then
	rc=0
	RECORD_SMC=inet SMC_DEBUG=1 LD_PRELOAD=$lib:$record \
		"$bin/sockcall" 2,1,0 2>/dev/full 9>/dev/null >"$T_TMP/out" || rc=$?
	t_is "$rc$(cat "$T_TMP/out")" "0$("$bin/sockcall" 2,1,0)" \
		"I1 a stderr that fails changes neither result nor errno"
fi
t_done
