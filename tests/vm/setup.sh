#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs in the guest before COMMAND: addresses, SMC, RDMA, user EID.
# Environment: LAB_SMC (inet, stock, stock-lo), LAB_SMC_DIR (its modules),
# LAB_SMCCTL, LAB_ADDR and LAB_PEER (in a pair).
set -euo pipefail

ip link set lo up
if [ -n "${LAB_ADDR:-}" ]; then
	modprobe virtio_net
	# IPv4 link-layer discovery works; IPv6 would wait for its address
	# to be confirmed unique.
	sysctl -qw net.ipv6.conf.eth0.accept_dad=0
	ip link set eth0 mtu 9000 up
	ip addr add "10.77.0.$LAB_ADDR/24" dev eth0
	ip addr add "fd77::$LAB_ADDR/64" dev eth0 nodad
fi

case $LAB_SMC in
stock)
	modprobe smc
	modprobe smc_diag
	;;
inet | stock-lo)
	modinfo -F depends "$LAB_SMC_DIR/smc.ko" | tr , '\n' | xargs -r modprobe -a
	insmod "$LAB_SMC_DIR/smc.ko"
	insmod "$LAB_SMC_DIR/smc_diag.ko"
	;;
esac

if [ -n "${LAB_ADDR:-}" ]; then
	modprobe rdma_rxe
	modprobe ib_uverbs
	modprobe rdma_ucm
	rdma link add rxe0 type rxe netdev eth0
	# rdma-core's tools open the device through its character devices,
	# which udev would name.
	mkdir -p /dev/infiniband
	for dev in /sys/class/infiniband_verbs/uverbs*/dev \
		/sys/class/misc/rdma_cm/dev; do
		[ -e "$dev" ] || continue
		name=$(basename "$(dirname "$dev")")
		[ -e "/dev/infiniband/$name" ] ||
			mknod "/dev/infiniband/$name" c \
				"$(cut -d: -f1 "$dev")" "$(cut -d: -f2 "$dev")"
	done
fi

# Without a user EID on both sides x86 peers decline SMC version 2.
"$LAB_SMCCTL" ueid add SMCLAB
