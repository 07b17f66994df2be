#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# guest.sh [--all]: the part of run-bench that runs in a guest whose clock counts
# instructions; of 6.1 what has a limit there, or all.
# Lines: NAME VARIANT VALUE, nanoseconds (2 an instruction) or bytes.
set -euo pipefail

bench=$SMC_BUILD_DIR/tests/bench

# How many connections servers declined because there was no device.
declined() {
	"$LAB_SMCCTL" reasons |
		awk '$1 " " $2 == "srv 0x03030008" { n = $3 } END { print n + 0 }'
}

sysctl -qw net.ipv4.ip_local_port_range="10000 65000"
sleep 3
ulimit -n 10000
case ${1:-}$LAB_BASE.$LAB_SMC in
6.1.*) "$bench/conn" 11 300 cycle ;;
*) "$bench/conn" 11 300 ;;
esac | awk '{ print $1, $2 "-" $3, $4 }'
# What the program of smc_run --bpf costs: who is not in its scope, and who is, with
# rules for other programs.
run_bpf=$SMC_BUILD_DIR/smc_run
if [ "$LAB_SMC" = inet ] && [ "$LAB_BASE" != 6.1 ] &&
	[ -x "$SMC_BUILD_DIR/preload/tools/smc_run_bpf" ]; then
	mkdir /sys/fs/cgroup/other
	for what in open cycle; do
		"$run_bpf" --bpf=add cgroup other
		"$bench/bpf" 15 $what | sed "s/^/bpf-$what-outside /"
		"$run_bpf" --bpf=off
	done
	"$run_bpf" --rule 'use tcp prog a, b, c*' --bpf=add user 0
	"$bench/bpf" 15 open | sed "s/^/bpf-open-inside /"
	"$run_bpf" --bpf=off
	rmdir /sys/fs/cgroup/other
fi
if [ "$LAB_SMC" = inet ]; then
	# Without an EID there is no device that would do, and nothing is offered.
	"$LAB_SMCCTL" ueid flush
	"$bench/conn" 11 300 cycle= | awk '{ print "no-device", $2 "-" $3, $4 }'
	[ "${1:-}$LAB_BASE" != 6.1 ] || exit 0
	# With one that might do, both sides offer SMC, and the server declines.
	ip link add dummy0 type dummy
	ip link set dummy0 up
	modprobe rdma_rxe
	rdma link add rxe0 type rxe netdev dummy0
	before=$(declined)
	"$bench/conn" 5 300 cycle= | awk '{ print "declined", $2 "-" $3, $4 }'
	# Each connection of two pairs: a round more than 5, 600 in each.
	after=$(declined)
	[ $((after - before)) = $((2 * 6 * 600)) ] || {
		echo "guest.sh: $((after - before)) connections were declined" >&2
		exit 1
	}
fi
[ "$LAB_SMC" = stock ] || exit 0

# In a root of its own in memory: the clock of a guest that waits for the
# host's files is not one of instructions.
root=/dev/shm/root
install_programs() {
	local file
	for file in "$@"; do
		cp -L --parents "$file" "$root"
		# Scripts and static programs need nothing more.
		{ ldd "$file" 2>/dev/null || true; } |
			awk 'match($0, "/[^ ]*") { print substr($0, RSTART, RLENGTH) }' |
			xargs -r cp -L --parents -t "$root"
	done
}
mkdir -p $root
install_programs /bin/sh /usr/bin/env /usr/bin/true "$bench/spawn" \
	"$SMC_BUILD_DIR/smc_run" \
	"$SMC_BUILD_DIR/preload/tools/smc_run_core" \
	"$SMC_BUILD_DIR/preload/libsmc-preload.so"
mkdir -p $root/etc
cp /etc/ld.so.cache $root/etc

# start COMMAND...: nanoseconds to its end
start() {
	PATH=/usr/bin /usr/sbin/chroot $root "$bench/spawn" 40 "$@"
}
printf 'start-up env %s\n' "$(start /usr/bin/env true)"
printf 'start-up smc_run %s\n' "$(start "$SMC_BUILD_DIR/smc_run" true)"

# SMC cannot be had, and the library remembers it.
rmmod smc_diag smc
mkdir -p /etc/modprobe.d
echo 'install smc /bin/false' >/etc/modprobe.d/smc-lab.conf
export LD_PRELOAD=$SMC_BUILD_DIR/preload/libsmc-preload.so
"$bench/hook" 1000 socket | sed 's/^/hook /'

# What connect() takes more for each number of rules.  They are for the addresses
# around the one that is asked for, and that one.
for count in 10 0 100 1000; do
	SMC_RULES=$(awk -v n=$count 'BEGIN {
		for (i = 0; i < n; i++)
			printf "use tcp to 127.0.0.%d:%d\n", i % 250 + 1, 2000 + i
	}') "$bench/hook" 500 connect |
		awk -v n=$count '{ t[$1] = $2 }
			END { print "connect", n, t["preload"] - t["plain"] }'
done
