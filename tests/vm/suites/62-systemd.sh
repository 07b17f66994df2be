#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12
# smc: inet
# profiles: fast
# not:
# lab:
# label: vm
#
# smc_run --systemd with a real systemd: a redis that is enabled talks SMC, one that
# is disabled TCP, and its files are as before; what a unit has already is kept; what
# cannot be reached is refused, with nothing written.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"
# shellcheck source=../systemd.sh
. "$SMC_SOURCE_DIR/tests/vm/systemd.sh"

export LC_ALL=C
# Where units with ProtectHome= or PrivateTmp= see it, too
tree=/opt/smc
lib=$tree/preload/libsmc-preload.so
mkdir -p "$tree/preload/tools"
cp "$SMC_BUILD_DIR/smc_run" "$tree/"
cp "$SMC_BUILD_DIR"/preload/tools/smc_run_{core,diag} "$tree/preload/tools/"
cp "$SMC_BUILD_DIR/preload/libsmc-preload.so" "$tree/preload/"
VM_SMC_RUN=$tree/smc_run
run=("$VM_SMC_RUN")

ctl() {
	vm_in_systemd systemctl "$@"
}

# said STATUS TEXT NAME ARGUMENT...: what smc_run --systemd prints, and its status
said() {
	local status=$1 text=$2 name=$3 rc=0 out
	shift 3
	out=$(vm_in_systemd "${run[@]}" "$@" 2>&1) || rc=$?
	t_like "$rc $out" "$status $text" "$name"
}

# refused STATUS TEXT NAME ARGUMENT...: the same, with no file of any unit changed
refused() {
	local before
	before=$(files)
	said "$@"
	t_is "$(files)" "$before" "$3: nothing is written"
}

# All that is below the units, and what is in it
files() {
	find "$vm_units" -printf '%P %y %m %l\n' | sort
	find "$vm_units" -type f -exec sha256sum {} + | sort
}

path() {
	echo "$vm_units/$1.d/50-smc.conf"
}

pid_of() {
	ctl show -p MainPID "$1" | cut -d= -f2
}

# environ UNIT NAME: the variable as its process has it
environ() {
	vm_in_systemd cat "/proc/$(pid_of "$1")/environ" | tr '\n\0' '|\n' |
		sed -n "s/^$2=//p"
}

t_check "systemd starts" vm_systemd
t_diag "$(tail -n 5 "$T_TMP/systemd.log")"

# Debian's redis-server.service, as far as it matters here
ln -s /usr/bin/redis-check-rdb /usr/local/bin/redis-server
vm_unit redis-server.service '[Unit]' After=network.target '[Service]' Type=notify \
	"ExecStart=/usr/local/bin/redis-server --save '' --port 6379 --supervised systemd --daemonize no" \
	PrivateTmp=yes ProtectHome=yes ProtectSystem=strict PrivateDevices=yes \
	NoNewPrivileges=yes MemoryDenyWriteExecute=true \
	'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX' \
	'[Install]' Alias=redis.service
vm_unit redis-server.service.d/other.conf LimitNOFILE=4000
ln -s redis-server.service "$vm_units/redis.service"
before=$(files)
ctl daemon-reload

# talks WANT NAME: how a client under smc_run and the service talk
talks() {
	local want=$1 name=$2 pid moved
	vm_mark
	coproc CLIENT { exec "$VM_SMC_RUN" redis-cli -p 6379 2>&1; }
	# shellcheck disable=SC2153 # of coproc
	local client=$CLIENT_PID
	echo "EVAL \"return string.rep('x', 200000)\" 0" >&"${CLIENT[1]}"
	read -r -t 60 line <&"${CLIENT[0]}" || line=none
	t_is ${#line} 200000 "$name: redis answers"
	pid=$(pid_of redis-server)
	t_like "$(vm_in_systemd "$VM_SMC_RUN" --report "$pid" | grep accepted |
		sed 's/  */ /g')" "* accepted 127.0.0.1:6379 127.0.0.1:* $want *" \
		"$name: --report says $want"
	moved=$(vm_moved smcd.clnt smcd.srv)
	t_is "$moved" "$([ "$want" = SMC-D ] && echo 1 1 || echo 0 0)" \
		"$name: SMC-D connections of client and server"
	moved=$(vm_moved smcd.rx_bytes)
	if [ "$want" = SMC-D ]; then
		t_ok $((moved < 200000)) "$name: what it sent went over SMC-D"
	else
		t_is "$moved" 0 "$name: nothing went over SMC-D"
	fi
	eval "exec ${CLIENT[1]}>&-"
	wait "$client" || true
}

unit=redis-server.service
said 3 "$unit: not enabled" "status before" --systemd status redis-server
said 0 "$unit: not enabled" "disable what is not enabled" --systemd disable "$unit"
ctl start redis-server
talks TCP "not enabled"
said 10 "*unit     FAIL  $unit: LD_PRELOAD is not set; cure: smc_run --systemd enable $unit*process  FAIL  $(pid_of "$unit") has not loaded the library; cure: systemctl restart $unit*result: tcp (unit, process)" \
	"--check" --check "$unit"
said 0 "*RestrictAddressFamilies= blocks AF_SMC*
$unit: enabled ($(path $unit)); PID $(pid_of "$unit") has not loaded the library: restart it" \
	"enable what runs" --systemd enable redis-server
t_is "$(cat "$(path $unit)")" "# Written by smc_run. Remove with: smc_run --systemd disable $unit
[Service]
Environment=\"LD_PRELOAD=$lib\" \"SMC_DEBUG=0\"" "the drop-in"
t_is "$(stat -c %a "$(path $unit)")" 644 "its mode"
said 10 "$unit: enabled * has not loaded the library: restart it" \
	"status before the restart" --systemd=status redis-server
talks TCP "enabled, not restarted"
said 10 "*unit     OK    $unit: LD_PRELOAD names the library*process  FAIL *result: tcp (process)" \
	"--check before the restart" --check "$unit"
ctl restart redis-server
said 0 "*unit     OK *target   OK    /usr/bin/redis-check-rdb: dynamic*process  OK *result: smc" \
	"--check after its cures" --check "$unit"
said 0 "$unit: enabled ($(path $unit)); PID * has loaded the library" \
	"status after the restart" --systemd status redis-server
talks SMC-D "enabled"
said 0 "$unit: enabled * has loaded the library" "status by its alias" \
	--systemd status redis
sleep 1.5
said 0 "*has loaded the library, with older settings: restart it" \
	"enable with a rule" --rule 'use tcp listen on :6379' --systemd enable redis
ctl restart redis-server
talks TCP "enabled, a rule for TCP"
ctl stop redis-server
said 10 "$unit: enabled * not running" "status of what does not run" \
	--systemd status redis-server
said 0 "*unit     OK *rules    OK    1: AF_INET mixed, AF_INET6 mixed*result: smc" \
	"--check of what does not run: its own rules" --check "$unit"
ctl start redis-server
said 0 "$unit: disabled; PID * has loaded the library: restart it" disable \
	--systemd disable redis-server
t_is "$(files)" "$before" "disabled: all files are as before"
ctl restart redis-server
said 3 "$unit: not enabled" "status after disable" --systemd status redis-server
talks TCP "disabled"

# What a unit has already
other=/lib/x86_64-linux-gnu/libutil.so.1
vm_unit merge.service ExecStart="/bin/sleep 1000" \
	"Environment=LD_PRELOAD=$other \"A=b c\" SMC_DENY=10.1.0.0/16 SMC_DEBUG=1"
ctl daemon-reload
files >"$T_TMP/before"
# shellcheck disable=SC2016
rule='use tcp prog a%n"c\d$HOME # with a comment'
said 0 "merge.service: enabled * not running" "enable with all options" \
	-f inet -r 8k -t 1m --deny 10.2.0.0/16 --rule "$rule" --rule "use smc" \
	--strict --config none --systemd enable merge
ctl start merge
t_is "$(environ merge LD_PRELOAD)" "$other:$lib" "behind the unit's own LD_PRELOAD"
t_is "$(environ merge A)" "b c" "its own variable is kept"
t_is "$(environ merge SMC_DENY)" "10.2.0.0/16,10.1.0.0/16" "in front of its own list"
t_is "$(environ merge SMC_RULES)" "$rule|use smc" "rules arrive as they are"
t_is "$(for v in SOCK_FAMILY RCVBUF SNDBUF CONFIG STRICT DEBUG; do
	environ merge SMC_$v; done | tr '\n' ' ')" "inet 8192 1048576 none 1 1 " \
	"the other options"
t_is "$(vm_in_systemd env SMC_RULES='use tcp' SMC_RCVBUF=1 SMC_DEBUG=3 "${run[@]}" \
	--systemd enable merge >/dev/null; cat "$(path merge.service)")" \
	"# Written by smc_run. Remove with: smc_run --systemd disable merge.service
[Service]
Environment=\"LD_PRELOAD=$other:$lib\"" \
	"enabled again: new options, not those of the shell"
refused 0 "*" "enabled once more" --systemd enable merge
vm_unit merge.service ExecStart="/bin/sleep 1000" "Environment=A=d"
ctl daemon-reload
said 0 "*" "enabled after a change of the unit" --systemd enable merge
t_like "$(cat "$(path merge.service)")" "*\"LD_PRELOAD=$lib\" \"SMC_DEBUG=0\"" \
	"what was the unit's own once is gone"
vm_unit merge.service.d/60-late.conf Environment=LD_PRELOAD=$other
ctl daemon-reload
refused 12 "*another drop-in sets LD_PRELOAD after it*" "a later drop-in" \
	-d --systemd enable merge
rm "$vm_units/merge.service.d/60-late.conf"
said 0 "merge.service: disabled*" "disable merge" --systemd disable merge
t_fails "no directory is left" test -e "$vm_units/merge.service.d"

# Templates
vm_unit tt@.service ExecStart="/bin/sleep 100%i"
ctl daemon-reload
said 0 "tt@1.service: enabled ($(path tt@1.service)); not running" "an instance" \
	--systemd enable tt@1
said 3 "tt@2.service: not enabled" "the other instance" --systemd status tt@2
said 0 "tt@1.service: disabled" "disable an instance" --systemd disable tt@1.service
said 0 "tt@.service: enabled ($(path tt@.service)) for all its instances" "a template" \
	--systemd enable tt@
ctl start tt@3
said 0 "tt@3.service: enabled ($(path tt@.service)); PID * has loaded the library" \
	"an instance of it" --systemd status tt@3
said 0 "tt@.service: disabled" "disable a template" --systemd disable tt@.service

# Variables of files, as systemd reads them: one is in quotes and
# one goes on in the next line.  --check of what runs has what systemd made of it.
cat >/etc/default/files <<'END'
# SMC_RULES=use tcp
 ; SMC_RULES=use tcp
LD_PRELOAD=/nosuch
END
cat >/etc/default/files2 <<END
SMC_RULES="use tcp to 10.1.0.0/16;
# in quotes
use smc to 10.0.0.0/8"
SMC_DENY = 10.2.0.0/16,10.3\\
.0.0/16
LD_PRELOAD=$other\\:$lib
END
vm_unit files.service ExecStart="/bin/sleep 1000" "Environment='SMC_RULES=use tcp'" \
	EnvironmentFile=/etc/default/files 'EnvironmentFile=-/etc/default/files?'
ctl daemon-reload
said 0 "*unit     OK    files.service: LD_PRELOAD names the library
*rules    OK    3: AF_INET mixed, AF_INET6 mixed
result: smc" "--check reads the files of a unit" --check files.service
ctl start files
t_is "$(environ files SMC_DENY)" "10.2.0.0/16,10.3.0.0/16" "systemd reads them so"
said 0 "*rules    OK    3: AF_INET mixed, AF_INET6 mixed
result: smc" "--check of its process" --check files.service
ctl stop files
rm /etc/default/files2
said 10 "*unit     FAIL  files.service: /etc/default/files sets LD_PRELOAD, without the library; cure: name the library there
*" "--check of one that sets LD_PRELOAD" --check files.service
rm /etc/default/files
said 10 "*unit     WARN  files.service: EnvironmentFile=/etc/default/files: no such file
*unit     FAIL  files.service: LD_PRELOAD is not set;*" "--check without its file" \
	--check files.service
vm_unit files.service ExecStart="/bin/sleep 1000" Group=daemon SystemCallFilter=~fcntl \
	"Environment=LD_PRELOAD=$lib 'SMC_RULES=use tcp group daemon'"
ctl daemon-reload
said 10 "*unit     WARN  files.service: SystemCallFilter= does not allow *; cure: SystemCallFilter=fcntl
*rules    FAIL  1: all-tcp for this program*" "--check knows the group and the sandbox" \
	--check files.service

# Warnings
echo "LD_PRELOAD=$other" >/etc/default/warn
vm_unit warn.socket '[Socket]' ListenStream=7777 \
	'[Install]' WantedBy=sockets.target
vm_unit warn.service ExecStart="/bin/sleep 1000" SystemCallFilter=~fcntl \
	"RestrictAddressFamilies=AF_INET AF_SMC" EnvironmentFile=-/etc/default/war? \
	"PassEnvironment=A LD_PRELOAD" UnsetEnvironment=LD_PRELOAD RootDirectory=/ \
	ProtectHome=yes
ctl daemon-reload
said 0 "smc_run: warn.service: /etc/default/warn sets LD_PRELOAD, which counts instead: *
smc_run: warn.service: SystemCallFilter= does not allow * cure: SystemCallFilter=fcntl
smc_run: warn.service: PassEnvironment=LD_PRELOAD has no effect any more
smc_run: warn.service: UnsetEnvironment= takes LD_PRELOAD away: *
warn.service: enabled *" "warnings" --systemd enable warn
said 0 "*" "disable warn" --systemd disable warn
mkdir -p /root/tree/preload/tools
cp "$VM_SMC_RUN" /root/tree/
cp "$SMC_BUILD_DIR"/preload/tools/smc_run_{core,diag} /root/tree/preload/tools/
cp "$lib" /root/tree/preload/
run=(/root/tree/smc_run)
said 0 "*: ProtectHome=yes hides /root/tree/preload/libsmc-preload.so*" \
	"a library that is hidden" --systemd enable warn
said 0 "*" "disable warn again" --systemd disable warn
vm_unit warn.service ExecStart="/bin/sleep 1000" User=nobody
ctl daemon-reload
chmod 700 /root
said 0 "*: its user cannot read /root/tree/preload/libsmc-preload.so*" \
	"a library that its user cannot read" --systemd enable warn
said 0 "*" "disable warn once more" --systemd disable warn
run=("$VM_SMC_RUN")
ctl -q enable warn.socket
said 11 "*unit     FAIL  warn.service: process 1 opens its sockets*result: unreachable (unit)" \
	"--check with a socket" --check warn.service
said 11 "*unit     FAIL  warn.socket: process 1 opens its sockets*result: unreachable (unit)" \
	"--check of a socket" --check warn.socket
said 1 "smc_run: --check: absent.service: no such unit, or it cannot be loaded" \
	"--check of no unit" --check absent.service
said 0 "*PID 1 opens the sockets of warn.socket*" "a socket that is enabled" \
	--systemd enable warn
ctl start warn.socket
said 0 "*PID 1 opens the sockets of warn.socket*" "a socket that listens" \
	--systemd enable warn
said 0 "*" "disable what has a socket" --systemd disable warn
ctl -q disable warn.socket

# A user's own systemd
echo "lab:x:4711:4711::/home/lab:/bin/sh" >>/etc/passwd
echo "lab:x:4711:" >>/etc/group
mkdir -p /home/lab/.config/systemd/user
printf '%s\n' '[Service]' 'ExecStart=/bin/sleep 1000' 'Environment=A=b' \
	>/home/lab/.config/systemd/user/mine.service
chown -R 4711:4711 /home/lab
vm_unit lab-user.service Type=notify User=lab PAMName= RuntimeDirectory=lab Delegate=yes \
	Environment=XDG_RUNTIME_DIR=/run/lab "ExecStart=/lib/systemd/systemd --user --unit=basic.target"
ctl daemon-reload
t_check "a systemd of a user" ctl start lab-user
as_user=(setpriv --reuid 4711 --regid 4711 --clear-groups env HOME=/home/lab
	XDG_RUNTIME_DIR=/run/lab)
run=("${as_user[@]}" "$VM_SMC_RUN")
mine=/home/lab/.config/systemd/user/mine.service.d/50-smc.conf
said 0 "mine.service: enabled ($mine); not running" "enable a unit of a user" \
	--user --systemd enable mine
vm_in_systemd "${as_user[@]}" systemctl --user start mine
said 0 "mine.service: enabled ($mine); PID * has loaded the library" "its status" \
	--user --systemd status mine
t_like "$(cat "$mine")" "*smc_run --user --systemd disable mine.service*" "its drop-in"
said 0 "mine.service: disabled; PID * restart it" "disable it" --user --systemd disable mine
t_fails "nothing of it is left" test -e "${mine%/*}"
refused 1 "smc_run: $(path merge.service): Permission denied (be root; *" \
	"a unit of the machine, not as root" --systemd enable merge
refused 1 "smc_run: $(path merge.service): Permission denied (be root; *" \
	"disable, not as root" --systemd disable merge
run=("$VM_SMC_RUN")

# Refusals
vm_unit static.service ExecStart="$SMC_BUILD_DIR/preload/tools/smc_run_core /bin/sleep 9"
objcopy --add-section .go.buildinfo=/etc/hostname /bin/sleep /usr/local/bin/go-sleep
vm_unit go.service ExecStart="/usr/local/bin/go-sleep 9"
vm_unit setuid.service ExecStart="/usr/bin/passwd" User=nobody
vm_unit root.service ExecStart="/usr/bin/passwd"
vm_unit foreign.service ExecStart="/bin/sleep 9"
vm_unit foreign.service.d/50-smc.conf Environment=A=b
ln -s /dev/null "$vm_units/masked.service"
ctl daemon-reload
refused 11 "*static.service: not enabled: *: statically linked" "a static program" \
	--systemd enable static
refused 11 "*go.service: not enabled: *: a Go program, which makes system calls itself" \
	"a Go program" --systemd enable go
vm_unit both.service Type=oneshot ExecStart="/bin/sleep 1" \
	ExecStart="$SMC_BUILD_DIR/preload/tools/smc_run_core /bin/sleep 1"
ctl daemon-reload
said 0 "smc_run: both.service: *: statically linked
both.service: enabled *" "a static program beside another" --systemd enable both
t_like "$(cat "$(path both.service)")" "*\"LD_PRELOAD=$lib\"*" "its library"
said 0 "both.service: disabled" "disable both" --systemd disable both
refused 11 "*setuid.service: not enabled: */passwd: privileged*" "a privileged program" \
	--systemd enable setuid
said 0 "root.service: enabled*" "one that is not for root" --systemd enable root
said 0 "root.service: disabled" "disable root" --systemd disable root
refused 11 "*: PID 1 opens its sockets*" "a socket" --systemd enable warn.socket
refused 4 "*nosuch.service: no such unit" "no unit" --systemd enable nosuch
refused 4 "*nosuch.service: no such unit" "no unit to disable" --systemd disable nosuch
refused 4 "*nosuch.service: no such unit" "no unit to look at" --systemd status nosuch
refused 4 "*no@.service: no such unit" "no template" --systemd enable no@
refused 4 "*masked*" "a masked unit" --systemd enable masked
refused 12 "*--allow?1?:1:1: *db1*is not looked up*not enabled: bad list" \
	"a host by its name" --allow db1:5432 --systemd enable merge
refused 12 "*--rule?1?:1:14: *is not looked up*" "a user by its name" \
	--rule 'use tcp user pg' --systemd enable merge
refused 12 "*--rule?1?:1:5: *" "a bad rule" --rule 'use tpc' --systemd enable merge
refused 12 "*was not written by smc_run*" "a drop-in of somebody else" \
	--systemd enable foreign
refused 12 "*was not written by smc_run*" "disable that" --systemd disable foreign
refused 3 "*was not written by smc_run*" "status of that" --systemd status foreign
mkdir /etc/smc
echo 'use tpc' >/etc/smc/smc.conf
refused 12 "*/etc/smc/smc.conf:1:5: *" "a bad file" --systemd enable merge
rm -r /etc/smc

# The examples, as their comments say
examples=$SMC_SOURCE_DIR/conf/examples/systemd
cp "$lib" /usr/lib/x86_64-linux-gnu/
mkdir -p "$vm_units/redis-server.service.d" "$vm_units/redis-server@.service.d"
cp "$examples/service.conf" "$vm_units/redis-server.service.d/smc.conf"
cp "$examples/template.conf" "$vm_units/redis-server@.service.d/smc.conf"
vm_unit redis-server@.service "ExecStart=/usr/local/bin/redis-server --port %i"
cp "$examples/user.service" /home/lab/.config/systemd/user/redis-tunnel.service
[ -x /usr/bin/socat ] || ln -s /bin/true /usr/bin/socat
ctl daemon-reload
t_is "$(vm_in_systemd systemd-analyze --man=no verify redis-server.service 2>&1)" "" \
	"example of a service: no complaint"
t_is "$(vm_in_systemd systemd-analyze --man=no verify redis-server@6379.service 2>&1)" "" \
	"example of a template: no complaint"
t_is "$(vm_in_systemd "${as_user[@]}" systemd-analyze --user --man=no verify \
	redis-tunnel.service 2>&1)" "" "example of a user: no complaint"
t_is "$(ctl show -p Environment redis-server@7000)" \
	'Environment=LD_PRELOAD=libsmc-preload.so "SMC_RULES=use smc listen on :7000; use tcp"' \
	"example of a template: its port"
ctl restart redis-server
talks SMC-D "example of a service"
t_done
