#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12
# smc: inet
# profiles: fast debug
# lab:
# label: vm
#
# The selftest of the patch series: what used to differ from TCP, SMC_USE and
# SMC_STATUS.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

vm_selftest "$T_TMP/ktap"
while read -r name; do
	t_ok "$(vm_selftest_status "$T_TMP/ktap" "$name")" "$name"
done < <(vm_selftest_names "$T_TMP/ktap")
t_is "$(grep -c '^ok' "$T_TMP/ktap")" "$(sed -n 's/^1\.\.//p' "$T_TMP/ktap")" \
	"as many results as planned"
# The lab has a loopback device and a UEID.
t_check "SMC_STATUS of a live AF_SMC socket says SMC-D" \
	grep -q 'status_af_smc:mode 3$' "$T_TMP/ktap"
! grep -q "^not ok" "$T_TMP/ktap" || t_diag "$(cat "$T_TMP/ktap")"
t_done
