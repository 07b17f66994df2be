#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet
# profiles: fast debug
# not: 6.12.fast 6.1.debug
# long: 6.1.inet.fast
# lab:
# label: vm
#
# The selftests of the patch series: what used to differ from TCP, SMC_USE and
# SMC_STATUS; and what live SMC can do.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

# judge FILE: its results as points.
judge() {
	local name
	while read -r name; do
		t_ok "$(vm_selftest_status "$1" "$name")" "$name"
	done < <(vm_selftest_names "$1")
	t_is "$(grep -c '^ok' "$1")" "$(sed -n 's/^1\.\.//p' "$1")" \
		"$(basename "$1"): as many results as planned"
	! grep -q "^not ok" "$1" || t_diag "$(cat "$1")"
}

# Without an EID nothing is SMC: these are the sockets that stay TCP.
"$LAB_SMCCTL" ueid flush
vm_selftest "$T_TMP/smc_inet"
judge "$T_TMP/smc_inet"
"$LAB_SMCCTL" ueid add SMCLAB
"$LAB_SELFTEST" -t status_af_smc >"$T_TMP/status" 2>&1 || true
t_check "SMC_STATUS of a live AF_SMC socket says SMC-D" \
	grep -q 'status_af_smc:mode 3$' "$T_TMP/status"

"${LAB_SELFTEST}_live" >"$T_TMP/smc_inet_live" 2>&1 || true
judge "$T_TMP/smc_inet_live"
t_is "$(grep -c ':status:mode 3$' "$T_TMP/smc_inet_live")" 3 \
	"SMC_STATUS says SMC-D: IPv4, IPv6, mapped"
t_done
