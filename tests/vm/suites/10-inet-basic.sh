#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: stock-lo inet
# profiles: fast
# not: 6.12.inet 6.1.stock-lo
# label: vm
#
# An unmodified TCP program under smc_run runs over SMC-D: both families,
# v4-mapped, every way of I/O, with every byte compared.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

# With our module the socket of a program that wants TCP says that it is TCP.
protocol=256
[ "$LAB_SMC" != inet ] || protocol=6

# stream NAME SERVER-ADDR CLIENT-ADDR IO BYTES: both sides under smc_run.
port=7000
stream() {
	local name=$1 from=$2 to=$3 io=$4 bytes=$5
	port=$((port + 1))
	vm_stream $port "$name" "$from" "$to" "$io" "$bytes" \
		"$VM_SMC_RUN" -- "$VM_SMC_RUN"
	t_smc "$name client" SMC-D "$T_TMP/clnt.end" $((2 * bytes))
	t_is "$(vm_end "$T_TMP/srv.end" mode)" SMC-D \
		"$name server: diag says SMC-D"
	t_is "$(vm_end "$T_TMP/clnt.end" protocol)" $protocol \
		"$name client: its protocol"
}

for io in blocking poll epoll sendfile; do
	stream "IPv4 $io" 127.0.0.1 127.0.0.1 $io 2000000
	stream "IPv6 $io" ::1 ::1 $io 2000000
	stream "v4-mapped $io" :: 127.0.0.1 $io 2000000
done
stream "v4-mapped client" 127.0.0.1 ::ffff:127.0.0.1 blocking 100000
stream "one byte" 127.0.0.1 127.0.0.1 blocking 1
stream "100 MB both ways" :: ::1 blocking 100000000
stream "100 MB both ways, epoll" 127.0.0.1 127.0.0.1 epoll 100000000

# The chain of families, and the debug lines that name its outcome.
family() {
	local family=$1 want=$2 line=$3
	port=$((port + 1))
	vm_serve $port "$VM_SMC_RUN" "$VM_PROBE" server --port $port --bytes 10
	t_check "-f $family: client" sh -c "'$VM_SMC_RUN' -d -f $family \
		'$VM_PROBE' client --host 127.0.0.1 --port $port --bytes 10 \
		--at-end '$VM_AT_END $T_TMP/end' 2>'$T_TMP/debug'"
	t_check "-f $family: server" vm_served
	t_is "$(vm_end "$T_TMP/end" domain) $(vm_end "$T_TMP/end" protocol)" \
		"$want" "-f $family: domain and protocol"
	t_is "$(grep 'map sock' "$T_TMP/debug")" \
		"libsmc-preload: map sock to $line" "-f $family: debug line"
}
family auto "2 $protocol" IPPROTO_SMC
family inet "2 $protocol" IPPROTO_SMC
# AF_SMC in truth: its protocol is the kernel's word, and the domain TCP's.
family smc "2 0" AF_SMC

# -r and -t reach the sockets that are mapped.
vm_serve 7900 "$VM_PROBE" server --port 7900 --bytes 10
t_check "-r and -t: client" sh -c "'$VM_SMC_RUN' -d -r 256k -t 1m '$VM_PROBE' \
	client --host 127.0.0.1 --port 7900 --bytes 10 2>'$T_TMP/debug'"
t_check "-r and -t: server" vm_served
t_is "$(grep sockopt "$T_TMP/debug" | sort)" \
	"libsmc-preload: sockopt 7 set to 1048576
libsmc-preload: sockopt 8 set to 262144" "-r and -t: debug lines"
t_done
