#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet stock-lo
# profiles: fast
# not: 6.1.stock-lo
# long: 6.12.stock-lo.fast
# lab:
# label: vm
#
# smc_run --report: what it says of a process with sockets of all kinds is what they
# are, as a table and as JSON that keeps to its schema.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

schema=$SMC_SOURCE_DIR/docs/report.schema.json

# The program makes one socket after the other, descriptors 3 to 14.
cat >"$T_TMP/program.py" <<'END'
import ctypes, os, resource, socket, sys
V4, V6, SMC, TCP = socket.AF_INET, socket.AF_INET6, 256, 0
def make(protocol, family=V4):
    return socket.socket(family, socket.SOCK_STREAM, protocol)
def listener(protocol, port, family=V4, host="127.0.0.1"):
    s = make(protocol, family)
    s.bind((host, port))
    s.listen(1000)
    return s
def pair(protocol, l):
    c = make(protocol, l.family)
    c.connect(l.getsockname())
    return c, l.accept()[0]
def talk(c, a):
    c.sendall(bytes(1000))
    assert len(a.recv(1000, socket.MSG_WAITALL)) == 1000
    a.sendall(bytes(50))
    assert len(c.recv(50, socket.MSG_WAITALL)) == 50
def say(what):
    print(what, flush=True)
    return sys.stdin.readline()
ctypes.CDLL(None).prctl(15, b'a "n"\\\xff\x1b\xc2\x85\xc3\xa4')
l, t = listener(SMC, 7000), listener(TCP, 7001)
l6 = listener(SMC, 7002, V6, "::1")
kept = [pair(SMC, l), pair(TCP, l), pair(SMC, t), pair(SMC, l6)]
for p in kept:
    talk(*p)
declined = make(SMC)
declined.connect(("10.88.0.2", 7003))
say(os.getpid())
resource.setrlimit(resource.RLIMIT_NOFILE, (30000, 30000))
kept += [pair(TCP, l) for i in range(5000)]
say("many")
END

# shellcheck disable=SC2120 # called by t_check
report() {
	"$VM_SMC_RUN" --report "$@" >"$T_TMP/out" 2>"$T_TMP/err"
}

# refused STATUS TEXT ARGUMENT...
refused() {
	local rc=0 status=$1 text=$2
	shift 2
	"$@" >"$T_TMP/out" 2>"$T_TMP/err" || rc=$?
	t_is "$rc $(cat "$T_TMP/out" "$T_TMP/err")" \
		"$status smc_run: --report: $text" "$* : $text"
}

modprobe tun
coproc PROGRAM { exec "$SMC_BUILD_DIR/tests/vm/clc_peer" server --port 7003 --option \
	--do wait,decline,silent --timeout 300 -- \
	/usr/bin/python3 "$T_TMP/program.py" 2>"$T_TMP/program.err"; }
to=${PROGRAM[1]} from=${PROGRAM[0]} pid=none
while read -r -t 60 line <&"$from"; do
	[[ $line = peer* ]] || { pid=$line && break; }
done
t_like "$pid" "[1-9]*" "the program runs"

# The kernel's own module says that there was no offer, but not how many bytes TCP
# carried afterwards.
tcp="50 1000 -" accepted_tcp="1000 50 -"
if [ "$LAB_SMC" != inet ]; then
	tcp="- - 0x03010000 peer did not offer SMC"
	accepted_tcp=$tcp
fi
want=(
	"PID $pid a *ä"
	"FD ROLE LOCAL PEER MODE RX TX REASON"
	"3 listen 127.0.0.1:7000 - SMC - - -"
	"4 listen 127.0.0.1:7001 - TCP - - -"
	"5 listen [[]::1]:7002 - SMC - - -"
	"6 client 127.0.0.1:* 127.0.0.1:7000 SMC-D 50 1000 -"
	"7 accepted 127.0.0.1:7000 127.0.0.1:* SMC-D 1000 50 -"
	"8 client 127.0.0.1:* 127.0.0.1:7000 TCP 50 1000 -"
	"9 accepted 127.0.0.1:7000 127.0.0.1:* TCP $accepted_tcp"
	"10 client 127.0.0.1:* 127.0.0.1:7001 TCP $tcp"
	"11 accepted 127.0.0.1:7001 127.0.0.1:* TCP 1000 50 -"
	"12 client [[]::1]:* [[]::1]:7002 SMC-D 50 1000 -"
	"13 accepted [[]::1]:7002 [[]::1]:* SMC-D 1000 50 -"
	"14 client 10.88.0.1:* 10.88.0.2:7003 TCP * 0x05000000 peer declined; peer: 0x*"
)
t_check "--report PID" report "$pid"
mapfile -t got < <(sed 's/  */ /g' "$T_TMP/out")
for i in "${!want[@]}"; do
	t_like "${got[i]:-}" "${want[i]}" "line $((i + 1)): ${want[i]:0:20}"
done
t_is ${#got[@]} ${#want[@]} "and no more lines"
t_is "${got[0]}" "PID $pid a \"n\"\\???ä" "no byte that is not text"

# JSON says the same.
t_check "--report=PID --json" report "--report=$pid" --json
cat >"$T_TMP/judge.py" <<'END'
import json, jsonschema, sys
schema, got = (json.load(open(name)) for name in sys.argv[1:])
jsonschema.Draft7Validator.check_schema(schema)
jsonschema.validate(got, schema)
for p in got["processes"]:
    print("PID", p["pid"], p["comm"].replace("\x1b", "?").replace("\x85", "?")
          .replace("\ufffd", "?"))
    print("FD ROLE LOCAL PEER MODE RX TX REASON")
    for s in p["sockets"]:
        reason = [f"{key}0x{s[n]:08x} {s[t]}" for key, n, t in
                  (("", "reason", "text"), ("peer: ", "peer_reason", "peer_text"))
                  if s[n] is not None]
        print(s["fd"], s["role"], s["local"], s["peer"] or "-", s["mode"].upper(),
              *("-" if s[k] is None else s[k] for k in ("rx", "tx")),
              "; ".join(reason) or "-")
END
t_check "it keeps to its schema" sh -c \
	"/usr/bin/python3 '$T_TMP/judge.py' '$schema' '$T_TMP/out' >'$T_TMP/said'"
t_is "$(cat "$T_TMP/said")" "$(printf '%s\n' "${got[@]}")" "and says the same"

# All processes, those of other namespaces as well
unshare -n /usr/bin/python3 -c "
import socket, time
s = socket.socket()
s.listen()
time.sleep(600)" &
other=$!
# of PID: its part of the report, with single blanks
of() {
	sed 's/  */ /g' "$T_TMP/out" | sed -n "/^PID $1 /,/^$/p" | sed '/^$/d'
}
other_is_there() {
	report --all && [[ $(of $other) = *0.0.0.0* ]]
}
t_check "--report" vm_until 60 other_is_there
t_is "$(of "$pid")" "$(printf '%s\n' "${got[@]}")" "all: the program"
t_like "$(of $other | tr '\n' ' ')" \
	"PID $other python3 FD * 3 listen 0.0.0.0:* - TCP - - - " "all: the other"
t_check "--report --all --json" report --all --json
t_check "all: it keeps to its schema" \
	/usr/bin/python3 "$T_TMP/judge.py" "$schema" "$T_TMP/out"

# Ten thousand connections: a bound that would show a search for each of them.
echo >&"$to"
while read -r -t 300 line <&"$from"; do
	[[ $line = peer* ]] || break
done
t_is "$line" many "10000 sockets more"
t_check "--report PID of so many" report "$pid"
t_is "$(wc -l <"$T_TMP/out")" $((${#want[@]} + 10000)) "all are there"

# What it cannot say
refused 1 "no process 999999" "$VM_SMC_RUN" --report 999999
refused 1 "no process 999999" "$VM_SMC_RUN" --report 999999 --json
refused 1 "'x' is no process id" "$VM_SMC_RUN" --report x
refused 1 "'2' is unexpected" "$VM_SMC_RUN" --report 1 2
refused 1 "process 1: not permitted (be root)" \
	setpriv --reuid 65534 --regid 65534 --clear-groups "$VM_SMC_RUN" --report 1
kill "$other"
exec {to}>&-
t_check "the program ends" wait "$PROGRAM_PID"
rmmod smc_diag
mkdir -p /etc/modprobe.d
echo 'install smc_diag /bin/false' >/etc/modprobe.d/smc-lab.conf
refused 12 "the kernel has no diagnosis of SMC (modprobe smc_diag)" \
	"$VM_SMC_RUN" --report $$
refused 12 "the kernel has no diagnosis of SMC (modprobe smc_diag)" \
	"$VM_SMC_RUN" --report --json
t_done
