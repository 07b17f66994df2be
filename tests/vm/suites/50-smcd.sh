#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet
# profiles: fast
# long: 6.1.inet.fast
# lab:
# label: vm
#
# SMC-D within one guest on IPPROTO_SMC sockets: every family and way of I/O,
# many connections at once, AF_SMC and smc_run on the other side.  Then what
# must not be SMC-D: declined handshakes, for each reason that can be brought
# about here, and peers that do not speak SMC.
# SMC_BYTES: how many bytes all streams have together.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

peer_has_no_smc=0x03010000
no_ueid=0x03030008 ipsec=0x03020000
smc=(env PROBE_OPTIONS="--proto smc")
af_smc=(env PROBE_OPTIONS="--proto af_smc")
run=("$VM_SMC_RUN" -f inet)
ways=(blocking poll epoll sendfile splice uring zerocopy nonblock-early)
port=7000

total=${SMC_BYTES:-1000000000} threads=8 count=100
# Of 8 ways for each of 3 families, and of 8 with threads, each both ways.
bytes=$((total / 64 + 1))

# stream NAME FROM TO IO BYTES SERVER-PREFIX... -- CLIENT-PREFIX...: over SMC-D,
# as both ends prove.
stream() {
	local name=$1 size=$5
	port=$((port + 1))
	vm_stream $port "$@"
	t_smc "$name client" SMC-D "$T_TMP/clnt.end" $((2 * size))
	t_is "$(vm_end "$T_TMP/srv.end" mode)" SMC-D \
		"$name server: diag says SMC-D"
}

for io in "${ways[@]}"; do
	stream "IPv4 $io" 127.0.0.1 127.0.0.1 "$io" $bytes "${smc[@]}" -- "${smc[@]}"
	stream "IPv6 $io" ::1 ::1 "$io" $bytes "${smc[@]}" -- "${smc[@]}"
	stream "v4-mapped $io" :: 127.0.0.1 "$io" $bytes "${smc[@]}" -- "${smc[@]}"
done
stream "v4-mapped client" 127.0.0.1 ::ffff:127.0.0.1 blocking 100000 \
	"${smc[@]}" -- "${smc[@]}"
stream "one byte" ::1 ::1 blocking 1 "${smc[@]}" -- "${smc[@]}"

# many NAME IO COUNT BYTES: COUNT connections of each of $threads threads.
many() {
	local name=$1 options="--proto smc --threads $threads --count $3" want
	port=$((port + 1))
	want=$((threads * $3))
	vm_stream $port "$name" :: ::1 "$2" "$4" env PROBE_OPTIONS="$options" -- \
		env PROBE_OPTIONS="$options"
	t_is "$(vm_moved smcd.clnt smcd.srv)" "$want $want" \
		"$name: all over SMC-D"
	t_smc "$name" SMC-D "$T_TMP/clnt.end" $((2 * want * $4))
}

for io in "${ways[@]}"; do
	many "$threads threads $io" "$io" 1 $((bytes / threads))
done
# Most of a short connection is its beginning and its end.
many "$((threads * count)) short ones" nonblock-early $count 2000

# AF_SMC has neither zerocopy nor, on its clients, data before the connection.
addr=::1
for io in blocking poll epoll sendfile splice uring; do
	stream "AF_SMC client $addr $io" $addr $addr $io 1000000 \
		"${smc[@]}" -- "${af_smc[@]}"
	[ $addr = ::1 ] && addr=127.0.0.1 || addr=::1
	stream "AF_SMC server $addr $io" $addr $addr $io 1000000 \
		"${af_smc[@]}" -- "${smc[@]}"
done
stream "AF_SMC server nonblock-early" ::1 ::1 nonblock-early 1000000 \
	"${af_smc[@]}" -- "${smc[@]}"

for io in blocking epoll; do
	stream "smc_run $io" :: ::1 $io 1000000 "${run[@]}" -- "${run[@]}"
done
stream "smc_run client" 127.0.0.1 127.0.0.1 poll 1000000 "${smc[@]}" -- "${run[@]}"
stream "smc_run server" 127.0.0.1 127.0.0.1 uring 1000000 "${run[@]}" -- "${smc[@]}"
stream "smc_run and AF_SMC" ::1 ::1 sendfile 1000000 "${run[@]}" -- "$VM_SMC_RUN" -f smc

t_ok $(($(vm_stat smcd.rx_bytes) < total)) \
	"$(vm_stat smcd.rx_bytes) bytes went over SMC-D"

# sniff PORT, then sniffed NAME WANT: how many packets to or from PORT had the SMC
# option: SYN, SYN-ACK.
cat >"$T_TMP/offers.py" <<'END'
import signal, socket, struct, sys
lo = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
lo.bind(("lo", 3))
port = int(sys.argv[1])
seen = {2: 0, 18: 0}
def look():
    packet, address = lo.recvfrom(65536)
    if packet[0] >> 4 == 6:
        proto, tcp = packet[6], packet[40:]
    else:
        proto, tcp = packet[9], packet[(packet[0] & 15) * 4:]
    # Each is seen twice.
    if (address[2] != socket.PACKET_OUTGOING and proto == 6 and
        port in struct.unpack("!HH", tcp[:4]) and tcp[13] & 63 in seen and
        b"\xfe\x06\xe2\xd4\xc3\xd9" in tcp[20:(tcp[12] >> 4) * 4]):
        seen[tcp[13] & 63] += 1
def end(*_):
    lo.setblocking(False)
    try:
        while True: look()
    except BlockingIOError:
        print(*seen.values(), flush=True)
        sys.exit()
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True: look()
END
sniff() {
	coproc SNIFF { exec /usr/bin/python3 "$T_TMP/offers.py" "$1"; }
	sniffer=$SNIFF_PID seen=${SNIFF[0]}
	read -r -t 30 _ <&"$seen"
}
sniffed() {
	local line=none
	kill "$sniffer"
	read -r -t 30 line <&"$seen" || true
	t_is "$line" "$2" "$1: SMC offered in SYN and SYN-ACK"
	wait "$sniffer" || true
}

# plain NAME END OFFERS IO SERVER-PREFIX... -- CLIENT-PREFIX...: the sockets of END
# (clnt, srv), which asks for SMC, are TCP's; SMC was offered as sniffed says.
plain() {
	local name=$1 end=$2 offers=$3 tcp
	shift 3
	port=$((port + 1))
	sniff $port
	vm_stream $port "$name" 127.0.0.1 127.0.0.1 "$1" 100000 "${@:2}"
	sniffed "$name" "$offers"
	tcp=$(vm_end "$T_TMP/$end.end" tcp_bytes)
	t_is "$(vm_end "$T_TMP/$end.end" protocol)" 6 "$name: a TCP socket"
	t_is "$(vm_moved smcd.clnt smcd.srv)" "0 0" \
		"$name: no SMC connection was made"
	t_ok $((tcp < 200000)) "$name: TCP carried the payload"
}

# declined NAME SIDE CODE IO SERVER-PREFIX... -- CLIENT-PREFIX...
declined() {
	port=$((port + 1))
	vm_declined $port "$@"
}

port=$((port + 1))
sniff $port
vm_stream $port "offered" 127.0.0.1 127.0.0.1 blocking 100000 "${smc[@]}" -- "${smc[@]}"
sniffed "offered" "1 1"
t_smc "offered" SMC-D "$T_TMP/clnt.end" 200000

# Peers that do not speak SMC.
for io in blocking epoll uring nonblock-early; do
	plain "TCP client $io" srv "0 0" $io "${smc[@]}" --
	plain "TCP server $io" clnt "1 0" $io -- "${smc[@]}"
done

# IPsec: who has a policy offers nothing; an AF_SMC socket offers and declines.
modprobe xfrm_user
policy=(env PROBE_OPTIONS="--proto smc --ipsec")
af_policy=(env PROBE_OPTIONS="--proto af_smc --ipsec")
plain "IPsec client" clnt "0 0" epoll "${af_smc[@]}" -- "${policy[@]}"
t_fell_back "IPsec client, the reason" srv $peer_has_no_smc "$T_TMP/srv.end" 200000
plain "IPsec server" srv "1 0" epoll "${policy[@]}" -- "${af_smc[@]}"
t_fell_back "IPsec server, the reason" clnt $peer_has_no_smc "$T_TMP/clnt.end" 200000
for io in blocking epoll uring nonblock-early; do
	declined "declined by the server, $io" srv $ipsec $io \
		"${af_policy[@]}" -- "${smc[@]}"
done
for io in blocking epoll uring; do
	declined "declined by the client, $io" clnt $ipsec $io \
		"${smc[@]}" -- "${af_policy[@]}"
done

# Without an EID there is nothing to offer.
"$LAB_SMCCTL" ueid flush
plain "no UEID" clnt "0 0" epoll "${smc[@]}" -- "${smc[@]}"
plain "no UEID, AF_SMC client" srv "1 0" epoll "${smc[@]}" -- "${af_smc[@]}"
t_fell_back "no UEID, AF_SMC client, the reason" clnt $peer_has_no_smc "$T_TMP/clnt.end" 200000
plain "no UEID, AF_SMC server" clnt "0 0" epoll "${af_smc[@]}" -- "${smc[@]}"
t_fell_back "no UEID, AF_SMC server, the reason" srv $peer_has_no_smc "$T_TMP/srv.end" 200000
declined "no UEID, AF_SMC only" srv $no_ueid epoll "${af_smc[@]}" -- "${af_smc[@]}"
"$LAB_SMCCTL" ueid add SMCLAB
stream "a UEID again" 127.0.0.1 127.0.0.1 blocking 100000 "${smc[@]}" -- "${smc[@]}"
t_check "nothing is left" vm_until 60 sh -c "! '$LAB_SMCCTL' conns | grep ."
t_done
