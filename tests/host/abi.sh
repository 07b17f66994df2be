#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The library as a file: what it exports, needs and how it is installed.
set -euo pipefail
# shellcheck source=../lib/hostlib.sh
. "$SMC_SOURCE_DIR/tests/lib/hostlib.sh"

map=$SMC_SOURCE_DIR/preload/libsmc-preload.map
dynamic=$(readelf -dW "$lib")
headers=$(readelf -lW "$lib")

exported=$(nm -D --defined-only "$lib" | awk '{ print $NF }' | sort)
# The names with 64 are for 32-bit programs, see variants.sh.
wanted=$(sed -n '/global:/,/local:/s/^[[:space:]]*\([a-z_]*\);.*/\1/p' "$map" |
	sort)
t_is "$exported" "$wanted" "I6 exported symbols are those of the map"
t_is "$(xargs <<<"$wanted")" "connect getsockopt listen setsockopt socket" \
	"I6 the map names what is hooked"
t_unlike "$(nm -D "$lib")" "*socket@*" "exports have no version of their own"

t_is "$(sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p' <<<"$dynamic")" \
	libsmc-preload.so.1 "soname"
needed=$(sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' <<<"$dynamic")
case $needed in
libc.so.6 | libdl.so.2$'\n'libc.so.6 | libc.so.6$'\n'libdl.so.2) t_ok 0 "needs libc alone" ;;
*) t_is "$needed" libc.so.6 "needs libc alone" ;;
esac
t_unlike "$dynamic" "*TEXTREL*" "no text relocations"
t_like "$dynamic" "*NOW*" "symbols are bound at load"
t_like "$dynamic" "*NODELETE*" "dlclose() leaves it mapped"
t_like "$dynamic" "*STATIC_TLS*" "thread storage needs no call of ld.so"
t_like "$headers" "*GNU_RELRO*" "relocations become read-only"
t_like "$headers" "*GNU_STACK*RW *" "stack is not executable"

# What is not linked cannot be called.
undefined=$(nm -D --undefined-only "$lib" | awk '{ print $NF }' | sed 's/@.*//')
# Into memory it is not stdio; that is for errors in rules, read before anything else.
t_is "$(grep -xE '.*alloc|free|pthread_.*|mtx_.*|.*printf.*|fopen.*|fputs|fwrite|puts' \
	<<<"$undefined" | grep -vxE '(__)?v?snprintf(_chk)?' || :)" "" \
	"I2 neither malloc nor locks nor stdio are linked"
t_is "$(grep -xE '_?_?exit|_Exit|abort|.*assert.*|raise|kill' \
	<<<"$undefined" || :)" "" "I1 neither exit nor abort are linked"
t_like "$undefined" "*dlsym*" "the list of what is linked was read"

# installed MODE OPTION...: build and install the library below root-MODE
installed() {
	local build=$T_TMP/build-$1 root=$T_TMP/root-$1
	cmake -S "$SMC_SOURCE_DIR" -B "$build" -DBUILD_TESTING=OFF \
		-DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_INSTALL_LIBDIR=lib "${@:2}"
	cmake --build "$build" --target smc-preload
	DESTDIR=$root cmake --install "$build" --component library
} >"$T_TMP/install.log" 2>&1

for mode in 4644 644; do
	setuid=ON
	[ $mode = 4644 ] || setuid=OFF
	installed $mode -DSMC_SETUID=$setuid || t_diag "$(cat "$T_TMP/install.log")"
	dir=$T_TMP/root-$mode/usr/lib
	t_is "$(find "$dir" -type f -printf '%f %m\n' | sed 's/so\.[0-9.]*/so.N/')" \
		"libsmc-preload.so.N $mode" "mode $mode with SMC_SETUID=$setuid"
	t_is "$(cd "$dir" && find . -type l | sort | paste -sd ' ' -)" \
		"./libsmc-preload.so ./libsmc-preload.so.1" \
		"links of the installation with SMC_SETUID=$setuid"
	t_check "installed file of mode $mode loads" \
		env LD_PRELOAD="$dir/libsmc-preload.so" "$bin/life" one
done
t_done
