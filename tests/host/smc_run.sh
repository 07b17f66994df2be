#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The surface of smc_run: stdout, stderr and exit status of each case, byte
# for byte, with every shell that may be /bin/sh; then where it finds the
# library and which programs it says it cannot reach.
set -euo pipefail
# shellcheck source=../lib/runlib.sh
. "$SMC_SOURCE_DIR/tests/lib/runlib.sh"

# Root could have the kernel do it; that is for a suite in a guest.
export SMC_RUN_BPF=0

cc=${CC:-cc}
lib=libsmc-preload.so
core=$SMC_BUILD_DIR/preload/tools/smc_run_core
show_c=$SMC_SOURCE_DIR/tests/host/smcrun_show.c

# A build tree with a library that does nothing and says nothing, so that
# stderr is that of smc_run alone.
tree=$T_TMP/tree
bin=$T_TMP/bin
mkdir -p "$tree/preload/tools" "$bin" "$T_TMP/cwd"
cd "$T_TMP/cwd"
make_tree() {
	mkdir -p "$1/preload/tools"
	cp "$SMC_BUILD_DIR/smc_run" "$1/"
	cp "$core" "$1/preload/tools/"
	cp "$T_TMP/dummy.so" "$1/preload/$lib"
}
printf 'int dummy;\n' >"$T_TMP/dummy.c"
"$cc" -shared -fPIC -o "$T_TMP/dummy.so" "$T_TMP/dummy.c"
cp "$T_TMP/dummy.so" "$T_TMP/other.so"
cp "$T_TMP/dummy.so" "$T_TMP/o*.so"
make_tree "$tree"
cp "$SMC_BUILD_DIR/tests/host/smcrun_show" "$bin/show"
cp "$bin/show" "$bin/a=b"
cp "$bin/show" "$bin/-odd"
PATH=$bin:$PATH

# show_out LD_PRELOAD LOADED ARGS [NAME=VALUE...]: what show prints
show_out() {
	local preload=$1 loaded=$2 args=$3
	shift 3
	printf '%s\n' "$args" "$@" ${preload:+"LD_PRELOAD=$preload"} "$loaded"
}

# starts NAME ARGS VARIABLES COMMAND...: COMMAND ends in show, and that sees
# ARGS and the newline-separated VARIABLES and the library of $tree
starts() {
	local name=$1 args=$2 vars=$3
	shift 3
	golden "$name" 0 "$args
${vars}LD_PRELOAD=$tree/preload/$lib
loaded
" '' "$@"
}

# stderr COMMAND...: its stderr, and a word if it failed
stderr() {
	{ "$@" >/dev/null || echo failed >&2; } 2>&1
}

# same_pid NAME SMC_RUN...
same_pid() {
	local name=$1
	shift
	# shellcheck disable=SC2016 # for the inner shells
	t_check "$name" sh -c 'set -- "$@" sh -c '\''[ "$$" = "$PID" ]'\''
		PID=$$ exec "$@"' - "$@"
}

help='
Usage: smc_run [ OPTIONS ] COMMAND

Run COMMAND using SMC for TCP sockets

   -d         enable debug mode
   -h         display this message
   -r <SIZE>  request receive buffer size in Bytes
   -t <SIZE>  request transmit buffer size in Bytes
   -v         display version info
   -f <NAME>  socket family to use: inet, smc or auto (default)
   --rule <RULE>        add a rule, as "use tcp to 10.0.0.0/8"
   --deny <LIST>        use TCP to these addresses
   --allow <LIST>       use SMC to these addresses only
   --config <FILE>      read rules from FILE, or from none, not the usual files
   --strict             do not start COMMAND if it cannot use SMC
   --summary            at its end, print what became of its sockets
   --bpf                have the kernel do it: static programs, Go; root only
   --bpf=on|off|rules|status
   --bpf=add|del|has pid|cgroup|netns|user|prog <NAME>
                        the same for what runs already
   --list-rules         print all rules in their order
   --explain [connect|listen] <ADDR:PORT> [COMMAND]
                        print which rule decides
   --print-env          print the variables to set instead of using smc_run
   --reason <CODE>      say what a reason for TCP means, and what helps
   --check [COMMAND|PID|UNIT] [--peer HOST[:PORT]] [--json]
                        say whether it would use SMC, and what helps
   --report [PID|--all] [--json]
                        print what the sockets of PID, or of all, are
   [--user] --systemd enable|disable|status <UNIT>
                        have a service started with SMC, by a drop-in
'
version="smc_run utility, smc-preload-$(sed -n 's/^version=//p' "$SMC_SOURCE_DIR/smc_run")
"
quiet='SMC_DEBUG=0
'
debug='SMC_DEBUG=1
'
nl='
'
tcp=", running on TCP$nl"

echo "echo text \"\$@\"" >"$bin/text"
chmod 755 "$bin/text"
printf '#!/bin/sh\n' >"$bin/noexec"
chmod 644 "$bin/noexec"
: >"$bin/empty"
chmod 755 "$bin/empty"
ln -s "$tree/smc_run" "$T_TMP/other_name"

# surface SHELL...: the table
surface() {
	local sh=$1 run=("$@" "$tree/smc_run") opt size

	golden "$sh: -h" 0 "$help" '' "${run[@]}" -h
	golden "$sh: -dh" 0 "$help" '' "${run[@]}" -dh
	golden "$sh: -h before an error" 0 "$help" '' "${run[@]}" -h -x
	golden "$sh: -v" 0 "$version" '' "${run[@]}" -v
	golden "$sh: -dv" 0 "$version" '' "${run[@]}" -dv
	golden "$sh: -v COMMAND" 0 "$version" '' "${run[@]}" -v show

	for opt in '' -- -d; do
		golden "$sh: missing command after '$opt'" 1 \
			"smc_run: Error: Missing command parameter$nl" '' \
			"${run[@]}" ${opt:+"$opt"}
	done
	golden "$sh: missing command after -r 8k" 1 \
		"smc_run: Error: Missing command parameter$nl" '' \
		"${run[@]}" -r 8k
	golden "$sh: name of a link in an error" 1 \
		"other_name: Error: Missing command parameter$nl" '' \
		"$@" "$T_TMP/other_name"
	golden "$sh: name of a link in an option error" 1 \
		"other_name: Error: Invalid option: -x$nl" '' \
		"$@" "$T_TMP/other_name" -x
	for opt in -x -r -t -f '-?' -:; do
		golden "$sh: invalid option $opt" 1 \
			"smc_run: Error: Invalid option: $opt$nl" '' \
			"${run[@]}" "$opt"
	done
	golden "$sh: invalid option in a bundle" 1 \
		"smc_run: Error: Invalid option: -x$nl" '' \
		"${run[@]}" -dx show
	golden "$sh: bundle that lacks its value" 1 \
		"smc_run: Error: Invalid option: -r$nl" '' "${run[@]}" -dr
	for opt in --checks --summary=x --help --strict=x --rul; do
		golden "$sh: unknown $opt" 1 \
			"smc_run: Error: Invalid option: $opt$nl" '' \
			"${run[@]}" "$opt" show
	done

	for size in abc '' 1g '8|' -1 +1 ' 1' '1 ' 0x10 1.5 k 1kk 1km \
		2147483648 2048m 2097152k 9999999999m 18446744073709551617 \
		"1${nl}2" '*' "'"; do
		for opt in -r -t; do
			golden "$sh: bad size $opt '${size/$nl/\\n}'" 1 \
				"Error: Invalid buffer size specified: '$size'$nl" \
				'' "${run[@]}" "$opt" "$size" show
		done
	done
	while read -r size bytes; do
		starts "$sh: size -r $size" '<show>' \
			"${quiet}SMC_RCVBUF=$bytes$nl" "${run[@]}" -r "$size" show
		starts "$sh: size -t$size" '<show>' \
			"${quiet}SMC_SNDBUF=$bytes$nl" "${run[@]}" "-t$size" show
	done <<-END
		0 0
		000 0
		1 1
		8k 8192
		8K 8192
		3m 3145728
		3M 3145728
		010k 10240
		0000000000000000000000000009 9
		2147483647 2147483647
		2097151k 2147482624
		2047m 2146435072
	END

	starts "$sh: plain" '<show>' "$quiet" "${run[@]}" show
	starts "$sh: -d" '<show>' "$debug" "${run[@]}" -d show
	starts "$sh: all options" '<show><-d>' \
		"${debug}SMC_RCVBUF=1024${nl}SMC_SNDBUF=2${nl}SMC_SOCK_FAMILY=smc$nl" \
		"${run[@]}" -f smc -t 2 -dr1k show -d
	starts "$sh: the last one counts" '<show>' \
		"${quiet}SMC_RCVBUF=3${nl}SMC_SOCK_FAMILY=auto$nl" \
		"${run[@]}" -r 2 -f smc -r 3 -f auto show
	starts "$sh: --" '<show><--><-x>' "$quiet" "${run[@]}" -- show -- -x
	starts "$sh: options end at COMMAND" '<show><-d><-x><-->' "$quiet" \
		"${run[@]}" show -d -x --
	for opt in inet smc auto; do
		starts "$sh: -f $opt" '<show>' "${quiet}SMC_SOCK_FAMILY=$opt$nl" \
			"${run[@]}" -f "$opt" show
	done
	for opt in x '' SMC 'smc auto'; do
		golden "$sh: bad -f '$opt'" 1 '' \
			"smc_run: invalid family '$opt' (inet, smc or auto)$nl" \
			"${run[@]}" -f "$opt" show
	done

	starts "$sh: arguments intact" \
		"<show><><a b><c${nl}d$nl><'\"\\\$x\`><*><><é>" "$quiet" \
		"${run[@]}" show '' 'a b' "c${nl}d$nl" "'\"\\\$x\`" '*' '' 'é'
	starts "$sh: COMMAND with =" '<a=b>' "$quiet" "${run[@]}" a=b
	starts "$sh: COMMAND like an option" '<-odd><-d>' "$quiet" \
		"${run[@]}" -- -odd -d
	starts "$sh: COMMAND with a path" "<$bin/show>" "$quiet" \
		"${run[@]}" "$bin/show"
	starts "$sh: COMMAND with a relative path" '<../bin/show>' "$quiet" \
		"${run[@]}" ../bin/show

	golden "$sh: COMMAND not found" 127 '' "smc_run: nosuch: not found$nl" \
		"${run[@]}" nosuch -x
	golden "$sh: path not found" 127 '' \
		"smc_run: ./no such: not found$nl" "${run[@]}" './no such'
	golden "$sh: path through a file" 127 '' \
		"smc_run: $bin/show/x: not found$nl" "${run[@]}" "$bin/show/x"
	golden "$sh: empty COMMAND" 127 '' "smc_run: : not found$nl" \
		"${run[@]}" ''
	golden "$sh: lone - is a COMMAND" 127 '' "smc_run: -: not found$nl" \
		"${run[@]}" -
	golden "$sh: COMMAND not executable" 126 '' \
		"smc_run: $bin/noexec: Permission denied$nl" \
		"${run[@]}" "$bin/noexec"
	golden "$sh: COMMAND is a directory" 126 '' \
		"smc_run: /: Permission denied$nl" "${run[@]}" /
	golden "$sh: script without #!" 0 "text x$nl" '' "${run[@]}" text x
	golden "$sh: empty program" 0 '' '' "${run[@]}" empty

	mkfifo "$T_TMP/fifo-$sh"
	chmod 755 "$T_TMP/fifo-$sh"
	golden "$sh: COMMAND is a fifo" 126 '' \
		"smc_run: $T_TMP/fifo-$sh: Permission denied$nl" \
		"${run[@]}" "$T_TMP/fifo-$sh"
	golden "$sh: no PATH" 0 '' '' env -u PATH "$(command -v "$1")" \
		"${@:2}" "$tree/smc_run" true
	golden "$sh: status" 42 '' '' "${run[@]}" sh -c 'exit 42'
	# shellcheck disable=SC2016 # for the inner shell
	golden "$sh: signal" 143 '' '' "${run[@]}" sh -c 'kill -TERM $$'
	same_pid "$sh: same pid" "${run[@]}"
	golden "$sh: stdin is COMMAND's" 0 "in$nl" '' \
		"$BASH" -c 'echo in | "$@"' - "${run[@]}" cat
	golden "$sh: closed stderr" 0 "x$nl" '' \
		"$BASH" -c '"$@" 2>&-' - \
		env SMC_SOCK_FAMILY=foo "${run[@]}" echo x

	starts "$sh: SMC_DEBUG kept" '<show>' "SMC_DEBUG=2$nl" \
		env SMC_DEBUG=2 "${run[@]}" show
	starts "$sh: -d over SMC_DEBUG" '<show>' "$debug" \
		env SMC_DEBUG=2 "${run[@]}" -d show
	starts "$sh: empty SMC_DEBUG" '<show>' "$quiet" \
		env SMC_DEBUG= "${run[@]}" show
	starts "$sh: sizes inherited" '<show>' \
		"${quiet}SMC_RCVBUF=8k${nl}SMC_SNDBUF=010$nl" \
		env SMC_RCVBUF=8k SMC_SNDBUF=010 "${run[@]}" show
	starts "$sh: -r and -t over bad inherited sizes" '<show>' \
		"${quiet}SMC_RCVBUF=1${nl}SMC_SNDBUF=2$nl" \
		env SMC_RCVBUF=1g SMC_SNDBUF= "${run[@]}" -r 1 -t 2 show
	starts "$sh: -f over a bad inherited family" '<show>' \
		"${quiet}SMC_SOCK_FAMILY=smc$nl" \
		env SMC_SOCK_FAMILY=foo "${run[@]}" -f smc show
	for size in 1g ''; do
		golden "$sh: SMC_RCVBUF='$size'" 0 \
			"$(show_out "$tree/preload/$lib" loaded '<show>' \
				SMC_DEBUG=0 "SMC_RCVBUF=$size")$nl" \
			"smc_run: SMC_RCVBUF='$size' ignored (decimal bytes, k or m may follow)$nl" \
			env SMC_RCVBUF="$size" "${run[@]}" show
	done
	golden "$sh: SMC_SNDBUF=1g" 0 \
		"$(show_out "$tree/preload/$lib" loaded '<show>' \
			SMC_DEBUG=0 SMC_SNDBUF=1g)$nl" \
		"smc_run: SMC_SNDBUF='1g' ignored (decimal bytes, k or m may follow)$nl" \
		env SMC_SNDBUF=1g "${run[@]}" show
	starts "$sh: bad size left to a library that speaks" '<show>' \
		"${debug}SMC_RCVBUF=1g$nl" env SMC_RCVBUF=1g "${run[@]}" -d show
	golden "$sh: SMC_SOCK_FAMILY=foo" 0 \
		"$(show_out "$tree/preload/$lib" loaded '<show>' \
			SMC_DEBUG=1 SMC_SOCK_FAMILY=auto)$nl" \
		"smc_run: SMC_SOCK_FAMILY='foo' ignored (inet, smc or auto)$nl" \
		env SMC_SOCK_FAMILY=foo "${run[@]}" -d show

	starts "$sh: nested" '<show>' "$quiet" "${run[@]}" "${run[@]}" show
	starts "$sh: nested keeps options" '<show>' "${debug}SMC_RCVBUF=1$nl" \
		"${run[@]}" -d -r 1 "${run[@]}" show
	# % is a blank.  The shell, too, loads what a bare name means.
	while read -r opt size; do
		golden "$sh: LD_PRELOAD='$opt'" 0 \
			"$(show_out "$size" loaded '<show>' SMC_DEBUG=0)$nl" '' \
			env LD_LIBRARY_PATH="$tree/preload:$T_TMP" \
			LD_PRELOAD="${opt//%/ }" "${run[@]}" show
	done <<-END
		other.so other.so:$tree/preload/$lib
		:other.so other.so:$tree/preload/$lib
		$T_TMP/other.so $T_TMP/other.so:$tree/preload/$lib
		$T_TMP/o*.so $T_TMP/o*.so:$tree/preload/$lib
		other.so%dummy.so other.so:dummy.so:$tree/preload/$lib
		%other.so%%:dummy.so: other.so:dummy.so:$tree/preload/$lib
		:$lib $tree/preload/$lib
		$lib:other.so other.so:$tree/preload/$lib
		$tree/preload/$lib $tree/preload/$lib
		$tree/preload/$lib%other.so%$lib other.so:$tree/preload/$lib
	END
	# With -a the shell exports what the script assigns.
	golden "$sh: no variable of COMMAND is used by the script" 0 "sr_$nl" '' \
		"$BASH" -c 'set -o pipefail
			"$@" env | sed -nE "s/^([a-z]+_?)[a-z_]*=.*/\1/p" | sort -u' - \
		env -i PATH="$PATH" "$(command -v "$1")" "${@:2}" -a \
		"$tree/smc_run" -d -r 1 -t 2 -f smc
	# PWD and the like are the shells' own.
	golden "$sh: rest of the environment intact" 0 \
		"LD_PRELOAD=$tree/preload/$lib${nl}PATH=$PATH${nl}SMC_DEBUG=0${nl}Z=b c${nl}y$nl" '' \
		"$BASH" -c 'set -o pipefail
			"$@" env | grep -vE "^(PWD|OLDPWD|SHLVL|_)=" | LC_ALL=C sort' \
		- env -i PATH="$PATH" "Z=b c${nl}y" "${run[@]}"
}
each_shell surface

#
# Where it is started from
#
smc_run=$tree/smc_run
starts "build tree, own first line" '<show>' "$quiet" "$smc_run" show
starts "build tree, ./smc_run" '<show>' "$quiet" env -C "$tree" ./smc_run show
starts "build tree, sh smc_run" '<show>' "$quiet" \
	env -C "$tree" sh smc_run show
starts "build tree, link" '<show>' "$quiet" "$T_TMP/other_name" show
starts "build tree, from PATH" '<show>' "$quiet" \
	env PATH="$tree:$PATH" smc_run show
starts "build tree, name found in PATH by the shell" '<show>' "$quiet" \
	env PATH="$tree:$PATH" bash smc_run show
golden "build tree, ../smc_run" 0 \
	"$(show_out "$tree/preload/$lib" loaded '<show>' SMC_DEBUG=0)$nl" \
	'' env -C "$tree/preload" ../smc_run show

src=$T_TMP/source
make_tree "$src/build/dev"
mv "$src/build/dev/smc_run" "$src/"
golden "source tree, build/dev" 0 \
	"$(show_out "$src/build/dev/preload/$lib" loaded '<show>' SMC_DEBUG=0)$nl" \
	'' env -C "$src" ./smc_run show
make_tree "$src/build/release"
golden "source tree, build/release first" 0 \
	"$(show_out "$src/build/release/preload/$lib" loaded '<show>' SMC_DEBUG=0)$nl" \
	'' env -C "$src" ./smc_run show

# install_to PREFIX LIBDIR
install_to() {
	mkdir -p "$1/bin" "$1/libexec/smc-preload" "$1/$2"
	cp "$tree/smc_run" "$1/bin/"
	cp "$core" "$1/libexec/smc-preload/"
	cp "$T_TMP/dummy.so" "$1/$2/$lib"
	chmod 4644 "$1/$2/$lib"
}
prefix=$T_TMP/prefix
install_to "$prefix" lib
golden "installed: full path outside the system's directories" 0 \
	"$(show_out "$prefix/lib/$lib" loaded '<show>' SMC_DEBUG=0)$nl" '' \
	"$prefix/bin/smc_run" show
ln -s prefix/bin/smc_run "$T_TMP/installed_link"
golden "installed: link" 0 \
	"$(show_out "$prefix/lib/$lib" loaded '<show>' SMC_DEBUG=0)$nl" '' \
	"$T_TMP/installed_link" show
mv "$prefix/libexec/smc-preload" "$prefix/lib/"
golden "installed: companion in lib" 0 \
	"$(show_out "$prefix/lib/$lib" loaded '<show>' SMC_DEBUG=0)$nl" '' \
	"$prefix/bin/smc_run" show
rm -r "$prefix/lib/smc-preload"
golden "no companion" 0 "$(show_out '' 'not loaded' '<show>' SMC_DEBUG=0)$nl" \
	"smc_run: smc_run_core is not built or installed$tcp" \
	"$prefix/bin/smc_run" show
golden "no companion: status" 3 '' \
	"smc_run: smc_run_core is not built or installed$tcp" \
	"$prefix/bin/smc_run" -d sh -c 'exit 3'

staged=$T_TMP/staged
t_check "cmake --install" cmake --install "$SMC_BUILD_DIR" --prefix "$staged"
staged_lib=$(find "$staged" -name "$lib")
golden "installed by cmake" 0 \
	"$(show_out "$staged_lib" loaded '<show>' SMC_DEBUG=0)$nl" '' \
	"$staged/bin/smc_run" show

# The directory of the system's libc, in a mount namespace of its own.
libc_dir=$(dirname "$(realpath "$("$cc" -print-file-name=libc.so.6)")")
mkdir "$T_TMP/overlay"
# in_system COMMAND...: with everything installed below /usr
in_system() {
	# shellcheck disable=SC2016,SC2317 # for the inner shell; called by golden
	unshare -m sh -euc '
		overlay=$1 tree=$2 core=$3 lib=$4
		shift 4
		mount -t tmpfs tmpfs "$overlay"
		mkdir "$overlay/upper" "$overlay/work"
		mount -t overlay -o "lowerdir=/usr,upperdir=$overlay/upper,workdir=$overlay/work" \
			overlay /usr
		mkdir -p /usr/libexec/smc-preload
		cp "$tree/smc_run" /usr/bin/
		cp "$core" /usr/libexec/smc-preload/
		cp "$tree/preload/libsmc-preload.so" "$lib"
		chmod 4644 "$lib"
		exec "$@"' - \
		"$T_TMP/overlay" "$tree" "$core" "$libc_dir/$lib" "$@"
}
in_usr=$(show_out "$lib" loaded '<show>' SMC_DEBUG=0)
golden "system: bare name" 0 "$in_usr$nl" '' in_system smc_run show
golden "system: bare name through /bin" 0 "$in_usr$nl" '' \
	in_system /bin/smc_run show
golden "system: nested" 0 "$in_usr$nl" '' in_system smc_run smc_run show
golden "system: nested, inherited with a leading colon" 0 "$in_usr$nl" '' \
	in_system env LD_PRELOAD=":$lib" smc_run show

# shellcheck disable=SC2016 # for the inner shell
golden "system: full path where the loader does not look" 0 \
	"$(show_out "/usr/libx32/$lib" loaded '<show>' SMC_DEBUG=0)$nl" '' \
	in_system sh -c 'mkdir -p /usr/libx32 && mv "$0" /usr/libx32/ &&
		smc_run show' "$libc_dir/$lib"

#
# The library itself
#
unreached=$(show_out '' 'not loaded' '<show>' SMC_DEBUG=0)
make_tree "$T_TMP/broken"
rm "$T_TMP/broken/preload/$lib"
install_to "$T_TMP/broken.prefix" lib
rm "$T_TMP/broken.prefix/lib/$lib"
golden "no library in the tree" 0 "$unreached$nl" \
	"smc_run: $T_TMP/broken/preload/$lib: not found$tcp" \
	"$T_TMP/broken/smc_run" show
golden "no library installed" 0 "$unreached$nl" \
	"smc_run: $lib: not found$tcp" \
	"$T_TMP/broken.prefix/bin/smc_run" show
golden "no library: other preloads stay" 0 \
	"$(show_out "$T_TMP/other.so:$T_TMP/dummy.so" 'not loaded' '<show>' SMC_DEBUG=0)$nl" \
	"smc_run: $lib: not found$tcp" \
	env LD_PRELOAD="$T_TMP/other.so $T_TMP/dummy.so" \
	"$T_TMP/broken.prefix/bin/smc_run" show
golden "no library: inherited name goes" 0 "$unreached$nl" \
	"smc_run: $lib: not found$tcp" \
	env LD_PRELOAD="$tree/preload/$lib" \
	"$T_TMP/broken.prefix/bin/smc_run" show
golden "no library, no COMMAND: one line" 127 '' \
	"smc_run: nosuch: not found$nl" "$T_TMP/broken/smc_run" nosuch

nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
make_tree "$T_TMP/secret"
chmod 600 "$T_TMP/secret/preload/$lib"
golden "unreadable library" 0 "$unreached$nl" \
	"smc_run: $T_TMP/secret/preload/$lib: Permission denied$tcp" \
	"${nobody[@]}" "$T_TMP/secret/smc_run" show
: >"$T_TMP/broken/preload/$lib"
golden "empty library" 0 "$unreached$nl" \
	"smc_run: $T_TMP/broken/preload/$lib: Exec format error$tcp" \
	"$T_TMP/broken/smc_run" show
for dir in 'with blank' 'with:colon'; do
	make_tree "$T_TMP/$dir"
	golden "path $dir" 0 "$unreached$nl" \
		"smc_run: $T_TMP/$dir/preload/$lib: a path with a blank or colon cannot be preloaded$tcp" \
		"$T_TMP/$dir/smc_run" show
done

#
# Programs the library cannot reach
#
# reaches_not NAME PROGRAM WHY [COMMAND...]: PROGRAM runs without the library,
# one line says why; the environment is there for its children
reaches_not() {
	local name=$1 program=$2 why=$3
	shift 3
	[ $# -gt 0 ] || set -- "$program"
	golden "$name" 0 \
		"$(show_out "$tree/preload/$lib" 'not loaded' "<$program>" SMC_DEBUG=0)$nl" \
		"smc_run: $program: $why$tcp" "$smc_run" "$@"
}
static=$T_TMP/static
"$cc" -static -o "$static" "$show_c"
reaches_not "static" "$static" "statically linked"
"$cc" -static-pie -fPIE -o "$static-pie" "$show_c"
reaches_not "static, position-independent" "$static-pie" "statically linked"

# Scripts, one the interpreter of the next.  The kernel follows five levels.
printf '#!%s\n' "$static" >"$bin/script1"
printf '#! %s -x \t\n' "$bin/script1" >"$bin/script2"
printf '#!%s' "$bin/script2" >"$bin/script3"
for script in 4 5 6; do
	printf '#!%s\n' "$bin/script$((script - 1))" >"$bin/script$script"
done
printf '#!/usr/bin/env script3\n' >"$bin/script-env"
printf '#!/usr/bin/env -S %s\n' "$static" >"$bin/script-S"
printf '#!%s\n' "$T_TMP/nosuch" >"$bin/script-nosuch"
printf '#!\n' >"$bin/script-nothing"
chmod 755 "$bin"/script*
# script_says NAME STATUS STDERR
script_says() {
	local status=0
	"$smc_run" "$1" >"$T_TMP/got.out" 2>"$T_TMP/got.err" || status=$?
	t_is "$status: $(cat "$T_TMP/got.err")" "$2: $3" "$1"
}
for script in 1 2 3 4 5 -env; do
	script_says "script$script" 0 \
		"smc_run: $static: statically linked, running on TCP"
done
script_says script6 127 \
	"smc_run: script6: Too many levels of symbolic links"
mkdir -p "$T_TMP/dir/static"
ln -s "$static" "$bin/static"
golden "a directory in PATH is no COMMAND" 0 \
	"$(show_out "$tree/preload/$lib" 'not loaded' '<static>' SMC_DEBUG=0)$nl" \
	"smc_run: $bin/static: statically linked$tcp" \
	env PATH="$T_TMP/dir:$PATH" "$smc_run" static
# shellcheck disable=SC2016 # for the inner shell
golden "script without #!: what counts is /bin/sh" 0 \
	"$(show_out "$tree/preload/$lib" 'not loaded' "</bin/sh><$bin/text>" SMC_DEBUG=0)$nl" \
	"smc_run: /bin/sh: statically linked$tcp" \
	unshare -m bash -euc 'mount --bind "$0" "$(realpath /bin/sh)"
		exec bash "$@"' "$static" "$smc_run" text
loader=$(ldd "$bin/show" | awk '/\/ld/ { print $1 }')
golden "the loader as COMMAND" 0 \
	"$(show_out "$tree/preload/$lib" loaded "<$bin/show>" SMC_DEBUG=0)$nl" \
	'' "$smc_run" "$loader" "$bin/show"
printf '#!/usr/bin/env static word\n' >"$bin/script-words"
chmod 755 "$bin/script-words"
t_unlike "$(stderr "$smc_run" script-words)" "smc_run: *" \
	"env with more than a name is not judged"
script_says script-S 0 ""
script_says script-nosuch 127 "smc_run: script-nosuch: not found"
script_says script-nothing 0 ""

musl=$T_TMP/musl
if command -v musl-gcc >/dev/null; then
	musl-gcc -o "$musl" "$show_c"
	golden "musl: not even named, its loader would die of it" 0 \
		"$(show_out '' 'not loaded' "<$musl>" SMC_DEBUG=0)$nl" \
		"smc_run: $musl: uses another C library than libsmc-preload.so$tcp" \
		"$smc_run" "$musl"
	golden "musl: other preloads stay" 0 \
		"$(show_out /nosuch.so 'not loaded' "<$musl>" SMC_DEBUG=0)$nl" \
		"smc_run: $musl: uses another C library than libsmc-preload.so$tcp" \
		env SMC_DEBUG=0 LD_PRELOAD=/nosuch.so \
		"$core" "$musl"
else
	t_skip "musl" "no musl-gcc"
fi

bits=$T_TMP/m32
if "$cc" -m32 -o "$bits" "$show_c" 2>/dev/null; then
	golden "32-bit without a library: our line, then that of ld.so" 0 \
		"$(show_out "$tree/preload/$lib" 'not loaded' "<$bits>" SMC_DEBUG=0)$nl" \
		"smc_run: $bits: no libsmc-preload.so for its architecture (32-bit)$tcp""ERROR: ld.so: object '$tree/preload/$lib' from LD_PRELOAD cannot be preloaded (wrong ELF class: ELFCLASS64): ignored.$nl" \
		"$smc_run" "$bits"
	install_to "$T_TMP/multilib" lib
	mkdir "$T_TMP/multilib/lib32"
	: >"$T_TMP/multilib/lib32/$lib"
	t_like "$(stderr "$T_TMP/multilib/bin/smc_run" "$bits")" \
		"smc_run: $bits: no libsmc-preload.so for its architecture*" \
		"multilib: 32-bit library broken"
	"$cc" -m32 -shared -fPIC \
		-o "$T_TMP/multilib/lib32/$lib" "$T_TMP/dummy.c"
	golden "multilib: 32-bit" 0 \
		"$(show_out "$T_TMP/multilib/lib32/$lib" loaded "<$bits>" SMC_DEBUG=0)$nl" \
		'' "$T_TMP/multilib/bin/smc_run" "$bits"
	golden "multilib: 64-bit" 0 \
		"$(show_out "$T_TMP/multilib/lib/$lib" loaded '<show>' SMC_DEBUG=0)$nl" \
		'' "$T_TMP/multilib/bin/smc_run" show
	rm "$T_TMP/multilib/lib/$lib"
	golden "multilib: only the 32-bit library" 0 \
		"$(show_out "$T_TMP/multilib/lib32/$lib" 'not loaded' "<$bin/show>" SMC_DEBUG=0)$nl" \
		"smc_run: $bin/show: no libsmc-preload.so for its architecture (64-bit)$tcp""ERROR: ld.so: object '$T_TMP/multilib/lib32/$lib' from LD_PRELOAD cannot be preloaded (wrong ELF class: ELFCLASS32): ignored.$nl" \
		"$T_TMP/multilib/bin/smc_run" "$bin/show"
	golden "system: 32-bit without a library, bare name for the children" 0 \
		"$(show_out "$lib" 'not loaded' "<$bits>" SMC_DEBUG=0)$nl" \
		"smc_run: $bits: no libsmc-preload.so for its architecture (32-bit)$tcp""ERROR: ld.so: object '$lib' from LD_PRELOAD cannot be preloaded (cannot open shared object file): ignored.$nl" \
		in_system smc_run "$bits"
else
	t_skip "32-bit" "$cc has no -m32"
fi

#
# Programs with more rights than their caller, seen by the caller
#
cp "$bin/show" "$T_TMP/setuid"
chmod 4755 "$T_TMP/setuid"
privileged="smc_run: $T_TMP/setuid: privileged, so it needs libsmc-preload.so with the set-user-ID bit in a system directory, running on TCP"
t_is "$(stderr "${nobody[@]}" "$smc_run" "$T_TMP/setuid")" "$privileged" \
	"setuid, library named by its path"
t_is "$(stderr "$smc_run" "$T_TMP/setuid")" "" "setuid to the caller"
t_is "$(stderr in_system "${nobody[@]}" smc_run "$T_TMP/setuid")" "" \
	"setuid, library of the system"
# shellcheck disable=SC2016 # for the inner shell
t_like "$(stderr in_system sh -c 'chmod 644 "$0" && exec "$@"' \
	"$libc_dir/$lib" "${nobody[@]}" smc_run "$T_TMP/setuid")" \
	"$privileged*" "setuid, library of the system without the bit"
chmod 2755 "$T_TMP/setuid"
t_is "$(stderr "${nobody[@]}" "$smc_run" "$T_TMP/setuid")" "$privileged" "setgid"
chmod 2745 "$T_TMP/setuid"
t_is "$(stderr "${nobody[@]}" "$smc_run" "$T_TMP/setuid")" "" \
	"setgid without x is something else"
chmod 4755 "$T_TMP/setuid"
install_to "$T_TMP/setuid.prefix" lib
t_is "$(stderr "${nobody[@]}" "$T_TMP/setuid.prefix/bin/smc_run" \
	"$T_TMP/setuid")" "$privileged" "setuid, library outside the system"
chmod 755 "$T_TMP/setuid"
t_is "$(stderr "${nobody[@]}" "$smc_run" "$T_TMP/setuid")" "" "neither"
if command -v setcap >/dev/null; then
	setcap cap_net_raw=ep "$T_TMP/setuid"
	t_is "$(stderr "${nobody[@]}" "$smc_run" "$T_TMP/setuid")" \
		"$privileged" "file capabilities"
	t_is "$(stderr "$smc_run" "$T_TMP/setuid")" "" \
		"file capabilities, seen by root"
else
	t_skip "file capabilities" "no setcap"
fi
cp "$static" "$T_TMP/hidden"
chmod 711 "$T_TMP/hidden"
t_is "$(stderr "${nobody[@]}" "$smc_run" "$T_TMP/hidden")" "" \
	"what may not be read is not judged"

#
# Files that are no programs
#
# zeros COUNT: that many, for printf %b
zeros() {
	printf '%*s' "$1" '' | sed 's/ /\\0/g'
}
elf64_head='\177ELF\2\1\1'$(zeros 9)'\2\0\076\0\1\0\0\0'$(zeros 8)
# elf64 PHOFF PHNUM [REST]: a header with fields of 8 and 2 bytes
elf64() {
	printf '%s' "$elf64_head$1$(zeros 12)"'\100\0\070\0'"$2$(zeros 6)${3-}"
}
at64='\100'$(zeros 7)
ones='\377\377\377\377\377\377\377\377'
# phdr64 OFFSET FILESZ: that of an interpreter
phdr64() {
	printf '%s' '\3\0\0\0\4\0\0\0'"$1$(zeros 16)$2$(zeros 16)"
}
garbage=$T_TMP/garbage
: >"$garbage"
chmod 755 "$garbage"
# ignores NAME CONTENTS: nothing is said about such a file, and what happens
# to it is between kernel and shell
ignores() {
	local status=0
	printf '%b' "$2" >"$garbage"
	"$smc_run" "$garbage" >"$T_TMP/got.out" 2>"$T_TMP/got.err" || status=$?
	t_is "$((status < 128)) $(grep -ac "running on TCP" "$T_TMP/got.err")" "1 0" \
		"garbage: $1"
}
ignores "magic cut short" '\177EL'
ignores "magic alone" '\177ELF'
ignores "half a header" "$elf64_head"
ignores "header without its last byte" "$(elf64 "$at64" '\1\0' | sed 's/..$//')"
ignores "no program headers" "$(elf64 "$at64" '\0\0')"
ignores "program headers behind the end" "$(elf64 "$at64" '\1\0')"
ignores "program headers at -1" "$(elf64 "$ones" '\1\0')"
ignores "65535 program headers" "$(elf64 "$at64" '\377\377')"
ignores "interpreter at -1" \
	"$(elf64 "$at64" '\1\0' "$(phdr64 "$ones" '\1'"$(zeros 7)")")"
ignores "interpreter without end" \
	"$(elf64 "$at64" '\1\0' "$(phdr64 "$at64" "$ones")")"
ignores "interpreter of 4096 bytes" \
	"$(elf64 "$at64" '\1\0' "$(phdr64 "$at64" '\0\20'"$(zeros 6)")$(zeros 4096)")"
printf '%b' '\177ELF\1\2\1'"$(zeros 9)"'\0\2\0\024\0\0\0\1' "$(zeros 4)" \
	'\0\0\0\064' "$(zeros 8)" '\0\064\0\040\0\1' "$(zeros 6)" \
	'\0\0\0\3\0\0\0\124' "$(zeros 8)" '\0\0\0\015' "$(zeros 12)" \
	'/lib/ld.so.1\0' >"$garbage"
t_like "$(stderr "$smc_run" "$garbage")" \
	"smc_run: $garbage: no libsmc-preload.so for its architecture (32-bit), running on TCP$nl*" \
	"other byte order and word size"

#
# Limits of the system, which bind a caller without CAP_NET_ADMIN
#
echo 4096 >"$T_TMP/max"
limited() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m sh -euc '
		mount --bind "$0" /proc/sys/net/core/rmem_max
		mount --bind "$0" /proc/sys/net/core/wmem_max
		exec "$@"' "$T_TMP/max" "$@"
}
# warning VARIABLE WORD
warning() {
	printf '%s' "smc_run: $1=4097 is above net.core.$2_max (4096) and will be cut; raise net.core.$2_max, or net.smc.$2 for all SMC sockets"
}
t_is "$(stderr limited "${nobody[@]}" "$smc_run" -r 4097 show)" \
	"$(warning SMC_RCVBUF rmem)" "-r above the limit"
t_is "$(stderr limited "${nobody[@]}" "$smc_run" -t 4097 show)" \
	"$(warning SMC_SNDBUF wmem)" "-t above the limit"
t_is "$(stderr limited "${nobody[@]}" env SMC_SNDBUF=4097 "$smc_run" show)" \
	"$(warning SMC_SNDBUF wmem)" "inherited size above the limit"
t_is "$(stderr limited "${nobody[@]}" "$smc_run" -r 4k -t 4k show)" "" \
	"sizes at the limit"
t_is "$(stderr limited "$smc_run" -r 4097 -t 4097 show)" "" \
	"sizes above the limit, with CAP_NET_ADMIN"
t_is "$(stderr limited setpriv --bounding-set -net_admin \
	"$smc_run" -r 4097 show)" "$(warning SMC_RCVBUF rmem)" \
	"-r above the limit, uid 0"
t_is "$(limited "${nobody[@]}" "$smc_run" -r 4097 show 2>/dev/null |
	grep RCVBUF)" "SMC_RCVBUF=4097" "the size asked for is passed on"
t_is "$(cat /proc/sys/net/core/rmem_max)" \
	"$("$smc_run" -r 2147483647 cat /proc/sys/net/core/rmem_max)" \
	"the limit is never raised"

#
# With the library of this build: what is said of a bad value, by smc_run or
# by the library, is one line, and COMMAND runs
#
real=$SMC_BUILD_DIR/smc_run
golden "the real library loads" 0 \
	"$(show_out "$SMC_BUILD_DIR/preload/$lib" loaded '<show>' SMC_DEBUG=0)$nl" \
	'' "$real" show
for value in SMC_RCVBUF=1g SMC_SNDBUF= SMC_SOCK_FAMILY=foo; do
	for opt in '' -d; do
		t_is "$(stderr env "$value" "$real" ${opt:+"$opt"} show |
			grep -c "${value%=*}")" 1 "one line: $value ${opt:-without -d}"
	done
done

t_done
