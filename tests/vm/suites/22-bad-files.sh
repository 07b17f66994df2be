#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12
# smc: stock-lo
# profiles: fast
# label: vm
#
# Whatever is wrong with a file of rules: the program runs, soon, on TCP, with its own
# status; what the file excludes never offers SMC; --strict refuses and says where.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

sel=$SMC_BUILD_DIR/tests/vm/sel_probe
lib=$SMC_BUILD_DIR/preload/libsmc-preload.so
conf=/etc/smc/smc.conf
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
ip addr add 10.9.1.1/32 dev lo
ip addr add 10.8.1.1/32 dev lo
vm_serve 7001 "$sel" smc6 "listen:[::]:7001" forever
vm_watch
mkdir -p /etc/smc
mkdir -m 777 "$T_TMP/all"

# program PREFIX...: connects to an excluded address; its words and its status, then
# the SYN.  A minute is what a hang takes here.
program() {
	local rc=0 said
	vm_forget
	said=$(timeout -k 5 60 "$@" sh -c "'$sel' socket connect:10.9.1.1:7001 \
		kind data; exit 42" 2>"$T_TMP/err") || rc=$?
	echo "$rc $said $(vm_seen syn 10.9.1.1:7001)"
}

# bad NAME PLACE [PREFIX...]: there is an error at PLACE, a pattern.
bad() {
	local name=$1 place=$2 rc=0
	shift 2
	t_is "$(program "$@" "$VM_SMC_RUN")" "42 0 0 tcp same plain" \
		"$name: under smc_run"
	t_like "$(head -n 1 "$T_TMP/err")" "smc_run: $place: ?*" \
		"$name: smc_run says where"
	t_is "$(program "$@" env "LD_PRELOAD=$lib")" "42 0 0 tcp same plain" \
		"$name: under the library alone"
	# One for the shell, one for what it starts.
	t_is "$(grep -c '' "$T_TMP/err") $(sort -u "$T_TMP/err" | grep -c '')" "2 1" \
		"$name: one line of the library"
	t_like "$(head -n 1 "$T_TMP/err")" "libsmc-preload: $place: ?*" \
		"$name: it says where"
	timeout -k 5 60 "$@" "$VM_SMC_RUN" --strict touch "$T_TMP/all/started" \
		>"$T_TMP/out" 2>"$T_TMP/err" || rc=$?
	[ ! -e "$T_TMP/all/started" ] || rc=started
	t_is "$rc $(cat "$T_TMP/out")" "125 " "$name: --strict starts nothing, 125"
	t_like "$(head -n 1 "$T_TMP/err")" "smc_run: $place: ?*" \
		"$name: --strict says where"
	rm -rf "$conf" "$T_TMP/all/started"
}

# lines COUNT TEXT
lines() {
	awk -v n="$1" -v text="$2" 'BEGIN { while (n--) print text }'
}

# The same without an error: the rule holds, and only for what it names.
echo 'use tcp to 10.9.0.0/16' >$conf
t_is "$(program "$VM_SMC_RUN")" "42 0 0 tcp same plain" "a good file: excluded"
vm_forget
t_is "$("$VM_SMC_RUN" "$sel" socket connect:10.8.1.1:7001 kind data) $(
	vm_seen syn 10.8.1.1:7001)" "0 0 smc same smc" "a good file: not excluded"
t_is "$("$VM_SMC_RUN" --strict "$sel" socket connect:10.9.1.1:7001 kind 2>&1)" \
	"0 0 tcp" "a good file: --strict has nothing against it"

chmod 600 $conf
bad "unreadable" "$conf:1:1" "${nobody[@]}"
echo 'use tcp to 10.9.0.0/16' >$conf
chmod 666 $conf
bad "everybody may write it" "$conf:1:1"
echo 'use tcp to 10.9.0.0/16' >$conf
chmod 644 $conf
chown 1234 $conf
bad "somebody else's" "$conf:1:1"
cp /usr/bin/true $conf
bad "binary" "$conf:[0-9]*:[0-9]*"
lines 430000 'use tcp to 10.9.0.0/16' >$conf
bad "10 MB" "$conf:1:1"
lines 5000 'use tcp to :1' >$conf
bad "5000 rules" "$conf:*"
# Also where the limit is of rules and not of bytes.
lines 1025 'use tcp to :1' >$conf
bad "1025 rules" "$conf:1025:*"
printf 'use tcp to 10.9.0.0/16\nuse tcp to :1\0\n' >$conf
bad "NUL" "$conf:2:14"
printf '\0' >$conf
bad "only NUL" "$conf:1:1"
head -c 2000 /dev/zero | tr '\0' '#' >$conf
bad "a long line" "$conf:1:*"
printf 'use tcp to 10.9.0.0/16 \377\376\n' >$conf
bad "bytes that are no text" "$conf:1:24"
mkdir $conf
bad "a directory" "$conf:1:1"
mkfifo -m 644 $conf
bad "a FIFO" "$conf:1:1"
ln -s smc.conf $conf
bad "a link to itself" "$conf:1:1"
echo 'include /etc/smc/smc.conf' >$conf
bad "a file that includes itself" "$conf:1:9"
echo 'include /etc/smc/missing' >$conf
bad "an included file that is missing" "$conf:1:9"
mknod -m 644 $conf c 1 5
bad "a device without an end" "$conf:1:1"

mkdir -p /etc/smc/conf.d
for i in $(seq 65); do
	echo 'use tcp to :1' >"/etc/smc/conf.d/$i.conf"
done
bad "65 files in conf.d" "/etc/smc/conf.d:1:1"
rm -r /etc/smc/conf.d
echo 'use tpc' >/etc/smc/conf.d
bad "conf.d is a file" "/etc/smc/conf.d:1:1"
rm /etc/smc/conf.d

export SMC_CONFIG=$T_TMP/missing
bad "SMC_CONFIG names nothing" "$SMC_CONFIG:1:1"
SMC_CONFIG=relative
bad "SMC_CONFIG is no absolute path" "SMC_CONFIG:1:1"
unset SMC_CONFIG

# changing NAME WRITER: programs start while WRITER writes lists that all exclude the
# address, some with further rules.
changing() {
	local name=$1 i writer
	cp "$T_TMP/list.0" $conf
	"$2" &
	writer=$!
	vm_pids+=("$writer")
	for i in $(seq 15); do
		program "$VM_SMC_RUN"
	done | sort | uniq -c | awk '{ $1 = $1; print }' >"$T_TMP/programs"
	kill $writer
	wait $writer 2>/dev/null || true
	t_is "$(cat "$T_TMP/programs")" "15 42 0 0 tcp same plain" "$name"
	rm -f $conf
}
{
	echo 'use tcp to 10.9.0.0/16'
	lines 900 'use tcp to :1'
} >"$T_TMP/list.0"
{
	lines 900 'use smc to :2'
	echo 'use tcp to 10.9.0.0/16'
} >"$T_TMP/list.1"

renames() {
	local i=0
	while :; do
		cp "$T_TMP/list.$i" /etc/smc/new
		mv /etc/smc/new $conf
		i=$((1 - i))
	done
}

overwrites() {
	local i=0
	while :; do
		dd if="$T_TMP/list.$i" of=$conf bs=100 conv=notrunc status=none
		i=$((1 - i))
	done
}

# There is no list without the file: SMC.  That it vanishes must not matter.
appears() {
	local i=0
	while :; do
		ln -sf "$T_TMP/list.$i" /etc/smc/link
		mv -T /etc/smc/link $conf
		i=$((1 - i))
	done
}
changing "replaced while programs start" renames
changing "overwritten while programs start" overwrites
changing "links replaced while programs start" appears
t_done
