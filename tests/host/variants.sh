#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Other word sizes, other C libraries, instrumented programs.
set -euo pipefail
# shellcheck source=../lib/hostlib.sh
. "$SMC_SOURCE_DIR/tests/lib/hostlib.sh"

preload=$SMC_SOURCE_DIR/preload
flags=(-std=gnu11 -O2 -D_GNU_SOURCE -fvisibility=hidden -Wall -Wextra -Wshadow
	-Wvla -Wmissing-prototypes -Wstrict-prototypes -Werror)
export RECORD_SMC=inet

# build DIR COMPILER [FLAG...]: library, recorder and programs
build() {
	local dir=$1
	shift
	mkdir "$dir"
	"$@" "${flags[@]}" -D_FILE_OFFSET_BITS=64 -fPIC -shared \
		-Wl,-z,defs,-z,relro,-z,now,-z,nodelete \
		-Wl,-soname,libsmc-preload.so.1 \
		-Wl,--version-script="$preload/libsmc-preload.map" \
		"$preload"/*.c -o "$dir/libsmc-preload.so" &&
		"$@" "${flags[@]}" -fPIC -shared "$SMC_SOURCE_DIR/tests/host/librecord.c" \
			-o "$dir/librecord.so" &&
		"$@" "${flags[@]}" -pthread "$SMC_SOURCE_DIR/tests/host/life.c" \
			-o "$dir/life" &&
		"$@" "${flags[@]}" "$SMC_SOURCE_DIR/tests/host/sockcall.c" \
			-o "$dir/sockcall"
}

# works NAME DIR: a build of the library does in its own programs what it should
works() {
	local more dir=$2
	run_with "$dir/libsmc-preload.so:$dir/librecord.so" SMC_DEBUG=1 \
		SMC_RCVBUF=4096 "$dir/sockcall" 2,1,0 10,0x801,6 1,1,0 2,2,0
	t_is "$calls" "socket(2,1,256) setsockopt(1,33,4096) socket(10,2049,256) setsockopt(1,33,4096) socket(1,1,0) socket(2,2,0)" \
		"$1: mapped and passed through"
	t_is "$err" "libsmc-preload: map sock to IPPROTO_SMC
libsmc-preload: sockopt 8 set to 4096
libsmc-preload: map sock to IPPROTO_SMC
libsmc-preload: sockopt 8 set to 4096" "$1: lines"
	t_is "$out" "$("$dir/sockcall" 2,1,0 10,0x801,6 1,1,0 2,2,0)" \
		"$1: result, flags and errno"
	run_with "$dir/libsmc-preload.so" "$dir/sockcall" 2,1,0 -1,1,0
	t_is "${out/,256)/,6)}" "$("$dir/sockcall" 2,1,0 -1,1,0)" \
		"$1: on the kernel of this machine"
	run_with "$dir/libsmc-preload.so:$dir/librecord.so" "$dir/life" threads
	t_is "$(tr ' ' '\n' <<<"$calls" | sort | uniq -c | xargs)" \
		"64 socket(2,1,256)" "$1: threads"
	run_with "$dir/libsmc-preload.so:$dir/librecord.so" "$dir/life" signal
	t_is "$rc" 0 "$1: signal handler"
	# 32-bit programs whose time has 64 bits have names of their own for two.
	[[ $1 != *-32-bit ]] || more="__getsockopt64 __setsockopt64 "
	t_is "$(nm -D --defined-only "$dir/libsmc-preload.so" | awk '{ print $NF }' |
		LC_ALL=C sort | xargs)" \
		"${more:-}connect getsockopt listen setsockopt socket" "I6 $1: exports"
	t_unlike "$(readelf -dW "$dir/libsmc-preload.so")" "*TEXTREL*" \
		"$1: no text relocations"
}

# variant NAME COMPILER [FLAG...]
variant() {
	local name=$1
	shift
	if ! "$1" --version >/dev/null 2>&1; then
		t_skip "$name" "$1 is not installed"
		return 0
	fi
	t_check "$name: builds without warnings" build "$T_TMP/$name" "$@"
	works "$name" "$T_TMP/$name"
}
variant gcc gcc
variant gcc-32-bit gcc -m32
variant clang clang
variant clang-32-bit clang -m32
variant musl musl-gcc

# A list with the libraries of both word sizes, as one sets up for a system.
run_with "$lib:$T_TMP/gcc-32-bit/libsmc-preload.so:$record:$T_TMP/gcc-32-bit/librecord.so" \
	"$T_TMP/gcc-32-bit/life" one
t_is "$calls" "socket(2,1,256)" "a 32-bit program takes its library from a list"
# musl loads what it can; either way the program must not notice.
run_with "$lib" "$T_TMP/musl/sockcall" 2,1,0 1,1,0
t_is "${out/,256)/,6)}$err$rc" "$("$T_TMP/musl/sockcall" 2,1,0 1,1,0)0" \
	"a musl program is not harmed by the library of glibc"

# Programs with a sanitizer.  A runtime that is a library of its own wants to
# be the first one, so that of gcc is linked in.
for check in "address -static-libasan" "undefined" "thread"; do
	read -r kind more <<<"$check"
	program=$T_TMP/$kind
	t_check "$kind sanitizer: builds" gcc "${flags[@]}" -pthread \
		-fsanitize="$kind" ${more:+$more} \
		"$SMC_SOURCE_DIR/tests/host/life.c" -o "$program"
	for situation in fork atexit threads; do
		run SMC_DEBUG=1 "$program" $situation
		t_is "$rc$(grep -v '^libsmc-preload: map sock to IPPROTO_SMC$' <<<"$err" || :)" \
			0 "$kind sanitizer: $situation"
		t_unlike " $calls " "*socket(2,1,0)*" "$kind sanitizer: $situation is mapped"
	done
done

if command -v valgrind >/dev/null; then
	# Without debug information, which it may fail to understand.
	plain=$T_TMP/gcc
	for situation in fork threads; do
		run_with "$plain/libsmc-preload.so:$plain/librecord.so" \
			SMC_RCVBUF=x SMC_DEBUG=3 valgrind -q --error-exitcode=9 \
			--leak-check=full "$plain/life" $situation
		t_is "$rc" 0 "valgrind finds nothing: $situation"
	done
else
	t_skip "valgrind finds nothing" "valgrind is not installed"
fi
t_done
