#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Which calls are changed and which are not, and what the program sees.
set -euo pipefail
# shellcheck source=../lib/hostlib.sh
. "$SMC_SOURCE_DIR/tests/lib/hostlib.sh"

# Not for us.  DOMAIN,TYPE,PROTOCOL; 2 inet, 10 inet6, 1 unix, 16 netlink,
# 17 packet, 43 AF_SMC; 1 stream, 2 dgram, 3 raw, 5 seqpacket; 0x800 nonblock,
# 0x80000 cloexec; 6 tcp, 17 udp, 132 sctp, 136 udplite, 256 smc, 262 mptcp.
others="
	1,1,0 1,2,0 1,5,0 1,1,1 1,1,6 1,0x80801,0
	2,2,0 2,2,17 2,2,6 2,2,136 2,0x80802,0 10,2,0 10,2,17
	2,3,1 2,3,6 2,3,255 2,3,0 10,3,58 10,3,6
	2,1,17 2,1,132 10,1,132 2,5,132 2,5,0 2,1,262 10,1,262
	2,1,256 10,1,256 2,0x80801,256 2,2,256 2,5,256
	43,1,0 43,1,1 43,1,2 43,0x80801,0 43,2,0 43,1,6
	16,3,0 16,3,16 16,2,0 16,0x80003,15
	17,3,0 17,2,0x0300 38,5,0 40,1,0 29,3,1
	0,1,0 0,1,6 45,1,0 46,1,0 255,1,0 -1,1,0 -1,-1,-1 0x10002,1,0
	2,0,0 2,4,0 2,6,0 2,10,0 2,15,6 2,-1,0 2,11,0
	2,1,-1 2,1,1 2,1,255 2,1,257 2,1,0x10006 2,1,0x10000 10,1,-6
	2,0x11,0 2,0x1001,0 2,0x40000001,6 10,0x80000001,0
"
# For us.
ours="
	2,1,0 2,1,6 10,1,0 10,1,6
	2,0x801,0 2,0x80001,0 2,0x80801,6 10,0x801,6 10,0x80001,0 10,0x80801,0
"

# as_calls LIST: the calls the recorder sees if nothing is changed
as_calls() {
	local row d t p
	for row in $1; do
		IFS=, read -r d t p <<<"$row"
		printf 'socket(%d,%d,%d)\n' $((d)) "$(to_int "$t")" "$(to_int "$p")"
	done | paste -sd ' ' -
}

to_int() {
	echo $((($1 & 0xffffffff) > 0x7fffffff ? ($1 & 0xffffffff) - 0x100000000 : $1))
}

# shellcheck disable=SC2086 # lists of words
{
	t_is "$("$bin/sockcall" $others | wc -l)" "$(wc -w <<<"$others")" \
		"the table is read to its end"

	# The machine's own answers, seen with and without the library.
	plain=$("$bin/sockcall" $others)
	run_with "$lib" "$bin/sockcall" $others
	t_is "$out" "$plain" "other sockets: same result, flags and errno"
	t_is "$err" "" "other sockets: nothing is printed"
	plain=$("$bin/sockcall" $ours $ours)
	run_with "$lib" "$bin/sockcall" $ours $ours
	# Where the kernel has SMC the protocol is another.
	same=${out//,256)/,6)}
	t_is "$same" "$plain" "TCP sockets: same result, flags and errno"

	for smc in inet,smc inet smc none; do
		run RECORD_SMC=$smc "$bin/sockcall" $others
		t_is "$calls" "$(as_calls "$others")" \
			"other sockets reach libc as they are, kernel has $smc"
	done

	run RECORD_SMC=inet,smc "$bin/sockcall" $ours
	t_is "$calls" "$(as_calls "$(for row in $ours; do echo "${row%,*},256"; done)")" \
		"TCP sockets become IPPROTO_SMC, flags are kept"
	t_is "$out" "$("$bin/sockcall" $ours)" \
		"mapped sockets: errno is left alone, flags arrive"
	run RECORD_SMC=none "$bin/sockcall" $ours
	t_is "$out" "$("$bin/sockcall" $ours)" \
		"without SMC: errno is left alone, flags arrive"
}

# The chain.
run RECORD_SMC=smc "$bin/sockcall" 2,1,0 10,0x801,6
t_is "$calls" \
	"socket(2,1,256) socket(43,1,0) socket(10,2049,256) socket(43,2049,1)" \
	"AF_SMC is asked second"
run RECORD_SMC=none "$bin/sockcall" 2,1,6 10,1,0
t_is "$calls" \
	"socket(2,1,256) socket(43,1,0) socket(2,1,6) socket(10,1,256) socket(43,1,1) socket(10,1,0)" \
	"the original call is the last"
run RECORD_SMC=none SMC_SOCK_FAMILY=inet "$bin/sockcall" 2,1,0
t_is "$calls" "socket(2,1,256) socket(2,1,0)" "family inet asks only that"
run RECORD_SMC=none SMC_SOCK_FAMILY=smc "$bin/sockcall" 2,1,0
t_is "$calls" "socket(43,1,0) socket(2,1,0)" "family smc asks only that"
run RECORD_SMC=inet SMC_SOCK_FAMILY=auto "$bin/sockcall" 2,1,0
t_is "$calls" "socket(2,1,256)" "family auto is the default"

# Buffer sizes: 32 and 33 are the FORCE options, 7 and 8 the plain ones.
run RECORD_SMC=inet SMC_SNDBUF=64k SMC_RCVBUF=131072 \
	"$bin/sockcall" 2,1,0 1,1,0 2,2,0 2,1,256
t_is "$calls" \
	"socket(2,1,256) setsockopt(1,32,65536) setsockopt(1,33,131072) socket(1,1,0) socket(2,2,0) socket(2,1,256)" \
	"sizes are set on mapped sockets and on no others"
t_is "$out" "$("$bin/sockcall" 2,1,0 1,1,0 2,2,0 2,1,0 | sed '4s/2,1,0/2,1,256/')" \
	"sizes do not show in errno"
run RECORD_SMC=none SMC_SNDBUF=64k SMC_RCVBUF=64k "$bin/sockcall" 2,1,0
t_unlike "$calls" "*setsockopt*" "sizes are not set on a socket that stayed TCP"
if [ "$(id -u)" -eq 0 ]; then
	run RECORD_SMC=inet SMC_RCVBUF=8k setpriv --bounding-set=-net_admin \
		--inh-caps=-net_admin --reuid=65534 --clear-groups \
		"$bin/sockcall" 2,1,0
	t_is "$calls" \
		"socket(2,1,256) setsockopt(1,33,8192) setsockopt(1,8,8192)" \
		"sizes without privilege"
fi
t_done
