#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12
# smc: inet
# profiles: debug
# lab:
# label: vm
#
# Allocations of whatever is called through SMC's modules fail: each of them once
# (failslab; of pages, the first ones), and any with some probability.  What comes
# of it is SMC, TCP or an error that is listed in alloc_faults.c.  Afterwards SMC
# works, nothing is left, and (the lab looks) nothing leaked.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

faults=$SMC_BUILD_DIR/tests/vm/alloc_faults

# judge NAME ARGUMENTS...
judge() {
	local name=$1
	shift
	"$faults" "$@" >"$T_TMP/$name" 2>&1 || true
	vm_points "$name" "$T_TMP/$name"
}

t_is "$(grep -L 1 /sys/kernel/slab/*/failslab |
	grep -v '/kmemleak_\|/debug_objects_cache/')" "" "all may fail"
echo Y >/sys/kernel/debug/failslab/cache-filter
t_is "$(awk '$1 !~ /^smc/ { print $1 }' /proc/modules)" "" "no other modules"
judge faults

vm_stream 7000 afterwards 127.0.0.1 127.0.0.1 blocking 100000 \
	env PROBE_OPTIONS="--proto smc" -- env PROBE_OPTIONS="--proto smc"
t_smc afterwards SMC-D "$T_TMP/clnt.end" 200000
t_check "no connection is left" vm_until 60 vm_conns 0
rmmod smc_diag
t_check "the module can be unloaded" vm_unload
judge load load "$LAB_SMC_DIR/smc.ko"
t_done
