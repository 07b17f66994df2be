#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet stock-lo stock
# profiles: fast
# not: 6.1.stock-lo 6.1.stock
# long: 6.12.stock-lo.fast
# lab:
# label: vm
#
# smc_run --bpf: programs that the library does not reach use SMC, who is beside them
# does not; rules count; COMMAND is what it was, and nothing is left behind, whoever
# is killed.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

static=$SMC_BUILD_DIR/tests/vm/tcp_probe_static
go=$SMC_BUILD_DIR/tests/vm/go_http
uring=$SMC_BUILD_DIR/tests/vm/uring_socket
bpf=("$VM_SMC_RUN" --bpf)
py=/usr/bin/python3

[ -x "$SMC_BUILD_DIR/preload/tools/smc_run_bpf" ] || t_skip_all "smc_run_bpf is not built"

# run COMMAND...: its status and what it says in out
run() {
	local rc=0
	"$@" >"$T_TMP/out" 2>&1 || rc=$?
	out="$rc $(cat "$T_TMP/out")"
}

if [ "$LAB_BASE" = 6.1 ]; then
	no="kernel $(uname -r) has no hook for it: Linux 6.6 or later with CONFIG_MPTCP is needed"
	run "${bpf[@]}" true
	t_is "$out" "125 smc_run: --bpf: $no" "6.1: it says what the kernel lacks"
	run "$VM_SMC_RUN" "$static" x
	t_like "$out" "1 smc_run: $static: statically linked; --bpf: $no, running on TCP*" \
		"6.1: a static program runs on TCP"
	run "$VM_SMC_RUN" --strict "$static" x
	t_is "$out" "125 smc_run: refused by --strict: $static: statically linked; --bpf: $no" \
		"6.1: or not at all"
	t_done
	exit
fi

# nothing: no program in the kernel, no cgroup, no keeper.
nothing() {
	[ -z "$(bpftool prog list)$(bpftool link list)" ] &&
		[ -z "$(find /sys/fs/cgroup -name 'smc_run-*')" ] &&
		! grep -qx smc_run_keeper /proc/[0-9]*/comm
}
gone() {
	t_check "$1: nothing is left" vm_until 10 nothing
}
t_check "before: nothing" nothing

# What a socket is, by its SYN to a port where nobody listens
vm_watch
port=7500
syn() {
	local name=$1 want=$2
	shift 2
	port=$((port + 1))
	vm_forget
	"$@" $port >/dev/null 2>"$T_TMP/err" || true
	t_is "$(vm_seen syn 127.0.0.1:$port)" "$want" "$name"
	[ "$(vm_seen syn 127.0.0.1:$port)" = "$want" ] || t_diag "$(cat "$T_TMP/err")"
}
connect='import socket, sys; socket.socket().connect(("127.0.0.1", int(sys.argv[1])))'
client=("$static" client --host 127.0.0.1 --port)
# The project's module offers nothing without a device; this one is there.
syn "static, by itself" plain "${client[@]}"
syn "static, --bpf" smc "${bpf[@]}" "${client[@]}"
syn "static, smc_run alone" smc "$VM_SMC_RUN" "${client[@]}"
SMC_RUN_BPF=0 syn "static, SMC_RUN_BPF=0" plain "$VM_SMC_RUN" "${client[@]}"
SMC_RUN_BPF=1 syn "dynamic, SMC_RUN_BPF=1" smc "$VM_SMC_RUN" "$py" -c "$connect"
syn "dynamic, --bpf" smc "${bpf[@]}" "$py" -c "$connect"
syn "io_uring with socket(2)" smc "${bpf[@]}" "$uring" call
# io_uring's own does not pass the hook, in no kernel so far.
syn "io_uring's own socket is TCP" plain "${bpf[@]}" "$uring" uring

# IPv6, and sockets that are none of ours
cat >"$T_TMP/kinds.py" <<'END'
import socket as s
SMC = 256
for family, type, protocol in ((s.AF_INET, s.SOCK_STREAM, 0), (s.AF_INET6, s.SOCK_STREAM, 6),
        (s.AF_INET, s.SOCK_STREAM | s.SOCK_NONBLOCK | s.SOCK_CLOEXEC, 0),
        (s.AF_INET, s.SOCK_DGRAM, 0), (s.AF_UNIX, s.SOCK_STREAM, 0),
        (s.AF_INET, s.SOCK_STREAM, 262), (s.AF_INET, s.SOCK_RAW, 6)):
    f = s.socket(family, type, protocol)
    try: f.getsockopt(286, 0x102, 12); print("P", end=" ")
    except OSError as e: print(e.errno if f.getsockopt(s.SOL_SOCKET, s.SO_PROTOCOL) != SMC else "S", end=" ")
try: s.socket(s.AF_INET, s.SOCK_STREAM, 17)
except OSError as e: print(e.errno)
END
# With the project's module SMC's option answers; the kernel's is known by the protocol.
is=P
[ "$LAB_SMC" = inet ] || is=S
"$py" "$T_TMP/kinds.py" >"$T_TMP/plain"
"${bpf[@]}" "$py" "$T_TMP/kinds.py" >"$T_TMP/mapped"
t_is "$(cut -d ' ' -f 1-3 "$T_TMP/mapped")" "$is $is $is" "TCP sockets are for SMC"
t_is "$(cut -d ' ' -f 4- "$T_TMP/mapped")" "$(cut -d ' ' -f 4- "$T_TMP/plain")" \
	"other sockets are what they were"

# Over SMC
if [ "$LAB_SMC" != stock ]; then
	protocol=6
	[ "$LAB_SMC" = inet ] || protocol=256
	port=7100
	# over_smc NAME BYTES SERVER-PREFIX... -- CLIENT-PREFIX...
	over_smc() {
		local name=$1 bytes=$2
		port=$((port + 1))
		shift 2
		vm_stream $port "$name" 127.0.0.1 127.0.0.1 epoll "$bytes" "$@"
		t_smc "$name client" SMC-D "$T_TMP/clnt.end" $((2 * bytes))
		t_is "$(vm_end "$T_TMP/srv.end" mode) $(vm_end "$T_TMP/clnt.end" protocol)" \
			"SMC-D $protocol" "$name: the server's mode, the client's protocol"
	}
	dynamic=$VM_PROBE
	VM_PROBE=$static
	over_smc static 2000000 "${bpf[@]}" -- "${bpf[@]}"
	# set-user-ID of another user, which drops what root may do
	cp "$dynamic" "$T_TMP/setuid"
	chown nobody "$T_TMP/setuid"
	chmod 4755 "$T_TMP/setuid"
	chmod 777 "$T_TMP"
	VM_PROBE=$T_TMP/setuid
	over_smc setuid 300000 "${bpf[@]}" -- "$VM_SMC_RUN"
	VM_PROBE=$static

	# Go at both ends
	mkdir "$T_TMP/www"
	head -c 3000000 /dev/urandom >"$T_TMP/www/file"
	vm_serve 8001 "${bpf[@]}" "$go" server 8001 "$T_TMP/www"
	web=${vm_pids[-1]}
	vm_mark
	"$VM_SMC_RUN" "$go" get http://127.0.0.1:8001/file >"$T_TMP/got"
	t_check "Go: the file" cmp "$T_TMP/got" "$T_TMP/www/file"
	read -r clnt srv fell tx < <(vm_moved smcd.clnt smcd.srv fallback.clnt smcd.tx_bytes)
	t_is "$clnt $srv $fell" "1 1 0" "Go: one connection, over SMC-D"
	t_ok $((tx < 3000000)) "Go: SMC carried the file"
	"$VM_SMC_RUN" --report "$web" >"$T_TMP/report"
	t_like "$(cat "$T_TMP/report")" "*listen *:8001*" "Go: --report shows the listener"
	# Beside it, in another cgroup, nobody is touched.
	vm_mark
	t_check "beside it: curl" curl -s -o "$T_TMP/got" http://127.0.0.1:8001/file
	t_is "$(vm_moved smcd.clnt smcd.srv)" "0 0" "beside it: no SMC"
	kill "$web"
fi
gone "after them"

# COMMAND is what it would be without: number, status, signals, streams.
run "${bpf[@]}" sh -c 'exit 7'
t_is "$out" "7 " "its status"
run "${bpf[@]}" sh -c 'kill -TERM $$'
t_is "$out" "143 " "its signal"
run "${bpf[@]}" ./absent
t_is "$out" "127 smc_run: ./absent: not found" "no such command"
run "${bpf[@]}" /etc/passwd
t_is "$out" "126 smc_run: /etc/passwd: Permission denied" "not executable"
# shellcheck disable=SC2016 # its own
run sh -c 'echo $$; exec "$@"' - "${bpf[@]}" sh -c 'echo $$'
t_is "$(sort -u "$T_TMP/out" | wc -l)" 1 "its process is smc_run's"
run "${bpf[@]}" "$py" -c 'import os, signal
try: os.waitpid(-1, 0)
except ChildProcessError: print("none", end=" ")
print(sorted(os.listdir("/proc/self/fd"))[:4], signal.sigpending())'
t_is "$out" "0 none ['0', '1', '2', '3'] set()" "no children, descriptors or signals of others"
run env LD_PRELOAD="$SMC_BUILD_DIR/preload/libsmc-preload.so" "${bpf[@]}" "$py" -c 'import os; print(os.environ.get("LD_PRELOAD"))'
t_is "$out" "0 None" "no library"
gone "after COMMANDs"

# Rules
syn "excluded by name" plain "${bpf[@]}" --rule 'use tcp prog python3*' "$py" -c "$connect"
syn "excluded by user" plain "${bpf[@]}" --rule 'use tcp user 0' "${client[@]}"
syn "excluded by group" plain "${bpf[@]}" --rule 'use tcp group 0' "${client[@]}"
syn "not this program" smc "${bpf[@]}" --rule 'use tcp prog python3*, tcp_probe' "${client[@]}"
syn "prog not" plain "${bpf[@]}" --rule 'use tcp prog not python3*, redis-server' "${client[@]}"
syn "prog not, but this" smc "${bpf[@]}" --rule 'use tcp prog not x, tcp_probe_*' "${client[@]}"
syn "the first wins" smc "${bpf[@]}" --rule 'use smc prog tcp_probe_static; use tcp' "${client[@]}"
syn "an IPv6 rule is not for IPv4" plain "${bpf[@]}" --rule 'use tcp' --rule 'use smc' "${client[@]}"
syn "one rule for each role" smc "${bpf[@]}" --rule 'use smc listen; use smc connect; use tcp' "${client[@]}"
syn "a child by its own name" plain "${bpf[@]}" --rule 'use tcp prog python3*' \
	sh -c "'$py' -c '$connect' \$0"
if [ "$LAB_SMC" = inet ]; then
	# The module asks again when it is known what a socket is for.
	to() {
		syn "$1: $2" "$1" "${bpf[@]}" --rule "$2" "${client[@]}"
	}
	to plain "use tcp to 127.0.0.0/8"
	to smc "use tcp to 10.0.0.0/8"
	to plain "use tcp to 127.0.0.1:7000-8000"
	to smc "use tcp to :53"
	to smc "use smc to 127.0.0.1; use tcp"
	to plain "use smc to 127.0.0.2; use tcp"
	to smc "use tcp to [::/0]"
	to plain "use tcp to *:7000-8000"
	to plain "use tcp to loopback"
	to plain "use tcp connect on 192.0.2.1"
	to plain "use tcp to 127.0.0.1 prog tcp_probe*"
	to smc "use tcp to 127.0.0.1 prog python3*"
	to smc "use tcp listen"
	to plain "use tcp connect"
	port=7540
	for at in 0.0.0.0 ::ffff:127.0.0.1 ::; do
		port=$((port + 1))
		vm_forget
		run "${bpf[@]}" --rule 'use tcp to 127.0.0.1; use tcp to [::1]' \
			"$static" client --host "$at" --port $port
		t_is "$(vm_seen syn "*:$port")" plain "to $at is to loopback"
	done
	port=7550
	syn "io_uring connects: TCP" plain "${bpf[@]}" --rule 'use tcp to loopback' "$uring" call
	syn "io_uring connects: SMC" smc "${bpf[@]}" --rule 'use tcp to private' "$uring" call
	# Listeners: one program, two ports
	cat >"$T_TMP/two.py" <<-'END'
		import socket, time
		s = [socket.socket(), socket.socket()]
		for i in 0, 1:
		    s[i].bind(("127.0.0.1", 7561 + i))
		    s[i].listen()
		time.sleep(600)
	END
	vm_serve 7562 "${bpf[@]}" --rule 'use tcp listen on :7561' "$py" "$T_TMP/two.py"
	two=${vm_pids[-1]}
	for want in "7561 plain" "7562 smc"; do
		vm_forget
		# Who connects waits for a handshake that nobody accepts.
		"$py" -c "import socket
socket.socket(2, 1, 256).connect(('127.0.0.1', ${want% *}))" &
		pid=$!
		t_check "somebody connects to ${want% *}" vm_until 20 \
			grep -q "^synack 127.0.0.1 ${want% *} " "$T_TMP/seen"
		t_is "${want% *} $(vm_seen synack "127.0.0.1:${want% *}")" "$want" "a listener at ${want% *}"
		kill $pid 2>/dev/null || true
	done
	kill "$two"
	run "${bpf[@]}" --summary --rule 'use tcp to :7598 as late' "$py" -c "$connect" 7598
	t_is "$(grep -m 1 ^smc_run: "$T_TMP/out")" \
		"smc_run: 1 TCP socket: 0 left to SMC, 1 TCP by rule late" "--summary: by a rule for addresses"
	gone "after rules for addresses"
else
# A child whose rules ask for addresses is TCP, and the summary says so.
run "${bpf[@]}" --summary --rule 'use tcp prog python3* to :53' sh -c "'$py' -c '$connect' 7599; exit 0"
t_like "$(grep ^smc_run: "$T_TMP/out")" \
	"smc_run: 1 TCP socket: 0 left to SMC, 1 TCP by rules that ask for addresses
*" "a child with mixed rules"
echo 'use tcp to :53' >"$T_TMP/mixed.conf"
run "${bpf[@]}" --config "$T_TMP/mixed.conf" true
t_is "$out" "125 smc_run: --bpf decides per process, but AF_INET is mixed (first cause: $T_TMP/mixed.conf:1)" \
	"mixed rules"
run "${bpf[@]}" --rule 'use tcp to [fd00::1]' true
t_is "$out" "125 smc_run: --bpf decides per process, but AF_INET6 is mixed (first cause: --rule[1]:1)" \
	"mixed rules of IPv6"
# Chosen by itself it does not keep COMMAND from running.
run "$VM_SMC_RUN" --rule 'use tcp to :53' "$static" x
t_like "$out" "1 smc_run: --bpf decides per process, but AF_INET is mixed (first cause: --rule\[1\]:1)
smc_run: $static: statically linked; --bpf: not with this, running on TCP
*" "by itself, with mixed rules: TCP"
run "$VM_SMC_RUN" --strict --rule 'use tcp to :53' "$static" x
t_like "$out" "125 *smc_run: refused by --strict: $static: statically linked; --bpf: not with this" \
	"by itself, --strict"
fi
run "${bpf[@]}" --rule 'use tcp listen; use tcp to :53; use tcp' true
t_is "$out" "0 " "rules that come to the same"
run "${bpf[@]}" --rule 'use require' true
t_is "$out" "125 smc_run: --rule[1]:1: --bpf cannot hold 'require', which needs a look at each connect()" \
	"require"
run "${bpf[@]}" --rule 'use smc prog /usr/bin/x' true
t_is "$out" "125 smc_run: --rule[1]:1: --bpf does not know the directory of a program (write its name)" \
	"a path"
run "${bpf[@]}" --rule 'use smc prog a?c' true
t_is "$out" "125 smc_run: --rule[1]:1: --bpf knows '*' at the end of a program's name alone" "a pattern"
run "${bpf[@]}" --rule 'use tpc' true
t_like "$out" "1 smc_run: --rule\[1\]:1:5: unknown word 'tpc'*" "a wrong rule"
run env SMC_RULES='use tpc' "${bpf[@]}" sh -c 'echo ran'
t_like "$out" "0 smc_run: SMC_RULES:1:5: unknown word*smc_run: bad list, running on TCP
ran" "a bad list"
run env SMC_RULES='use tpc' "${bpf[@]}" --strict true
t_like "$out" "125 *smc_run: refused by --strict: bad list" "a bad list, --strict"
run "${bpf[@]}" -f smc true
t_is "$out" "1 smc_run: --bpf makes sockets of IPPROTO_SMC, not of -f smc" "-f smc"

# Chosen by itself it does not keep COMMAND from running.
run "$VM_SMC_RUN" -f smc "$static" x
t_like "$out" "1 *smc_run: $static: statically linked; --bpf: not with this, running on TCP*" \
	"by itself, -f smc: TCP"

# --summary
run "${bpf[@]}" --summary --rule 'use tcp prog python3* as py' "$py" -c 'import socket
for i in range(3): socket.socket()'
t_is "$(head -n 1 "$T_TMP/out")" "smc_run: 3 TCP sockets: 0 left to SMC, 3 TCP by rule py" \
	"--summary: by rule"
run "${bpf[@]}" --summary "$py" -c 'import socket
for i in range(3): socket.socket()'
t_is "$(head -n 1 "$T_TMP/out")" "smc_run: 3 TCP sockets: 3 left to SMC" "--summary"
run "$VM_SMC_RUN" --summary "${client[@]}" 1
t_is "$(grep -m 1 ^smc_run: "$T_TMP/out")" "smc_run: 1 TCP socket: 1 left to SMC" \
	"--summary chooses it, too"
run "${bpf[@]}" --summary ./absent
t_is "$out" "127 smc_run: ./absent: not found" "--summary: no command"
gone "after --summary"

# Who may
run setpriv --reuid nobody --regid nogroup --clear-groups "${bpf[@]}" true
t_is "$out" "125 smc_run: --bpf: not permitted: it takes root, or CAP_BPF and CAP_PERFMON" \
	"another user"
run setpriv --reuid nobody --regid nogroup --clear-groups "$VM_SMC_RUN" "$static" x
t_like "$out" "1 smc_run: $static: statically linked (smc_run --bpf, as root, is for it), running on TCP*" \
	"another user, by itself"

# What runs already: a service of whose sockets the next are for SMC.
cat >"$T_TMP/service.py" <<'END'
import os, socket, sys
def kind():
    s = socket.socket()
    smc = s.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL) == 256
    try:
        s.getsockopt(286, 0x102, 12)
        smc = True
    except OSError:
        pass
    return "smc" if smc else "tcp"
def answer(what):
    print(what, flush=True)
answer(os.getpid())
for line in sys.stdin:
    if line == "fork\n":
        if not os.fork():
            answer(kind())
            os._exit(0)
        os.wait()
    elif line == "exec\n":
        os.execv(sys.executable, [sys.executable] + sys.argv)
    else:
        answer(kind())
END
coproc SERVICE { exec "$py" "$T_TMP/service.py"; }
read -r service <&"${SERVICE[0]}"
# asked [fork|exec]: what a new socket of the service is, or of its child
asked() {
	echo "${1-}" >&"${SERVICE[1]}"
	read -r said <&"${SERVICE[0]}"
}
# becomes NAME WANT [fork]
becomes() {
	asked "${3-}"
	t_is "$said" "$2" "a service: $1"
}
# scope WORD...: --bpf=WORD..., which says nothing
calls=0
scope() {
	calls=$((calls + 1))
	run "$VM_SMC_RUN" "$@"
	t_is "$out" "0 " "call $calls: ${*#--bpf=}"
}
name=$(basename "$(readlink "/proc/$service/exe")")
run "$VM_SMC_RUN" --bpf=status
t_is "$out" "3 smc_run: --bpf: it is not on" "status before"
becomes "before" tcp
scope --bpf=add pid "$service"
becomes "by its number" smc
becomes "its child" smc fork
run "$VM_SMC_RUN" --bpf=status
t_is "$out" "0 scope    pid $service $(cat "/proc/$service/comm")
sockets  2: 2 left to SMC" "status with a process"
run "$VM_SMC_RUN" --bpf=has pid "$service"
t_is "$out" "0 pid $service is in scope" "it is in scope"
run "$VM_SMC_RUN" --bpf=has pid $$
t_is "$out" "1 pid $$ is not in scope" "this is not"
run "$VM_SMC_RUN" --check "$service"
# Debian's module has no device here, which is another matter.
t_like "$out" "*process  OK    $service is in scope of the BPF side*" "--check knows"
# The very process that is beside it is not.
t_is "$("$py" "$T_TMP/service.py" <<<"" | tail -n 1)" tcp "beside the service"
scope --bpf=rules --rule "use tcp prog $name as here"
becomes "other rules" tcp
run "$VM_SMC_RUN" --bpf=status
t_like "$out" "*sockets  3: 2 left to SMC, 1 TCP by rule here" "status with a rule"
"$VM_SMC_RUN" --report --json >"$T_TMP/json"
t_is "$("$py" -c 'import json, sys; print(json.load(open(sys.argv[1]))["bpf"])' "$T_TMP/json")" \
	"{'sockets': 3, 'smc': 2, 'by_rules': 1, 'mixed': 0, 'absent': 0}" "--report --json"
t_like "$("$VM_SMC_RUN" --report | tail -n 1)" \
	"BPF: 3 TCP sockets in scope: 2 left to SMC, 1 TCP by rules, 0 *" "--report"
if [ "$LAB_SMC" != inet ]; then
	run "$VM_SMC_RUN" --bpf=rules --rule 'use tcp to :53'
	t_is "$out" "125 smc_run: --bpf decides per process, but a process is mixed (first cause: --rule[1]:1)" \
		"rules that it cannot hold"
else
	run "$VM_SMC_RUN" --bpf=rules --rule 'use require to :53'
	t_like "$out" "125 smc_run: --rule*'require'*" "rules that it cannot hold"
fi
becomes "the rules are what they were" tcp
run "$VM_SMC_RUN" --bpf=rules --rule 'use tcp to :53; use tcp'
t_is "$out" "0 " "rules that come to TCP"
becomes "all is TCP" tcp
scope --bpf=rules
becomes "no rules" smc
scope --bpf=del pid "$service"
becomes "no longer" tcp
mkdir -p /sys/fs/cgroup/a/b
echo "$service" >/sys/fs/cgroup/a/b/cgroup.procs
scope --bpf=add cgroup a
becomes "by a cgroup above" smc
run "$VM_SMC_RUN" --bpf=has pid "$service"
t_is "$out" "0 pid $service is in scope" "has: by a cgroup above"
scope --bpf=del cgroup /sys/fs/cgroup/a
becomes "not by the cgroup" tcp
scope --bpf=add cgroup a/b
scope --bpf=add cgroup a
becomes "by two" smc
scope --bpf=del cgroup a
becomes "by one" smc
echo "$service" >/sys/fs/cgroup/cgroup.procs
becomes "moved out" tcp
# A unit is its cgroup, which systemd knows.
mkdir "$T_TMP/bin"
printf '#!/bin/sh\n[ "$*" = "show -P ControlGroup -- some.service" ] && echo /a\n' >"$T_TMP/bin/systemctl"
chmod 755 "$T_TMP/bin/systemctl"
PATH=$T_TMP/bin:$PATH scope --bpf=add cgroup some.service
t_like "$("$VM_SMC_RUN" --bpf=status)" "*scope    cgroup /sys/fs/cgroup/a
*" "a unit's cgroup"
PATH=$T_TMP/bin:$PATH run "$VM_SMC_RUN" --bpf=add cgroup other.service
t_is "$out" "1 smc_run: --bpf: cgroup other.service: the unit has no cgroup, as it does not run" \
	"a unit that does not run"
rmdir /sys/fs/cgroup/a/b /sys/fs/cgroup/a
run "$VM_SMC_RUN" --bpf=status
t_unlike "$out" "*cgroup*" "a cgroup that is gone is forgotten"
for scope in "user root" "prog $name" "netns self"; do
	read -r kind what <<<"$scope"
	scope --bpf=add "$kind" "$what"
	becomes "by its $kind" smc
	run "$VM_SMC_RUN" --bpf=has pid "$service"
	t_is "$out" "0 pid $service is in scope" "has: by its $kind"
	scope --bpf=del "$kind" "$what"
	becomes "not by its $kind" tcp
done
ip netns add other
scope --bpf=add netns other
becomes "another namespace" tcp
t_is "$(ip netns exec other "$py" "$T_TMP/service.py" <<<"" | tail -n 1)" smc "... but there"
scope --bpf=off
run "$VM_SMC_RUN" --bpf=del pid "$service"
t_is "$out" "3 smc_run: --bpf: it is not on" "del when it is off"
t_check "off leaves nothing" sh -c "! test -e /sys/fs/bpf/smc_run"
gone "after off"
kill "$service"

# The names of what was proposed for smc-tools
ln -s "$SMC_BUILD_DIR/preload/tools/smc_run_bpf" "$T_TMP/smc_run.bpf"
old=$T_TMP/smc_run.bpf
syn "smc_run.bpf COMMAND" smc "$old" "${client[@]}"
run "$old" -s load
run "$old" -n 1
t_is "$out" "0 " "smc_run.bpf -n 1"
kind() {
	t_is "$("$py" "$T_TMP/service.py" <<<"" | tail -n 1)" "$2" "smc_run.bpf: $1"
}
kind "-n 1" smc
run "$old" -n 0
kind "-n 0" tcp
run "$old" -p $$
kind -p smc
run "$old" -s unload
t_is "$out" "0 " "smc_run.bpf -s unload"
gone "after smc_run.bpf"
run "$old" -x
t_is "${out%% *}" 1 "smc_run.bpf -x"

# Who is not root changes nothing.
scope --bpf=on
for verb in status off "add user 0" "del user 0" rules on; do
	read -r word rest <<<"$verb"
	# shellcheck disable=SC2086 # words
	run setpriv --reuid nobody --regid nogroup --clear-groups \
		"$VM_SMC_RUN" --bpf="$word" $rest
	t_like "$out" "125 smc_run: --bpf: not permitted: it takes root*" "another user: $verb"
done
t_fails "another user: the maps" setpriv --reuid nobody --regid nogroup --clear-groups \
	ls /sys/fs/bpf/smc_run
scope --bpf=off
setpriv --reuid nobody --regid nogroup --clear-groups mkdir /sys/fs/bpf/smc_run
run "$VM_SMC_RUN" --bpf=on
t_is "$out" "125 smc_run: --bpf: /sys/fs/bpf/smc_run is not for root alone; remove it" \
	"another user's directory"
rmdir /sys/fs/bpf/smc_run
for wrong in x "add pid" "add pid x" "add x y" "off x"; do
	read -r word rest <<<"$wrong"
	# shellcheck disable=SC2086 # words
	run "$VM_SMC_RUN" --bpf="$word" $rest
	t_like "$out" "1 smc_run: --bpf: *" "wrong: $wrong"
done
gone "after those"

# Whoever is killed
"${bpf[@]}" sleep 600 &
pid=$!
t_check "sleep runs" vm_until 10 grep -qx sleep /proc/$pid/comm
kill -KILL $pid
gone "COMMAND was killed"
"${bpf[@]}" --summary sleep 601 2>/dev/null &
pid=$!
t_check "sleep 601 runs" vm_until 10 sh -c "grep -qsx sleep /proc/[0-9]*/comm"
kill -KILL $pid
t_check "smc_run was killed: COMMAND goes on, judged" sh -c "sleep 0.5; bpftool prog list | grep -q choose_protocol"
kill "$(grep -lx sleep /proc/[0-9]*/comm | cut -d / -f 3)"
gone "smc_run was killed, COMMAND ended"
"${bpf[@]}" sleep 602 &
pid=$!
t_check "sleep 602 runs" vm_until 10 grep -qx sleep /proc/$pid/comm
kill -KILL "$(grep -lx smc_run_keeper /proc/[0-9]*/comm | cut -d / -f 3)"
no_program() { [ -z "$(bpftool prog list)" ]; }
t_check "the keeper was killed: no program" vm_until 10 no_program
kill $pid
wait $pid || true
t_check "an empty cgroup is left" test -d /sys/fs/cgroup/smc_run-$pid
run "${bpf[@]}" true
gone "the next command has removed it"
# A daemon, which leaves who started it
run "${bpf[@]}" setsid -f sh -c "sleep 1; '$py' -c '$connect' 7600"
vm_forget
t_check "a daemon goes on over SMC" vm_until 20 sh -c "grep -q ' 7600 smc$' '$T_TMP/seen'"
gone "a daemon ended"
# A cgroup of its own below
# shellcheck disable=SC2016 # its own
run "${bpf[@]}" sh -c 'mkdir /sys/fs/cgroup$(sed s/0::// /proc/self/cgroup)/below'
gone "a cgroup below"

kill "${vm_pids[@]}" 2>/dev/null || true
rmmod smc_diag
if [ "$LAB_SMC" = inet ]; then
	# A program at its tracepoint holds the module, as a socket does.
	"${bpf[@]}" sleep 603 &
	pid=$!
	t_check "sleep 603 runs" vm_until 10 grep -qx sleep /proc/$pid/comm
	t_fails "the module is in use" rmmod smc
	kill $pid
	gone "at the end"
	t_check "the module goes" vm_unload
	t_done
	exit
fi
# The module goes: TCP from then on, and nothing fails.
coproc PYTHON { exec "${bpf[@]}" "$py" -uc "import socket, sys
for line in sys.stdin: print(socket.socket().getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL))"; }
say() {
	echo >&"${PYTHON[1]}"
	read -r said <&"${PYTHON[0]}"
}
t_check "the module goes" vm_unload
say
t_is "$said $(lsmod | grep -c '^smc ')" "6 0" "without the module: TCP"
kill "$PYTHON_PID"
gone "at the end"
t_done
