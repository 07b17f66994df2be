#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet
# profiles: fast debug
# not: 6.1.debug
# long: 6.12.inet.debug
# lab:
# label: vm
#
# Some 3500 behaviours of sockets and connected pairs, with SMC asked for
# on either side or both, are those of a TCP pair on the same kernel.  On the
# checking kernel, which is slow, those that are more than an option.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

least=3000 families=(4 6 mapped dual)
probe=("$SMC_BUILD_DIR/tests/vm/sock_diff")
if [ "$LAB_PROFILE" = debug ]; then
	least=400 families=(4 6)
	probe+=(--skip state --skip dump --skip opt --skip len)
fi

# run FAMILY LISTENER CLIENT...: the probes at once, each in a network namespace
# of its own, because most of their time they wait; output to
# FAMILY.LISTENER.CLIENT.
run() {
	local pids=() names=()
	while [ $# -gt 0 ]; do
		unshare -n "${probe[@]}" --listener "$2" --client "$3" --family "$1" \
			>"$T_TMP/$1.$2.$3" 2>&1 &
		pids+=($!) names+=("$1, listener $2, client $3")
		shift 3
	done
	for i in "${!pids[@]}"; do
		t_check "${names[i]}: the probe runs$when" wait "${pids[i]}"
	done
}

# Without an EID SMC cannot be used, so nobody offers it.
"$LAB_SMCCTL" ueid flush

# SMC goes first: what TCP makes of the first socket it sees, like the tables of
# kTLS and sockmap, it makes of one that asked for SMC.
when=
run $(printf '%s smc smc ' "${families[@]}")
for family in "${families[@]}"; do
	pairs=("smc smc")
	[ "$family" = dual ] || pairs+=("smc tcp" "tcp smc")
	run $(printf "$family %s " "tcp tcp" "${pairs[@]:1}")
	t_ok $(($(grep -c . "$T_TMP/$family.tcp.tcp") < least)) \
		"$family: $(grep -c . "$T_TMP/$family.tcp.tcp") behaviours"
	for pair in "${pairs[@]}"; do
		read -r listener client <<<"$pair"
		t_check "$family, listener $listener, client $client: as TCP" \
			diff "$T_TMP/$family.tcp.tcp" "$T_TMP/$family.$listener.$client"
	done
done

# What makes the comparison worth something: it is there, not equally absent.
# there NAME PATTERN
there() {
	t_check "the probe sees $1" grep -qE "$2" "$T_TMP/4.tcp.tcp"
}
there kTLS "^ktls.self.data .*'"
there sockmap "^maps.sockmap 0 0 0 'ping' 'pong'"
there sk_lookup "^maps.sk_lookup map 0 load ok link ok connect 0 'ping' 'pong'"
there "cgroup hooks" '^cgroup.open.connect4 tcp 1 '
there sockops "^cgroup.sockops.listener 0 0 has .* 'ping' 'pong'"
there io_uring '^uring.connect 0 '
there "Fast Open" "^fastopen.on.sendto .* got 'hello' syn_data [1-9]"
there "a SYN of a length" '^tcp.saved_syn [1-9]'

# Nothing of the module is left anywhere: it goes, and TCP is what it was.
rmmod smc_diag
t_check "the module can be unloaded" vm_unload
when=" without the module"
for family in 4 6; do
	mv "$T_TMP/$family.tcp.tcp" "$T_TMP/$family.before"
done
run 4 tcp tcp 6 tcp tcp
for family in 4 6; do
	t_check "$family, TCP without the module: as before" \
		diff "$T_TMP/$family.before" "$T_TMP/$family.tcp.tcp"
done
t_done
