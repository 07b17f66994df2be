#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# smc_run --systemd where a real systemd does not help: its command line, a systemctl
# that is missing, fails or says strange things, and that nothing is left behind then.
# The suite 62-systemd has the real one.
set -euo pipefail
# shellcheck source=../lib/runlib.sh
. "$SMC_SOURCE_DIR/tests/lib/runlib.sh"

run=$SMC_BUILD_DIR/smc_run
lib=$SMC_BUILD_DIR/preload/libsmc-preload.so
# In the /etc of this test
units=/etc/systemd/system
mine=$units/some.service.d/50-smc.conf
nl='
'
mount -t tmpfs -o mode=755 tmpfs /run
rm -rf "$units"
mkdir -p "$units" "$T_TMP/bin" "$T_TMP/empty"

# A systemctl that prints a file for each call of "show", notes its calls, and fails to
# reload once if there is the file "fails".  With "real" it reads our drop-in.
export FAKE=$T_TMP MINE=$mine
cat >"$T_TMP/bin/systemctl" <<'FAKE_END'
#!/bin/sh
echo "$*" >>"$FAKE/calls"
[ -z "${LD_PRELOAD-}" ] || echo preloaded >>"$FAKE/calls"
case $* in
*daemon-reload*)
	[ ! -e "$FAKE/fails" ] || {
		rm "$FAKE/fails"
		exit 1
	}
	;;
*ExecStart*) cat "$FAKE/exec" ;;
*Id,*)
	cat "$FAKE/show"
	[ ! -e "$FAKE/real" ] || [ ! -e "$MINE" ] || grep '^Environment=' "$MINE"
	;;
esac
exit 0
FAKE_END
chmod 755 "$T_TMP/bin/systemctl"
: >"$T_TMP/calls"
chmod 666 "$T_TMP/calls"
PATH=$T_TMP/bin:$PATH
show() {
	printf '%s\n' "$@" >"$T_TMP/show"
}
: >"$T_TMP/real"
show Id=some.service LoadState=loaded MainPID=0
echo 'ExecStart={ path=/bin/sleep ; argv[]=/bin/sleep 1 ; ignore_errors=no }' \
	>"$T_TMP/exec"

# says STATUS STDOUT STDERR NAME ARGUMENT...; the two texts without the last newline
says() {
	local status=$1 out=$2 err=$3 name=$4
	shift 4
	golden "$name" "$status" "${out:+$out$nl}" "${err:+smc_run: $err$nl}" "$run" "$@"
}

nothing_is_left() {
	t_is "$(find "$units" -mindepth 1)" "" "$1: nothing is left"
}

says 125 '' '--systemd: systemd is not running here (it has to be PID 1)' \
	"no systemd" --systemd enable some
mkdir -p /run/systemd/system

# The command line
golden "no verb" 1 "smc_run: Error: Invalid option: --systemd$nl" '' "$run" --systemd
says 1 '' "--systemd: unknown verb 'start' (enable, disable or status)" "a verb" \
	--systemd start some
says 1 '' '--systemd: UNIT is missing' "no unit" --systemd enable
says 1 '' "--systemd: unexpected 'other'" "two units" --systemd enable some other
says 1 '' '--user: only with --systemd' "--user alone" --user ls
says 1 '' 'only one of --list-rules, --explain, --print-env, --reason, --check, --systemd and --bpf=VERB can be given' \
	"two queries" --list-rules --systemd status some
says 1 '' 'some.timer is no service' "a timer" --systemd enable some.timer
for name in ../some '' . .service @.service a/b 'a b' 'a*' "$(printf %0255d 0)"; do
	says 1 '' "--systemd: '$name' is no name of a unit" "'${name:0:9}'" \
		--systemd enable "$name"
done
nothing_is_left "wrong command lines"

# What works
says 0 "some.service: enabled ($mine); not running" '' enable --systemd enable some
t_is "$(cat "$mine")" "# Written by smc_run. Remove with: smc_run --systemd disable some.service
[Service]
Environment=\"LD_PRELOAD=$lib\" \"SMC_DEBUG=0\"" "the drop-in"
t_is "$(LD_PRELOAD=$lib "$run" --systemd status some)" \
	"some.service: enabled ($mine); not running" "status with the library"
t_unlike "$(cat "$T_TMP/calls")" "*preloaded*" "systemctl is without it"
(umask 077 && "$run" -d --systemd enable some >"$T_TMP/out")
t_is "$(stat -c %a "$mine" "${mine%/*}" | tr '\n' ' ')" "644 755 " "whatever the umask"
show Id=some.service LoadState=loaded MainPID=0 NeedDaemonReload=yes
says 10 "some.service: enabled ($mine); systemd has not read it: systemctl daemon-reload" \
	'' "not read" --systemd status some
show Id=some.service LoadState=not-found MainPID=0
says 0 'some.service: disabled' '' "disable a unit that is gone" --systemd disable some
nothing_is_left "disable"

# An interrupted smc_run
show Id=some.service LoadState=loaded MainPID=0
"$run" -d --systemd enable some >"$T_TMP/out"
mv "$mine" "${mine%/*}/.50-smc.conf.old"
says 0 'some.service: disabled' '' "one that was set aside" --systemd disable some
nothing_is_left "one that was set aside"

# What systemd does not take, or another file has: nothing is written, or the old is back.
t_refused() {
	local name=$4 before
	before=$(find "$units" -type f -exec cat {} +)
	says "$@"
	t_is "$(find "$units" -type f -exec cat {} +)" "$before" "$name: as before"
	[ -n "$before" ] || nothing_is_left "$name"
}
rm "$T_TMP/real"
t_refused 12 '' "some.service: not enabled: another drop-in sets LD_PRELOAD after it, or systemd does not take the value (systemctl cat some.service)" \
	"not in force" --systemd enable some
: >"$T_TMP/real"
: >"$T_TMP/fails"
t_refused 125 '' '--systemd: systemctl failed' "no reload" --systemd enable some
"$run" --rule 'use tcp' --systemd enable some >"$T_TMP/out"
: >"$T_TMP/fails"
t_refused 125 '' '--systemd: systemctl failed' "no reload, enabled before" \
	-d --systemd enable some
t_refused 12 '' "--rule[1]:1:5: unknown word 'tpc' (smc, tcp or require)
smc_run: some.service: not enabled: bad list" \
	"a bad rule, enabled before" --rule 'use tpc' --systemd enable some
says 0 'some.service: disabled' '' "and disabled" --systemd disable some
nothing_is_left "and disabled"

# Without what it needs
t_refused_by() {
	local name=$1 status=$2 err=$3
	shift 3
	golden "$name" "$status" '' "smc_run: $err$nl" "$@"
	nothing_is_left "$name"
}
t_refused_by "no systemctl" 125 "--systemd: there is no systemctl (install systemd)" \
	env PATH="$T_TMP/empty" /bin/sh "$run" --systemd enable some
t_refused_by "no home" 1 "--systemd: HOME is not set, which --user needs" \
	env -u HOME "$run" --user --systemd enable some
t_refused_by "not root" 1 \
	"$mine: Permission denied (be root; --user is for your own services)" \
	setpriv --reuid 65534 --regid 65534 --clear-groups "$run" --systemd enable some

# The rules of the examples, as the library reads them
examples() {
	grep -rhE '^[^#]*SMC_(RULES|ALLOW)' \
		"$SMC_SOURCE_DIR"/conf/examples/{systemd,container} |
		sed -E 's/%i/6379/; s/.*(SMC_(RULES|ALLOW))[=:] *"?([^"]*)"?$/\1=\3/'
}
n=0
while IFS= read -r line; do
	n=$((n + 1))
	t_check "example $n: $line" env "$line" "$run" --list-rules
done < <(examples)
t_is "$n" 5 "that is all"
t_done
