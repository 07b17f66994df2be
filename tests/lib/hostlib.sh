# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the tests of the preloaded library share: tlib.sh, and
#
#   run [NAME=VALUE...] COMMAND...           with the library, and behind it a
#                                            recorder that plays the kernel
#   run_with PRELOAD [NAME=VALUE...] COMMAND...   with other libraries
#
# They leave the exit status in $rc, stdout and stderr in $out and $err, and
# in $calls what reached the recorder, separated by blanks.  For RECORD_SMC
# and RECORD_ERRNO see host/librecord.c.

# shellcheck source=tlib.sh
. "$SMC_SOURCE_DIR/tests/lib/tlib.sh"

# shellcheck disable=SC2034 # for the tests
lib=$SMC_BUILD_DIR/preload/libsmc-preload.so
bin=$SMC_BUILD_DIR/tests/host
record=$bin/librecord.so

unset LD_PRELOAD SMC_DEBUG SMC_SNDBUF SMC_RCVBUF SMC_SOCK_FAMILY
unset RECORD_SMC RECORD_ERRNO

# shellcheck disable=SC2034
run_with() {
	local preload=$1
	shift
	rc=0
	timeout 60 env LD_PRELOAD="$preload" RECORD_FD=9 "$@" \
		>"$T_TMP/.out" 2>"$T_TMP/.err" 9>"$T_TMP/.calls" || rc=$?
	out=$(cat "$T_TMP/.out")
	err=$(cat "$T_TMP/.err")
	calls=$(paste -sd ' ' "$T_TMP/.calls")
}

run() {
	run_with "$lib:$record" "$@"
}
