#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Privileged programs (AT_SECURE).  The library must lie in a directory that
# ld.so trusts; here that directory gets an overlay, in a mount namespace that
# ends with each command.
set -euo pipefail
# shellcheck source=../lib/hostlib.sh
. "$SMC_SOURCE_DIR/tests/lib/hostlib.sh"

[ "$(id -u)" -eq 0 ] || t_skip_all "needs root, for a setuid program"

trusted=$(ldd "$bin/sockcall" | sed -n 's/.*libc\.so\.6 => \(.*\)\/libc.so.6 .*/\1/p')
trusted=$(realpath "$trusted")
mkdir "$T_TMP/ns"

# as_user LIBRARY-MODE PROGRAM-MODE NAME=VALUE... -- ARG...: sockcall ARG... run
# by a normal user; both are root's
as_user() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m --propagation private sh -euc '
		ns=$1 trusted=$2 bin=$3 lib=$4
		mount -t tmpfs -o mode=755 tmpfs "$ns"
		mkdir "$ns/upper" "$ns/work"
		install -m "$5" "$lib" "$ns/upper/libsmc-preload.so"
		install -m 4644 "$bin/librecord.so" "$ns/upper/librecord.so"
		install -m "$6" "$bin/sockcall" "$ns/sockcall"
		shift 6
		mount -t overlay overlay "$trusted" \
			-o "lowerdir=$trusted,upperdir=$ns/upper,workdir=$ns/work"
		exec setpriv --reuid=65534 --regid=65534 --clear-groups env "$@"
	' sh "$T_TMP/ns" "$trusted" "$bin" "$(realpath "$lib")" "$@" \
		>"$T_TMP/out" 2>"$T_TMP/err" 9>"$T_TMP/calls" || :
	out=$(cat "$T_TMP/out")
	err=$(cat "$T_TMP/err")
	calls=$(paste -sd ' ' "$T_TMP/calls")
}

program=$T_TMP/ns/sockcall
settings=(LD_PRELOAD=libsmc-preload.so:librecord.so RECORD_FD=9 "RECORD_SMC=inet,smc"
	SMC_DEBUG=3 SMC_SOCK_FAMILY=smc SMC_RCVBUF=4096 SMC_SNDBUF=bad)
mounts=$(wc -l </proc/self/mounts)

# The same settings where nothing is privileged.
as_user 4644 755 "${settings[@]}" "$program" secure 2,1,0
t_like "$out" "secure 0*: fd *" "a plain program runs"
t_is "$calls" "socket(43,1,0) setsockopt(1,33,4096) setsockopt(1,8,4096)" \
	"a plain program obeys the environment"
t_like "$err" "*SMC_SNDBUF='bad' ignored*map sock to AF_SMC*" \
	"a plain program has its lines"

as_user 4644 4755 "${settings[@]}" "$program" secure 2,1,0
t_like "$out" "secure 1*: fd *" "a setuid program runs"
t_is "$calls" "socket(2,1,256)" "I5 its sockets are mapped, the environment is ignored"
t_is "$err" "" "I5 nothing is printed"

as_user 4644 4755 "${settings[@]}" RECORD_SMC=none "$program" secure 2,1,0
t_is "$calls" "socket(2,1,256) socket(43,1,0) socket(2,1,0)" \
	"I5 without SMC it gets TCP, by the whole chain"
t_is "$err" "" "I5 and nothing is printed either"

as_user 644 4755 "${settings[@]}" "$program" secure 2,1,0
t_like "$out" "secure 1*: fd *" "a setuid program runs, library without setuid bit"
t_is "$calls" "socket(2,1,0)" "a library without setuid bit is not loaded"

as_user 644 755 "${settings[@]}" "$program" 2,1,0
t_like "$calls" "socket(43,1,0)*" "mode 644 is enough for plain programs"

as_user 4644 4755 "${settings[@]}" \
	LD_PRELOAD="$trusted/libsmc-preload.so:librecord.so" "$program" 2,1,0
t_is "$calls" "socket(2,1,0)" "only the bare name is loaded"

t_is "$(wc -l </proc/self/mounts)" "$mounts" "no mount is left on this machine"
t_fails "no file is left on this machine" test -e "$trusted/librecord.so"
t_done
