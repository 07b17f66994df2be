#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet
# profiles: fast
# long: 6.1.inet.fast
# lab:
# label: vm
#
# What smc_diag says of IPPROTO_SMC sockets, compared with what the sockets say
# of themselves: listeners, which are in no table of SMC's, and connections.
# Then the tracepoint of connections that are TCP although both sides offered
# SMC.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

# The module: dump() yields what smc_diag shows, expected() the same of a
# socket, and unlike() where they differ.
cat >"$T_TMP/diag.py" <<'END'
import ctypes, os, socket, struct
AF_SMC, IPPROTO_SMC, LISTEN, ACTIVE, SMCR, SMCD = 43, 256, 10, 1, 0, 2
V4, V6 = socket.AF_INET, socket.AF_INET6

def smc(family=V4, protocol=IPPROTO_SMC):
    return socket.socket(family, socket.SOCK_STREAM, protocol)

def listener(family, host, backlog=5):
    s = smc(family)
    s.bind((host, 0))
    s.listen(backlog)
    return s

# meanwhile() is called after each piece the kernel sends.
def dump(meanwhile=lambda: None):
    nl = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)
    # struct nlmsghdr, struct smc_diag_req with SMC_DIAG_DMBINFO
    nl.send(struct.pack("=IHHII BHB48s", 16 + 52, 20, 0x301, 1, 0,
                        AF_SMC, 0, 1 << 3, bytes(48)))
    while True:
        data = nl.recv(32768)
        while data:
            size, kind = struct.unpack_from("=IH", data)
            if kind == 3:
                return
            if kind == 2:
                raise OSError("the kernel refuses")
            yield parse(data[16:size])
            data = data[size + 3 & ~3:]
        meanwhile()

def parse(msg):
    family, state, mode, _ = struct.unpack_from("=4B", msg)
    sport, dport, src, dst, dev, cookie, uid, ino = struct.unpack_from(
        "=2s2s16s16sIQIQ", msg, 4)
    got = dict(family=family, state=state, mode=mode, src=src + sport,
               dst=dst + dport, cookie=cookie, uid=uid, ino=ino, dmb=None)
    rest = msg[64:]
    while rest:
        size, kind = struct.unpack_from("=HH", rest)
        if kind == 4:
            # that of 6.1 ends before the extended GIDs
            got["dmb"] = struct.unpack("=I4x6Q", rest[4:size].ljust(56, b"\0"))
        rest = rest[size + 3 & ~3:]
    return got

def address(family, name):
    return (socket.inet_pton(family, name[0]).ljust(16, b"\0") +
            struct.pack("!H", name[1]))

def expected(s, state, mode):
    return dict(
        family=AF_SMC, state=state, mode=mode,
        src=address(s.family, s.getsockname()),
        dst=bytes(18) if state == LISTEN else
            address(s.family, s.getpeername()),
        cookie=struct.unpack("=Q", s.getsockopt(socket.SOL_SOCKET, 57, 8))[0],
        uid=os.fstat(s.fileno()).st_uid, ino=os.fstat(s.fileno()).st_ino)

# "none" if smc_diag shows each of the sockets once, as it is, and no other.
def unlike(*wants):
    shown = list(dump())
    by_ino = {got["ino"]: got for got in shown}
    bad = [f"{len(shown)} shown"] if len(shown) != len(wants) else []
    for want in wants:
        got = by_ino.get(want["ino"], {})
        bad += [f"{key} {got.get(key)} of {want[key]}" for key in want
                if got.get(key) != want[key]]
    return ", ".join(bad) or "none"

def say(what, result):
    print(f"{what}|{result}", flush=True)
END

# judge NAME PROGRAM: each line of the program in python, WHAT|none, as a point.
judge() {
	local name=$1 what result last=
	{ cat "$T_TMP/diag.py" && cat; } >"$T_TMP/$name.py"
	/usr/bin/python3 "$T_TMP/$name.py" >"$T_TMP/$name.out" 2>&1 || true
	while IFS='|' read -r what result; do
		t_is "$result" none "$name: $what"
		last=$what
	done <"$T_TMP/$name.out"
	t_is "$last" "the end" "$name: the program ran to its end"
}

judge listeners <<'END'
say("of nothing", unlike())
os.setresuid(1234, 1234, 0)
ls = [listener(V4, "127.0.0.1"), listener(V4, "0.0.0.0"),
      listener(V6, "::1"), listener(V6, "::")]
ls[1].listen(7)                                    # the same again
os.setresuid(0, 0, 0)
want = [expected(l, LISTEN, SMCR) for l in ls]
say("of both families", unlike(*want))

others = [smc(), smc(V6), smc(protocol=0)]
for s in others[1:]:
    s.bind(("", 0))
others[2].listen()
asked = smc()
asked.setsockopt(286, 0x101, 2)                    # SMC_USE_TCP
asked.listen()
first, second = smc(protocol=0), smc()
for s in first, second:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(first.getsockname() if s is second else ("", 0))
first.listen()
try:
    second.listen()
    say("a second listener of a port", "was not refused")
except OSError:
    pass
say("not of TCP listeners, nor of what does not listen", unlike(*want))

ls[0].close()
say("not of one that was closed", unlike(*want[1:]))
ls[1].shutdown(socket.SHUT_RD)
say("not of one that was shut down", unlike(*want[2:]))
ls[1].listen()
want[1] = expected(ls[1], LISTEN, SMCR)
say("of one that listens again", unlike(*want[1:]))
# connect() to AF_UNSPEC
ctypes.CDLL(None).connect(ls[2].fileno(), bytes(16), 16)
say("not of one that was disconnected", unlike(want[1], want[3]))
duplicate = ls[3].dup()
ls[3].close()
say("of one whose duplicate is closed", unlike(want[1], want[3]))
if os.system(f"ss -K state listening sport = :{duplicate.getsockname()[1]} >/dev/null"):
    say("ss -K", "failed")
say("not of one that was killed", unlike(want[1]))
duplicate.close()

# another network namespace
here, there = want[1:2], []
up, down = os.pipe(), os.pipe()
if not os.fork():
    ctypes.CDLL(None, use_errno=True).unshare(0x40000000)
    say("not of another network namespace", unlike())
    l = listener(V4, "0.0.0.0")
    say("but of its own", unlike(expected(l, LISTEN, SMCR)))
    os.write(up[1], b"x")
    os.read(down[0], 1)
    os._exit(0)
os.read(up[0], 1)
say("not from another network namespace", unlike(*here))
os.write(down[1], b"x")
os.wait()
say("after that has ended", unlike(*here))
ls[1].close()
say("of none when all are closed", unlike())
say("the end", "none")
END

# Listeners of AF_SMC look the same, but for the inode.
port=7000
for host in 127.0.0.1 ::1; do
	for proto in smc af_smc; do
		port=$((port + 1))
		[ $host = ::1 ] && addr="[::1]" || addr=$host
		vm_serve $port "$VM_PROBE" server --host $host --port $port \
			--proto $proto
		t_is "$("$LAB_SMCCTL" conns | cut -d ' ' -f 2-)" \
			"LISTEN SMC-R $addr:$port 0.0.0.0:0 0x00000000 0x00000000" \
			"a program listens, $host, $proto"
		kill "${vm_pids[-1]}"
		wait "${vm_pids[-1]}" || true
	done
done

judge many <<'END'
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4000, 4000))
def make(i):
    return listener(V4, "127.0.0.1") if i % 2 else listener(V6, "::1")
few = [make(i) for i in range(300)]
say("300 listeners", unlike(*[expected(l, LISTEN, SMCR) for l in few]))

# Others, shown or not yet, end and begin between the pieces.
keep = few + [make(i) for i in range(700)]
short = [keep.pop(i) for i in range(990, 0, -10)]
pieces = 0
def churn():
    global pieces
    pieces += 1
    for _ in range(min(20, len(short))):
        short.pop(0 if pieces % 2 else -1).close()
        new.append(make(pieces))
new = []
shown = [got["ino"] for got in dump(churn)]
inos = {expected(l, LISTEN, SMCR)["ino"] for l in keep}
say("there are several pieces", "none" if pieces > 3 else pieces)
say("those that stay are shown", len(inos - set(shown)) or "none")
say("none is shown twice", len(shown) - len(set(shown)) or "none")
for l in keep + new + short:
    l.close()
say("of none when all are closed", unlike())
say("the end", "none")
END

judge connections <<'END'
os.setresuid(1234, 1234, 0)
def pair(server, host, client, to, protocol=IPPROTO_SMC):
    l = listener(server, host)
    c = smc(client, protocol)
    c.connect((to, l.getsockname()[1]))
    a = l.accept()[0]
    l.close()
    c.sendall(b"x")
    a.recv(1)
    return c, a
for name, args in {
    "v4": (V4, "127.0.0.1", V4, "127.0.0.1"),
    "v6": (V6, "::1", V6, "::1"),
    "v4-mapped client": (V4, "127.0.0.1", V6, "::ffff:127.0.0.1"),
    "v4-mapped server": (V6, "::", V4, "127.0.0.1"),
    "v4-mapped both": (V6, "::", V6, "::ffff:127.0.0.1"),
}.items():
    c, a = pair(*args)
    want = [expected(s, ACTIVE, SMCD) for s in (c, a)]
    say(name, unlike(*want))
    dmb = {got["ino"]: got["dmb"] for got in dump()}
    dc, da = dmb[want[0]["ino"]], dmb[want[1]["ino"]]
    # linkid, peer_gid, my_gid, token, peer_token, peer_gid_ext, my_gid_ext
    match = (dc and da and dc[0] and dc[2] and dc[3] and da[3] and
             dc[1:] == (da[2], da[1], da[4], da[3], da[6], da[5]))
    say(name + ", memory of both ends", "none" if match else (dc, da))
    c.close()
    a.close()
    say(name + ", closed", unlike())
c, a = pair(V4, "127.0.0.1", V4, "127.0.0.1", 0)
say("not of one that is TCP", unlike())
say("the end", "none")
END

# The tracepoint.
tracing=/sys/kernel/tracing
event=$tracing/events/smc/smc_inet_fallback
[ -d $tracing/events ] || mount -t tracefs tracefs $tracing
t_like "$(cat $event/format)" "*peer_diagnosis*" "tracepoint: there is one"

# traced: what it said since, without the sock, sorted.
traced() {
	sed -n 's/.*smc_inet_fallback: sk=[^ ]* net=[0-9]* //p' $tracing/trace |
		LC_ALL=C sort
	: >$tracing/trace
}

# stream HOST CLIENT-PROTOCOL SERVER-PROTOCOL
port=7100
stream() {
	port=$((port + 1))
	vm_stream $port "$1, $2 to $3" "$1" "$1" blocking 10000 \
		env PROBE_OPTIONS="--proto $3" -- env PROBE_OPTIONS="--proto $2"
}

echo 1 >$event/enable
: >$tracing/trace
stream 127.0.0.1 smc smc
stream ::1 smc smc
t_is "$(vm_end "$T_TMP/clnt.end" mode)" SMC-D "tracepoint: a connection is SMC"
stream 127.0.0.1 smc tcp
stream 127.0.0.1 tcp smc
stream ::1 tcp tcp
t_is "$(traced)" "" "tracepoint: silent for SMC, and for who did not offer it"

# The EID is taken away while handshakes are under way: SYN and SYN-ACK have met,
# and the PROPOSAL takes a second and a half to arrive.
modprobe sch_netem
tc qdisc add dev lo root netem delay 1500ms
cat "$T_TMP/diag.py" - >"$T_TMP/declined.py" <<'END'
import time
V4HOST, MAPPED = "127.0.0.1", "::ffff:127.0.0.1"
cases = {"v4": (V4, V4HOST, V4, V4HOST), "v6": (V6, "::1", V6, "::1"),
         "v4-mapped": (V4, V4HOST, V6, MAPPED)}
pairs = {}
for name, (family, host, client, to) in cases.items():
    l, c = listener(family, host), smc(client)
    c.setblocking(False)
    c.connect_ex((to, l.getsockname()[1]))
    pairs[name] = l, c
while any(c.getsockopt(socket.SOL_TCP, socket.TCP_INFO, 1) != b"\1"
          for l, c in pairs.values()):
    time.sleep(0.01)
time.sleep(0.3)
os.system('"$LAB_SMCCTL" ueid flush')
for name, (l, c) in pairs.items():
    c.setblocking(True)
    c.sendall(b"x")
    a = l.accept()[0]
    a.recv(1)
    for s, reason, peer in (c, 0x5000000, "03??????"), (a, "03??????", 0):
        family = "AF_INET6" if s.family == V6 else "AF_INET"
        addr = "::1" if name == "v6" else MAPPED
        code = [x if isinstance(x, str) else f"{x:08x}" for x in (reason, peer)]
        print(f"{name} {'client' if s is c else 'server'}|"
              f"family={family} saddr={addr} sport={s.getsockname()[1]} "
              f"daddr={addr} dport={s.getpeername()[1]} "
              f"reason=0x{code[0]} peer_diagnosis=0x{code[1]}")
END
t_check "tracepoint: three connections are declined" sh -c \
	"/usr/bin/python3 '$T_TMP/declined.py' >'$T_TMP/declined.want'"
"$LAB_SMCCTL" ueid add SMCLAB
traced >"$T_TMP/declined"
t_is "$(wc -l <"$T_TMP/declined")" 6 "tracepoint: by both sides"
while IFS='|' read -r name line; do
	key=${line#*sport=} key=sport=${key%% daddr=*}
	t_like "$(grep -F "$key " "$T_TMP/declined" || true)" "$line" \
		"tracepoint: $name"
done <"$T_TMP/declined.want"
tc qdisc del dev lo root

# A peer that has SMC and declines.
cd "$T_TMP"
modprobe tun
"$SMC_BUILD_DIR/tests/vm/clc_peer" server --net 1 --port 7000 --option \
	--do wait,decline --timeout 30 -- "$SMC_BUILD_DIR/tests/vm/hs_probe" \
	--host 10.88.1.2 --port 7000 connect mode >declined.log 2>&1 || true
t_like "$(cat declined.log)" "*connect 0*mode tcp*" "tracepoint: declined by the peer"
t_like "$(traced)" "family=AF_INET saddr=::ffff:10.88.1.1 sport=* daddr=::ffff:10.88.1.2 dport=7000 reason=0x05000000 peer_diagnosis=0x03030000" \
	"tracepoint: ... with what the peer said"
echo 0 >$event/enable

t_is "$("$LAB_SMCCTL" conns)" "" "nothing is left in smc_diag"
t_check "smc_diag can be unloaded" rmmod smc_diag
t_check "the module can be unloaded" vm_unload
t_done
