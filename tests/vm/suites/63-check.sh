#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet stock stock-lo
# profiles: fast
# not: 6.1.stock 6.1.stock-lo
# long: 6.12.stock-lo.fast
# lab:
# label: vm
#
# smc_run --check: the machine, programs and rules are brought into each state in
# which there is no SMC.  It says so, with what helps, and by its exit status; and
# what it says helps.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

py=/usr/bin/python3

# check ARGUMENT...: --check; its lines, with single blanks, to out, its status to
# status.
check() {
	status=0
	"$VM_SMC_RUN" --check "$@" >"$T_TMP/raw" 2>"$T_TMP/err" || status=$?
	sed 's/  */ /g' "$T_TMP/raw" >"$T_TMP/out"
}

# says NAME STATUS RESULT [PATTERN]...: there are lines that match, the last one is
# the result.
says() {
	local name=$1 want="$2 result: $3" pattern
	shift 3
	t_is "$status $(tail -n 1 "$T_TMP/out")$(cat "$T_TMP/err")" "$want" "$name"
	for pattern; do
		t_like "$(cat "$T_TMP/out")" "*$pattern*" "$name: ${pattern%% *}"
	done
}

# without NAME TOPIC: nothing is said of it.
without() {
	t_check "$1" sh -c "! grep -q '^$2 ' '$T_TMP/out'"
}

# Debian's module has no device inside this host.
if [ "$LAB_SMC" = stock ]; then
	check
	says "no device" 10 "tcp (device)" \
		"device FAIL no RDMA device * cure: rdma link add NAME type rxe netdev IFACE"
	# What is for the sender's own Ethernet address Soft-RoCE hands to itself.
	ip link set lo address 02:00:00:00:00:01
	modprobe -a rdma_rxe ib_uverbs
	t_check "the cure" rdma link add rxe0 type rxe netdev lo
	device="device OK rxe0 port 1: active, RoCE v2 ::ffff:127.0.0.1 on lo"
	mode=SMC-R
else
	device="device WARN loopback-ism only: SMC works inside this host"
	mode=SMC-D
fi
key=${mode,,}
kernel="kernel OK $(uname -r): IPPROTO_SMC; this project's module"
[ "$LAB_SMC" = inet ] ||
	kernel="kernel OK $(uname -r): IPPROTO_SMC; the kernel's own module, demotion by TCP_FASTOPEN_NO_COOKIE"

check
says "all is well" 0 smc "$kernel" "$device" "eid OK SMCLAB" "buffers OK net.smc.wmem" \
	"limits OK" "rules OK 0, for all programs" "library WARN $SMC_BUILD_DIR/preload/lib"
without "no SELinux" selinux
without "no policies of IPsec" ipsec
without "no bugs of ours" "$([ "$LAB_SMC" = inet ] && echo bugs || echo none)"
check "$py"
says "a program" 0 smc "target OK /usr/bin/python3*: dynamic" \
	"rules OK 0: AF_INET all-smc, AF_INET6 all-smc"

# --peer: a connection is made, and is what it says.
vm_serve 7001 "$VM_SMC_RUN" "$py" -m http.server -b 127.0.0.1 7001
vm_serve 7002 "$py" -m http.server -b 127.0.0.1 7002
vm_mark
check --peer 127.0.0.1:7001
says "a peer with SMC" 0 smc "peer OK 127.0.0.1:7001: $mode"
t_is "$(vm_moved "${key//-/}.clnt")" 1 "... that is so"
check --peer=127.0.0.1:7002
says "a peer without" 10 "tcp (peer)" \
	"peer FAIL 127.0.0.1:7002: TCP, 0x03010000 peer did not offer SMC; cure: the other program"
check --peer 127.0.0.1:7003
says "nobody there" 10 "tcp (peer)" \
	"peer FAIL 127.0.0.1 port 7003: Connection refused; cure: a server there"
check --peer 127.0.0.1
says "the port of smc_chk" 10 "tcp (peer)" "peer FAIL 127.0.0.1 port 37373: Connection refused"
for wrong in "[::1" "::1" "127.0.0.1:x" ":7001"; do
	check --peer "$wrong"
	t_like "$status $(cat "$T_TMP/err")" "1 smc_run: --peer: '$wrong': *" "--peer $wrong"
done

# JSON says the same.
check --json --peer 127.0.0.1:7002 "$py"
t_is "$status" 10 "--json: status"
cat >"$T_TMP/lines.py" <<'END'
import json, jsonschema, sys
schema, got = (json.load(open(name)) for name in sys.argv[1:])
jsonschema.Draft7Validator.check_schema(schema)
jsonschema.validate(got, schema)
for f in got["findings"]:
    print(f["topic"], f["level"].upper(), f["text"]
          + (f"; cure: {f['cure']}" if f["cure"] else ""))
print(f"{got['status']} {got['result']}")
END
t_check "it keeps to its schema" sh -c "'$py' '$T_TMP/lines.py' \
	'$SMC_SOURCE_DIR/docs/check.schema.json' '$T_TMP/raw' >'$T_TMP/json'"
check --peer 127.0.0.1:7002 "$py"
t_is "$(grep -v "^result" "$T_TMP/out")" "$(sed '$d' "$T_TMP/json")" "--json: the same findings"
t_is "$(tail -n 1 "$T_TMP/json")" "10 tcp" "--json: the result"

# User EIDs
"$LAB_SMCCTL" ueid flush
check --peer 127.0.0.1:7001
says "no user EID" 10 "tcp (eid, peer)" \
	"eid FAIL no user EID, SMC version 2 will be declined (0x03030008); cure: smcd ueid add NAME" \
	"peer FAIL 127.0.0.1:7001: TCP, 0x"
"$LAB_SMCCTL" ueid add SMCLAB
check --peer 127.0.0.1:7001
says "the cure of that" 0 smc "eid OK SMCLAB" "peer OK 127.0.0.1:7001: $mode"

# The module
kill "${vm_pids[@]}"
rmmod smc_diag
# The kernel would load its own.
echo "blacklist smc" >/etc/modprobe.d/no-smc.conf
t_check "the module can be unloaded" vm_unload
check
says "no module" 10 "tcp (kernel)" \
	"kernel FAIL $(uname -r): IPPROTO_SMC: Protocol not supported; AF_SMC: Address family not supported by protocol; cure: modprobe smc"
rm /etc/modprobe.d/no-smc.conf
if [ "$LAB_SMC" = stock ]; then
	modprobe -a smc smc_diag
else
	insmod "$LAB_SMC_DIR/smc.ko"
	insmod "$LAB_SMC_DIR/smc_diag.ko"
fi
"$LAB_SMCCTL" ueid add SMCLAB
check
says "the cure of that, too" 0 smc "$kernel" "$device"
SMC_SOCK_FAMILY=smc check
says "AF_SMC" 0 smc "kernel OK $(uname -r): AF_SMC; "

# A filter that forbids SMC's sockets
cat >"$T_TMP/filter.py" <<'END'
import ctypes, os, struct, sys
def op(code, k, jt=0, jf=0):
    return struct.pack("HBBI", code, jt, jf, k)
SOCKET, NR, FAMILY, PROTOCOL = 41, 0, 16, 32
program = (op(0x20, NR) + op(0x15, SOCKET, 0, 4) + op(0x20, FAMILY)
           + op(0x15, 43, 3, 0) + op(0x20, PROTOCOL) + op(0x15, 256, 1, 0)
           + op(6, 0x7fff0000) + op(6, 0x00050001))
class Fprog(ctypes.Structure):
    _fields_ = [("n", ctypes.c_ushort), ("program", ctypes.c_char_p)]
libc = ctypes.CDLL(None)
assert not libc.prctl(38, 1, 0, 0, 0)
prog = Fprog(len(program) // 8, program)
assert not libc.prctl(22, 2, ctypes.byref(prog))
os.execv(sys.argv[1], sys.argv[1:])
END
status=0
"$py" "$T_TMP/filter.py" "$VM_SMC_RUN" --check >"$T_TMP/out" 2>"$T_TMP/err" || status=$?
sed -i 's/  */ /g' "$T_TMP/out"
says "a filter" 10 "tcp (kernel)" \
	"kernel FAIL $(uname -r): a filter (seccomp, SELinux) forbids SMC's sockets; cure: allow socket() with protocol 256 there"

# IPsec
ip xfrm policy add src 192.0.2.1 dst 192.0.2.2 dir out tmpl proto esp mode transport
check
says "IPsec" 0 smc "ipsec WARN there are policies: connections under them are TCP (0x03020000); cure: ip xfrm policy"
ip xfrm policy flush

# More handshakes than a machine wants
if [ -e /proc/sys/net/smc/limit_smc_hs ]; then
	sysctl -qw net.smc.limit_smc_hs=1
	check
	says "limited" 0 smc "limits WARN * (limit_smc_hs); cure: sysctl net.smc.limit_smc_hs=0"
	sysctl -qw net.smc.limit_smc_hs=0
	check
	says "not limited" 0 smc "limits OK"
fi

# Programs that the library cannot get into
cd "$T_TMP"
echo 'int main(void) { return 0; }' >p.c
gcc -o p p.c
gcc -static -o static p.c
gcc -m32 -o narrow p.c
echo x >note
objcopy --add-section .go.buildinfo=note p go
cp p privileged
chown 12345 privileged
chmod 4755 privileged
check ./static
says "static" 11 "unreachable (target)" "target FAIL ./static: statically linked; cure: smc_run --bpf, as root; or link it dynamically"
check ./narrow
says "32 bits" 11 "unreachable (target)" \
	"target FAIL ./narrow: no libsmc-preload.so for its architecture (32-bit); cure: install the library for its architecture"
check ./go
says "Go" 11 "unreachable (target)" \
	"target FAIL ./go: a Go program, which makes system calls itself; cure: smc_run --bpf, as root; or let it ask for IPPROTO_SMC itself"
check ./privileged
says "setuid" 11 "unreachable (target)" \
	"target FAIL ./privileged: privileged, so it needs libsmc-preload.so * cure: install the package, mode 4644"
check ./p
says "none of these" 0 smc "target OK ./p: dynamic"
check ./absent
t_is "$status $(cat "$T_TMP/err")" "1 smc_run: --check: ./absent: not found" "no such command"
check ./p ./p
t_is "$status $(cat "$T_TMP/err")" "1 smc_run: --check: ./p: unexpected" "two of them"

# Processes: their environment counts, not ours.
SMC_RULES="use tcp to :53" "$VM_SMC_RUN" sleep 600 &
with=$!
sleep 600 &
without=$!
SMC_RULES="use tcp" "$VM_SMC_RUN" sleep 600 &
tcp=$!
t_check "they run" vm_until 20 sh -c "for p in $with $without $tcp; do
	grep -qx sleep /proc/\$p/comm || exit; done"
SMC_RULES="use tcp" check "$with"
says "a process" 0 smc "process OK $with has loaded the library" \
	"rules OK 1: AF_INET mixed, AF_INET6 mixed"
check "$without"
says "one without the library" 10 "tcp (process)" \
	"process FAIL $without has not loaded the library; cure: start it by smc_run; or smc_run --bpf=add pid $without, for its next sockets"
check "$tcp"
says "one with rules" 10 "tcp (rules)" "rules FAIL 1: all-tcp for this program; cure: smc_run --list-rules"
kill "$with" "$without" "$tcp"
# Another user's: its own file counts, and set-user-ID is one.
mkdir -p /tmp/nobody/.config/smc
echo "use tcp prog sleep" >/tmp/nobody/.config/smc/smc.conf
chown -R nobody /tmp/nobody
cp /usr/bin/sleep /tmp/nobody/mine
sleep_as() {
	HOME=/tmp/nobody setpriv --reuid nobody --regid nogroup --clear-groups "$@" 600 &
	other=$!
	t_check "${1##*/} runs" vm_until 20 sh -c "grep -qx '${1##*/}' /proc/$other/comm"
}
sleep_as /usr/bin/sleep
check "$other" --json --peer=127.0.0.1:1
t_is "$status $(cat "$T_TMP/err")" "10 " "options behind it"
check "$other"
says "another user's process" 10 "tcp (process, rules)" "rules FAIL 1: all-tcp for this program"
kill "$other"
chmod 4755 /tmp/nobody/mine
sleep_as /tmp/nobody/mine
check "$other"
says "... with privileges" 11 "unreachable (target)" \
	"target FAIL /tmp/nobody/mine: privileged, so it needs"
rm /tmp/nobody/mine
check --rule "use tcp prog mine" "$other"
t_like "$(cat "$T_TMP/out")" "*rules FAIL * all-tcp for this program*" "its program is gone"
kill "$other"
check 4194304
t_is "$status $(cat "$T_TMP/err")" "1 smc_run: --check: 4194304: no such process" "no such process"

# Rules
check --rule "use tcp prog python3*" "$py"
says "a rule" 10 "tcp (rules)" "rules FAIL 1: all-tcp for this program"
SMC_RULES="use tpc" check
t_is "$status $(tail -n 1 out) $(cat err)" \
	"12 result: broken (rules) smc_run: SMC_RULES:1:5: unknown word 'tpc' (smc, tcp or require)" \
	"bad rules"
check --rule "use tpc"
t_is "$status $(cat out err)" \
	"1 smc_run: --rule[1]:1:5: unknown word 'tpc' (smc, tcp or require)" "a typed bad rule"

# An installation
cmake --install "$SMC_BUILD_DIR" --prefix /usr >installed
mv /usr/lib/libsmc-preload.so* /usr/lib/x86_64-linux-gnu
VM_SMC_RUN=/usr/bin/smc_run
check ./privileged
says "installed" 0 smc "library OK /usr/lib/x86_64-linux-gnu/libsmc-preload.so, mode 4644" \
	"target WARN ./privileged: privileged, so SMC_* variables"
chmod u-s /usr/lib/x86_64-linux-gnu/libsmc-preload.so
check ./privileged
says "without its bit" 11 "unreachable (target)" \
	"library WARN * mode 644, so privileged programs stay on TCP; cure: chmod 4644 "
chmod 4666 /usr/lib/x86_64-linux-gnu/libsmc-preload.so
check
says "open to all" 0 smc "library WARN * others than root may write what all programs load; cure: chown root:root"
find /usr/lib/x86_64-linux-gnu -name "libsmc-preload.so*" -delete
check
says "taken away" 12 "broken (library)" "library FAIL libsmc-preload.so: not found; cure: install the package"
t_done
