# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the tests of smc_run share: tlib.sh, no settings but their own, and an
# /etc without rules that they may write to.

# shellcheck source=tlib.sh
. "$SMC_SOURCE_DIR/tests/lib/tlib.sh"

if [ "$(id -u)" -ne 0 ]; then
	t_skip_all "needs root, for other users and mount namespaces"
fi
# The body runs in a mount namespace, which ends with it.
if [ -z "${T_ETC-}" ]; then
	t_rc=0
	T_ETC=$T_TMP unshare -m --propagation private "$BASH" "$0" || t_rc=$?
	exit "$t_rc"
fi
mount -t tmpfs -o mode=755 tmpfs "$T_ETC"
mkdir "$T_ETC/upper" "$T_ETC/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$T_ETC/upper,workdir=$T_ETC/work" \
	overlay /etc
rm -rf /etc/smc

unset SMC_DEBUG SMC_RCVBUF SMC_SNDBUF SMC_SOCK_FAMILY LD_PRELOAD LD_LIBRARY_PATH
unset SMC_EXCLUDE SMC_PROGS SMC_DENY SMC_RULES SMC_ALLOW SMC_CONFIG SMC_STRICT
unset SMC_NAMES SMC_RUN_BPF XDG_CONFIG_HOME
export HOME=/nonexistent

# golden NAME STATUS STDOUT STDERR COMMAND...; STDOUT and STDERR end where the
# string ends, a newline is part of it
golden() {
	local name=$1 status=$2 got=0
	printf '%s' "$3" >"$T_TMP/want.out"
	printf '%s' "$4" >"$T_TMP/want.err"
	shift 4
	# The shell's own word about a signal is of no interest.
	{ "$@" >"$T_TMP/got.out" 2>"$T_TMP/got.err" </dev/null || got=$?; } \
		2>/dev/null
	if [ "$got" -eq "$status" ] &&
		cmp -s "$T_TMP/want.out" "$T_TMP/got.out" &&
		cmp -s "$T_TMP/want.err" "$T_TMP/got.err"; then
		t_ok 0 "$name"
		return
	fi
	t_ok 1 "$name"
	t_diag "status $got, want $status"
	t_diag "$(diff -u "$T_TMP/want.out" "$T_TMP/got.out" || :)"
	t_diag "$(diff -u "$T_TMP/want.err" "$T_TMP/got.err" || :)"
}

# each_shell FUNCTION: FUNCTION SHELL [ARG], and $sh, for all that may be /bin/sh.
each_shell() {
	for sh in dash 'bash --posix' 'busybox sh'; do
		if command -v "${sh%% *}" >/dev/null; then
			# shellcheck disable=SC2086 # command and argument
			"$1" $sh
		else
			t_skip "$sh" "not installed"
		fi
	done
}
