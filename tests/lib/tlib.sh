# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# TAP for host shell tests.  Source it under "set -euo pipefail", call the
# functions below, and end the body with t_done:
#
#   t_check NAME COMMAND...   ok if COMMAND succeeds; its output is shown as
#                             diagnostics only if it fails
#   t_fails NAME COMMAND...   ok if COMMAND fails
#   t_is GOT WANT NAME        ok if the two strings are equal
#   t_like GOT GLOB NAME      ok if GOT matches the shell pattern GLOB
#   t_unlike GOT GLOB NAME    ok if GOT does not match GLOB
#   t_ok STATUS NAME          ok if STATUS is 0
#   t_skip NAME WHY           one point that cannot be judged here
#   t_skip_all WHY            the whole body; before any point; does not return
#   t_diag TEXT               TEXT as diagnostics, each line marked
#   t_done                    prints plan and trailer, exits 0 or 1
#
# A failed point does not end the body; every function but t_done returns 0.
# COMMAND runs in the current shell without errexit, with stdin untouched.
#
# $T_TMP is a private directory, readable by every user, removed at exit.

t_count=0
t_failed=0

T_TMP=$(mktemp -d "${TMPDIR:-/tmp}/smc-test.XXXXXX")
chmod 755 "$T_TMP"
trap 'rm -rf "$T_TMP"' EXIT
trap 'exit 1' INT TERM HUP

t_diag() {
	printf '%s\n' "$1" | sed 's/^/# /'
}

t_ok() {
	t_count=$((t_count + 1))
	if [ "$1" -eq 0 ]; then
		printf 'ok %d - %s\n' "$t_count" "$2"
	else
		t_failed=$((t_failed + 1))
		printf 'not ok %d - %s\n' "$t_count" "$2"
	fi
}

t_check() {
	local t_name=$1 t_rc=0
	shift
	"$@" >"$T_TMP/.t_out" 2>&1 || t_rc=$?
	t_ok "$t_rc" "$t_name"
	if [ "$t_rc" -ne 0 ]; then
		t_diag "exit status $t_rc of: $*"
		t_diag "$(cat "$T_TMP/.t_out")"
	fi
}

t_fails() {
	local t_name=$1 t_rc=0
	shift
	"$@" >"$T_TMP/.t_out" 2>&1 || t_rc=$?
	t_ok $((t_rc == 0)) "$t_name"
	if [ "$t_rc" -eq 0 ]; then
		t_diag "succeeded, and should not: $*"
		t_diag "$(cat "$T_TMP/.t_out")"
	fi
}

t_is() {
	if [ "$1" = "$2" ]; then
		t_ok 0 "$3"
	else
		t_ok 1 "$3"
		t_diag "got:  $1"
		t_diag "want: $2"
	fi
}

t_like() {
	# shellcheck disable=SC2053 # a pattern is what is wanted
	if [[ $1 == $2 ]]; then
		t_ok 0 "$3"
	else
		t_ok 1 "$3"
		t_diag "got:  $1"
		t_diag "want: $2 (pattern)"
	fi
}

t_unlike() {
	# shellcheck disable=SC2053 # a pattern is what is wanted
	if [[ $1 != $2 ]]; then
		t_ok 0 "$3"
	else
		t_ok 1 "$3"
		t_diag "got:           $1"
		t_diag "must not match: $2"
	fi
}

t_skip() {
	t_count=$((t_count + 1))
	printf 'ok %d - %s # SKIP %s\n' "$t_count" "$1" "$2"
}

t_skip_all() {
	printf '1..0 # SKIP %s\n' "$1"
	exit 77
}

t_done() {
	printf '1..%d\n# done\n' "$t_count"
	exit $((t_failed > 0))
}
