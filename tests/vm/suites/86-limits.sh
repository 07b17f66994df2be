#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet
# profiles: fast debug
# not: 6.12.fast 6.1.debug
# long: 6.1.inet.fast
# lab:
# label: vm
#
# Where SMC comes to an end of something: of user EIDs, of descriptors in the
# middle of accept(), of the memory of a cgroup.  What has begun goes on, what
# begins is TCP or fails as with TCP, and afterwards all is as before.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

smc=(env PROBE_OPTIONS="--proto smc")
port=7000

# begin: a program in python, which follows these lines; then tell WORD... and its
# answer, in $said.
cat >"$T_TMP/limits.py" <<'END'
import errno, os, resource, socket, sys
IPPROTO_SMC, AF_SMC, SOL_SMC, SMC_STATUS = 256, 43, 286, 0x102
def smc():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SMC)
def listener(backlog=1000):
    s = smc()
    s.bind(("127.0.0.1", 0))
    s.listen(backlog)
    return s
def connected(l):
    s = smc()
    s.connect(l.getsockname())
    return s
def mode(s):
    try:
        return {1: "tcp", 2: "smcr", 3: "smcd"}[s.getsockopt(SOL_SMC, SMC_STATUS, 12)[0]]
    except OSError:
        return "tcp"
def echo(a, b, data=bytes(range(256)) * 20):
    for x, y in (a, b), (b, a):
        x.sendall(data)
        got = b""
        while len(got) < len(data):
            got += y.recv(len(data) - len(got))
        if got != data:
            return "other bytes"
    return mode(a)
def say(*what):
    print(*what, flush=True)
def heard():
    return sys.stdin.readline().split()
END

begin() {
	{ cat "$T_TMP/limits.py" && cat; } >"$T_TMP/program.py"
	coproc PYTHON { exec /usr/bin/python3 "$T_TMP/program.py"; }
	python=$PYTHON_PID to=${PYTHON[1]} from=${PYTHON[0]}
}

hear() {
	read -r -t 300 said <&"$from" || said=none
}

tell() {
	echo "$*" >&"$to"
	hear
}

end() {
	exec {to}>&-
	t_check "$1" wait "$python"
}

# stream NAME: one over SMC-D.
stream() {
	port=$((port + 1))
	vm_stream $port "$1" 127.0.0.1 127.0.0.1 blocking 100000 "${smc[@]}" -- "${smc[@]}"
	t_smc "$1" SMC-D "$T_TMP/clnt.end" 200000
}

# User EIDs: the table has four, SMCLAB is one.
for name in B C D; do
	t_check "a UEID $name" "$LAB_SMCCTL" ueid add $name
done
t_is "$("$LAB_SMCCTL" ueid add E 2>&1)" "smcctl: ueid: Numerical result out of range" \
	"no fifth UEID"
t_check "one that is there already" "$LAB_SMCCTL" ueid add D
stream "four UEIDs"
begin <<'END'
l = listener()
live = []
while heard():
    live.append((connected(l), l.accept()[0]))
    say(*(echo(a, b) for a, b in live))
END
tell new
t_is "$said" smcd "a connection with UEIDs"
"$LAB_SMCCTL" ueid flush
tell new
t_is "$said" "smcd tcp" "without, it goes on, a new one is TCP"
"$LAB_SMCCTL" ueid add SMCLAB
tell new
t_is "$said" "smcd tcp smcd" "with one again, both go on, a new one is SMC"
end "they end"

# While they come and go, connections are made.
# Who is told to end does so between two commands, so that none of its is the last.
cat >"$T_TMP/toggle" <<'END'
trap exit TERM
while :; do
	"$LAB_SMCCTL" ueid flush
	"$LAB_SMCCTL" ueid add SMCLAB
done
END
options="--proto smc --threads 4 --count $([ "$LAB_PROFILE" = debug ] && echo 60 || echo 300)"
bash "$T_TMP/toggle" &
toggle=$!
port=$((port + 1))
vm_stream $port "UEIDs come and go" 127.0.0.1 127.0.0.1 blocking 2000 \
	env PROBE_OPTIONS="$options" -- env PROBE_OPTIONS="$options"
kill $toggle
wait $toggle || true
"$LAB_SMCCTL" ueid add SMCLAB
made=$(vm_moved smcd.clnt)
t_diag "$made of the connections were SMC-D"
t_ok $((made < 1)) "UEIDs come and go: some were SMC-D"
stream "a UEID again"

# Descriptors: what accept() cannot take waits.
begin <<'END'
def refused(l):
    try:
        l.accept()
    except OSError as e:
        return errno.errorcode[e.errno]
    return "accepted"
l = listener()
clients = [connected(l) for i in range(5)]
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
top = max(c.fileno() for c in clients) + 1
resource.setrlimit(resource.RLIMIT_NOFILE, (top, hard))
say(refused(l), refused(l))
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
heard()
os.setresuid(65534, 65534, 65534)                  # root has no such limit
say("ready")
heard()
say(refused(l), refused(l))
heard()
peers = {}
for i in range(5):
    s, a = l.accept()
    peers[a] = s
say(*(echo(c, peers[c.getsockname()]) for c in clients))
END
hear
t_is "$said" "EMFILE EMFILE" "accept() without a descriptor"
tell user
files=$(</proc/sys/fs/file-max)
sysctl -qw fs.file-max=0
tell accept
sysctl -qw fs.file-max="$files"
t_is "$said" "ENFILE ENFILE" "accept() without a file"
tell accept
t_is "$said" "smcd smcd smcd smcd smcd" "accepted when there are some, all are SMC-D"
end "those end, too"

# A cgroup: sockets are charged to who makes or accepts them, buffers are not.
group=/sys/fs/cgroup/limited
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir $group
begin <<'END'
resource.setrlimit(resource.RLIMIT_NOFILE, (60000, 60000))
open("/sys/fs/cgroup/limited/cgroup.procs", "w").write("0")
l = listener()
live = [(connected(l), l.accept()[0])]
say(echo(*live[0]))
while True:
    what = heard()
    if what[0] == "more":
        for i in range(int(what[1])):
            live.append((connected(l), l.accept()[0]))
        say(len(live), *{mode(a) for a, b in live})
    else:
        say(echo(*live[0]))
END
groups() {
	"$LAB_SMCCTL" groups | awk '{ n += $3 } END { print n + 0 }'
}
no_groups() {
	[ "$(groups)" = 0 ]
}
hear
t_is "$said" smcd "a connection in a cgroup"
before=$(<$group/memory.current)
tell more 100
t_is "$said" "101 smcd" "a hundred more"
after=$(<$group/memory.current)
t_diag "$((after - before)) bytes charged for 100 connections; sockets: $(
	awk '$1 == "sock" || $1 == "slab" { printf "%s %d ", $1, $2 }' $group/memory.stat)"
t_ok $((after <= before || after - before > 100 * 65536)) \
	"sockets are charged, buffers are not"
t_is "$(groups)" 202 "both ends have buffers"

# With no room for more it is ended, and it alone.
echo $((after + 2000000)) >$group/memory.max
tell more 5000
t_is "$said" none "ended while it makes 5000 more"
rc=0
wait "$python" 2>/dev/null || rc=$?
t_is "$rc $(awk '$1 == "oom_kill" { print $2 }' $group/memory.events)" "137 1" \
	"by its cgroup, for want of memory"
t_check "its connections are gone" vm_until 60 no_groups
t_check "nothing is left in it" vm_until 60 rmdir $group
stream "afterwards"
t_check "no connection is left" vm_until 60 sh -c "! '$LAB_SMCCTL' conns | grep ."
rmmod smc_diag
t_check "the module can be unloaded" vm_unload
t_done
