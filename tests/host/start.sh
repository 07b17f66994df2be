#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# First calls: before our constructor, from within our initialisation, from
# many threads; other interposers around us.
set -euo pipefail
# shellcheck source=../lib/hostlib.sh
. "$SMC_SOURCE_DIR/tests/lib/hostlib.sh"

export RECORD_SMC=inet
mapped="socket(2,1,256)"
plain="socket(2,1,0)"

# times N TEXT: TEXT N times, separated by blanks
times() {
	local i all=
	for ((i = 0; i < $1; i++)); do
		all="$all${all:+ }$2"
	done
	printf '%s\n' "$all"
}

# A library of the program's own; its constructor comes before ours.
ctor=$bin/libctor.so
run_with "$lib:$ctor:$record" CTOR=one LD_DEBUG=files "$bin/life" one
order=$(sed -n 's/.*calling init: .*\/\(lib[a-z-]*\)\.so.*/\1/p' <<<"$err" |
	grep -E 'libctor|libsmc' | paste -sd ' ' -)
t_is "$order" "libctor libsmc-preload" "the foreign constructor comes first"
t_is "$calls" "$(times 2 "$mapped")" "a call before our constructor is mapped"

run_with "$lib:$ctor:$record" CTOR=threads SMC_RCVBUF=x "$bin/life" one
t_is "$calls" "$(times 65 "$mapped")" "64 first calls at once are all mapped"
t_is "$err" "libsmc-preload: SMC_RCVBUF='x' ignored (decimal bytes, k or m may follow)" \
	"64 first calls at once warn once"

behind=$bin/libdlsym.so
run_with "$lib:$ctor:$behind:$record" CTOR=threads DLSYM=barrier SMC_RCVBUF=x \
	"$bin/life" one
t_is "$calls" "$(times 65 "$mapped")" \
	"nobody waits and nobody goes out as TCP: 64 threads in dlsym() at once"
t_is "$err" "libsmc-preload: SMC_RCVBUF='x' ignored (decimal bytes, k or m may follow)" \
	"64 initialisations warn once"

# Recursion: the nested socket is plain TCP, by a bare system call, which the
# recorder does not see; the outer one is mapped.
run_with "$lib:$behind:$record" DLSYM=signal "$bin/life" one
t_is "$calls" "nested(ok) nested(ok) $mapped" \
	"a signal handler during initialisation gets a plain socket"
run_with "$lib:$behind:$record" DLSYM=miss "$bin/life" one
t_is "$calls" "nested(ok) nested(ok) $mapped" \
	"an allocator that calls socket() below dlsym() gets a plain socket"
run_with "$lib:$behind:$record" DLSYM=fork "$bin/life" one
t_is "$calls" "$mapped nested(ok) $mapped" \
	"a child forked below dlsym() initialises itself"

# Real functions that are missing, or ourselves: bare system calls.
for mode in null self; do
	for word in 2,1,0 1,1,0 -1,1,0; do
		run_with "$lib:$behind:$record" DLSYM=$mode SMC_RCVBUF=4096 \
			"$bin/sockcall" $word
		t_is "$out" "$("$bin/sockcall" $word)" \
			"dlsym() finds $mode: socket($word) as if not preloaded"
		t_is "$calls" "" "dlsym() finds $mode: nobody is called, $word"
	done
done

# Interposers in front and behind.
run_with "$bin/libfirst.so:$lib:$record" "$bin/sockcall" 2,1,0 1,1,0
t_is "$calls" "first(2,1,0) $mapped first(1,1,0) socket(1,1,0)" \
	"an interposer in front sees what the program asked"
run_with "$lib:$bin/libfirst.so:$record" "$bin/sockcall" 2,1,0 1,1,0
t_is "$calls" "first(2,1,256) $mapped first(1,1,0) socket(1,1,0)" \
	"an interposer behind sees what became of it"
run_with "$lib:$bin/libfirst.so:$record" RECORD_SMC=none "$bin/sockcall" 2,1,0
t_is "$calls" "first(2,1,256) $mapped first(43,1,0) socket(43,1,0) first(2,1,0) $plain" \
	"an interposer behind sees each attempt"

# Two copies of the library.
cp "$lib" "$T_TMP/libsmc-preload.so"
copy=$T_TMP/libsmc-preload.so
sed 's/libsmc-preload.so.1/libsmc-another.so.1/' "$lib" >"$T_TMP/libsmc-another.so"
for second in "$copy" "$T_TMP/libsmc-another.so"; do
	run_with "$lib:$second:$record" SMC_DEBUG=1 "$bin/sockcall" 2,1,0 1,1,0
	t_is "$calls" "$mapped socket(1,1,0)" "two copies, ${second##*/}: mapped once"
	t_is "$err" "libsmc-preload: map sock to IPPROTO_SMC" \
		"two copies, ${second##*/}: one line"
	run_with "$lib:$second:$record" RECORD_SMC=none "$bin/sockcall" 2,1,0
	t_is "$out" "$("$bin/sockcall" 2,1,0)" "two copies, ${second##*/}: TCP without SMC"
	t_like "$calls" "*$plain" "two copies, ${second##*/}: the original call is last"
done

# dlopen()ed, not preloaded: the exported function works, libc's is not hidden.
run_with "$record" "$bin/opened" "$lib"
t_is "$out$rc" "ok0" "dlopen() of the library"
run_with "$lib:$record" "$bin/opened" "$copy"
t_is "$out$rc" "ok0" "dlopen() of a copy beside the preloaded one"
t_done
