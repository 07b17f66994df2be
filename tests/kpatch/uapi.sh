#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The library's header for the socket options says what the patch series makes
# of the kernel's, and smc_run knows the reasons of both kernels.
set -euo pipefail
# shellcheck source=../lib/tlib.sh
. "$SMC_SOURCE_DIR/tests/lib/tlib.sh"

rc=0
"$SMC_SOURCE_DIR/kernel-patches/kpatch" export 6.12 --group module "$T_TMP/smc" \
	>"$T_TMP/out" 2>&1 || rc=$?
[ "$rc" -ne 3 ] || t_skip_all "$(tail -n 1 "$T_TMP/out")"
t_is "$rc" 0 "the series applies"
kernel=$T_TMP/smc/uapi/linux/smc.h
ours=$SMC_SOURCE_DIR/preload/smc_uapi.h

# options HEADER: what it defines of the two options.
options() {
	gcc -E -dM "$1" | grep -E '^#define (SMC_USE|SMC_STATUS|SMC_MODE_)' | sort
}
options "$kernel" >"$T_TMP/kernel"
options "$ours" >"$T_TMP/ours"
t_ok $(($(grep -c . "$T_TMP/kernel") < 10)) "the kernel's header has the options"
t_check "numbers" diff "$T_TMP/kernel" "$T_TMP/ours"

# layout HEADER: size of the status, and place and size of its members.
layout() {
	cat >"$T_TMP/layout.c" <<-END
		#include "$1"
		#include <stddef.h>
		#include <stdio.h>
		#define SHOW(m) printf("%s %zu %zu\n", #m, \
			offsetof(struct smc_status, m), sizeof(s.m))
		int main(void)
		{
			struct smc_status s = {0};
			SHOW(mode), SHOW(use), SHOW(pad), SHOW(reason), SHOW(peer_reason);
			printf("%zu\n", sizeof(s));
			return s.mode;
		}
	END
	gcc -o "$T_TMP/layout" "$T_TMP/layout.c" && "$T_TMP/layout"
}
layout "$kernel" >"$T_TMP/kernel"
layout "$ours" >"$T_TMP/ours"
t_ok $(($(grep -c . "$T_TMP/kernel") != 6)) "the kernel's header has the status"
t_check "layout of struct smc_status" diff "$T_TMP/kernel" "$T_TMP/ours"

# reasons BASE DIRECTORY: each code has words.
reasons() {
	local codes name code unknown=
	codes=$(sed -n 's/^#define SMC_CLC_DECL_\([A-Z0-9_]*\)\t\(0x[0-9a-f]*\).*/\1 \2/p' \
		"$2/smc_clc.h")
	t_ok $(($(wc -l <<<"$codes") < 30)) "$1: the kernel's reasons are found"
	while read -r name code; do
		"$SMC_BUILD_DIR/preload/tools/smc_run_core" "--reason=$code" -- \
			>/dev/null || unknown+=" $name"
	done <<<"$codes"
	t_is "$unknown" "" "$1: all have words"
}
reasons 6.12 "$T_TMP/smc"
"$SMC_SOURCE_DIR/kernel-patches/kpatch" export 6.1 --group module "$T_TMP/smc-6.1" \
	>"$T_TMP/out" 2>&1
reasons 6.1 "$T_TMP/smc-6.1"

# The other way round: a program may include both.
printf '#include "%s"\n#include "%s"\n' "$kernel" "$ours" >"$T_TMP/both.c"
t_check "both in one program" gcc -Wall -Werror -c -o /dev/null "$T_TMP/both.c"
t_done
