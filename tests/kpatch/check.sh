#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# check.sh BASE: the checks of "kpatch check", one point each.
set -euo pipefail
# shellcheck source=../lib/tlib.sh
. "$SMC_SOURCE_DIR/tests/lib/tlib.sh"

base=$1
kpatch=$SMC_SOURCE_DIR/kernel-patches/kpatch
out=$T_TMP/out

rc=0
"$kpatch" check "$base" >"$out" 2>&1 || rc=$?
[ "$rc" -ne 3 ] || t_skip_all "$(tail -n 1 "$out")"
t_diag "$(sed -n "/^$base: /p" "$out")"

# point NAME TEXT: what was said between the line of the check before and its own
said=$(sed "/^$base: /d" "$out")
point() {
	local mine=$said
	if [[ $said != *"$base $1: "* ]]; then
		t_ok 1 "$base $1: $2"
		t_diag "not reached"
		t_diag "$said"
		said=
		return
	fi
	mine=${said%%"$base $1: "*}
	said=${said#*"$base $1: "}
	t_is "${said%%$'\n'*}" ok "$base $1: $2"
	[ -z "$mine" ] || t_diag "$mine"
	[[ $said == *$'\n'* ]] || said+=$'\n'
	said=${said#*$'\n'}
}

point files "files, series and STATUS agree"
point apply "each patch applies without fuzz"
point build "each step builds without new warnings"
point checkpatch "checkpatch --strict is silent"
point rules "areas of the module group, own work, signed off"
point ports "port/ has pairs that differ"
t_is "$said" "" "$base: nothing else is said"
t_is "$rc" 0 "$base: exit status"
t_done
