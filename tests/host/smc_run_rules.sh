#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Rules in smc_run: the long options, what COMMAND gets of them, names, bad
# lists, --strict, and the queries, with every shell that may be /bin/sh.
set -euo pipefail
# shellcheck source=../lib/runlib.sh
. "$SMC_SOURCE_DIR/tests/lib/runlib.sh"

cc=${CC:-cc}
refuse=$SMC_BUILD_DIR/tests/host/refuse
bin=$T_TMP/bin
tree=$T_TMP/tree
smc_run=$tree/smc_run
nl='
'

# A tree with a library that does nothing, so that stderr is smc_run's alone.
mkdir -p "$bin" "$tree/preload/tools" "$T_TMP/cwd"
printf 'int dummy;\n' >"$T_TMP/dummy.c"
"$cc" -shared -fPIC -o "$tree/preload/libsmc-preload.so" "$T_TMP/dummy.c"
cp "$SMC_BUILD_DIR/smc_run" "$tree/"
cp "$SMC_BUILD_DIR/preload/tools/smc_run_core" "$tree/preload/tools/"
for program in redis-server nginx sshd; do
	cp "$(type -P true)" "$bin/$program"
done
PATH=$bin:$PATH
cd "$T_TMP/cwd"

# Names from files alone, and these
printf '%s\n' 'passwd: files' 'group: files' 'hosts: files' >/etc/nsswitch.conf
printf '%s\n' '127.0.0.1 localhost' '10.1.2.3 db1' 'fd00:1::3 db1' \
	'192.0.2.7 db-2.example' >/etc/hosts
for ((i = 1; i <= 65; i++)); do
	printf '192.0.2.%d many%s\n' $i "$([ $i = 65 ] || echo ' most')"
done >>/etc/hosts
echo 'batch:x:1003:1003::/:/bin/sh' >>/etc/passwd
echo 'operators:x:1010:' >>/etc/group

# sees NAME VARIABLES COMMAND...: COMMAND ends in a program that is to see
# these SMC_* variables, in C order, and no others but SMC_DEBUG=0
sees() {
	local name=$1 vars=$2
	shift 2
	golden "$name" 0 "$vars" '' "$BASH" -c 'set -o pipefail
		"$@" env -0 | sed -znE "/^SMC_(DEBUG=0$|(SOURCE|BUILD)_DIR=)/!{/^SMC_/p}" |
		LC_ALL=C sort -z | tr "\0" "\n"' - "$@"
}

# etc FILE TEXT: a file of the machine
etc() {
	mkdir -p "$(dirname "/etc/smc/$1")"
	printf '%s\n' "$2" >"/etc/smc/$1"
}

# surface SHELL...: what depends on the script
surface() {
	local sh=$1 run=("$@" "$smc_run") opt value

	for opt in rule=SMC_RULES=use\ tcp\ to\ :53 deny=SMC_DENY=10.0.0.0/8,:53 \
		allow=SMC_ALLOW='[fd00::/8]:1-2' config=SMC_CONFIG=none; do
		value=${opt#*=}
		opt=--${opt%%=*}
		sees "$sh: $opt VALUE" "$value$nl" "${run[@]}" "$opt" "${value#*=}"
		sees "$sh: $opt=VALUE" "$value$nl" "${run[@]}" "$opt=${value#*=}"
		sees "$sh: $opt between short options" \
			"$value${nl}SMC_SNDBUF=1${nl}SMC_SOCK_FAMILY=inet$nl" \
			"${run[@]}" -t 1 "$opt" "${value#*=}" -f inet --
		golden "$sh: $opt without a value" 1 \
			"smc_run: Error: Invalid option: $opt$nl" '' \
			"${run[@]}" "$opt"
		golden "$sh: no COMMAND after $opt" 1 \
			"smc_run: Error: Missing command parameter$nl" '' \
			"${run[@]}" "$opt" "${value#*=}"
	done
	for opt in --strict=1 --list-rules=x --print-env=x --rules --check=x \
		--reported --reasons --summary=x --bpfx; do
		golden "$sh: unknown $opt" 1 \
			"smc_run: Error: Invalid option: $opt$nl" '' \
			"${run[@]}" "$opt" true
	done
	sees "$sh: options that repeat" \
		"SMC_ALLOW=10.0.0.0/8,[fd00::/8]${nl}SMC_DENY=:1,:2$nl""SMC_RULES=use tcp to :3${nl}use tcp to :4$nl" \
		"${run[@]}" --deny :1 --rule='use tcp to :3' --allow 10.0.0.0/8 \
		--deny=:2 --rule 'use tcp to :4' --allow '[fd00::/8]'
	sees "$sh: quoting" "SMC_RULES=use tcp prog '\"\\\$x\`*,é # \$(y)$nl" \
		"${run[@]}" --rule "use tcp prog '\"\\\$x\`*,é # \$(y)"
	golden "$sh: options end at COMMAND" 0 "--rule x --strict$nl" '' \
		"${run[@]}" --deny :1 echo --rule x --strict
	golden "$sh: COMMAND like an option" 127 '' \
		"smc_run: --strict: not found$nl" "${run[@]}" --deny :1 -- --strict
	golden "$sh: status" 42 '' '' "${run[@]}" --deny :1 sh -c 'exit 42'
	# shellcheck disable=SC2016 # for the inner shells
	t_check "$sh: same pid" sh -c 'set -- "$@" sh -c '\''[ "$$" = "$PID" ]'\''
		PID=$$ exec "$@"' - "${run[@]}" --rule 'use tcp user batch'
	golden "$sh: usage error" 1 '' \
		"smc_run: --rule[1]:1:12: host bits set in '10.1.2.3/8' (10.0.0.0/8)$nl" \
		"${run[@]}" --rule 'use tcp to 10.1.2.3/8' echo started
	golden "$sh: --list-rules" 0 \
		"1  --deny[1]:1             use tcp connect to 10.9.0.0/16
-  default                 smc
" '' "${run[@]}" --deny 10.9.0.0/16 --list-rules
	for opt in '--explain connect 10.9.1.1:443' \
		'--explain=connect 10.9.1.1:443' '--explain 10.9.1.1:443' \
		--explain=10.9.1.1:443; do
		# shellcheck disable=SC2086 # words
		golden "$sh: $opt" 10 \
			"connect 10.9.1.1:443, program $(realpath "$bin/nginx"), uid 0
1  --deny[1]:1             use tcp connect to 10.9.0.0/16       match
verdict: tcp
" '' "${run[@]}" --deny 10.9.0.0/16 $opt nginx
	done
	for opt in '--reason 0x03030008' --reason=0X03030008 '--reason 50528264'; do
		# shellcheck disable=SC2086 # words
		golden "$sh: $opt" 0 "0x03030008 no common user EID
cure: smcd ueid add NAME (or smcr), the same NAME on both hosts
" '' "${run[@]}" $opt
	done
	# They have a program of their own, which this tree does not have.
	for opt in --check '--check true' '--deny :1 --check --json' '--peer :1 --check' \
		--report '--report 1' --report=1 '--report --json 1'; do
		# shellcheck disable=SC2086 # words
		golden "$sh: $opt" 125 '' \
			"smc_run: smc_run_diag, which knows these options, is not built or installed$nl" \
			"${run[@]}" $opt
	done
	golden "$sh: --list-rules --json" 0 "{\"version\":1,\"rules\":[{\"number\":1,\"origin\":\"--deny[1]:1\",\"text\":\"use tcp connect to 10.9.0.0/16\",\"names\":[]},{\"number\":2,\"origin\":\"--rule[1]:1\",\"text\":\"use smc user root, batch\",\"names\":[\"0\",\"1003\"]}],\"default\":\"smc\"}$nl" '' \
		"${run[@]}" --deny 10.9.0.0/16 --rule 'use smc user root,batch' \
		--json --list-rules
	golden "$sh: --explain --json" 10 "{\"version\":1,\"role\":\"connect\",\"address\":\"10.9.1.1:443\",\"program\":null,\"uid\":0,\"rules\":[{\"number\":1,\"origin\":\"--deny[1]:1\",\"text\":\"use tcp connect to :1\",\"result\":\"no: address or port\"},{\"number\":2,\"origin\":\"--deny[2]:1\",\"text\":\"use tcp connect to 10.9.0.0/16\",\"result\":\"match\"}],\"verdict\":\"tcp\",\"is_default\":false}$nl" '' \
		"${run[@]}" --deny :1 --deny 10.9.0.0/16 --json --explain 10.9.1.1:443
	golden "$sh: --explain --json: the default" 0 "{\"version\":1,\"role\":\"listen\",\"address\":\"[::1]:443\",\"program\":null,\"uid\":0,\"rules\":[],\"verdict\":\"smc\",\"is_default\":true}$nl" '' \
		"${run[@]}" --json --explain listen '[::1]:443'
	golden "$sh: --all without --report" 1 '' \
		"smc_run: --all: unknown option$nl" "${run[@]}" --all true
	golden "$sh: --json without a query" 1 '' \
		"smc_run: --json: only with --check, --explain, --list-rules or --report$nl" "${run[@]}" --json true
	golden "$sh: --peer without --check" 1 '' \
		"smc_run: --peer: only with --check$nl" "${run[@]}" --peer a:1 true
	golden "$sh: --reason without a value" 1 \
		"smc_run: Error: Invalid option: --reason$nl" '' "${run[@]}" --reason
	golden "$sh: --print-env" 0 \
		"export LD_PRELOAD='$tree/preload/libsmc-preload.so'
export SMC_DENY='10.9.0.0/16'
" '' "${run[@]}" --deny 10.9.0.0/16 --print-env
	golden "$sh: --strict" 125 '' \
		"smc_run: refused by --strict: no SMC in the kernel: Operation not permitted (modprobe smc)$nl" \
		"$refuse" 1 "${run[@]}" --strict echo started
	golden "$sh: no companion: --deny" 125 '' \
		"smc_run: smc_run_core, which knows these options, is not built or installed$nl" \
		"$@" "$T_TMP/alone/smc_run" --deny :1 echo started
	golden "$sh: no companion: --list-rules" 125 '' \
		"smc_run: smc_run_core, which knows these options, is not built or installed$nl" \
		"$@" "$T_TMP/alone/smc_run" --list-rules
	golden "$sh: no companion: the other options" 0 "started$nl" \
		"smc_run: smc_run_core is not built or installed, running on TCP$nl" \
		"$@" "$T_TMP/alone/smc_run" -d -- echo started
}
mkdir "$T_TMP/alone"
cp "$smc_run" "$T_TMP/alone/"
each_shell surface

#
# What COMMAND gets
#
sees "variables alone are kept" "SMC_DENY=:1${nl}SMC_PROGS=a*,b$nl" \
	env SMC_DENY=:1 SMC_PROGS='a*,b' "$smc_run"
sees "options before variables" \
	"SMC_ALLOW=:1,:2${nl}SMC_DENY=:3,:4${nl}SMC_RULES=use tcp to :5 # x${nl}use tcp to :6$nl" \
	env SMC_ALLOW=:2 SMC_DENY=:4 SMC_RULES='use tcp to :6' "$smc_run" \
	--allow :1 --deny :3 --rule 'use tcp to :5 # x'
sees "what is empty is left out" "SMC_DENY=:1,:2$nl" \
	env SMC_DENY= "$smc_run" --deny '' --deny :1 --deny= --deny :2
sees "nested" "SMC_DENY=:2,:1$nl" "$smc_run" --deny :1 "$smc_run" --deny :2
sees "--config instead of SMC_CONFIG" "SMC_CONFIG=none$nl" \
	env SMC_CONFIG=/nosuch "$smc_run" --config none
: >"$T_TMP/cwd/my conf"
sees "--config, relative path" "SMC_CONFIG=$T_TMP/cwd/my conf$nl" \
	"$smc_run" --config 'my conf'
sees "SMC_STRICT=0" "SMC_STRICT=0$nl" env SMC_STRICT=0 "$smc_run"
golden "--strict" 0 "1$nl" '' "$refuse" 0 "$smc_run" --strict \
	printenv SMC_STRICT
golden "--strict over SMC_STRICT" 0 "1$nl" '' env SMC_STRICT=0 \
	"$refuse" 0 "$smc_run" --strict printenv SMC_STRICT
long=$(printf ':%d,' {1001..1150})
golden "a variable would be too long" 1 '' \
	"smc_run: --deny: SMC_DENY would be longer than 1024 bytes (write a file and --config)$nl" \
	env SMC_DENY="${long%,}" "$smc_run" --deny "${long%,}" echo started

#
# Names
#
sees "a host" \
	"SMC_DENY=db1:5432${nl}SMC_NAMES=host db1 10.1.2.3 fd00:1::3$nl" \
	"$smc_run" --deny db1:5432
sees "each name once" \
	"SMC_DENY=db1:1,db1:2${nl}SMC_NAMES=host db1 10.1.2.3 fd00:1::3;user batch 1003;group operators 1010;host db-2.example 192.0.2.7${nl}SMC_RULES=use tcp user batch group operators to db-2.example, db1$nl" \
	"$smc_run" --deny db1:1,db1:2 \
	--rule 'use tcp user batch group operators to db-2.example, db1'
sees "names are looked up afresh" \
	"SMC_NAMES=user batch 1003${nl}SMC_RULES=use tcp user batch$nl" \
	env SMC_NAMES='user batch 7;host other 10.0.0.1' \
	SMC_RULES='use tcp user batch' "$smc_run"
sees "names that nobody needs" '' env SMC_NAMES='user batch 7' "$smc_run"
sees "64 addresses" \
	"SMC_DENY=most${nl}SMC_NAMES=host most$(printf ' 192.0.2.%d' {1..64})$nl" \
	"$smc_run" --deny most
golden "65 addresses" 1 '' \
	"smc_run: --deny[1]:1:1: host 'many' has more than 64 addresses$nl" \
	"$smc_run" --deny many echo started
golden "a host that is not known" 1 '' \
	"smc_run: --allow[1]:1:4: host 'no.such' cannot be resolved (write the address)$nl" \
	"$smc_run" --allow :1,no.such echo started
golden "a user that is not known" 1 '' \
	"smc_run: --rule[1]:1:19: user 'nosuch' cannot be resolved (write the number)$nl" \
	"$smc_run" --rule 'use tcp user root,nosuch' echo started
golden "a group that is not known" 1 '' \
	"smc_run: --rule[1]:1:15: group '-1' cannot be resolved (write the number)$nl" \
	"$smc_run" --rule 'use tcp group -1' echo started
golden "a host like an option" 1 '' \
	"smc_run: --deny[1]:1:1: host '-h' cannot be resolved (write the address)$nl" \
	"$smc_run" --deny -h echo started
golden "without getent" 1 '' \
	"smc_run: --deny[1]:1:1: host 'db1' cannot be resolved (write the address)$nl" \
	env PATH=/nonexistent "$(command -v dash || command -v sh)" "$smc_run" \
	--deny db1 echo started
sees "closed streams" \
	"SMC_DENY=db1${nl}SMC_NAMES=host db1 10.1.2.3 fd00:1::3$nl" \
	"$BASH" -c 'exec "$@" <&- 2>&-' - "$smc_run" --deny db1
sees "SIGCHLD ignored" \
	"SMC_DENY=db1${nl}SMC_NAMES=host db1 10.1.2.3 fd00:1::3$nl" \
	env --ignore-signal=CHLD "$smc_run" --deny db1
golden "a name in a variable: bad list, and no name for the library" 0 "" \
	"smc_run: SMC_DENY:1:1: host 'no.such' cannot be resolved (write the address)
smc_run: bad list, running on TCP
" env SMC_NAMES='host no.such 10.0.0.1' SMC_DENY=no.such "$smc_run" \
	sh -c 'printenv SMC_NAMES || :'

#
# Bad lists and wrong options
#
bad=$T_TMP/bad.conf
printf '%s\n' 'use smc to 10.0.0.0/8' 'use tpc to 10.9.0.0/16' 'strikt = 1' >"$bad"
bad_error="smc_run: $bad:2:5: unknown word 'tpc' (smc, tcp or require)$nl"
bad_tcp="smc_run: bad list, running on TCP$nl"
golden "bad file of SMC_CONFIG" 3 "$bad$nl" "$bad_error$bad_tcp" \
	env SMC_CONFIG="$bad" "$smc_run" sh -c 'printenv SMC_CONFIG; exit 3'
golden "bad file of SMC_CONFIG, COMMAND not found" 127 '' \
	"$bad_error${bad_tcp}smc_run: nosuch: not found$nl" \
	env SMC_CONFIG="$bad" "$smc_run" nosuch
golden "bad file of --config" 1 '' "$bad_error" \
	"$smc_run" --config "$bad" echo started
golden "no file of --config" 1 '' \
	"smc_run: $T_TMP/cwd/nosuch:1:1: cannot be used: No such file or directory$nl" \
	"$smc_run" --config nosuch echo started
golden "empty --config" 1 '' \
	"smc_run: --config: a path or 'none' is expected$nl" \
	"$smc_run" --config '' echo started
golden "no file of SMC_CONFIG" 0 "started$nl" \
	"smc_run: /nosuch:1:1: cannot be used: No such file or directory$nl$bad_tcp" \
	env SMC_CONFIG=/nosuch "$smc_run" echo started
golden "what was typed is told first" 1 '' \
	"smc_run: --deny[2]:1:1: '1' is not an address$nl" \
	env SMC_EXCLUDE=, "$smc_run" --deny :1 --deny 1 echo started
golden "a bad variable" 0 "started$nl" \
	"smc_run: SMC_PROGS:1:3: a program is missing$nl$bad_tcp" \
	env SMC_PROGS=a,,b "$smc_run" echo started
golden "SMC_STRICT that is neither 0 nor 1" 125 '' \
	"smc_run: SMC_STRICT:1:1: 0 or 1 is expected
smc_run: refused by --strict: bad list
" "$refuse" 0 env SMC_STRICT=x "$smc_run" echo started

etc smc.conf "use tpc to :1"
golden "bad /etc/smc/smc.conf" 0 "started$nl" \
	"smc_run: /etc/smc/smc.conf:1:5: unknown word 'tpc' (smc, tcp or require)$nl$bad_tcp" \
	"$smc_run" echo started
golden "--config none does not read it" 0 "started$nl" '' \
	"$smc_run" --config none echo started
etc smc.conf "use tcp to :1"
etc conf.d/10-a.conf "use tcp to :2 # second$nl${nl}use smc to db1:3 as three"
etc conf.d/not "use"
mkdir -p "$T_TMP/home/.config/smc" "$T_TMP/xdg/smc"
echo 'default = tcp' >"$T_TMP/home/.config/smc/smc.conf"
echo 'use require to :4' >"$T_TMP/xdg/smc/smc.conf"
golden "files, in their order" 0 \
	"1  /etc/smc/conf.d/10-a.conf:1  use tcp connect to :2
2  /etc/smc/conf.d/10-a.conf:3  use smc connect to db1:3 as three    (10.1.2.3, fd00:1::3)
3  /etc/smc/smc.conf:1          use tcp connect to :1
-  default                      tcp
" '' env HOME="$T_TMP/home" "$smc_run" --list-rules
width=$((${#T_TMP} + 19))
golden "the user's file comes before them" 0 \
	"$(printf '%s  %-*s  %s\n' \
		1 $width "$T_TMP/xdg/smc/smc.conf:1" 'use require connect to :4' \
		2 $width /etc/smc/smc.conf:1 'use tcp connect to :1' \
		- $width default smc)
" '' env HOME="$T_TMP/home" XDG_CONFIG_HOME="$T_TMP/xdg" sh -c \
	'rm /etc/smc/conf.d/10-a.conf && exec "$@"' - "$smc_run" --list-rules
etc smc.conf "locked = yes${nl}use tcp to :1"
golden "locked" 0 \
	"1  /etc/smc/smc.conf:2     use tcp connect to :1
2  --rule[1]:1             use smc
-  default                 smc
" '' "$smc_run" --rule 'use smc' --list-rules
etc smc.conf "strict = yes"
golden "strict = yes" 125 '' \
	"smc_run: refused by --strict: no SMC in the kernel: Operation not permitted (modprobe smc)$nl" \
	"$refuse" 1 "$smc_run" echo started
golden "SMC_STRICT=0 over strict = yes" 0 "started$nl" '' \
	"$refuse" 1 env SMC_STRICT=0 "$smc_run" echo started
etc smc.conf "family = inet"
golden "strict with a family of a file" 125 '' \
	"smc_run: refused by --strict: no SMC in the kernel: Protocol not supported (modprobe smc)$nl" \
	"$refuse" 93 "$smc_run" --strict echo started
rm -r /etc/smc
golden "HOME is no directory" 0 "started$nl" '' \
	env HOME=/dev/null "$smc_run" echo started

#
# --strict
#
printf 'int main(void) { return 0; }\n' >"$T_TMP/main.c"
"$cc" -static -o "$T_TMP/static" "$T_TMP/main.c"
golden "strict, SMC in the kernel" 0 "started$nl" '' \
	"$refuse" 0 "$smc_run" --strict echo started
golden "SMC_STRICT=1 is as --strict" 125 '' \
	"smc_run: refused by --strict: no SMC in the kernel: Permission denied (modprobe smc)$nl" \
	env SMC_STRICT=1 "$refuse" 13 "$smc_run" echo started
golden "strict, bad list" 125 '' \
	"${bad_error}smc_run: refused by --strict: bad list$nl" \
	"$refuse" 0 env SMC_CONFIG="$bad" "$smc_run" --strict echo started
golden "strict, statically linked, not root" 125 '' \
	"smc_run: refused by --strict: $T_TMP/static: statically linked (smc_run --bpf, as root, is for it)$nl" \
	"$refuse" 0 setpriv --reuid 65534 --regid 65534 --clear-groups \
	"$smc_run" --strict "$T_TMP/static"
# Root could have the kernel do it; that is for a suite in a guest.
export SMC_RUN_BPF=0
golden "strict, each reason" 125 '' \
	"${bad_error}smc_run: refused by --strict: bad list
smc_run: refused by --strict: $T_TMP/static: statically linked
smc_run: refused by --strict: no SMC in the kernel: Operation not permitted (modprobe smc)
" "$refuse" 1 env SMC_CONFIG="$bad" "$smc_run" --strict "$T_TMP/static"
golden "strict, statically linked" 125 '' \
	"smc_run: refused by --strict: $T_TMP/static: statically linked$nl" \
	"$refuse" 0 "$smc_run" --strict "$T_TMP/static"
if "$cc" -m32 -o "$T_TMP/m32" "$T_TMP/main.c" 2>/dev/null; then
	golden "strict, 32-bit" 125 '' \
		"smc_run: refused by --strict: $T_TMP/m32: no libsmc-preload.so for its architecture (32-bit)$nl" \
		"$refuse" 0 "$smc_run" --strict "$T_TMP/m32"
else
	t_skip "strict, 32-bit" "$cc has no -m32"
fi
if command -v musl-gcc >/dev/null; then
	musl-gcc -o "$T_TMP/musl" "$T_TMP/main.c"
	golden "strict, another libc" 125 '' \
		"smc_run: refused by --strict: $T_TMP/musl: uses another C library than libsmc-preload.so$nl" \
		"$refuse" 0 "$smc_run" --strict "$T_TMP/musl"
else
	t_skip "strict, another libc" "no musl-gcc"
fi
cp "$(type -P true)" "$T_TMP/setuid"
chmod 4755 "$T_TMP/setuid"
golden "strict, privileged" 125 '' \
	"smc_run: refused by --strict: $T_TMP/setuid: privileged, so it needs libsmc-preload.so with the set-user-ID bit in a system directory$nl" \
	"$refuse" 0 setpriv --reuid 65534 --regid 65534 --clear-groups \
	"$smc_run" --strict "$T_TMP/setuid"
golden "strict, COMMAND not found" 127 '' "smc_run: nosuch: not found$nl" \
	"$refuse" 0 "$smc_run" --strict nosuch
mkdir -p "$T_TMP/nolib"
cp -r "$tree/smc_run" "$tree/preload" "$T_TMP/nolib/"
rm "$T_TMP/nolib/preload/libsmc-preload.so"
golden "strict, no library" 125 '' \
	"smc_run: refused by --strict: $T_TMP/nolib/preload/libsmc-preload.so: not found$nl" \
	"$refuse" 0 "$T_TMP/nolib/smc_run" --strict echo started
unset SMC_RUN_BPF

#
# --list-rules
#
golden "list: nothing" 0 "-  default                 smc$nl" '' \
	"$smc_run" --list-rules
golden "list: the sources in their order, and what names mean" 0 \
	"1   SMC_EXCLUDE:1           use tcp prog a
2   SMC_PROGS:1             use tcp prog not b
3   --deny[1]:1             use tcp connect to 10.9.0.0/16
4   SMC_DENY:1              use tcp connect to 10.0.0.0/8
5   --rule[1]:1             use smc connect to db1:5432 as pg    (10.1.2.3, fd00:1::3)
6   --rule[2]:2             use tcp user batch group operators   (1003, 1010)
7   SMC_RULES:1             use require listen prog b on :80, [fd00::1]
8   --allow[1]:1            use smc connect to private
9   SMC_ALLOW:1             use smc connect to :22
10  SMC_ALLOW:1             use tcp
-   default                 smc
" '' env SMC_EXCLUDE=a SMC_PROGS=b SMC_DENY=10.0.0.0/8 \
	SMC_RULES='use require  listen prog b on :80 , [fd00::1]' SMC_ALLOW=:22 \
	"$smc_run" --deny 10.9.0.0/16 --rule 'use smc to db1:5432 as pg' \
	--rule "#${nl}use tcp user batch group operators" --allow private \
	--list-rules
golden "list: all errors, 12" 12 '' \
	"smc_run: SMC_EXCLUDE:1:1: a program is missing
${bad_error}smc_run: $bad:3:1: unknown word 'strikt' (use, include or a setting: family, default, strict, locked, rcvbuf, sndbuf, debug)
" env SMC_EXCLUDE=, SMC_CONFIG="$bad" "$smc_run" --list-rules
golden "list: an error that was typed, 1" 1 '' \
	"smc_run: --deny[1]:1:1: 'x:y:z' has many ':' (an IPv6 address is written in [ ])$nl" \
	"$smc_run" --deny x:y:z --list-rules
golden "list: an argument" 1 '' \
	"smc_run: --list-rules: unexpected 'x'$nl" "$smc_run" --list-rules x
golden "two queries" 1 '' \
	"smc_run: only one of --list-rules, --explain, --print-env, --reason, --check, --systemd and --bpf=VERB can be given$nl" \
	"$smc_run" --list-rules --print-env
golden "list: nowhere to write" 1 '' \
	"smc_run: standard output: No space left on device$nl" \
	"$BASH" -c 'exec "$@" >/dev/full' - "$smc_run" --list-rules

#
# --explain
#
golden "explain: why others do not match" 0 \
	"connect 10.1.2.3:5432, program $(realpath "$bin/nginx"), uid 0
1  --rule[1]:1             use tcp listen                       no: role
2  --rule[2]:1             use tcp prog sshd                    no: program
3  --rule[3]:1             use tcp user batch                   no: user
4  --rule[4]:1             use tcp group operators              no: group
5  --rule[5]:1             use tcp connect to 10.9.0.0/16       no: address or port
6  --rule[6]:1             use require connect to db1           match
verdict: require
" '' "$smc_run" --rule 'use tcp listen' --rule 'use tcp prog sshd' \
	--rule 'use tcp user batch' --rule 'use tcp group operators' \
	--rule 'use tcp to 10.9.0.0/16' --rule 'use require to db1' \
	--rule 'use tcp' --explain 10.1.2.3:5432 nginx
golden "explain: the default" 0 \
	"connect [fd00::1]:80, program (not given), uid 0
1  --deny[1]:1             use tcp connect to :53               no: address or port
-  default                 smc                                  match
verdict: smc
" '' "$smc_run" --deny :53 --explain '[fd00:0::1]:80'
golden "explain: strict" 0 \
	"listen 0.0.0.0:80, program (not given), uid 0
-  default                 smc                                  match
verdict: require
" '' "$smc_run" --strict --explain listen 0.0.0.0:80
golden "explain: a host" 10 \
	"connect 10.1.2.3:80 (db1, the first of 2 addresses), program (not given), uid 0
1  --deny[1]:1             use tcp connect to 10.0.0.0/8        match
verdict: tcp
" '' "$smc_run" --deny 10.0.0.0/8 --explain db1:80
golden "explain: a host with one address" 0 \
	"connect 192.0.2.7:80 (db-2.example), program (not given), uid 0
-  default                 smc                                  match
verdict: smc
" '' "$smc_run" --explain db-2.example:80
golden "explain: another user" 10 \
	"connect 10.0.0.1:80, program (not given), uid 65534
1  --rule[1]:1             use tcp user nobody                  match
verdict: tcp
" '' setpriv --reuid 65534 --regid 65534 --clear-groups \
	"$smc_run" --rule 'use tcp user nobody' --explain 10.0.0.1:80
printf '#!%s\n' "$bin/sshd" >"$bin/script"
chmod 755 "$bin/script"
golden "explain: a script is its interpreter" 10 \
	"connect 10.0.0.1:80, program $(realpath "$bin/sshd"), uid 0
1  --rule[1]:1             use tcp prog sshd                    match
verdict: tcp
" '' "$smc_run" --rule 'use tcp prog sshd' --explain 10.0.0.1:80 script
golden "explain: bad list, 12" 12 \
	"connect 10.8.1.1:80, program (not given), uid 0
verdict: tcp (bad list)
" "$bad_error" env SMC_CONFIG="$bad" "$smc_run" --explain 10.8.1.1:80
golden "explain: an error that was typed, 1" 1 '' \
	"smc_run: --allow[1]:1:1: '1' is not an address$nl" \
	"$smc_run" --allow 1 --explain 10.8.1.1:80
for words in '' connect listen; do
	# shellcheck disable=SC2086 # a word or none
	golden "explain: $words without an address" 1 '' \
		"smc_run: --explain: ADDR:PORT is missing$nl" \
		"$smc_run" --explain $words
done
golden "explain: too much" 1 '' "smc_run: --explain: unexpected 'x'$nl" \
	"$smc_run" --explain 10.0.0.1:80 nginx x
golden "explain: far too much" 1 '' "smc_run: --explain: unexpected 'y'$nl" \
	"$smc_run" --explain connect 10.0.0.1:80 nginx y
golden "explain: no such program" 1 '' "smc_run: nosuch: not found$nl" \
	"$smc_run" --explain 10.0.0.1:80 nosuch
for words in 10.0.0.1 :80 '*:80' 10.0.0.0/8:80 10.0.0.1:80-81 loopback:80 \
	10.0.0.1:80,10.0.0.2:80; do
	golden "explain: $words is not one address and port" 1 '' \
		"smc_run: --explain: '$words': one address and one port are expected$nl" \
		"$smc_run" --explain "$words"
done
golden "explain: no address" 1 '' \
	"smc_run: --explain:1:1: 'fd00::1:80' has many ':' (an IPv6 address is written in [ ])$nl" \
	"$smc_run" --explain fd00::1:80

# The worked examples of the rules.  verdict WANT WORDS, with $options and the
# environment of the caller
verdict() {
	local want=$1 got=0
	shift
	"$smc_run" "${options[@]}" --explain "$@" >"$T_TMP/got.out" 2>&1 || got=$?
	t_is "$(tail -n 1 "$T_TMP/got.out"), $got" \
		"verdict: $want, $([ "$want" = tcp ] && echo 10 || echo 0)" \
		"example $example: $*"
}
example=1 options=()
verdict smc connect 10.1.2.3:5432
verdict smc listen 0.0.0.0:80
example=2 options=(--rule 'use tcp to :53')
verdict tcp connect 10.0.0.1:53
verdict smc connect 10.0.0.1:5432
verdict tcp connect '[fd00::1]:53'
verdict smc listen 0.0.0.0:53
example=3 options=(--rule 'use smc to 10.0.0.0/8:5432; use tcp')
verdict smc connect 10.1.2.3:5432
verdict smc connect '[::ffff:10.1.2.3]:5432'
verdict tcp connect 10.1.2.3:5433
verdict tcp listen 0.0.0.0:5432
example=4 options=(--rule 'use smc to [fd00:1::/64]; use tcp')
verdict smc connect '[fd00:1::5]:80'
verdict tcp connect '[fd00:2::5]:80'
verdict tcp connect 10.0.0.1:80
example=5
options=(--rule 'use tcp to 10.9.0.0/16; use smc to 10.0.0.0/8; use tcp')
verdict tcp 10.9.1.1:80
verdict smc 10.8.1.1:80
verdict tcp 192.0.2.1:80
example="5, the other way round"
options=(--rule 'use smc to 10.0.0.0/8; use tcp to 10.9.0.0/16; use tcp')
verdict smc 10.9.1.1:80
example=6
options=(--rule 'use smc listen prog redis-server on :6379-6380; use tcp')
verdict smc listen 0.0.0.0:6379 redis-server
verdict tcp listen 127.0.0.1:26379 redis-server
verdict tcp connect 10.0.0.2:6379 redis-server
example=7
verdict tcp listen 0.0.0.0:6379 nginx
verdict tcp connect 10.0.0.2:6379 nginx
example=8 options=(--rule 'use tcp listen on 192.0.2.10:443')
verdict tcp listen 0.0.0.0:443
verdict tcp listen '[::]:443'
verdict smc listen 198.51.100.1:443
verdict smc listen 0.0.0.0:80
verdict smc connect 192.0.2.10:443
example=9 options=()
SMC_DENY=10.9.0.0/16
SMC_ALLOW='10.0.0.0/8,[fd00::/8]:443'
export SMC_DENY SMC_ALLOW
verdict tcp 10.9.0.1:443
verdict smc 10.1.0.1:22
verdict smc '[fd00::1]:443'
verdict tcp '[fd00::1]:80'
verdict tcp listen 0.0.0.0:443
unset SMC_DENY SMC_ALLOW
example=10
export SMC_EXCLUDE=sshd,sudo SMC_PROGS='redis-*,postgres,sshd'
verdict tcp 10.0.0.1:80 sshd
verdict smc 10.0.0.1:80 redis-server
verdict smc listen 0.0.0.0:80 redis-server
verdict tcp 10.0.0.1:80 nginx
unset SMC_EXCLUDE SMC_PROGS
example=11 options=(--rule 'use require to 10.5.0.0/16; use tcp')
verdict require 10.5.0.1:80
verdict tcp 10.6.0.1:80
etc smc.conf "use smc to 10.0.0.0/8${nl}use tpc to 10.9.0.0/16"
etc_error="smc_run: /etc/smc/smc.conf:2:5: unknown word 'tpc' (smc, tcp or require)$nl"
golden "example 12: explain" 12 \
	"connect 10.8.1.1:80, program (not given), uid 0
verdict: tcp (bad list)
" "$etc_error" "$smc_run" --explain 10.8.1.1:80
golden "example 12: COMMAND" 0 "started$nl" "$etc_error$bad_tcp" \
	"$smc_run" echo started
golden "example 12: strict" 125 '' \
	"${etc_error}smc_run: refused by --strict: bad list$nl" \
	"$refuse" 0 "$smc_run" --strict echo started
golden "example 12: list" 12 '' "$etc_error" "$smc_run" --list-rules
rm -r /etc/smc

#
# --reason
for value in '' x 0x 0x0303000g 3030008x -1 +1 4294967296 0x103030008 ' 1'; do
	golden "reason: '$value'" 1 '' \
		"smc_run: --reason: '$value' is no code (0x03030008 is one)$nl" \
		"$smc_run" "--reason=$value"
done
golden "reason: unknown" 1 '' "smc_run: --reason: 0x00000007: unknown$nl" \
	"$smc_run" --reason 7
golden "reason: an argument" 1 '' "smc_run: --reason: unexpected 'x'$nl" \
	"$smc_run" --reason 0x03010000 x
golden "reason: whatever the rules" 0 "0x05000000 peer declined
cure: the reason is the peer's: ask there
" '' env SMC_CONFIG="$bad" "$smc_run" --reason 0x05000000

# --print-env
#
env_text=$(SMC_EXCLUDE="it's" "$smc_run" -d -f smc -r 8k --strict \
	--rule 'use tcp user batch' --rule 'use tcp to :1' --print-env)
t_is "$env_text" "export LD_PRELOAD='$tree/preload/libsmc-preload.so'
export SMC_DEBUG='1'
export SMC_SOCK_FAMILY='smc'
export SMC_RCVBUF='8192'
export SMC_EXCLUDE='it'\\''s'
export SMC_RULES='use tcp user batch
use tcp to :1'
export SMC_STRICT='1'
export SMC_NAMES='user batch 1003'" "print-env: in its order"
for sh in dash 'bash --posix' 'busybox sh'; do
	command -v "${sh%% *}" >/dev/null || continue
	# shellcheck disable=SC2016,SC2086 # for the inner shell
	t_is "$(env -i PATH="$PATH" $sh -c 'eval "$1"
		printf "%s|" "$LD_PRELOAD" "$SMC_EXCLUDE" "$SMC_RULES"' - "$env_text")" \
		"$tree/preload/libsmc-preload.so|it's|use tcp user batch${nl}use tcp to :1|" \
		"print-env: what $sh makes of it"
done
golden "print-env: bad list" 0 \
	"export LD_PRELOAD='$tree/preload/libsmc-preload.so'
export SMC_CONFIG='$bad'
" "$bad_error$bad_tcp" env SMC_CONFIG="$bad" "$smc_run" --print-env
golden "print-env: no library" 0 '' \
	"smc_run: $T_TMP/nolib/preload/libsmc-preload.so: not found, running on TCP$nl" \
	"$T_TMP/nolib/smc_run" --print-env
golden "print-env: an error that was typed, 1" 1 '' \
	"smc_run: --deny[1]:1:1: '1' is not an address$nl" \
	"$smc_run" --deny 1 --print-env
golden "print-env: an argument" 1 '' \
	"smc_run: --print-env: unexpected 'x'$nl" "$smc_run" --print-env x

t_done
